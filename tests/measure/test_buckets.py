"""Counts in an array, held against the dictionary whose place they take."""

import sys
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loadkit.measure.buckets import CROWDED, Buckets, index_of
from loadkit.measure.histogram import HIGHEST, Distribution, Tally

values = st.one_of(st.integers(0, HIGHEST), st.integers(0, 5_000))


def lowest_of(value: int) -> int:
    """The bucket that a tally puts a value in."""
    tally = Tally()
    tally.record_whole(value)
    (lowest,) = tally.counts
    return lowest


def every_bucket() -> list[int]:
    found = [0]
    while (following := found[-1] + (1 << max(0, found[-1].bit_length() - 11))) <= HIGHEST:
        found.append(following)
    return found


def test_places_are_numbered_without_a_gap() -> None:
    """From 0 to 20,600, in the order of their values."""
    assert [index_of(lowest) for lowest in every_bucket()] == [*range(20_601)]


@given(st.lists(values, max_size=80), st.lists(values, max_size=80))
def test_they_count_as_a_dictionary_does(first: list[int], more: list[int]) -> None:
    """What was there when the array was made, and what came after."""
    known = Counter(map(lowest_of, first))
    buckets = Buckets(known, HIGHEST)
    before = buckets.copy()
    for lowest in map(lowest_of, more):
        buckets[lowest] += 1
        known[lowest] += 1
    assert [*buckets.items()] == sorted(known.items())
    assert (len(buckets), [*buckets], bool(buckets)) == (len(known), sorted(known), bool(known))
    assert sum(before.values()) == len(first)


def test_a_distribution_that_is_crowded_tells_the_same_and_stays_small() -> None:
    """A million samples over nearly every bucket there is, told to a dictionary too."""
    chance, crowded, plain = Random(3), Distribution(), Distribution()
    buckets = every_bucket()
    for _ in range(50):
        tally = Tally()
        for lowest in chance.sample(buckets, 2_000):
            tally.counts[lowest] += chance.randint(1, 20)
            tally.total += lowest
            tally.min, tally.max = min(tally.min, lowest), max(tally.max, lowest)
        crowded.add(tally.to_wire())
        for lowest, count in tally.counts.items():
            plain.counts[lowest] += count
    plain.total, plain.min, plain.max = crowded.total, crowded.min, crowded.max
    assert isinstance(crowded.counts, Buckets)
    assert isinstance(plain.counts, dict)
    assert len(plain.counts) > 20_000 > CROWDED
    assert crowded.stats() == plain.stats()
    assert crowded.encode() == plain.encode()
    assert crowded.above(1_000.0) == plain.above(1_000.0)
    assert crowded.interval(990) == plain.interval(990)
    assert sys.getsizeof(crowded.counts._counts) < 166_000
