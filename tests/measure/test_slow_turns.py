"""The slowest turns of a run, and of each part of it."""

from itertools import permutations
from random import Random

from loadkit.figures import Origin, Phase, TurnSeen
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.slow_turns import (
    MOST_OF_AN_INTERVAL,
    MOST_PARTS,
    OF_A_PART,
    SLOWEST,
    SlowTurn,
    SlowTurns,
)
from tests.answers import answered


def turn(took_ms: float, at_s: float = 0.0) -> SlowTurn:
    return SlowTurn(took_ms=took_ms, at_s=at_s, number=1)


def kept(*turns: SlowTurn) -> list[SlowTurn]:
    slow = SlowTurns()
    for one in turns:
        slow.add(one)
    return list(slow)


def test_the_slowest_of_a_run_are_kept_whenever_they_were() -> None:
    """All of them may have been in one second."""
    chance = Random(1)
    turns = [turn(chance.expovariate(0.01), at_s=7.5) for _ in range(1_000)]
    assert kept(*turns) == sorted(turns, key=lambda one: -one.took_ms)[:SLOWEST]


def test_a_quiet_part_has_its_slowest_too() -> None:
    """Though there are slower ones elsewhere."""
    loud = [turn(5_000 + number, at_s=1.0) for number in range(SLOWEST)]
    quiet = [turn(10.0 + number, at_s=500.0) for number in range(2 * OF_A_PART)]
    assert [one.took_ms for one in kept(*loud, *quiet) if one.at_s > 1] == [15, 14, 13]


def test_a_long_run_takes_no_more_room() -> None:
    """Its parts get longer; the last has its slowest as the first has."""
    slow = SlowTurns()
    for second in range(20_000):
        slow.add(turn(10.0 + second % 7, at_s=float(second)))
    found = list(slow)
    assert len(found) <= SLOWEST + OF_A_PART * MOST_PARTS
    assert {one.took_ms for one in found} == {16.0}
    assert min(one.at_s for one in found) < 1_000
    assert max(one.at_s for one in found) > 19_000


def test_the_order_in_which_they_come_does_not_matter() -> None:
    """Workers report as they can."""
    turns = [turn(100.0, at_s) for at_s in (1.0, 1.0, 1.5, 2.0)] + [turn(200.0, 1.2)]
    assert len({tuple(kept(*order)) for order in permutations(turns)}) == 1


def test_a_worker_keeps_the_slowest_of_each_interval() -> None:
    """Each with all that was seen of it, in milliseconds from when it was sent."""
    recorder = Recorder(measure_from=1.0, wall=lambda: 1_800_000_000.0)
    seen = TurnSeen(Origin("Chat", "s1", "c1", "web"), 2.01, 2.02, (2.25, 2.75))
    for number in range(1, 50):
        end = 2.0 + number / 16
        recorder.sample(Phase.RESPONSE, 1.5, 2.0, end, answered(1.0, number, seen))
    recorder.sample(Phase.RESPONSE, None, 0.5, 99.0, answered(0.4))  # of the warm-up
    first, *rest = sorted(recorder.take(9.0).slow, key=lambda one: -one.took_ms)
    assert [one.number for one in rest] == [48, 47, 46, 45]
    assert 1 + len(rest) == MOST_OF_AN_INTERVAL
    assert first == SlowTurn(
        took_ms=3062.5,
        at_s=2.0,
        at="2027-01-15T07:59:56.937Z",
        number=49,
        due_ms=-500.0,
        echo_ms=10.0,
        thinking_ms=20.0,
        chunks_ms=(250.0, 750.0),
        user_class="Chat",
        session="s1",
        correlation_id="c1",
        client="web",
    )
    recorder.sample(Phase.RESPONSE, None, 10.0, 10.001, answered(1.0))
    assert [one.took_ms for one in recorder.take(11.0).slow] == [1.0]  # each begins afresh


def test_the_master_tells_them_in_seconds_of_the_run() -> None:
    """Whatever a worker's clock says; a checkpoint has them all."""
    recorder = Recorder(5_000.0, clock=lambda: 5_000.0)
    recorder.sample(Phase.RESPONSE, None, 5_003.0, 5_004.0, answered(5_000.0))
    ledger, again = Ledger(), Ledger()
    ledger.add("w1", 1, recorder.take(5_010.0), at=12.0)
    assert [(one.at_s, one.worker) for one in ledger.slow] == [(5.0, "w1")]
    for part in ledger.state():
        again.restore(part)
    assert list(again.slow) == list(ledger.slow)
    assert again.by_turn[1].stats() == ledger.by_turn[1].stats()
