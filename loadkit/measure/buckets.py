"""Counts by bucket where very many buckets are hit: in one array, and no larger the more there are.

A dictionary takes some 110 bytes for each bucket that was ever hit, and a day's latencies hit
thousands, each hour some more.
"""

from array import array
from collections.abc import ItemsView, Iterator, Mapping
from typing import Final

__all__ = ["CROWDED", "SUB_BUCKET_BITS", "Buckets", "index_of", "lowest_at"]

SUB_BUCKET_BITS: Final = 11
"""2,048 sub-buckets: the power of two above 2 × 10³, for three digits (HdrHistogram)."""

CROWDED: Final = 2_000
"""Buckets from which on the array is the smaller one."""

_HALF: Final = SUB_BUCKET_BITS - 1


def index_of(lowest: int) -> int:
    """The place of a bucket, by its lowest value, among all there are (HdrHistogram's)."""
    shift = lowest.bit_length() - SUB_BUCKET_BITS
    return (shift << _HALF) + (lowest >> shift) if shift > 0 else lowest


class Buckets(Mapping[int, int]):
    """Reads and counts as the dictionary does that it takes the place of.

    Args:
        counts: by the lowest value of each bucket.
        highest: the highest value there can be.
    """

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[int, int], highest: int) -> None:
        self._counts = array("Q", [0]) * (index_of(highest) + 1)
        for lowest, count in counts.items():
            self._counts[index_of(lowest)] = count

    def __getitem__(self, lowest: int) -> int:
        return self._counts[index_of(lowest)]

    def __setitem__(self, lowest: int, count: int) -> None:
        self._counts[index_of(lowest)] = count

    def __iter__(self) -> Iterator[int]:
        return (lowest_at(index) for index, count in enumerate(self._counts) if count)

    def __len__(self) -> int:
        return sum(map(bool, self._counts))

    def items(self) -> ItemsView[int, int]:
        """The buckets that were hit, in order."""
        hit = ((index, count) for index, count in enumerate(self._counts) if count)
        return {lowest_at(index): count for index, count in hit}.items()

    def copy(self) -> "Buckets":
        """As they are now."""
        twin = Buckets({}, 0)
        twin._counts = self._counts[:]
        return twin


def lowest_at(index: int) -> int:
    """The lowest value of the bucket at a place; undoes `index_of`."""
    shift = max(0, (index >> _HALF) - 1)
    return index - (shift << _HALF) << shift
