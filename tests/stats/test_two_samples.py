"""Two figures held against each other: known answers, and known shares of false alarms."""

import numpy as np
import pytest
from scipy import stats

from loadkit.stats.two_samples import (
    Curve,
    PercentileTest,
    Spread,
    design_effect,
    fisher,
    holm,
    newcombe,
    share_seen,
    spread,
)


def curve(values: list[int]) -> Curve:
    """The curve of some waits whose end was seen."""
    at, many = np.unique(values, return_counts=True)
    return Curve(at.astype(np.int64), 1 - np.cumsum(many) / len(values), len(values))


def test_fishers_p_is_scipys() -> None:
    """Of small tables and of large ones."""
    for table in ((3, 40, 9, 50), (0, 200, 5, 210), (120, 9_000, 190, 9_100), (7, 7, 1, 9)):
        hits, of, other, other_of = table
        known = stats.fisher_exact([[hits, of - hits], [other, other_of - other]]).pvalue
        assert fisher(*table) == pytest.approx(known, rel=1e-6)


def test_newcombes_interval_is_that_of_his_paper() -> None:
    """Table II, method 10: 56/70 against 48/80, 9/10 against 3/10, 10/10 against 0/20."""
    assert newcombe(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(3, 10, 9, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert newcombe(0, 20, 10, 10) == pytest.approx((0.6791, 1.0), abs=5e-5)


def test_holm_takes_the_surest_for_as_many_as_there_are() -> None:
    """And none for less than a surer one."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_share_that_would_be_seen_is_told_four_times_of_five() -> None:
    """By the binomial, with a chance of 80 %."""
    seen = share_seen(5, 1000, 1200, 0.01)
    assert seen is not None
    told = [hits for hits in range(1200) if hits > 6 and fisher(5, 1000, hits, 1200) <= 0.01]
    assert stats.binom.sf(told[0] - 1, 1200, seen) == pytest.approx(0.8, abs=0.001)
    assert share_seen(0, 3, 3, 0.01) is None


def test_a_sum_of_independent_steps_is_as_sure_as_their_number_tells() -> None:
    """On average hardly surer, and never by much less."""
    chance = np.random.default_rng(3)
    errors = []
    for _ in range(200):
        found = spread(chance.standard_normal(120), np.ones(120))
        assert found is not None
        errors.append(found.error)
    assert np.sqrt(120) < np.mean(errors) < 1.3 * np.sqrt(120)


def test_a_sum_of_steps_that_hang_together_is_less_sure() -> None:
    """A moving sum of four is twice as unsure as independent steps; never told surer than it is."""
    chance = np.random.default_rng(4)
    errors = []
    for _ in range(200):
        steps = np.convolve(chance.standard_normal(243), np.ones(4) / 2, "valid")
        found = spread(steps, np.ones(240))
        assert found is not None
        errors.append(found.error)
    assert 2 * np.sqrt(240) < np.mean(errors) < 3.3 * np.sqrt(240)


def test_what_was_measured_in_a_few_stretches_tells_no_noise() -> None:
    """Be it that the run was short, or that nearly all came at once."""
    assert spread(np.ones(19), np.ones(19)) is None
    assert spread(np.ones(100), np.array([1000.0, *[0.1] * 99])) is None


def test_the_design_effect_is_how_much_comes_at_once() -> None:
    """Each lost turn takes nine others with it: ten are worth one."""
    chance = np.random.default_rng(5)
    hits = 10.0 * chance.binomial(1, 0.1, 240)
    assert 8 < design_effect(hits, np.full(240, 50.0)) < 16
    assert design_effect(np.zeros(240), np.full(240, 50.0)) == 1.0


def test_a_percentile_is_tested_as_the_median_test_does() -> None:
    """With the binomial's noise: scipy's, whose degrees of freedom have no end."""
    chance = np.random.default_rng(6)
    base = chance.lognormal(13, 0.4, 800).astype(int).tolist()
    new = chance.lognormal(13.05, 0.4, 900).astype(int).tolist()
    test = PercentileTest(curve(base), curve(new), 0.5, Spread(0.0, 1e9))
    known = stats.median_test(base, new, correction=False, ties="below").pvalue
    assert test.p == pytest.approx(known, rel=0.05)


def test_the_interval_is_of_the_ratios_that_the_test_does_not_refuse() -> None:
    """A run made slower by an end of it is told with just that doubt."""
    chance = np.random.default_rng(7)
    base = chance.lognormal(13, 0.4, 3000).astype(int)
    new = chance.lognormal(13.1, 0.4, 2500).astype(int)
    noise = Spread(0.015, 30.0)
    low, high = PercentileTest(curve(base.tolist()), curve(new.tolist()), 0.9, noise).interval()
    assert low is not None
    assert high is not None
    for ratio in (low, high):
        scaled = (base * ratio).astype(int).tolist()
        assert PercentileTest(curve(scaled), curve(new.tolist()), 0.9, noise).p == pytest.approx(
            0.05, abs=0.01
        )


def test_a_percentile_beyond_the_samples_has_no_upper_end() -> None:
    """Nor can it be said what would have been seen."""
    waits = list(range(1000, 1100))
    test = PercentileTest(curve(waits), curve(waits), 0.99, Spread(0.05, 10.0))
    assert test.interval() == (None, None)
    assert test.seen(0.05) is None
    assert test.p == 1.0
