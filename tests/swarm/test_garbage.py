"""When a worker looks for garbage, with the real collector."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from loadkit.swarm.garbage import PER_SESSION, Rarely, calm


class Cycle:
    """What only a collection can find."""

    def __init__(self) -> None:
        self.self = self


class Process:
    """So many blocks in use, some of them garbage."""

    def __init__(self, alive: int) -> None:
        self.alive, self.garbage, self.collections = alive, 0, 0

    def blocks(self) -> int:
        return self.alive + self.garbage

    def collect(self) -> None:
        self.garbage = 0
        self.collections += 1


@pytest.fixture(autouse=True)
def own_rules() -> Iterator[None]:
    """Give the collector of the test process its own rules back."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_sessions_that_come_and_go_ask_for_no_collection() -> None:
    """Nor do ramps, however high."""
    process = Process(alive=300_000)
    rarely = Rarely(process.blocks, process.collect)
    for sessions in (0, 10, 2_000, 50_000, 100, 2_000) * 1000:
        process.alive = 300_000 + PER_SESSION * sessions
        rarely.look(sessions)
    assert process.collections == 0


@pytest.mark.parametrize("sessions", [0, 10])
def test_garbage_never_takes_more_than_all_else_and_one_look_adds(sessions: int) -> None:
    """Whatever leaks in cycles, and for however long."""
    process = Process(alive=1000)
    rarely = Rarely(process.blocks, process.collect)
    process.alive += PER_SESSION * sessions
    for _ in range(10_000):
        process.garbage += 7
        rarely.look(sessions)
        assert process.garbage < process.alive + 7
    assert process.collections > 10


def test_sessions_that_are_larger_than_expected_are_looked_through_once() -> None:
    """And not again and again: what a collection leaves is no garbage."""
    process = Process(alive=1000)
    rarely = Rarely(process.blocks, process.collect)
    process.alive = 1000 + 5 * PER_SESSION * 100
    for _ in range(1000):
        rarely.look(100)
    assert process.collections == 1


def test_a_cycle_is_found_when_the_process_has_doubled_and_not_before() -> None:
    rarely = calm()
    cycle = weakref.ref(Cycle())
    rarely.look(0)
    assert cycle() is not None
    much = [bytes(100) for _ in range(sys.getallocatedblocks() + 10_000)]
    assert cycle() is not None, "the interpreter collected by a rule of its own"
    rarely.look(0)
    assert cycle() is None
    del much
