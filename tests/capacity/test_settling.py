"""When a step has come to rest: false alarms and misses on series whose course is known."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, t

from loadkit.capacity.settling import BATCHES, WINDOW, batch_interval, settled

RNG = np.random.default_rng
SERIES = 4000


def at_rest(values: np.ndarray) -> float:
    """The share of the rows that are called settled, whatever the size of their trend."""
    return float(np.mean([settled(row.tolist(), tolerance=0.0) for row in values]))


def test_too_few_values_never_settle():
    """Not even if they are all the same: nobody knows what comes."""
    assert not settled([1.0] * (WINDOW - 1))
    assert settled([1.0] * WINDOW)


@pytest.mark.parametrize("kind", ["normal", "exponential", "lognormal"])
def test_one_in_twenty_series_at_rest_is_called_moving(kind: str):
    """The stated 5 %, of any distribution; the test is discrete, so it keeps a little below."""
    draw = getattr(RNG(1), kind)
    moving = 1 - at_rest(draw(size=(SERIES, WINDOW)))
    assert 0.03 < moving < 0.06


def test_ties_do_not_raise_false_alarms():
    """Percentiles of few digits repeat; without the correction the alarms would be fewer."""
    moving = 1 - at_rest(RNG(2).integers(0, 4, size=(SERIES, WINDOW)))
    assert 0.03 < moving < 0.06


def test_the_verdict_is_that_of_kendalls_tau():
    """Against scipy's exact test, wherever its p-value is not close to 5 %."""
    rows = RNG(3).normal(size=(500, WINDOW)) + np.linspace(0, 1.5, WINDOW)
    compared = 0
    for row in rows:
        p = kendalltau(range(WINDOW), row, method="exact").pvalue
        if abs(p - 0.05) > 0.015:
            compared += 1
            assert settled(row.tolist(), tolerance=0.0) is bool(p > 0.05)
    assert compared > 400


def test_a_growing_queue_never_settles():
    """Latency that rises by a tenth of itself over the window, twice its noise."""
    rows = 100 + np.linspace(0, 10, WINDOW) + RNG(4).normal(scale=1.0, size=(500, WINDOW))
    assert np.mean([settled(row.tolist()) for row in rows]) < 0.01


def test_a_warm_up_settles_when_it_is_over():
    """An exponential approach: not within the first time constant, surely after four more."""
    noise = RNG(5).normal(scale=1.0, size=100)
    course = [200 - 100 * math.exp(-n / 10) + noise[n] for n in range(100)]
    assert not settled(course[:WINDOW])
    assert settled(course[: 50 + WINDOW])


def test_a_trend_too_small_to_matter_is_rest():
    """A steady 2 % over the window is a trend beyond doubt, and changes no verdict."""
    course = [1000.0 + 20 * n / (WINDOW - 1) for n in range(WINDOW)]
    assert settled(course)
    assert not settled(course, tolerance=0.01)


def test_only_the_last_window_counts():
    assert settled([float(n * 100) for n in range(50)] + [5000.0] * WINDOW)


def test_a_batch_interval_holds_the_truth_as_often_as_it_says():
    """19 of 20 times for independent batches, with scipy's quantile as the other truth."""
    rows = RNG(6).normal(loc=50, scale=5, size=(SERIES, BATCHES))
    ends = [batch_interval(row.tolist()) for row in rows]
    assert np.mean([low <= 50 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.012)
    low, high = ends[0]
    half = t.ppf(0.975, BATCHES - 1) * rows[0].std(ddof=1) / math.sqrt(BATCHES)
    assert (low, high) == pytest.approx((rows[0].mean() - half, rows[0].mean() + half), rel=1e-6)


def test_another_number_of_batches_is_refused():
    with pytest.raises(ValueError, match="10 batches, not of 3"):
        batch_interval([1.0, 2.0, 3.0])
