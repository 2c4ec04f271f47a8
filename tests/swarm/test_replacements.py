"""What a master does without a worker, with other processes in their place."""

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator

import psutil
import pytest

from loadkit.swarm.workers.replacements import FirstWorkers, Replacements
from loadkit.verdict.run_facts import Absence

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Two children of this process, as if it had forked its workers.

    Whatever else this process has started, for other tests, is none of them.
    """
    children = [subprocess.Popen(SLEEPS) for _ in range(2)]
    workers = [psutil.Process(child.pid) for child in children]
    monkeypatch.setattr(psutil.Process, "children", lambda self: workers)
    yield children
    for child in children:
        child.kill()
        child.wait()


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, processes: int | None = 2) -> None:
        self.stopped: list[str] = []
        self.started: list[list[str]] = []
        options = Namespace(
            worker_patience=30.0,
            processes=processes,
            locustfile="mine.py",
            master_host="127.0.0.1",
            master_port=20_000,
            loglevel="WARNING",
        )
        self.at_exit: list[Callable[[], None]] = []
        module = "loadkit.swarm.workers.replacements"
        monkeypatch.setattr(f"{module}.lifeline.start", self._start)
        monkeypatch.setattr(f"{module}.atexit.register", self.at_exit.append)
        self.replacements = Replacements(options, self.stopped.append)

    def _start(self, command: list[str], environment: dict[str, str]) -> "World":
        self.started.append(command)
        return self

    def poll(self) -> None:
        """It lives."""


def test_its_own_dead_are_started_again_once(
    forked: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are dead; one that only stands still may come back."""
    world = World(monkeypatch)
    forked[0].kill()
    forked[0].wait()
    absence = Absence(14.0)
    for second in (19.0, 20.0):
        world.replacements.restart_lost(absence, second)
    assert absence.started == 1
    (command,) = world.started
    assert command[2:5] == ["loadkit.start_locust", "-f", "mine.py"]
    assert command[command.index("--master-port") + 1] == "20000"


def test_nobody_is_started_as_this_process_ends(
    forked: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers end with it, and those who wait for them let others see that."""
    world = World(monkeypatch)
    (end,) = world.at_exit
    end()
    forked[0].kill()
    forked[0].wait()
    assert world.replacements.replace() == 0
    assert world.started == []


def test_whoever_was_started_again_and_died_as_well_is_started_anew(
    forked: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch)
    for child in forked:
        child.kill()
        child.wait()
    first, second = Absence(14.0), Absence(40.0)
    world.replacements.restart_lost(first, 19.0)
    world.replacements.restart_lost(second, 45.0)
    assert (first.started, second.started) == (2, 0)  # they live, and are on their way
    monkeypatch.setattr(World, "poll", lambda self: -9)
    third = Absence(60.0)
    world.replacements.restart_lost(third, 65.0)
    assert third.started == 2


def test_who_died_before_anybody_looked_is_started_again(
    forked: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was forked."""
    world = World(monkeypatch, 3)
    assert (world.replacements.replace(), world.replacements.replace()) == (1, 0)


def test_workers_of_elsewhere_are_waited_for_and_no_longer_than_one_has_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, None)
    absence = Absence(14.0)
    world.replacements.restart_lost(absence, 44.0)
    assert (absence.started, world.stopped) == (0, [])
    world.replacements.restart_lost(absence, 44.5)
    (why,) = world.stopped
    assert why == "the loss of every worker: none came within 30 s (--worker-patience)"


@pytest.mark.parametrize(
    ("patience", "here", "said"),
    [
        pytest.param(0, 1, {5: "1 of 2 workers came so far", 35: "1 of 2 workers", 65: "1 of 2"}),
        pytest.param(20, 0, {5: "0 of 2 workers", 20: "0 of 2 workers came within 20 s"}),
        pytest.param(0, 2, {}, id="all are here"),
        pytest.param(20, 3, {}, id="more than all are here"),
    ],
)
def test_it_is_told_now_and_then_and_given_up_in_time(
    patience: float, here: int, said: dict[int, str]
) -> None:
    first_workers = FirstWorkers(2, patience)
    words = {}
    for second in range(70):
        word = first_workers.word_after(second, here)
        if word is not None:
            words[second] = word
            if word.last:
                break
    assert list(words) == list(said)
    assert all(text in words[second].text for second, text in said.items())
    assert [word.last for word in words.values()][-1:] == ([patience > 0] if said else [])


def test_workers_that_die_again_and_again_are_not_waited_for() -> None:
    """Each has been started again once, and one of them twice."""
    first_workers = FirstWorkers(2, 0)
    first, second = first_workers.word_after(1, 1, 1), first_workers.word_after(2, 0, 2)
    assert first is not None
    assert (first.last, first.text) == (False, "1 worker died and is started again")
    assert second is not None
    assert second.last
    assert second.text.startswith("3 workers died before the run began")


def test_who_died_and_is_there_again_is_forgotten() -> None:
    first_workers = FirstWorkers(1, 0)
    first_workers.word_after(1, 0, 1)
    assert first_workers.word_after(2, 1) is None
