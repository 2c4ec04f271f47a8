"""When the p95 is back, for answers whose slowness is known row by row."""

import tracemalloc
from random import Random

import pytest

from loadkit.soak.recovery_time import SLACK, RecoveryTime, usual_p95
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram


def answers(values: list[float]) -> Distribution:
    """Of seconds."""
    tally, found = Histogram(), Distribution()
    for value in values:
        tally.record(value)
    found.merge(tally)
    return found


def spread(count: int, slowest: float, seed: int = 1) -> Distribution:
    """Waits that are uniform up to the slowest."""
    rng = Random(seed)
    return answers([rng.uniform(0, slowest) for _ in range(count)])


BEFORE = usual_p95([spread(100, 1.0, seed) for seed in range(30)])


def recovered(
    slow: list[bool], *, each: int = 50, over_from: int = 0, begin: float = 0.0
) -> float | None:
    recovery = RecoveryTime(BEFORE)
    for second, is_slow in enumerate(slow):
        row = spread(each, 5.0 if is_slow else 1.0, seed=second) if each else None
        recovery.add(float(second), row, over=second >= over_from)
    found: float | None = recovery.to_dict(begin)["response_back_s"]
    return found


def test_the_usual_p95_is_that_of_all_rows_together() -> None:
    """Uniform up to a second: 950 ms; what is ten percent above is not worse."""
    assert BEFORE is not None
    p95, limit = BEFORE
    assert p95 == pytest.approx(950, abs=10)
    assert limit == pytest.approx(SLACK * p95)


def test_a_few_samples_have_no_p95() -> None:
    """Then there is nothing to come back to, and nothing is told."""
    assert usual_p95([spread(50, 1.0), None]) is None
    recovery = RecoveryTime(None)
    recovery.add(0.0, spread(100, 1.0), over=True)
    assert recovery.settled
    assert recovery.to_dict(0.0) == {}


def test_a_few_samples_have_a_wider_limit() -> None:
    """Their p95 may be far off, and is not to be held against what comes after."""
    found = usual_p95([answers([0.1] * 90 + [1.0] * 8)])
    assert found is not None
    p95, limit = found
    assert limit >= 1000 > SLACK * p95 or p95 == 1000


def test_it_is_back_with_the_first_row_from_which_on_answers_are_quick() -> None:
    """Twelve seconds of slow answers: back at the thirteenth."""
    assert recovered([True] * 12 + [False] * 10) == 12


def test_a_relapse_within_the_incident_counts() -> None:
    """Quick for a moment is not back."""
    slow = [True] * 5 + [False] * 5 + [True] * 5 + [False] * 5
    assert recovered(slow, over_from=15) == 15


def test_it_is_never_back_while_answers_stay_slow() -> None:
    """Up to the end of the run."""
    assert recovered([True] * 30) is None


def test_answers_that_never_slowed_down_are_back_at_once() -> None:
    """As when only new sessions were refused."""
    assert recovered([False] * 10, over_from=5) == 0


def test_no_answers_are_not_quick_answers() -> None:
    """A target that is silent has not recovered, however long."""
    assert recovered([False] * 60, each=0) is None


def test_few_answers_are_looked_at_together() -> None:
    """Nine a second: ten rows make a p95."""
    assert recovered([True] * 5 + [False] * 30, each=9) == pytest.approx(5, abs=2)


def test_time_is_counted_from_the_begin_of_the_incident() -> None:
    """Rows have seconds of the run."""
    recovery = RecoveryTime(BEFORE)
    for second in range(100, 120):
        recovery.add(float(second), spread(100, 5.0 if second < 110 else 1.0), over=True)
    assert recovery.to_dict(100.0)["response_back_s"] == 10


def test_it_does_not_grow_while_an_incident_goes_on() -> None:
    """A target that stays slow for hours, or silent."""
    recovery, row = RecoveryTime(BEFORE), spread(1, 5.0)
    for second in range(2000):
        recovery.add(float(second), row, over=False)
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for second in range(2000, 6000):
            recovery.add(float(second), row if second % 10 == 0 else None, over=False)
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    assert sum(stat.size_diff for stat in after.compare_to(before, "filename")) < 100_000
