"""What a worker counts, value by value."""

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings

from loadkit.stats.hdr_index import HIGHEST, bucket_of
from loadkit.stats.histogram import Histogram
from tests.stats.samples import distribution_of, microseconds, tally_of


@settings(max_examples=40)
@given(microseconds)
def test_a_tally_keeps_the_lowest_value_hdr_histogram_counts_as_equal(value: int) -> None:
    """A tally's key is HdrHistogram's own bucket, so that merging loses nothing."""
    reference = HdrHistogram(1, HIGHEST, 3)
    assert [reference.get_lowest_equivalent_value(value)] == list(tally_of([value]).counts)


def test_what_is_no_sample_is_counted_apart() -> None:
    """A duration below zero or above ten minutes touches no figure but its own counter."""
    tally = Histogram()
    for seconds in (-0.001, 600.000001, 0.5):
        tally.record(seconds)
    distribution = distribution_of(tally)
    assert (distribution.negative, distribution.overflow, distribution.count) == (1, 1, 1)
    assert distribution.stats()["max"] == 500.0


def test_ten_minutes_sharp_is_a_sample() -> None:
    """The limit itself is inside."""
    assert distribution_of(tally_of([HIGHEST])).stats()["p50"] == HIGHEST / 1000


def test_a_duration_is_rounded_to_the_microsecond() -> None:
    """Seconds become whole microseconds, the nearest."""
    tally = Histogram()
    tally.record(0.0000016)
    assert dict(tally.counts) == {2: 1}


@pytest.mark.parametrize(("tally", "truth"), [(Histogram(), False), (tally_of([-1]), True)])
def test_a_tally_is_true_once_anything_happened(tally: Histogram, truth: bool) -> None:
    """A negative duration is no sample and yet has to reach the master."""
    assert bool(tally) is truth


def test_a_wait_without_an_end_is_no_sample() -> None:
    """How long it lasted is kept, by what became of it."""
    tally = Histogram()
    tally.unfinished(60.0, lost=True)
    tally.unfinished(0.25, lost=False)
    tally.unfinished(0.25, lost=False)
    assert (tally.count, tally.waits, bool(tally)) == (0, 3, True)
    assert tally.lost == {bucket_of(60_000_000): 1}
    assert tally.open == {bucket_of(250_000): 2}


@pytest.mark.parametrize("seconds", [-1.0, 0.0])
def test_a_wait_is_no_shorter_than_nothing(seconds: float) -> None:
    tally = Histogram()
    tally.unfinished(seconds, lost=False)
    assert dict(tally.open) == {0: 1}
