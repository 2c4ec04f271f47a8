"""What can be wrong is told before any load."""

import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import (
    PATIENCE,
    READY_LOADKIT,
    READY_LOCUST,
    SECRETS,
    Simulator,
    doors,
    free_port,
    profile,
    run,
    started,
)

NAMES = ["loadkit", "locust-processes", "locust"]
DOORS = pytest.mark.parametrize("door", range(3), ids=NAMES)
FIRST_AND_LAST = pytest.mark.parametrize("door", [0, 2], ids=NAMES[::2])
"""What `loadkit` leaves to Locust, it leaves to the second door. So what Locust finds is tried by
the third one alone, once the way of an exit code through all of them is known."""


def sessions_of(server: Simulator) -> int:
    return server.truth.read_bytes().count(b'"kind":"session",')


class TestBeforeAnyLoad:
    def test_missing_secrets_are_named(self, server: Simulator, tmp_path: Path) -> None:
        command = doors(profile(tmp_path), server.url, tmp_path / "out")[1]
        ended = run(command, tmp_path)
        assert ended.code == 2
        assert f"{' and '.join(SECRETS)} must be set in the environment" in ended.output
        assert "started again" not in ended.output, "nobody waits for workers any more"
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        "how",
        [["--headless"], ["--web-port"], ["--autostart", "--web-port"]],
        ids=" ".join,
    )
    def test_the_vendors_own_deployments_need_a_word_more(
        self, tmp_path: Path, how: list[str]
    ) -> None:
        """By Locust's own command, too, and before anybody is asked where they are."""
        port = [str(free_port())] if "--web-port" in how else []
        command = [READY_LOCUST, *how, *port, "--profile", profile(tmp_path)]
        ended = run([*command, "-H", "https://messaging.us-1.poly.ai"], tmp_path, SECRETS)
        assert ended.code == 2, ended.output
        assert "add --allow-production" in ended.output

    @FIRST_AND_LAST
    def test_a_wrong_secret_ends_in_the_servers_own_words(
        self, server: Simulator, tmp_path: Path, door: int
    ) -> None:
        command = doors(profile(tmp_path), server.url, tmp_path / "out")[door]
        wrong = "another-token-nobody-may-see"
        ended = run(command, tmp_path, {**SECRETS, "POLY_CONNECTOR_TOKEN": wrong})
        assert ended.code == 4
        assert "Connector token does not exist" in ended.output
        assert "check POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER" in ended.output
        assert wrong not in ended.output
        assert not (tmp_path / "out").exists()

    def test_a_target_that_does_not_listen_is_told_within_ten_seconds(self, tmp_path: Path) -> None:
        path, nobody = profile(tmp_path), f"http://127.0.0.1:{free_port()}"
        began = time.monotonic()
        # The same way in, up to where it would ask for a token: all but the target's part of it.
        assert run(doors(path, nobody, tmp_path / "out")[2], tmp_path).code == 2
        started_up = time.monotonic()
        ended = run(doors(path, nobody, tmp_path / "out")[2], tmp_path, SECRETS)
        # Ten seconds on a machine where all else takes two.
        assert time.monotonic() - started_up < 5 * max(2.0, started_up - began)
        assert ended.code == 4
        assert f"{nobody} cannot be used: connect_refused" in ended.output
        assert not (tmp_path / "out").exists()

    def test_a_target_that_accepts_and_says_nothing_is_told_within_ten_seconds(
        self, tmp_path: Path
    ) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            silent.settimeout(PATIENCE)
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            command = doors(profile(tmp_path), url, tmp_path / "out")[2]
            launched = time.monotonic()
            with started(command, tmp_path, SECRETS) as process:
                call, _ = silent.accept()
                began = time.monotonic()
                ended = process.finish()
                # Of its own it waits for five: the rest is an end, at most as slow as its start.
                assert time.monotonic() - began < 10 + (began - launched)
                call.close()
        assert ended.code == 4
        assert "cannot be used: no token within 5 s" in ended.output

    def test_an_address_that_is_none_is_a_usage_error(self, tmp_path: Path) -> None:
        url = "http://user:pass@127.0.0.1"
        ended = run(doors(profile(tmp_path), url, tmp_path / "out")[0], tmp_path, SECRETS)
        assert ended.code == 2
        assert "holds a user name or password" in ended.output
        assert "pass@" not in ended.output, "a password"

    @DOORS
    def test_every_mistake_of_a_profile_is_named_with_its_line(
        self, server: Simulator, tmp_path: Path, door: int
    ) -> None:
        path = profile(tmp_path, turns="{ min = 4, max = 2 }", more='[slo]\n"respones.p95" = "1s"')
        wrong = path.read_text().replace("seed", "sede").replace("StreamingChat", "SteamingChat")
        path.write_text(wrong)
        known = sessions_of(server)
        ended = run(doors(path, server.url, tmp_path / "out")[door], tmp_path, SECRETS)
        assert ended.code == 2
        assert sessions_of(server) == known, "it reached the server"
        for line, told in (
            (5, "unknown key 'sede'; did you mean 'seed'?"),
            (8, "no user class is called 'SteamingChat'; did you mean 'StreamingChat'"),
            (10, "min (4) should not be above max (2)"),
            (14, "no metric is called 'respones.p95'; did you mean 'response.p95'"),
        ):
            assert re.search(rf"tiny\.toml:{line}: .*{re.escape(told)}", ended.output), told
        assert not (tmp_path / "out").exists()

    def test_an_unknown_key_of_set_is_told(self, server: Simulator, tmp_path: Path) -> None:
        command = doors(profile(tmp_path), server.url, tmp_path / "out")[2]
        ended = run([*command, "--set", "load.sede=8"], tmp_path, SECRETS)
        assert ended.code == 2
        assert "--set load.sede=8: load.sede: unknown key 'sede'; did you mean 'seed'?" in (
            ended.output
        )

    def test_a_profile_that_does_not_exist_is_told_with_those_that_do(self, tmp_path: Path) -> None:
        ended = run([READY_LOCUST, "--headless", "--profile", "smoek"], tmp_path)
        assert ended.code == 2
        assert "there is no profile 'smoek'; did you mean 'smoke'?" in ended.output

    def test_a_folder_that_cannot_be_written_is_told(
        self, server: Simulator, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        out = tmp_path / "file" / "out"
        ended = run(doors(profile(tmp_path), server.url, out)[2], tmp_path, SECRETS)
        assert ended.code == 2
        assert "cannot write results in" in ended.output
        assert "choose another folder with --out" in ended.output

    @pytest.mark.parametrize(
        "words",
        [
            ["rnu", "smoke"],
            ["run", "smoke", "--wrokers", "2"],
            ["simulate", "--set", "agent.slotz=1"],
            ["report", "there/is/nothing/here"],
        ],
        ids=" ".join,
    )
    def test_a_command_line_that_makes_no_sense_is_a_usage_error(
        self, tmp_path: Path, words: Sequence[str]
    ) -> None:
        ended = run([READY_LOADKIT, *words], tmp_path)
        assert ended.code == 2
        assert "error: " in ended.output
        assert "Traceback" not in ended.output

    def test_a_report_on_a_folder_without_results_is_a_usage_error(self, tmp_path: Path) -> None:
        ended = run([READY_LOADKIT, "report", tmp_path], tmp_path)
        assert ended.code == 2
        assert "give the folder of a finished run" in ended.output
        (tmp_path / "summary.json").write_text("{}")
        ended = run([READY_LOADKIT, "report", tmp_path], tmp_path)
        assert ended.code == 2
        assert "is not a summary of loadkit" in ended.output
