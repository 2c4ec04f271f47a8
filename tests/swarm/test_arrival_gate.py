"""Who is let in and who is not, on a clock that the test moves."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from loadkit.figures import Count
from loadkit.profile.arrivals import Arrivals, ClassDraw
from loadkit.profile.tables import Load
from loadkit.swarm.worker.arrival_gate import ArrivalGate, share_of_cap

MIX = {"CompleteChat": 3.0, "IdleChat": 1.0}


class Counts(Counter[str]):
    def count(self, key: str, n: int = 1) -> None:
        self[key] += n


def load(rate: float = 20.0, **other: Any) -> Load:
    stages = [
        {"duration": 0, "arrivals_per_second": rate},
        {"duration": 10, "arrivals_per_second": rate},
    ]
    return Load.model_validate({"model": "open", "stages": stages} | other)


def run(gate: ArrivalGate) -> None:
    """Let everything happen that is due; with the test's clock nothing need be waited for."""
    for _ in range(5):
        gevent.sleep(0)


class Evening:
    """A gate whose visitors stay until they are thrown out, all of it overdue at once."""

    def __init__(self, plan: Load, at: float = 100.0, visit: Callable[..., Any] | None = None):
        self.counts = Counts()
        self.now = 50.0 + at
        self.came: list[tuple[str, int, float]] = []
        self.gate = ArrivalGate(plan, MIX, visit or self.stay, self.counts, 50.0, lambda: self.now)

    def stay(self, name: str, number: int, due: float) -> None:
        self.came.append((name, number, due))
        gevent.sleep(1000)


def test_who_is_overdue_is_let_in_at_once_with_the_moment_of_the_plan() -> None:
    """A generator that was held up must not call its visitors punctual."""
    plan = load()
    evening = Evening(plan)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    draw = ClassDraw(MIX, plan.seed)
    expected = [(draw.of(number), number, 50.0 + at) for number, at in Arrivals(plan)]
    assert evening.came == expected
    assert evening.counts == {Count.ARRIVALS_DUE: len(expected)}
    evening.gate.stop()


def test_nobody_is_let_in_before_their_time() -> None:
    """What lies in the future is not even counted as due."""
    plan = load()
    evening = Evening(plan, at=4.0)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    due = [number for number, at in Arrivals(plan) if at <= 4.0]
    assert [number for _, number, _ in evening.came] == due
    evening.gate.stop()


def test_the_cap_refuses_and_every_refusal_is_counted() -> None:
    """Due are all of them; who was refused does not come later."""
    plan = load(max_concurrent=30)
    evening = Evening(plan)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    all_of_them = len(list(Arrivals(plan)))
    assert evening.gate.live == len(evening.came) == 30
    assert evening.counts == {
        Count.ARRIVALS_DUE: all_of_them,
        Count.ARRIVALS_REFUSED: all_of_them - 30,
    }
    evening.gate.stop()
    assert evening.gate.live == 0


@pytest.mark.parametrize(("cap", "workers"), [(10, 3), (2, 5), (10_000, 7), (6, 2)])
def test_the_shares_of_the_cap_add_up_to_it(cap: int, workers: int) -> None:
    """The first workers get what does not divide evenly."""
    shares = [share_of_cap(cap, index, workers) for index in range(workers)]
    assert sum(shares) == cap
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1


def test_another_slot_in_mid_run_loses_nobody_and_lets_nobody_in_twice() -> None:
    """Two gates; from second 5 on the first is alone."""
    plan = load(max_concurrent=1000)
    first, second = Evening(plan), Evening(plan, at=4.99)
    first.now = 50.0 + 3.0
    first.gate.deal(0, 2, 0.0)
    second.gate.deal(1, 2, 0.0)
    run(first.gate)
    first.gate.deal(0, 1, 4.99)
    first.now = 50.0 + 100.0
    first.gate.deal(0, 1, 4.99)  # told again: it also wakes the gate, whose clock stood still
    run(first.gate)
    numbers = sorted(number for _, number, _ in first.came + second.came)
    assert numbers == [number for number, _ in Arrivals(plan)]
    first.gate.stop()
    second.gate.stop()


def test_a_visit_that_fails_is_logged_and_the_next_is_let_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever it is, the gate stays open."""

    def fail(name: str, number: int, due: float) -> None:
        raise RuntimeError(f"no {number}")

    plan = load(rate=2.0)
    evening = Evening(plan, visit=fail)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    expected = [f"no {number}" for number, _ in Arrivals(plan)]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == expected
    assert evening.counts[Count.ARRIVALS_DUE] == len(expected) > 5
    assert evening.gate.live == 0


def test_stopping_lets_every_session_end_itself() -> None:
    """Each gets GreenletExit and the time to say goodbye; nobody new is let in."""
    ended: list[int] = []

    def visit(name: str, number: int, due: float) -> None:
        try:
            gevent.sleep(1000)
        except gevent.GreenletExit:
            gevent.sleep(0)  # a goodbye takes a turn of the loop
            ended.append(number)
            raise

    plan = load()
    evening = Evening(plan, at=5.0, visit=visit)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    evening.now += 1000
    evening.gate.stop()
    run(evening.gate)
    assert sorted(ended) == [number for number, at in Arrivals(plan) if at <= 5.0]
    assert evening.gate.live == 0


def test_a_session_that_does_not_end_does_not_hold_up_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """How many there were is said."""
    released = gevent.event.Event()

    def visit(name: str, number: int, due: float) -> None:
        try:
            gevent.sleep(1000)
        except gevent.GreenletExit:
            released.wait()

    evening = Evening(load(rate=1.0), visit=visit)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    stuck = evening.gate.live
    evening.gate.stop(limit=0.01)
    assert stuck
    assert f"{stuck} sessions did not end within 0.01 s" in caplog.text
    released.set()
    run(evening.gate)


def test_a_deal_with_other_stages_changes_the_rate_from_its_moment_on() -> None:
    """Whoever was due before it is let in as the old stages had it."""
    plan = load(20.0)
    faster = Load.model_validate(
        {
            "model": "open",
            "stages": [
                {"duration": 0, "arrivals_per_second": 20.0},
                {"duration": 4, "arrivals_per_second": 20.0},
                {"duration": 0, "arrivals_per_second": 60.0},
                {"duration": 6, "arrivals_per_second": 60.0},
            ],
        }
    )
    evening = Evening(plan, at=3.0)
    evening.gate.deal(0, 1, 0.0)
    run(evening.gate)
    evening.gate.deal(0, 1, 4.0, faster.stages)
    evening.now = 50.0 + 100.0
    for _ in range(3):
        evening.gate.deal(0, 1, 4.0)  # the sleeper wakes
        run(evening.gate)
    expected = [(number, pytest.approx(50.0 + at)) for number, at in Arrivals(faster)]
    assert [(number, due) for _, number, due in evening.came] == expected
    evening.gate.stop()
