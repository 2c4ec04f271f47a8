"""Counts in one array, held against the dictionary whose place they take."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.stats.dense_histogram import DenseHistogram
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import HIGHEST
from loadkit.stats.histogram import Histogram
from tests.stats.samples import every_bucket

ROOT = Path(__file__).parents[2]

values = st.one_of(st.integers(0, HIGHEST), st.integers(0, 5_000))


def lowest_of(value: int) -> int:
    """The bucket that a tally puts a value in."""
    tally = Histogram()
    tally.record_whole(value)
    (lowest,) = tally.counts
    return lowest


@settings(max_examples=40)
@given(st.lists(values, max_size=80), st.lists(values, max_size=80))
def test_they_count_as_a_dictionary_does(first: list[int], more: list[int]) -> None:
    """One by one and many at a time; what was copied stays as it was."""
    buckets, known = DenseHistogram(HIGHEST), Counter(map(lowest_of, first))
    buckets.add(known)
    before = buckets.copy()
    for lowest in map(lowest_of, more):
        buckets[lowest] += 1
        known[lowest] += 1
    assert [*buckets.items()] == sorted(known.items())
    assert [*buckets.values()] == [known[lowest] for lowest in sorted(known)]
    assert (len(buckets), [*buckets], bool(buckets)) == (len(known), sorted(known), bool(known))
    assert [*before.copy().items()] == sorted(Counter(map(lowest_of, first)).items())
    assert sum(before.values()) == len(first)


def test_every_place_is_found_for_many_as_for_one() -> None:
    """By the exponent of a double, which must not round at any border."""
    buckets, every = DenseHistogram(HIGHEST), every_bucket()
    buckets.add({lowest: count for count, lowest in enumerate(every, 1)})
    assert [buckets[lowest] for lowest in every] == [*range(1, len(every) + 1)]


def test_what_is_beyond_the_highest_is_refused() -> None:
    with pytest.raises(IndexError):
        DenseHistogram(HIGHEST).add({HIGHEST * 2: 1})


def test_a_lasting_distribution_tells_the_same_as_any_and_stays_small() -> None:
    """Many samples over every bucket there is, told to a dictionary too."""
    chance, lasting, plain = Random(3), Distribution.lasting(), Distribution()
    buckets = every_bucket()
    for _ in range(50):
        tally = Histogram()
        for lowest in chance.sample(buckets, 2_000):
            tally.counts[lowest] += chance.randint(1, 20)
            tally.total += lowest
            tally.min, tally.max = min(tally.min, lowest), max(tally.max, lowest)
        lasting.merge(tally)
        plain.merge(tally)
    for one in (lasting, plain):
        one.record_whole(12_345)
    assert isinstance(lasting.counts, DenseHistogram)
    assert isinstance(plain.counts, dict)
    assert len(plain.counts) > 20_000
    assert lasting.stats() == plain.stats()
    assert lasting.encode() == plain.encode()
    assert lasting.above(1_000.0) == plain.above(1_000.0)
    assert lasting.interval(990) == plain.interval(990)
    assert sorted_pairs(lasting.copy()) == sorted_pairs(plain)
    assert lasting.counts._counts.nbytes < 83_000


def sorted_pairs(found: Distribution) -> list[tuple[int, int]]:
    return sorted(found.counts.items())


def test_a_worker_does_not_pay_for_it() -> None:
    """Nor for anything else that is there to analyse; numpy alone takes 10 MB."""
    script = "import sys, locustfile; print(sorted({'numpy', 'scipy'} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (said.stdout, said.returncode) == ("[]\n", 0)
