"""A run that is stopped, or loses its server, keeps its results."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from fleet_of_workers import LOCUSTFILE
from processes import (
    SECRETS,
    TOKEN,
    Simulator,
    Started,
    doors,
    profile,
    run,
    simulator_process,
    started,
    summary,
    unless_busy,
)


def talking(truth: Path) -> int:
    """Sessions in which something has been answered."""
    lines = [line for line in truth.read_bytes().splitlines() if b'"outcome":"answered"' in line]
    return len({json.loads(line)["session_id"] for line in lines})


def test_a_server_that_dies_fails_the_run_which_goes_on_to_its_end(tmp_path: Path) -> None:
    twice = "[connection]\nmax_reconnect_attempts = 2"
    path = profile(tmp_path, seconds=4, turns="{ min = 1000, max = 1000 }", more=twice)
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
        assert told["generator"]["workers_lost"] == []
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
