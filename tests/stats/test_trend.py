"""Trends and steps in series that hang together, held against what is known of the series."""

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal, stats

from loadkit.stats.trend import LEAST, Trend, holm, rising, shift, trend_of

Floats = NDArray[np.float64]


def noise(rng: np.random.Generator, n: int, correlation: float = 0.0) -> Floats:
    """An autoregression of the first order with a spread of 1, in its steady state."""
    fresh = rng.normal(size=n + 200) * sqrt(1 - correlation**2)
    return signal.lfilter([1], [1, -correlation], fresh)[200:]


def hours(n: int, length: float = 8.0) -> Floats:
    return np.arange(n) * length / n


def seen(values: Floats, length: float = 8.0) -> Trend:
    return trend_of(list(hours(len(values), length)), list(values))


def test_a_slope_is_the_median_of_all_pairs_slopes() -> None:
    """Sen's, to the letter, and so untouched by a few values that lie far off."""
    rng = np.random.default_rng(1)
    values = 100 + 3 * hours(60) + noise(rng, 60)
    values[[7, 30]] *= 50
    pairs = combinations(zip(hours(60), values, strict=True), 2)
    slopes = [(later - before) / (b - a) for (a, before), (b, later) in pairs]
    found = seen(values)
    assert found.slope == pytest.approx(np.median(slopes))
    assert found.slope == pytest.approx(3, abs=0.2)


def test_the_test_of_independent_values_is_that_of_mann_and_kendall() -> None:
    """Without ties and correlation the p is Kendall's, but for Student's wider tails."""
    compared = 0
    for seed in range(60):
        values = noise(np.random.default_rng(seed), 200) + 0.1 * hours(200)
        found = seen(values)
        if found.worth == 200:
            theirs = stats.kendalltau(hours(200), values, method="asymptotic").pvalue
            assert found.p_trend == pytest.approx(theirs, abs=0.012)
            compared += 1
    assert compared > 5


def test_where_many_values_are_equal_the_test_allows_for_it() -> None:
    """Counts of rare things: scipy's tau-b has the same correction for ties."""
    values = np.random.default_rng(3).poisson(0.5, 200).astype(float)
    found = trend_of(list(hours(200)), list(values), counted=True)
    theirs = stats.kendalltau(hours(200), values, method="asymptotic").pvalue
    assert found.p_trend == pytest.approx(theirs, abs=0.08)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_interval_holds_the_true_slope(correlation: float) -> None:
    """In 95 % of series, or nearly: 200 of them give 190 ± 6."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        found = seen(100 + 2 * hours(60) + noise(rng, 60, correlation))
        held += found.low <= 2 <= found.high
    assert held >= 182


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_a_plain_rise_is_told_in_a_short_series_too(correlation: float) -> None:
    """Of 24 values nobody can say how much they hang together, yet all of them rise."""
    rng, told, held = np.random.default_rng(15), 0, 0
    for _ in range(60):
        found = seen(100 + 12 * hours(24) + noise(rng, 24, correlation))
        told += found.p_trend < 0.01
        held += found.low <= 12 <= found.high
    assert told >= 54
    assert held >= 54


def test_a_walk_without_drift_is_rarely_taken_for_one() -> None:
    """Noise that hangs together as much as noise can: 400 walks, 20 ± 9 below 5 %."""
    rng = np.random.default_rng(16)
    assert sum(seen(np.cumsum(rng.normal(size=24))).p_trend < 0.05 for _ in range(400)) <= 32


@pytest.mark.parametrize("n", [pytest.param(120, marks=pytest.mark.slow), 48], ids=["many", "few"])
def test_a_slope_of_the_visible_size_is_found_as_often_as_promised(n: int) -> None:
    """In another series of such noise nine times of ten; 120 give 97 or more but once in 1,000."""
    rng, doubt, found, less = np.random.default_rng(6), 0.002, 0, 0
    for _ in range(120):
        least = seen(100 + noise(rng, n, 0.3)).visible(doubt)
        other = 100 + noise(rng, n, 0.3)
        for part in (1.0, 0.3):
            rises = seen(other + part * least * hours(n))
            told = min(rises.p_trend, rises.p_turn) < doubt
            found += told and part == 1.0
            less += told and part < 1.0
    assert found >= stats.binom.ppf(0.001, 120, 0.9) == 97
    assert less <= 97  # whoever promises little enough keeps it always


def test_what_has_to_reach_a_floor_is_seen_beyond_it() -> None:
    """A slope of just the floor is measured below it half of the time."""
    found = seen(100 + 0.001 * noise(np.random.default_rng(6), 120))
    assert found.visible(0.001) < 0.01 < found.visible(0.001, 0.01) < 0.011


@pytest.mark.parametrize(
    ("move", "shape", "at"),
    [
        (lambda t: 3 * t, "line", None),
        (lambda t: 20.0 * (t >= 2), "step", 2.0),
        (lambda t: -20.0 * (t >= 6), "step", 6.0),
        (lambda t: 8 * np.maximum(0, t - 3), "starts", 3.0),
        (lambda t: 10 * np.minimum(t, 2), "settles", 2.0),
    ],
)
def test_the_shape_and_its_moment_are_found(move: object, shape: str, at: float | None) -> None:
    """A leak is told from a step, and both from a server that warms up."""
    rng = np.random.default_rng(7)
    for _ in range(10):
        found = seen(100 + noise(rng, 240, 0.3) + move(hours(240)))  # type: ignore[operator]
        assert found.shape == shape
        if at is None:
            assert found.at is None
        else:
            assert found.at == pytest.approx(at, abs=0.35)
        assert min(found.p_trend, found.p_turn) < 1e-4


def test_what_starts_has_the_slope_that_it_has_from_then_on() -> None:
    """Flat for three hours, then 8 an hour, not the mean of both."""
    values = 100 + noise(np.random.default_rng(8), 240) + 8 * np.maximum(0, hours(240) - 3)
    since = seen(values).since
    assert since is not None
    slope, low, high = since
    assert low < slope < high
    assert slope == pytest.approx(8, abs=0.4)


def test_a_step_has_the_medians_of_its_sides() -> None:
    """From 100 to 140, whatever a trend would make of it."""
    found = seen(100 + noise(np.random.default_rng(9), 240) + 40.0 * (hours(240) >= 1.3))
    assert (found.before, found.after) == (pytest.approx(100, abs=0.5), pytest.approx(140, abs=0.5))


@pytest.mark.parametrize("periods", [3, 5, 11, 24])
@pytest.mark.parametrize("phase", np.arange(6) / 6)
def test_a_season_is_no_drift(periods: int, phase: float) -> None:
    """What swings at least three times within the run comes back: neither trend nor step."""
    season = 10 * np.sin(2 * np.pi * (periods * hours(240) / 8 + phase))
    found = seen(100 + season + noise(np.random.default_rng(10), 240, 0.3))
    assert min(found.p_trend, found.p_turn) > 0.01


def test_a_bad_quarter_of_an_hour_is_no_drift() -> None:
    """Seven windows of 240 at three times their value are an incident."""
    values = 100 + noise(np.random.default_rng(11), 240)
    values[100:107] *= 3
    found = seen(values)
    assert min(found.p_trend, found.p_turn) > 0.01


def test_what_never_changes_has_no_trend() -> None:
    """No division by a spread of nothing."""
    found = seen(np.full(30, 7.0))
    assert (found.slope, found.p_trend, found.p_turn, found.visible(0.01)) == (0, 1, 1, 0)


def test_of_rare_counts_the_slope_is_that_of_least_squares() -> None:
    """Most windows have none, so that the median of all slopes would be zero."""
    counts = np.zeros(100)
    counts[80:] = 5
    found = trend_of(list(hours(100)), list(counts), counted=True)
    assert found.slope == pytest.approx(float(np.polyfit(hours(100), counts, 1)[0]))
    assert found.low > 0
    assert found.p_trend < 1e-6
    assert (found.shape, found.before, found.after) == ("step", 0, 5)


def test_too_few_values_are_refused() -> None:
    """Below the least there is nothing to tell."""
    with pytest.raises(ValueError, match=f"a trend takes {LEAST} values, not 3"):
        trend_of([1, 2, 3], [1, 2, 3])


def test_a_shift_lies_within_its_interval() -> None:
    """Of two stretches that differ by 5, the interval holds 5 in 95 % of cases, or nearly."""
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(200):
        low, high = shift(list(noise(rng, 12)), list(5 + noise(rng, 12)), 1.0)
        held += low <= 5 <= high
    assert held >= 182


def test_two_values_after_many_have_a_shift_with_ends() -> None:
    """One has none: it may be any of a hundred."""
    many = [float(number) for number in range(100)]
    low, high = shift(many, [300.0, 301.0], 1.0)
    assert 201 <= low <= 250 <= high <= 301
    assert shift(many, [300.0], 1.0) == (-np.inf, np.inf)


def test_a_shift_of_two_values_has_no_end() -> None:
    """Nothing can be told from one value a side, or two."""
    assert shift([1.0], [2.0], 1.0) == (-np.inf, np.inf)
    assert shift([1.0, 2.0], [3.0, 4.0], 1.0) == (-np.inf, np.inf)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_mean_of_nothing_is_rarely_anything(correlation: float) -> None:
    """400 series with a mean of zero: 20 ± 9 below 5 %, however they hang together."""
    rng = np.random.default_rng(13)
    assert sum(rising(noise(rng, 60, correlation)) < 0.05 for _ in range(400)) <= 32


def test_a_mean_that_is_something_is_found() -> None:
    """Half a spread in 60 values is four standard errors."""
    rng = np.random.default_rng(14)
    assert sum(rising(0.5 + noise(rng, 60)) < 0.05 for _ in range(50)) >= 45
    assert rising([0.0] * 30) == 1.0


def test_holm_takes_the_surest_first() -> None:
    """0.01 of four is below 0.05 / 4, then 0.016 of three; 0.03 of two ends it."""
    assert holm([0.03, 0.01, 0.016, 0.04], 0.05) == [False, True, True, False]
    assert holm([], 0.05) == []


@given(st.lists(st.floats(0, 1)), st.floats(0.001, 0.2))
def test_holm_finds_no_more_than_each_test_alone(doubts: list[float], family: float) -> None:
    """Nothing above the family's own level, and nothing surer is left out."""
    found = holm(doubts, family)
    taken = [p for p, yes in zip(doubts, found, strict=True) if yes]
    left = [p for p, yes in zip(doubts, found, strict=True) if not yes]
    assert all(p <= family for p in taken)
    assert not taken or not left or max(taken) <= min(left)
