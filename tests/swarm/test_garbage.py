"""When a worker looks for garbage, with the real collector."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from loadkit.swarm.worker.garbage import LOOK_EVERY, PER_SESSION, Sweeper, calm


class Cycle:
    """What only a collection can find."""

    def __init__(self) -> None:
        self.self = self


class Process:
    """So many blocks in use, some of them garbage."""

    def __init__(self, alive: int) -> None:
        self.alive, self.garbage = alive, 0
        self.done: list[str] = []

    def blocks(self) -> int:
        return self.alive + self.garbage

    def collect_young(self) -> None:
        self.done.append("young")

    def set_aside(self) -> None:
        self.done.append("aside")

    def collect_all(self) -> None:
        self.done.append("all")
        self.garbage = 0

    def sweeper(self) -> Sweeper:
        return Sweeper(self.blocks, self.collect_young, self.set_aside, self.collect_all)

    @property
    def full(self) -> int:
        return self.done.count("all")


@pytest.fixture(autouse=True)
def own_rules() -> Iterator[None]:
    """Give the collector of the test process its own rules back."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def look(sweeper: Sweeper, sessions: int) -> None:
    for _ in range(LOOK_EVERY):
        sweeper.sweep(sessions)


def test_what_is_young_is_swept_each_time_and_what_is_left_set_aside_each_tenth() -> None:
    process = Process(alive=1000)
    sweeper = process.sweeper()
    for _ in range(30):
        sweeper.sweep(0)
    assert process.done == [*["young"] * 10, "aside"] * 3


def test_sessions_that_come_and_go_ask_for_no_full_collection() -> None:
    """Nor do ramps, however high."""
    process = Process(alive=300_000)
    sweeper = process.sweeper()
    for sessions in (0, 10, 2_000, 50_000, 100, 2_000) * 10:
        process.alive = 300_000 + PER_SESSION * sessions
        look(sweeper, sessions)
    assert process.full == 0


@pytest.mark.parametrize("sessions", [0, 10])
def test_garbage_never_takes_more_than_all_else_and_what_comes_between_looks(sessions: int) -> None:
    """Whatever leaks in cycles, and for however long."""
    process = Process(alive=1000)
    sweeper = process.sweeper()
    process.alive += PER_SESSION * sessions
    for _ in range(1000):
        process.garbage += 70
        look(sweeper, sessions)
        assert process.garbage < process.alive + 70
    assert process.full > 10


def test_sessions_that_are_larger_than_expected_are_looked_through_once() -> None:
    """And not again and again: what a collection leaves is no garbage."""
    process = Process(alive=1000)
    sweeper = process.sweeper()
    process.alive = 1000 + 5 * PER_SESSION * 100
    for _ in range(10):
        look(sweeper, 100)
    assert process.full == 1


def test_an_old_cycle_is_found_when_the_process_has_doubled_and_not_before() -> None:
    sweeper = calm()
    cycle = Cycle()
    gone = weakref.ref(cycle)
    look(sweeper, 0)  # so that it is old
    del cycle
    look(sweeper, 0)
    assert gone() is not None
    much = [bytes(100) for _ in range(sys.getallocatedblocks() + 10_000)]
    assert gone() is not None, "the interpreter collected by a rule of its own"
    look(sweeper, 0)
    assert gone() is None
    del much


def test_a_young_cycle_is_found_by_the_next_sweep() -> None:
    sweeper = calm()
    cycle = weakref.ref(Cycle())
    sweeper.sweep(0)
    assert cycle() is None
