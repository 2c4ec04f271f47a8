"""Counts by bucket in one array: as large after a day as after the first minutes.

A dictionary takes some 110 bytes for each bucket that was ever hit, and a day's latencies hit
thousands. Only whoever leads loads this module: numpy takes 10 MB.
"""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loadkit.stats.hdr_index import SUB_BUCKET_BITS, BucketCounts, index_of

Numbers = NDArray[np.int64]
Counts = NDArray[np.uint32]


class DenseHistogram(Mapping[int, int]):
    """Reads and counts as the dictionary does that it takes the place of.

    It has all its room from the start, up to the `highest` value: 82 KB for ten minutes in
    microseconds. A bucket counts to four billion: a day of 50,000 equal samples a second.
    """

    __slots__ = ("_counts",)

    def __init__(self, highest: int) -> None:
        self._counts: Counts = np.empty(index_of(highest) + 1, np.uint32)
        self._counts.fill(0)  # `np.zeros` has each page of it given when it is first hit

    def __len__(self) -> int:
        return int(np.count_nonzero(self._counts))

    def __iter__(self) -> Iterator[int]:
        return iter(dict(self.copy().items()))

    def __getitem__(self, lowest: int) -> int:
        return int(self._counts[index_of(lowest)])

    def __setitem__(self, lowest: int, count: int) -> None:
        self._counts[index_of(lowest)] = count

    def add(self, more: BucketCounts) -> None:
        """Count more, by lowest value."""
        lowest = np.fromiter(more.keys(), np.int64, len(more))
        self._counts[_indices(lowest)] += np.fromiter(more.values(), np.uint32, len(more))

    def items(self) -> ItemsView[int, int]:
        return dict(self.copy().items()).items()

    def values(self) -> ValuesView[int]:
        # Asked for much more often than where they lie, which takes Python code for each.
        return dict(enumerate(self._counts[self._hit()].tolist())).values()

    def copy(self) -> "Hit":
        """As they are now, to be read only, and in little room."""
        hit = self._hit()
        counts = self._counts[hit]
        most = int(counts.max(initial=0))
        return Hit(hit.astype(np.uint16), counts.astype(np.min_scalar_type(most)))

    def _hit(self) -> NDArray[np.intp]:
        # Of truth values numpy finds the true ones several times as fast as of numbers.
        return np.flatnonzero(self._counts != 0)


class Hit:
    """The buckets that were hit, and their counts."""

    __slots__ = ("_counts", "_hit")

    def __init__(self, hit: NDArray[np.uint16], counts: NDArray[np.unsignedinteger[Any]]) -> None:
        self._hit, self._counts = hit, counts

    def __len__(self) -> int:
        return len(self._hit)

    def keys(self) -> Iterator[int]:
        return iter(_lowest(self._hit.astype(np.int64)).tolist())

    def items(self) -> Iterator[tuple[int, int]]:
        return zip(self.keys(), self.values(), strict=True)

    def values(self) -> list[int]:
        found: list[int] = self._counts.tolist()
        return found

    def copy(self) -> Self:
        return self


def _lowest(indices: Numbers) -> Numbers:
    """`lowest_at` for many."""
    shift = np.maximum((indices >> SUB_BUCKET_BITS - 1) - 1, 0)
    found: Numbers = indices - (shift << SUB_BUCKET_BITS - 1) << shift
    return found


def _indices(lowest: Numbers) -> Numbers:
    """`index_of` for many; a double tells a number's length in bits by its exponent."""
    shift = np.maximum(np.frexp(lowest)[1] - SUB_BUCKET_BITS, 0)
    found: Numbers = (shift << SUB_BUCKET_BITS - 1) + (lowest >> shift)
    return found
