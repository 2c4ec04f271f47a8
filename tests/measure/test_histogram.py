"""Tally and Distribution, held against sorted lists of everything."""

import json
from math import ceil

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

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
    assert list(merged.histogram.counts) == list(whole.histogram.counts)


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
