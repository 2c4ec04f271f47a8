"""What is usual, and how surprising another number is, against exact tails."""

from math import exp
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from loadkit.soak.baseline import SURE, Baseline, unlikely


def learnt(counts: list[float], exposure: float = 10.0) -> Baseline:
    usual = Baseline()
    for count in counts:
        usual.learn(count, exposure)
    return usual


def known(count: float, exposure: float) -> Baseline:
    """One that has learnt just this."""
    usual = Baseline()
    usual.learn(count, exposure)
    return usual


class TestSurprise:
    @given(
        count=st.integers(0, 400),
        exposure=st.floats(0.1, 100),
        before=st.integers(0, 1000),
        exposed=st.floats(0.1, 1000),
    )
    def test_bounds_the_exact_test_of_two_poisson_rates(
        self, count: int, exposure: float, before: int, exposed: float
    ) -> None:
        """Given the sum of both, the count is binomial: by chance it is as far off so often."""
        assume(count + before)
        share = exposure / (exposure + exposed)
        usual = known(before, exposed)
        tail = (
            binom.sf(count - 1, count + before, share)
            if count > share * (count + before)
            else binom.cdf(count, count + before, share)
        )
        assert exp(-usual.surprise(count, exposure)) >= tail * (1 - 1e-9)

    def test_is_not_far_from_the_exact_test(self) -> None:
        """Where it decides: a bound that is never reached would find nothing."""
        usual = known(100, 100.0)
        exact = next(n for n in range(1000) if binom.sf(n - 1, n + 100, 1 / 101) < exp(-SURE))
        found = next(n for n in range(2, 1000) if usual.surprise(n, 1.0) > SURE)
        assert exact <= found <= exact + 2

    def test_takes_into_account_how_little_is_known(self) -> None:
        """The same number is no surprise after a row, and is one after a hundred."""
        assert known(1, 1.0).surprise(12, 1.0) < SURE < known(100, 100.0).surprise(12, 1.0)

    def test_is_nothing_where_nothing_is_known_or_nothing_ever_happened(self) -> None:
        """A first row has nothing to be compared with."""
        assert Baseline().surprise(5, 1.0) == 0
        assert known(0, 10.0).surprise(0, 1.0) == 0

    def test_is_smaller_where_events_come_in_groups(self) -> None:
        """Groups of ten are ten times as dispersed, and say as much as a tenth of them."""
        rng = np.random.default_rng(4)
        single, groups = rng.poisson(20, 3000), 10 * rng.poisson(2, 3000)
        plain, grouped = learnt(list(map(float, single))), learnt(list(map(float, groups)))
        assert plain.dispersion == pytest.approx(1, abs=0.15)
        assert grouped.dispersion == pytest.approx(10, rel=0.2)
        ratio = plain.surprise(60, 10.0) / grouped.surprise(60, 10.0)
        assert ratio == pytest.approx(10, rel=0.25)


class TestWhatIsLearnt:
    def test_is_a_rate_for_any_exposure(self) -> None:
        """Twice the sessions, twice the failures."""
        usual = learnt([5.0] * 50, exposure=10.0)
        assert usual.expected(10.0) == pytest.approx(5)
        assert usual.expected(40.0) == pytest.approx(20)

    def test_fades(self) -> None:
        """After some thousand rows of another rate the first is forgotten."""
        usual = learnt([100.0] * 1000 + [10.0] * 6000)
        assert usual.expected(10.0) == pytest.approx(10, rel=0.01)

    def test_is_nothing_at_first(self) -> None:
        """And the dispersion that of Poisson."""
        assert Baseline().expected(10.0) == 0
        assert Baseline().dispersion == 1


@given(count=st.integers(0, 300), mean=st.floats(0.01, 300))
def test_a_poisson_count_of_known_mean_is_bounded_likewise(count: int, mean: float) -> None:
    """Chernoff's bound is above the exact tail on either side."""
    tail = poisson.sf(count - 1, mean) if count > mean else poisson.cdf(count, mean)
    assert exp(-unlikely(count, mean)) >= tail * (1 - 1e-9)


def test_a_group_among_rare_events_does_not_blow_the_dispersion_up() -> None:
    """One session that dies with three failures, in an hour of none, is not a dispersion of 900."""
    rng = Random(1)
    usual = learnt([3.0 if at == 1800 or rng.random() < 0.001 else 0.0 for at in range(3600)])
    assert 1 <= usual.dispersion < 6
