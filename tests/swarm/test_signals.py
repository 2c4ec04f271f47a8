"""What a signal brings about, wherever a process that leads stands, and how that ends."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from loadkit.swarm import signals
from loadkit.swarm.process import Stage
from loadkit.swarm.signals import install_exit, way_out
from tests.swarm.doubles import Master, environment, options

STAGES: list[Stage] = ["before", "under way", "ending", "writing"]


@pytest.mark.parametrize(
    ("stage", "way"),
    [
        pytest.param("before", "leave", id="nobody waits for workers that may never come"),
        pytest.param("under way", "stop", id="a run is ended in order"),
        pytest.param("ending", "wait", id="one that ends goes on ending"),
        pytest.param("writing", "wait", id="results are written to their end"),
    ],
)
def test_without_a_ui_it_is_the_end_of_what_goes_on(stage: Stage, way: str) -> None:
    assert way_out(stage, with_ui=False) == way


@pytest.mark.parametrize("stage", STAGES)
def test_with_a_ui_it_closes_that_and_locust_does_the_rest(stage: Stage) -> None:
    assert way_out(stage, with_ui=True) == "close the UI"


class Controller:
    """A run controller that only writes down what it is told."""

    replacements = None
    exit_code: int | None = None

    def __init__(self, stage: Stage = "before") -> None:
        self.stage, self.did = stage, list[str]()
        self.next = SimpleNamespace(withdraw=lambda: self.did.append("withdraw"))

    def stopped_by(self, what: str) -> None:
        self.did.append(f"stopped by {what}")

    def hurry(self) -> None:
        self.did.append("hurry")

    def stop(self) -> None:
        self.did.append("stop")


class Process:
    """A process that leads, whose signals are told by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = environment(options(folder))
        self.master = Master(self.environment)
        self.controller = Controller()
        self.ends: list[Any] = []
        self.at_last: list[Callable[[], None]] = []
        self._handlers: dict[int, tuple[Callable[[int], None], int]] = {}
        child = SimpleNamespace(kill=lambda: self.ends.append("a worker"))
        own = SimpleNamespace(children=lambda: [child])
        monkeypatch.setattr(signals, "psutil", SimpleNamespace(Process=lambda: own))
        monkeypatch.setattr(signals.atexit, "register", lambda *_: None)
        for name in ("take_interrupts", "tie_to_parent"):
            monkeypatch.setattr(signals, name, lambda *_: None)
        monkeypatch.setattr(gevent, "signal_handler", self._handle)
        monkeypatch.setattr(gevent, "spawn", self.at_last.append)
        monkeypatch.setattr(gevent, "kill", lambda _, end: self.ends.append(end.code))

    def _handle(self, number: int, handler: Callable[[int], None], told: int) -> None:
        self._handlers[number] = handler, told

    def installed(self) -> "Process":
        install_exit(self.environment, self.controller)  # type: ignore[arg-type]
        return self

    def gets(self, number: int) -> list[str]:
        """A signal comes; returns what the controller had to do."""
        handler, told = self._handlers[number]
        handler(told)
        return self.controller.did

    def quits(self) -> int | None:
        """Locust quits; returns the exit code."""
        self.environment.events.quitting.fire(environment=self.environment)
        return self.environment.process_exit_code


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(tmp_path, monkeypatch)


def test_before_a_run_it_all_ends_with_the_signals_code(process: Process) -> None:
    """No folder is left, those workers that have come are told, the others killed."""
    did = process.installed().gets(signal.SIGINT)
    assert did == ["stopped by Ctrl-C (SIGINT)", "hurry", "withdraw"]
    assert process.master.done == ["quit"]
    assert process.ends == ["a worker", 130]


@pytest.mark.parametrize(
    ("number", "said", "code"),
    [
        (signal.SIGINT, "Ctrl-C (SIGINT)", 130),
        (signal.SIGTERM, "SIGTERM", 143),
        (signal.SIGHUP, "SIGHUP", 143),
    ],
)
def test_a_run_is_stopped_and_the_exit_code_is_the_signals(
    process: Process, number: int, said: str, code: int
) -> None:
    """Whatever the verdict; and a hang-up is a SIGTERM."""
    process.controller.stage, process.controller.exit_code = "under way", 1
    assert process.installed().gets(number) == [f"stopped by {said}", "hurry", "stop"]
    assert (process.quits(), process.ends) == (code, [])


def test_the_first_of_several_signals_says_how_it_ends(process: Process) -> None:
    process.controller.stage = "ending"
    process.installed().gets(signal.SIGTERM)
    process.gets(signal.SIGINT)
    assert process.quits() == 143
    assert len(process.at_last) == 1


@pytest.mark.parametrize("code", [0, 3, None])
def test_without_a_signal_the_exit_code_is_the_runs(process: Process, code: int | None) -> None:
    """Locust's own holds where there was no run."""
    process.controller.exit_code, process.environment.process_exit_code = code, 1
    assert process.installed().quits() == (1 if code is None else code)
    assert process.controller.did == ["hurry"]


class TestWithAUi:
    def test_its_server_is_ended_and_no_run_withdrawn(self, process: Process) -> None:
        """Locust waits for it, and then ends the run that goes on."""
        server = SimpleNamespace(kill=lambda block: process.ends.append("the UI"))
        process.environment.web_ui = SimpleNamespace(greenlet=server)  # type: ignore[assignment]
        process.controller.exit_code, process.environment.process_exit_code = 1, 0
        assert process.installed().gets(signal.SIGINT) == ["stopped by Ctrl-C (SIGINT)", "hurry"]
        assert process.ends == ["the UI"]
        assert process.quits() == 130

    def test_a_sigterm_is_locusts_own(self, process: Process) -> None:
        """It only is taken note of; and who ends the UI ends no run with its verdict's code."""
        process.environment.web_ui = SimpleNamespace(greenlet=None)  # type: ignore[assignment]
        process.controller.exit_code, process.environment.process_exit_code = 1, 0
        process.installed()
        assert process.quits() == 0
        assert process.gets(signal.SIGTERM) == ["hurry", "stopped by SIGTERM"]


def test_what_does_not_end_in_order_ends_all_the_same(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Results that are being written get more time; what is left then can be rebuilt."""
    slept: list[float] = []
    ended: list[int] = []
    monkeypatch.setattr(gevent, "sleep", slept.append)
    monkeypatch.setattr(signals.os, "_exit", ended.append)
    process.controller.stage = "writing"
    process.installed().gets(signal.SIGINT)
    (at_last,) = process.at_last
    at_last()
    assert slept == [signals.OVER_WITHIN, signals.WRITTEN_WITHIN]
    assert ended == [130]
    assert "`loadkit report` makes the results" in caplog.text
