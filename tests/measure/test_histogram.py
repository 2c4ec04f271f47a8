"""Tally and Distribution, held against sorted lists of everything."""

import json
from math import ceil

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from loadkit.measure.histogram import HIGHEST, PERCENTILES, Distribution, Tally

# Every order of magnitude alike: plain integers would nearly all be above a minute.
microseconds = st.integers(0, 29).flatmap(
    lambda bits: st.integers(0, min(HIGHEST, 2 ** (bits + 1) - 1))
)
samples = st.lists(microseconds, min_size=1, max_size=300)


def tally_of(values: list[int]) -> Tally:
    tally = Tally()
    for value in values:
        tally.record_whole(value)
    return tally


def distribution_of(*tallies: Tally) -> Distribution:
    distribution = Distribution()
    for tally in tallies:
        distribution.add(json.loads(json.dumps(tally.to_wire())))
    return distribution


@settings(deadline=None)  # a busy machine is no fault
@given(microseconds)
def test_a_tally_keeps_the_lowest_value_hdr_histogram_counts_as_equal(value: int) -> None:
    """A tally's key is HdrHistogram's own bucket, so that merging loses nothing."""
    reference = HdrHistogram(1, HIGHEST, 3)
    assert [reference.get_lowest_equivalent_value(value)] == list(tally_of([value]).counts)


@settings(deadline=None)  # a busy machine is no fault
@given(samples)
def test_percentiles_are_the_nearest_rank_within_a_thousandth(values: list[int]) -> None:
    """Every percentile is within 0.1 % + 1 µs of the exact nearest rank of the sorted list."""
    stats, ordered = distribution_of(tally_of(values)).stats(), sorted(values)
    for name, share in PERCENTILES.items():
        exact_us = ordered[ceil(len(ordered) * share / 1000) - 1]
        assert stats[name] * 1000 == pytest.approx(exact_us, rel=1e-3, abs=1.0)


@settings(deadline=None)  # a busy machine is no fault
@given(samples)
def test_count_min_mean_and_max_are_exact(values: list[int]) -> None:
    """Quantising touches percentiles alone."""
    stats = distribution_of(tally_of(values)).stats()
    assert stats["count"] == len(values)
    assert stats["min"] == min(values) / 1000
    assert stats["max"] == max(values) / 1000
    assert stats["mean"] == round(sum(values) / len(values) / 1000, 3)


@settings(deadline=None)  # a busy machine is no fault
@given(samples)
def test_percentiles_rise_and_stay_between_min_and_max(values: list[int]) -> None:
    """No figure contradicts another one of the same row."""
    stats = distribution_of(tally_of(values)).stats()
    row = [stats[name] for name in ("min", *PERCENTILES, "max")]
    assert row == sorted(row)


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(samples, min_size=1, max_size=5))
def test_merging_parts_is_the_same_as_having_seen_the_whole(parts: list[list[int]]) -> None:
    """Neither the number of tallies nor their order changes a figure."""
    whole = distribution_of(tally_of([value for part in parts for value in part]))
    merged = distribution_of(*(tally_of(part) for part in reversed(parts)))
    assert merged.stats() == whole.stats()
    assert merged.counts == whole.counts


@settings(deadline=None)  # a busy machine is no fault
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


@settings(deadline=None)  # a busy machine is no fault
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


@settings(deadline=None)  # a busy machine is no fault
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


def test_what_is_no_sample_is_counted_apart() -> None:
    """A duration below zero or above ten minutes touches no figure but its own counter."""
    tally = Tally()
    for seconds in (-0.001, 600.000001, 0.5):
        tally.record(seconds)
    distribution = distribution_of(tally)
    assert (distribution.negative, distribution.overflow, distribution.count) == (1, 1, 1)
    assert distribution.stats()["max"] == 500.0


def test_ten_minutes_sharp_is_a_sample() -> None:
    """The limit itself is inside."""
    assert distribution_of(tally_of([HIGHEST])).stats()["p50"] == HIGHEST / 1000


def test_nothing_measured_gives_no_figures() -> None:
    """An absent figure is absent, not zero."""
    assert Distribution().stats() == {}


def test_a_duration_is_rounded_to_the_microsecond() -> None:
    """Seconds become whole microseconds, the nearest."""
    tally = Tally()
    tally.record(0.0000016)
    assert dict(tally.counts) == {2: 1}


@pytest.mark.parametrize(("tally", "truth"), [(Tally(), False), (tally_of([-1]), True)])
def test_a_tally_is_true_once_anything_happened(tally: Tally, truth: bool) -> None:
    """A negative duration is no sample and yet has to reach the master."""
    assert bool(tally) is truth


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
