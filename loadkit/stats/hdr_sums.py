"""Sums of very many encoded histograms, decoded all at once: a day of seconds in a few seconds.

`loadkit.stats.hdr_codec` reads one by one; this says the same of each (a test holds it to that),
some fifty times as fast.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from loadkit.stats.hdr_codec import body
from loadkit.stats.hdr_index import HIGHEST, MOST_COUNT, SUB_BUCKET_BITS, index_of

_PLACES: Final = index_of(HIGHEST) + 1
_AT_ONCE: Final = 8 << 20  # bytes of counters that are decoded at once
_LONGEST: Final = 8  # bytes of a number below 2**55, which no histogram of ours exceeds

Array = np.ndarray[Any, np.dtype[np.int64]]


class HistogramSums:
    """Adds up encoded histograms by group."""

    def __init__(self) -> None:
        self._groups: list[int] = []
        self._bodies: list[bytes] = []
        self._waiting = 0
        self._keys: list[Array] = []
        self._sums: list[Array] = []

    def add(self, group: int, text: str) -> None:
        """Add one to a group, a number from 0 on.

        Raises:
            ValueError: it is no such text, or one of another histogram than all of ours; or one
                that was added before is.
        """
        counted = body(base64.b64decode(text, validate=True))
        self._groups.append(group)
        self._bodies.append(counted)
        self._waiting += len(counted)
        if self._waiting > _AT_ONCE:
            self._decode()

    def sums(self) -> Mapping[int, tuple[Array, Array]]:
        """Return what was counted of each group: the lowest values of buckets, and how often.

        Raises:
            ValueError: as in `add`.
        """
        self._decode()
        if not self._keys:
            return {}
        keys, counts = _added(np.concatenate(self._keys), np.concatenate(self._sums))
        self._keys, self._sums = [keys], [counts]
        groups, begins = np.unique(keys // _PLACES, return_index=True)
        places = keys % _PLACES
        shifts = np.maximum(0, (places >> SUB_BUCKET_BITS - 1) - 1)  # as `lowest_at`
        values = places - (shifts << SUB_BUCKET_BITS - 1) << shifts
        ends = [*begins[1:].tolist(), len(keys)]
        return {
            group: (values[begin:end], counts[begin:end])
            for group, begin, end in zip(groups.tolist(), begins.tolist(), ends, strict=True)
        }

    def _decode(self) -> None:
        """Take what waits: numbers in ZigZag LEB128; a negative one leaves counters out."""
        bodies, groups = self._bodies, self._groups
        self._bodies, self._groups, self._waiting = [], [], 0
        filled = [at for at, counted in enumerate(bodies) if counted]
        if not filled:
            return
        data = np.frombuffer(b"".join(bodies), np.uint8)
        lengths = np.array([len(bodies[at]) for at in filled])
        owners = np.array([groups[at] for at in filled], np.int64)
        is_last = data < 0x80
        first_bytes = np.cumsum(lengths) - lengths
        begins = np.flatnonzero(np.concatenate(([True], is_last[:-1])))
        sizes = np.diff(np.append(begins, len(data)))
        if not is_last[first_bytes + lengths - 1].all() or sizes.max() > _LONGEST:
            raise ValueError("a histogram's last counter was cut")
        shifts = 7 * (np.arange(len(data)) - np.repeat(begins, sizes))
        parts = (data & 0x7F).astype(np.int64) << shifts
        zigzag = np.add.reduceat(parts, begins)
        numbers = (zigzag >> 1) ^ -(zigzag & 1)
        steps = np.where(numbers >= 0, 1, -numbers)
        before = np.cumsum(steps) - steps
        firsts = np.searchsorted(begins, first_bytes)  # the first number of each body
        many = np.diff(np.append(firsts, len(numbers)))
        places = before - np.repeat(before[firsts], many)
        counted = numbers > 0
        groups_of, places, counts = (
            np.repeat(owners, many)[counted],
            places[counted],
            numbers[counted],
        )
        if len(counts) and (places.max() >= _PLACES or counts.max() > MOST_COUNT):
            raise ValueError("it has counters that no histogram has")
        keys, sums = _added(groups_of * _PLACES + places, counts)
        self._keys.append(keys)
        self._sums.append(sums)


def _added(keys: Array, counts: Array) -> tuple[Array, Array]:
    """Each key once, with the sum of its counts."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    firsts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[firsts], np.add.reduceat(counts, firsts)
