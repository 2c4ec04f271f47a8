"""How long waits last when the end of some was never seen."""

from collections import Counter
from math import log
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from loadkit.stats.censored import Survival
from loadkit.stats.order_statistics import ranks

VALUES = st.lists(st.integers(1, 500), min_size=1, max_size=200)
PER_MILLE = st.sampled_from([250, 500, 900, 950, 990])


@settings(max_examples=40)
@given(VALUES, PER_MILLE)
def test_where_every_end_was_seen_a_quantile_is_the_nearest_rank(
    values: list[int], per_mille: int
) -> None:
    ordered = sorted(values)
    rank = max(1, -(-len(values) * per_mille // 1000))
    assert Survival(Counter(values), {}, {}).quantile(per_mille / 1000) == ordered[rank - 1]


@settings(max_examples=40)
@given(VALUES, PER_MILLE)
def test_where_every_end_was_seen_the_interval_is_that_by_order_statistics(
    values: list[int], per_mille: int
) -> None:
    ordered, found = sorted(values), ranks(len(values), per_mille)
    expected = None if found is None else (ordered[found[0] - 1], ordered[found[1] - 1])
    assert Survival(Counter(values), {}, {}).interval(per_mille / 1000) == expected


@given(VALUES, VALUES)
@settings(max_examples=60)
def test_the_curve_is_that_of_scipy(ended: list[int], unseen: list[int]) -> None:
    """By the same formula, written by others."""
    curve = Survival(Counter(ended), Counter(unseen), {})
    other = ecdf(CensoredData(uncensored=ended, right=unseen)).sf
    shares = dict(zip(other.quantiles.tolist(), other.probabilities.tolist(), strict=True))
    assert [shares[float(value)] for value in curve.values] == pytest.approx(curve.left.tolist())


def test_what_too_many_waits_never_reached_is_not_known() -> None:
    """94 of 100 are over by 2 s; six are open for 14 s at most."""
    curve = Survival({2000: 94}, {3000: 5, 14_000: 1}, {})
    assert curve.quantile(0.9) == 2000
    assert curve.quantile(0.95) is None
    assert (curve.longest, curve.ends) == (14_000, False)


@settings(max_examples=40)
@given(VALUES)
def test_where_every_end_was_seen_the_mean_is_the_mean(values: list[int]) -> None:
    assert Survival(Counter(values), {}, {}).mean(sum(values)) == pytest.approx(np.mean(values))


def exponential(rng: Random, mean: float) -> int:
    return max(1, round(rng.expovariate(1 / mean)))


@pytest.mark.parametrize("runs", [120, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.95])
def test_it_is_right_about_runs_that_are_cut_at_random_moments(share: float, runs: int) -> None:
    """Waits of a known distribution begin all the time, one in a hundred never ends.

    Over many such runs the estimate is off by under 2 % on average; its interval, which may have
    no upper end, leaves the true value out at most 7 times in 100.
    """
    rng, mean, hung = Random(7), 1000.0, 0.01
    # The waits that end at all are exponential: 1 - e^(-t/mean) of the share 1 - hung.
    true = -mean * log(1 - share / (1 - hung))
    ratios, wrong = [], 0
    for _ in range(runs):
        until = rng.uniform(8000, 12_000)
        ended: Counter[int] = Counter()
        unseen: Counter[int] = Counter()
        for _ in range(500):
            age, lasts = round(until - rng.uniform(0, until)), exponential(rng, mean)
            if rng.random() < hung or lasts > age:
                unseen[age] += 1
            else:
                ended[lasts] += 1
        curve = Survival(ended, unseen, {})
        found, between = curve.quantile(share), curve.interval(share)
        assert found is not None
        ratios.append(found / true)
        wrong += between is not None and not between[0] <= true <= between[1]
    assert abs(np.mean(ratios) - 1) < 0.02
    assert wrong <= 0.07 * runs


def test_a_stretch_of_a_run_is_as_right_as_the_whole() -> None:
    """Waits that were under way when it began count from the age on that they had then.

    In a steady state of exponential waits of 2 s, each second is looked at by itself. Without that
    the median would come out at about three times what it is.
    """
    rng, mean = Random(3), 2000.0
    waits = [(rng.uniform(0, 400_000), exponential(rng, mean)) for _ in range(40_000)]
    medians, without = [], []
    for begin in range(100_000, 300_000, 10_000):
        end = begin + 1000
        ended: Counter[int] = Counter()
        unseen: Counter[int] = Counter()
        entered: Counter[int] = Counter()
        for since, lasts in waits:
            if since + lasts <= begin or since >= end:
                continue
            if since < begin:
                entered[round(begin - since)] += 1
            if since + lasts <= end:
                ended[lasts] += 1
            else:
                unseen[round(end - since)] += 1
        medians.append(Survival(ended, unseen, entered).quantile(0.5))
        without.append(Survival(ended, unseen, {}).quantile(0.5))
    true = mean * log(2)
    assert np.mean(medians) == pytest.approx(true, rel=0.05)
    assert np.mean(without) > 2 * true
