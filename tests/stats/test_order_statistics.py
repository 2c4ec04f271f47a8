"""How much a number of samples can say about a percentile."""

import re
import subprocess
import sys
from fractions import Fraction
from itertools import accumulate
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm

from loadkit.stats.order_statistics import needed, ranks, share_between, surely_above

PER_MILLE = st.integers(1, 999)


def at_most(n: int, share: Fraction) -> list[Fraction]:
    """P(X ≤ k) of the binomial for each k from 0 to n, exactly."""
    return [*accumulate(comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(n + 1))]


@pytest.mark.parametrize(
    ("per_mille", "confidence", "count"),
    [
        # Wilks' one-sided tolerance limits as tables of them have it (share/confidence).
        (900, 0.90, 22),
        (900, 0.95, 29),
        (900, 0.99, 44),
        (950, 0.90, 45),
        (950, 0.95, 59),
        (950, 0.99, 90),
        (990, 0.90, 230),
        (990, 0.95, 299),
        (990, 0.99, 459),
        (500, 0.99, 7),
        (999, 0.99, 4603),
        (100, 0.99, 2),  # exactly two: 0.1² is 0.01
        (100, 0.90, 1),  # exactly one, though 1 - 0.9 is not quite 0.1 to a float
        (1, 0.99, 1),
    ],
)
def test_the_count_needed_is_that_of_the_tables(
    per_mille: int, confidence: float, count: int
) -> None:
    """The largest of so many samples is not below the percentile, at that confidence."""
    assert needed(per_mille, confidence) == count


@settings(max_examples=40)
@given(PER_MILLE, st.sampled_from([90, 95, 99]))
def test_one_sample_fewer_would_not_do(per_mille: int, percent: int) -> None:
    """In exact arithmetic: 1 - pⁿ reaches the confidence at n, and not before."""
    share, doubt = Fraction(per_mille, 1000), 1 - Fraction(percent, 100)
    count = needed(per_mille, percent / 100)
    assert share**count <= doubt
    assert count == 1 or share ** (count - 1) > doubt


@settings(max_examples=40)
@given(st.integers(1, 60), PER_MILLE)
def test_the_interval_is_the_tightest_that_leaves_at_most_half_the_doubt_on_either_side(
    count: int, per_mille: int
) -> None:
    """In exact arithmetic, against every rank there is."""
    share, half = Fraction(per_mille, 1000), Fraction(25, 1000)
    below = at_most(count, share)
    lower = [r for r in range(1, count + 1) if below[r - 1] <= half]
    upper = [r for r in range(1, count + 1) if below[r - 1] >= 1 - half]
    expected = (max(lower), min(upper)) if lower and upper else None
    assert ranks(count, per_mille) == expected


@settings(max_examples=40)
@given(st.integers(1, 10**8), PER_MILLE)
def test_the_interval_holds_the_confidence_for_any_count(count: int, per_mille: int) -> None:
    """The chance that the percentile lies within is at least 95 %, by another implementation."""
    found = ranks(count, per_mille)
    if found is None:
        return
    lower, upper = found
    assert 1 <= lower < upper <= count
    share = per_mille / 1000
    cover = binom.cdf(upper - 1, count, share) - binom.cdf(lower - 1, count, share)
    assert cover >= 0.95 - 1e-9
    # and no sample could be spared on either side
    assert binom.cdf(lower, count, share) > 0.025 - 1e-9
    assert binom.cdf(upper - 2, count, share) < 0.975 + 1e-9


@pytest.mark.parametrize(
    ("count", "per_mille", "expected"),
    [
        (16, 500, (4, 13)),  # tables of intervals for the median: n = 16, 6, 10, 20, 100
        (6, 500, (1, 6)),
        (10, 500, (2, 9)),
        (20, 500, (6, 15)),
        (100, 500, (40, 61)),
        (5, 500, None),
        (0, 500, None),
    ],
)
def test_the_interval_of_the_median_is_that_of_the_tables(
    count: int, per_mille: int, expected: tuple[int, int] | None
) -> None:
    """The sign test's ranks, as textbooks print them."""
    assert ranks(count, per_mille) == expected


@pytest.mark.parametrize("per_mille", [500, 900, 950, 990, 999])
def test_a_percentile_that_is_supported_has_an_interval(per_mille: int) -> None:
    """Whoever judges a percentile can also say how sure of it one is."""
    assert ranks(needed(per_mille), per_mille) is not None


@pytest.mark.parametrize(("per_mille", "count"), [(500, 7), (900, 100), (950, 400), (990, 1000)])
def test_intervals_hold_the_true_percentile_as_often_as_they_say(
    per_mille: int, count: int
) -> None:
    """Two thousand samples of known log-normal latencies: at least 95 %, but for chance."""
    found = ranks(count, per_mille)
    assert found is not None
    truth = float(np.exp(0.8 * norm.ppf(per_mille / 1000)))
    draws = np.sort(np.random.default_rng(7).lognormal(0, 0.8, (2000, count)), axis=1)
    within = (draws[:, found[0] - 1] <= truth) & (truth <= draws[:, found[1] - 1])
    # 2,000 trials of a true 95 % fall below 93.5 % once in a thousand times
    assert within.mean() > 0.935


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 60), PER_MILLE)
def test_a_breach_is_proved_by_the_exact_binomial_test(
    count: int, above: int, per_mille: int
) -> None:
    """In exact arithmetic: so many above the limit come by chance in at most 1 % of cases."""
    above = min(above, count)
    chance = 1 - at_most(count, 1 - Fraction(per_mille, 1000))[above - 1] if above else 1
    if abs(chance - Fraction(1, 100)) > 1e-12:  # where a float can tell them apart
        assert surely_above(count, above, per_mille) is (chance < Fraction(1, 100))


@pytest.mark.parametrize(
    ("count", "above", "per_mille", "sure"),
    [
        (1, 1, 900, False),  # 10 %
        (3, 3, 900, True),
        (2, 2, 950, True),  # 0.25 %
        (1, 1, 999, True),
        (10, 5, 950, True),
        (100, 9, 950, False),  # 5 are expected; 9 or more come in 6 % of cases
        (100, 12, 950, True),
        (50, 0, 999, False),
        (0, 0, 500, False),
    ],
)
def test_few_samples_prove_a_gross_breach_only(
    count: int, above: int, per_mille: int, sure: bool
) -> None:
    """One row a case."""
    assert surely_above(count, above, per_mille) is sure


def test_who_asks_in_mid_run_can_have_it_loaded_before() -> None:
    """Importing the module loads nothing, for a worker does that; `load` all that is needed."""
    code = (
        "import sys; from loadkit.stats import order_statistics as enough;"
        "before = 'numpy' in sys.modules;"
        "enough.load(); there = set(sys.modules); enough.ranks(1000, 950);"
        "enough.surely_above(50, 9, 950); enough.share_between(3, 1000);"
        "print(before, sorted(set(sys.modules) - there))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "[]"]


def test_a_target_that_keeps_to_its_limit_is_seldom_proved_guilty() -> None:
    """At the very limit, one run in a hundred at most is failed by its first few samples."""
    limit_at_the_percentile = 0.95
    draws = np.random.default_rng(3).random((4000, 60)) > limit_at_the_percentile
    proved = sum(surely_above(60, int(above), 950) for above in draws.sum(axis=1))
    assert proved / 4000 < 0.015


def test_the_documentation_has_the_right_counts() -> None:
    """The table of `docs/slo.md`, row by row."""
    text = (Path(__file__).parents[2] / "docs" / "slo.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| p([\d.]+) \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 7
    for percentile, count in rows:
        assert needed(round(float(percentile) * 10)) == int(count.replace(",", ""))


@settings(max_examples=40)
@given(st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_lies_where_the_exact_test_puts_it(hits_of: tuple[int, int]) -> None:
    """By another implementation of the same interval."""
    hits, of = hits_of
    known = binomtest(hits, of).proportion_ci(method="exact")
    assert share_between(hits, of) == pytest.approx((known.low, known.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "of"), [(0, 0), (2, 1), (-1, 3)])
def test_what_is_no_share_is_refused(hits: int, of: int) -> None:
    """As when a session can be hit more than once."""
    with pytest.raises(ValueError, match="is no share"):
        share_between(hits, of)
