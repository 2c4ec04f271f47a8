"""What can be wrong is told before any load; a run that is stopped keeps its results."""

import json
import re
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fleet_of_workers import LOCUSTFILE
from processes import (
    PATIENCE,
    READY_BOTH,
    READY_LOADKIT,
    READY_LOCUST,
    SECRETS,
    TOKEN,
    Simulator,
    Started,
    forked,
    free_port,
    profile,
    run,
    simulator_process,
    started,
    summary,
    unless_busy,
)


def doors(path: Path, url: str, out: Path) -> list[list[str | Path]]:
    """The same run by `loadkit`, and by `locust` with a worker and alone."""
    return [
        [READY_BOTH, "run", path, "--host", url, "--workers", "1", "--out", out],
        [READY_LOCUST, "--headless", "--profile", path, "-H", url, "--out", out, *forked(1)],
        [READY_LOCUST, "--headless", "--profile", path, "-H", url, "--out", out],
    ]


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


def talking(truth: Path) -> int:
    """Sessions in which something has been answered."""
    lines = [line for line in truth.read_bytes().splitlines() if b'"outcome":"answered"' in line]
    return len({json.loads(line)["session_id"] for line in lines})


def test_a_server_that_dies_fails_the_run_which_goes_on_to_its_end(tmp_path: Path) -> None:
    path = profile(tmp_path, seconds=4, turns="{ min = 1000, max = 1000 }")
    with simulator_process(tmp_path) as server:
        command = doors(path, server.url, tmp_path / "out")[2]
        with started(command, tmp_path, SECRETS) as process:
            process.wait_for(lambda: talking(server.truth) == 6, "all of them talked")
            server.process.send(signal.SIGKILL)
            ended = process.finish()
    told = summary(tmp_path / "out")
    assert told["duration_s"] > 3.5
    assert told["disconnects"]["unexpected"] == 6
    assert told["disconnects"]["reconnected"] == 0
    assert told["errors"]["connect_refused"] >= 6
    assert told["sessions"]["ended"]["failed"] == told["sessions"]["started"] == 6
    assert ended.code == told["verdict"]["exit_code"] == unless_busy(1, told)
    assert ("FAIL" if ended.code == 1 else "INVALID") in ended.output


class TestASignalInMidRun:
    def results_of(self, out: Path) -> dict[str, Any]:
        told = summary(out)
        assert told["turns"]["answered"] > 0
        assert told["sessions"]["ended"]["cut_off"] > 0
        assert not any("worker" in text[:30] for text in told["verdict"]["reasons"])
        assert not told["errors"]
        return told

    def in_mid_run(self, process: Started, server: Simulator, before: int) -> None:
        def answers() -> bool:
            return server.truth.read_bytes().count(b'"outcome":"answered"') > before + 20

        process.wait_for(answers, "answering")

    @pytest.mark.parametrize(
        ("door", "number"),
        [
            pytest.param(0, signal.SIGINT, id="loadkit-SIGINT"),
            pytest.param(1, signal.SIGTERM, id="locust-processes-SIGTERM"),
            pytest.param(2, signal.SIGINT, id="locust-SIGINT"),
        ],
    )
    def test_to_the_process_ends_the_run_in_order(
        self, server: Simulator, tmp_path: Path, door: int, number: signal.Signals
    ) -> None:
        path = profile(tmp_path, seconds=600)
        before = server.truth.read_bytes().count(b'"outcome":"answered"')
        command = doors(path, server.url, tmp_path / "out")[door]
        with started(command, tmp_path, SECRETS) as process:
            self.in_mid_run(process, server, before)
            process.send(number)
            ended = process.finish()
        assert ended.code == 128 + number, ended.output
        self.results_of(tmp_path / "out")

    def test_by_ctrl_c_in_the_terminal_ends_the_run_in_order(
        self, server: Simulator, tmp_path: Path
    ) -> None:
        path = profile(tmp_path, seconds=600)
        before = server.truth.read_bytes().count(b'"outcome":"answered"')
        command = doors(path, server.url, tmp_path / "out")[1]
        with started(command, tmp_path, SECRETS) as process:
            self.in_mid_run(process, server, before)
            process.send_all(signal.SIGINT)  # to master and workers alike
            ended = process.finish()
        assert ended.code == 130, ended.output
        self.results_of(tmp_path / "out")
        assert "Traceback" not in ended.output
        assert TOKEN not in ended.output

    def test_while_it_is_imported_ends_it_too(self, server: Simulator, tmp_path: Path) -> None:
        """Even where Python swallows what it raises, as it does in the code of a weak reference."""
        own = tmp_path / "own.py"
        own.write_text(
            "import os, signal, weakref\n"
            "thing = type('Thing', (), {})()\n"
            "gone = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
            f"del thing\n{LOCUSTFILE.read_text()}"
        )
        command = doors(profile(tmp_path, seconds=600), server.url, tmp_path / "out")[0]
        ended = run([*command, "--locustfile", own], tmp_path, SECRETS)
        assert ended.code == 130, ended.output
        assert not [*(tmp_path / "out").glob("*")]

    def test_before_the_first_user_ends_it_too(self, server: Simulator, tmp_path: Path) -> None:
        command = doors(profile(tmp_path, seconds=600), server.url, tmp_path / "out")[0]
        with started(command, tmp_path, SECRETS) as process:
            process.wait_for(lambda: " → " in process.output, "starting")
            process.send(signal.SIGINT)
            assert process.finish().code == 130
