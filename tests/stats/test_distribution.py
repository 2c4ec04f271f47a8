"""What the master reads of merged tallies, held against sorted lists of everything."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from loadkit.stats.distribution import PERCENTILES, Distribution
from loadkit.stats.hdr_index import HIGHEST, bucket_of
from loadkit.stats.histogram import Histogram
from tests.stats.samples import distribution_of, microseconds, samples, tally_of


@settings(max_examples=40)
@given(samples)
def test_percentiles_are_the_nearest_rank_within_a_thousandth(values: list[int]) -> None:
    """Every percentile is within 0.1 % + 1 µs of the exact nearest rank of the sorted list."""
    stats, ordered = distribution_of(tally_of(values)).stats(), sorted(values)
    for name, share in PERCENTILES.items():
        exact_us = ordered[ceil(len(ordered) * share / 1000) - 1]
        assert stats[name] * 1000 == pytest.approx(exact_us, rel=1e-3, abs=1.0)


@settings(max_examples=40)
@given(samples)
def test_count_min_mean_and_max_are_exact(values: list[int]) -> None:
    """Quantising touches percentiles alone."""
    stats = distribution_of(tally_of(values)).stats()
    assert stats["count"] == len(values)
    assert stats["min"] == min(values) / 1000
    assert stats["max"] == max(values) / 1000
    assert stats["mean"] == round(sum(values) / len(values) / 1000, 3)


@settings(max_examples=40)
@given(samples)
def test_percentiles_rise_and_stay_between_min_and_max(values: list[int]) -> None:
    """No figure contradicts another one of the same row."""
    stats = distribution_of(tally_of(values)).stats()
    row = [stats[name] for name in ("min", *PERCENTILES, "max")]
    assert row == sorted(row)


@settings(max_examples=40)
@given(st.lists(samples, min_size=1, max_size=5))
def test_merging_parts_is_the_same_as_having_seen_the_whole(parts: list[list[int]]) -> None:
    """Neither the number of tallies nor their order changes a figure."""
    whole = distribution_of(tally_of([value for part in parts for value in part]))
    merged = distribution_of(*(tally_of(part) for part in reversed(parts)))
    assert merged.stats() == whole.stats()
    assert merged.counts == whole.counts


@settings(max_examples=40)
@given(samples)
def test_it_becomes_the_hdr_histogram_that_would_have_seen_the_samples(values: list[int]) -> None:
    """Encoded and read back it equals, bucket by bucket, one that hdrh itself recorded."""
    reference = HdrHistogram(1, HIGHEST, 3)
    for value in values:
        reference.record_value(value)
    decoded = HdrHistogram.decode(distribution_of(tally_of(values)).encode())
    assert list(decoded.counts) == list(reference.counts)
    assert decoded.get_total_count() == reference.get_total_count()
    assert decoded.get_max_value() == reference.get_highest_equivalent_value(max(values))


def test_what_is_no_sample_is_not_in_the_hdr_histogram() -> None:
    """Negative and too long durations are counters, nothing that another tool would plot."""
    encoded = distribution_of(tally_of([-1, HIGHEST + 1, 7])).encode()
    assert HdrHistogram.decode(encoded).get_total_count() == 1


@settings(max_examples=40)
@given(samples, st.integers(1, 999))
def test_any_percentile_is_the_nearest_rank(values: list[int], per_mille: int) -> None:
    """It is asked for in thousandths: 990 is p99."""
    exact_us = sorted(values)[ceil(len(values) * per_mille / 1000) - 1]
    found_us = distribution_of(tally_of(values)).percentile(per_mille) * 1000
    assert found_us == pytest.approx(exact_us, rel=1e-3, abs=1.0)


def test_there_is_no_percentile_of_nothing() -> None:
    """A figure that nothing was measured for is a mistake, not a zero."""
    with pytest.raises(ValueError, match="no samples"):
        Distribution().percentile(500)


@settings(deadline=None, max_examples=30)  # a busy machine is no fault
@given(st.integers(7, 3000), st.sampled_from(list(PERCENTILES.values())))
def test_the_interval_of_a_percentile_is_two_order_statistics(count: int, per_mille: int) -> None:
    """With the samples 1 … n in milliseconds its ends are ranks that the binomial gives."""
    distribution = distribution_of(tally_of([1000 * value for value in range(1, count + 1)]))
    lower = int(binom.ppf(0.025, count, per_mille / 1000))
    upper = int(binom.ppf(0.975, count, per_mille / 1000)) + 1
    if lower < 1 or upper > count:
        assert distribution.interval(per_mille) is None
    else:
        assert distribution.interval(per_mille) == pytest.approx((lower, upper), rel=1e-3)


@pytest.mark.parametrize(("per_mille", "count"), [(500, 7), (900, 44), (950, 90), (990, 459)])
def test_a_percentile_needs_a_number_of_samples(per_mille: int, count: int) -> None:
    """MLPerf's rule at 99 % confidence: one sample less is too few."""
    values = list(range(count))
    assert distribution_of(tally_of(values)).enough(per_mille)
    assert not distribution_of(tally_of(values[1:])).enough(per_mille)


@settings(max_examples=40)
@given(samples, microseconds)
def test_what_lies_above_a_limit_is_surely_above(values: list[int], limit_us: int) -> None:
    """Never more than there are, and short of them by those in the limit's own bucket only."""
    told = distribution_of(tally_of(values)).above(limit_us / 1000)
    assert sum(value > limit_us * 1.001 + 1 for value in values) <= told
    assert told <= sum(value > limit_us for value in values)


@pytest.mark.parametrize(("limit_ms", "above"), [(-1.0, 3), (0.0, 3), (1.0, 2), (1.001, 1)])
def test_a_limit_is_in_milliseconds(limit_ms: float, above: int) -> None:
    """1.001 ms is 1,001 µs although 1.001 × 1000 is a little less."""
    assert distribution_of(tally_of([1000, 1001, 1002])).above(limit_ms) == above


def test_the_error_of_a_percentile_has_no_preferred_side() -> None:
    """A bucket stands for its middle, so that medians of many runs are not all too high."""
    offs = []
    width = 256  # µs: a bucket's, from 262 ms to 524 ms
    for value in range(1900 * width, 1904 * width):
        # Two others keep the clamp to [min, max] out of the way.
        stats = distribution_of(tally_of([1, value, HIGHEST])).stats()
        offs.append(stats["p50"] * 1000 - value)
    assert abs(sum(offs) / len(offs)) < 1.0
    assert max(offs) > 100
    assert min(offs) < -100


def test_nothing_measured_gives_no_figures() -> None:
    """An absent figure is absent, not zero."""
    assert Distribution().stats() == {}


@settings(max_examples=40)
@given(st.lists(st.integers(0, HIGHEST), min_size=1, max_size=50))
def test_what_is_encoded_can_be_decoded(values: list[int]) -> None:
    """Bucket by bucket; the sum and the ends as near as three digits tell."""
    written = distribution_of(tally_of(values))
    read = Distribution.decode(written.encode())
    assert read.counts == written.counts
    assert read.total == pytest.approx(written.total, rel=0.001)
    assert (read.min, read.max) == pytest.approx((written.min, written.max), rel=0.001)


def test_what_was_cut_cannot_be_decoded() -> None:
    """A half-written line is told from a whole one."""
    with pytest.raises(ValueError, match="not an HdrHistogram"):
        Distribution.decode(distribution_of(tally_of([5, 70_000])).encode()[:-9])


def test_a_copy_stays_as_it_was() -> None:
    """What comes later is the original's alone."""
    original = distribution_of(tally_of([5, 7]))
    before, copy = original.stats(), original.copy()
    original.record_whole(900)
    assert (copy.stats(), original.count) == (before, 3)


def waits(
    ended: list[float],
    lost: Sequence[float] = (),
    still: Sequence[float] = (),
) -> Distribution:
    """Waits by how long they lasted, in seconds."""
    tally = Histogram()
    for seconds in ended:
        tally.record(seconds)
    for seconds in lost:
        tally.unfinished(seconds, lost=True)
    for seconds in still:
        tally.unfinished(seconds, lost=False)
    return distribution_of(tally)


def test_a_percentile_beyond_what_was_seen_is_a_lower_bound() -> None:
    """Of 100 waits six are open: nobody knows their p95, but that it is no less than the oldest."""
    found = waits([0.8] * 94, still=[14.2, *[3.0] * 5])
    assert found.estimate(900) == (800.0, False)
    value, at_least = found.estimate(950)
    assert (value, at_least) == (pytest.approx(14_200, rel=0.001), True)
    assert found.interval(950) is None
    stats = found.stats()
    assert (stats["count"], stats["open"], stats["lost"]) == (94, 6, 0)
    assert (stats["observed"], stats["supported"]) == (94.0, 95.0)
    assert stats["max"] == pytest.approx(14_200, rel=0.001)


def test_a_wait_that_was_given_up_counts_as_one_that_is_open() -> None:
    """Either lasted at least so long."""
    assert waits([0.8] * 94, lost=[60.0] * 6).estimate(950) == waits(
        [0.8] * 94, still=[60.0] * 6
    ).estimate(950)


def test_a_young_open_wait_says_next_to_nothing() -> None:
    """It may end in time: the others decide."""
    found = waits([0.5] * 50 + [1.5] * 50, still=[0.01] * 40)
    assert found.percentile(500) == pytest.approx(500, rel=0.001)
    assert found.known(500) == 100
    assert found.waits == 140


def test_waits_that_were_never_answered_have_a_percentile_all_the_same() -> None:
    found = waits([], still=[20.0, 10.0])
    assert found.estimate(950) == (pytest.approx(20_000, rel=0.001), True)
    assert found.stats() == {}, "there is no latency"
    assert found.unfinished_stats() == {
        "lost": 0,
        "open": 2,
        "open_median_ms": pytest.approx(10_000, rel=0.001),
        "open_oldest_ms": pytest.approx(20_000, rel=0.001),
    }


def test_what_lasted_longer_than_a_limit_is_counted_whatever_became_of_it() -> None:
    found = waits([1.0, 3.0], lost=[2.0, 4.0], still=[0.5, 5.0])
    assert found.above(2500.0) == 3
    assert found.decided(2500.0) == 4, "two had not lasted that long"
    assert found.open_above(2500.0) == 1


def test_what_is_looked_at_again_has_lasted_longer_or_has_ended() -> None:
    found = waits([1.0])
    then, now = {bucket_of(200_000): 2}, {bucket_of(1_200_000): 1}
    found.look_again({}, then)
    assert found.waits == 3
    found.look_again(then, now)
    assert (found.waits, dict(found.open)) == (2, now)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=60))
def test_stretches_that_follow_each_other_are_the_whole_put_together(
    lives: list[tuple[int, int]],
) -> None:
    """What was open at the end of one is what the next begins with."""
    ends = (150, 300, 900)
    parts, before = [], 0
    for end in ends:
        part, begin_open, end_open = Histogram(), Counter[int](), Counter[int]()
        for since, lasts in lives:
            if before < since + lasts <= end:
                part.record_whole(1000 * lasts)
            if since < before < since + lasts:
                begin_open[bucket_of(1000 * (before - since))] += 1
            if since < end < since + lasts:
                end_open[bucket_of(1000 * (end - since))] += 1
        found = distribution_of(part)
        found.under_way(begin_open, end_open)
        parts.append(found)
        before = end
    together = distribution_of(*parts)
    whole = distribution_of(tally_of([1000 * lasts for _, lasts in lives]))
    assert (together.waits, not together.open, not together.entered) == (len(lives), True, True)
    assert together.stats() == whole.stats()


def test_a_mean_of_waits_of_which_the_longest_is_open_is_a_lower_bound() -> None:
    found = waits([1.0] * 9, still=[11.0])
    assert found.statistic("mean") == (pytest.approx(2000, rel=0.001), True)
    assert waits([1.0] * 9, still=[0.5]).statistic("mean") == (1000.0, False)


def test_a_wait_that_lasts_is_a_sample_once_in_the_stretch_in_which_it_becomes_stale() -> None:
    """Before, and after, it is none; what ends in time never is."""
    first, second, third = waits([0.5]), waits([0.5]), waits([0.5])
    first.under_way({}, {bucket_of(9_000_000): 1})
    second.under_way({bucket_of(9_000_000): 1}, {bucket_of(11_000_000): 1})
    third.under_way({bucket_of(11_000_000): 1}, {bucket_of(13_000_000): 1})
    sample, stale = (bucket_of(500_000), 1), (bucket_of(10_000_000), 1)
    found = [list(each.with_stale(10_000.0)) for each in (first, second, third)]
    assert found == [[sample], [sample, stale], [sample]]
