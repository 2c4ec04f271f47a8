"""Answers that take clearly longer than usual."""

from collections.abc import Iterable

import pytest

from loadkit.soak.slowness import CROWDED, Slow, Slowness
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram

SESSIONS = 20
BEHIND = 3.0  # nats


def answers(seconds: Iterable[float]) -> Distribution:
    tally, found = Histogram(), Distribution()
    for one in seconds:
        tally.record(one)
    found.merge(tally)
    return found


def usual(rows: int = 30, *, slow: int = 0) -> Slowness:
    """One that has learnt rows of forty answers of up to 1 s each, `slow` of which took 9 s."""
    slowness = Slowness()
    for _ in range(rows):
        row = answers([*([9.0] * slow), *(at / 40 for at in range(1 + slow, 41))])
        slowness.learn(row, SESSIONS, slowness.of(1.0, row, SESSIONS))
    return slowness


def test_nothing_is_slow_before_a_p95_is_known() -> None:
    """It takes ninety answers: two rows of forty are too few."""
    assert usual(2).limit_ms is None
    assert usual(2).of(1.0, answers([100.0]), SESSIONS) == Slow()


def test_an_answer_is_slow_beyond_twice_the_usual_p95() -> None:
    """Or more where the p95 is not sure: its interval, or a tenth, is allowed for."""
    slowness = usual()
    assert slowness.limit_ms == pytest.approx(2 * 1.1 * 950, rel=0.01)
    seen = slowness.of(1.0, answers([0.5, 2.0, 2.2, 3.0]), SESSIONS)
    assert seen == Slow(1.0, responses=4, slow=2)


def test_a_row_without_answers_has_no_slow_one() -> None:
    """Silence is another sign."""
    assert usual().of(1.0, None, SESSIONS) == Slow(1.0)


def test_a_crowd_is_not_compared() -> None:
    """More users wait for each other."""
    row = answers([9.0] * 20)
    assert usual().of(1.0, row, int(CROWDED * SESSIONS)).slow == 20
    assert usual().of(1.0, row, int(CROWDED * SESSIONS) + 1) == Slow()


@pytest.mark.parametrize(("slow", "told"), [(1, False), (10, True), (20, True)])
def test_answers_are_slow_if_more_than_a_twentieth_are(slow: int, told: bool) -> None:
    """That is what a p95 says."""
    assert usual().of_all([Slow(1.0, 20, slow)] * 3, BEHIND) is told


def test_a_share_that_is_always_slow_has_to_double() -> None:
    """A fortieth of the answers, which the p95 does not know of."""
    slowness = usual(40, slow=1)
    assert slowness.limit_ms is not None
    assert slowness.limit_ms < 9000
    assert not slowness.of_all([Slow(1.0, 40, 2)] * 9, BEHIND)
    assert slowness.of_all([Slow(1.0, 40, 4)] * 9, BEHIND)
