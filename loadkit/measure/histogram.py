"""Histograms of three significant digits: `Tally` on a worker, `Distribution` on the master.

Both hold whole thousandths of the unit that is shown: microseconds for milliseconds, and in the
same way 0.001 % for percent and kilobytes for megabytes. A figure is kept as the lowest value
that an HdrHistogram of three digits counts as equal to it, so a tally crosses the wire as pairs
of (value, count), merges into any other without loss, and becomes an HdrHistogram at any time.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from hdrh.histogram import HdrHistogram

from loadkit.measure.buckets import SUB_BUCKET_BITS, index_of, lowest_at
from loadkit.measure.enough import needed, ranks

if TYPE_CHECKING:
    from loadkit.measure.lasting import Buckets

__all__ = ["HIGHEST", "PERCENTILES", "Distribution", "Tally"]

HIGHEST: Final = 600_000_000
"""The longest duration that is a sample: ten minutes in microseconds."""

PERCENTILES: Final = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles of a report, in thousandths, so that ranks are exact integers."""

_DIGITS: Final = 3


class Tally:
    """What one worker counts of one quantity within one interval. Only ever increments.

    Attributes:
        counts: value (the lowest that is equivalent at three digits) → how often.
        total: exact sum of the samples.
        min: exact smallest sample; `HIGHEST` + 1 before the first one.
        max: exact largest sample; -1 before the first one.
        negative: how many were below zero. They are no samples.
        overflow: how many were above `HIGHEST`. They are no samples.
    """

    __slots__ = ("counts", "max", "min", "negative", "overflow", "total")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] | Buckets = defaultdict(int)
        self.total = 0
        self.min = HIGHEST + 1
        self.max = -1
        self.negative = 0
        self.overflow = 0

    def __bool__(self) -> bool:
        return bool(self.counts) or self.negative > 0 or self.overflow > 0

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return sum(self.counts.values())

    def record(self, seconds: float) -> None:
        """Take one duration in seconds, rounded to the microsecond."""
        self.record_whole(round(seconds * 1e6))

    def record_whole(self, value: int) -> None:
        """Take one value in whole thousandths of the unit shown (microseconds for a duration)."""
        if value < 0:
            self.negative += 1
            return
        if value > HIGHEST:
            self.overflow += 1
            return
        shift = value.bit_length() - SUB_BUCKET_BITS
        self.counts[value >> shift << shift if shift > 0 else value] += 1
        self.total += value
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types; pairs are one flat list, as a map's keys may turn to text."""
        return {
            "counts": list(chain.from_iterable(self.counts.items())),
            "total": self.total,
            "min": self.min,
            "max": self.max,
            "negative": self.negative,
            "overflow": self.overflow,
        }

    def add(self, wire: dict[str, Any]) -> None:
        """Merge what `Tally.to_wire` gave. The order of merging does not matter."""
        self._count(wire["counts"])
        self.total += wire["total"]
        self.min = min(self.min, wire["min"])
        self.max = max(self.max, wire["max"])
        self.negative += wire["negative"]
        self.overflow += wire["overflow"]

    def _count(self, pairs: Sequence[int]) -> None:
        numbers = iter(pairs)
        for value, count in zip(numbers, numbers, strict=True):
            self.counts[value] += count


class Distribution(Tally):
    """What the master knows of one quantity, from every worker: tallies merged, and read.

    Its size hangs on which of the 20,601 buckets were ever hit, never on how many samples
    there were.
    """

    __slots__ = ()

    @classmethod
    def lasting(cls) -> "Distribution":
        """Return one that lives as long as the run, in 82 KB: see `Buckets`."""
        from loadkit.measure.lasting import Buckets  # whose numpy a worker should not pay for

        found = cls()
        found.counts = Buckets(HIGHEST)
        return found

    def _count(self, pairs: Sequence[int]) -> None:
        if isinstance(self.counts, dict):
            super()._count(pairs)
        else:
            self.counts.add(pairs)

    def copy(self) -> "Distribution":
        """Return it as it is now; a lasting one's copy is to be read only."""
        twin = Distribution()
        twin.counts = self.counts.copy()  # type: ignore[assignment]  # which suffices to read
        for name in ("total", "min", "max", "negative", "overflow"):
            setattr(twin, name, getattr(self, name))
        return twin

    def stats(self) -> dict[str, float]:
        """Return the figures of a report, in the unit shown: milliseconds for a duration.

        `count`, `min`, `mean` and `max` are exact. A percentile is the nearest rank (the
        smallest value with at least that share of the samples at or below it), taken at the
        middle of its bucket and kept within `[min, max]`: at most 0.05 % off either way. The
        highest value of the bucket, which hdrh's own percentiles give, is off one way only.

        Returns:
            The figures by name, rounded to three decimals; empty when there are no samples.
        """
        count = self.count
        if not count:
            return {}
        values = self._at([_rank(count, share) for share in PERCENTILES.values()])
        return {
            "count": count,
            "min": self.min / 1000,
            "mean": round(self.total / count / 1000, 3),
            **dict(zip(PERCENTILES, values, strict=True)),
            "max": self.max / 1000,
        }

    def percentile(self, per_mille: int) -> float:
        """Return one percentile as in `stats`, in the unit shown; 990 asks for p99.

        Raises:
            ValueError: there are no samples.
        """
        count = self.count
        if not count:
            raise ValueError("there are no samples to take a percentile of")
        return self._at([_rank(count, per_mille)])[0]

    def interval(self, per_mille: int) -> tuple[float, float] | None:
        """Return the 95 % interval of a percentile, in the unit shown.

        Its ends are samples: order statistics by the binomial, whatever the distribution
        (`loadkit.measure.enough.ranks`).

        Returns:
            Lowest and highest, or None where the samples are too few for one.
        """
        found = ranks(self.count, per_mille)
        if found is None:
            return None
        lowest, highest = self._at(list(found))
        return lowest, highest

    def above(self, value: float) -> int:
        """Return how many samples lie above `value`, which is in the unit shown.

        The bucket that holds `value` counts as not above: what is told is surely above.
        """
        limit = int(round(value * 1000, 3) // 1)  # 1.001 ms are 1,001 µs, not 1,000.9…
        if limit < 0:
            return self.count
        bucket = _bucket(limit)
        return sum(count for lowest, count in self.counts.items() if lowest > bucket)

    def enough(self, per_mille: int) -> bool:
        """Whether there are samples enough for a percentile to be judged and printed."""
        return self.count >= needed(per_mille)

    def encode(self) -> str:
        """Return it as an HdrHistogram in its standard compressed form (V2), in base64.

        What was negative or overflowed is not in there.
        """
        histogram, used = _scratch(), []
        # As its `record_value` would, five times as fast: 0.4 ms for 5,000 samples of a second.
        for lowest, count in self.counts.items():
            index = index_of(lowest)
            histogram.counts[index] = count
            used.append(index)
        histogram.total_count, histogram.max_value = self.count, max(0, self.max)
        encoded: bytes = histogram.encode()
        for index in used:
            histogram.counts[index] = 0
        return encoded.decode()

    @classmethod
    def decode(cls, text: str) -> "Distribution":
        """Undo `encode`: bucket by bucket; `total`, `min` and `max` as near as the buckets tell.

        Raises:
            ValueError: it is no such text.
        """
        import numpy as np  # a worker never asks, and should not pay for loading it

        found = cls()
        try:
            histogram = HdrHistogram.decode(text)
        except Exception as error:  # zlib's, binascii's, ctypes': whatever a cut text leads to
            raise ValueError(f"not an HdrHistogram: {error}") from error
        counts = np.frombuffer(histogram.counts, dtype=np.uint64)
        for index in np.flatnonzero(counts).tolist():  # its own iterator takes 40 ms
            lowest, count = lowest_at(index), int(counts[index])
            found.counts[lowest] = count
            found.total += count * lowest
            found.min = min(found.min, lowest)
            found.max = max(found.max, lowest_at(index + 1) - 1)
        return found

    def _at(self, wanted: list[int]) -> list[float]:
        """Return the values at rising ranks, the first sample having rank 1."""
        found: list[float] = []
        below = 0
        for lowest, count in sorted(self.counts.items()):
            below += count
            while below >= wanted[len(found)]:
                found.append(self._middle(lowest))
                if len(found) == len(wanted):
                    return found
        raise AssertionError("a rank beyond the number of samples")

    def _middle(self, lowest: int) -> float:
        width = 1 << max(0, lowest.bit_length() - SUB_BUCKET_BITS)
        middle = min(max(lowest + (width - 1) / 2, self.min), self.max)
        return round(middle / 1000, 3)


def _bucket(value: int) -> int:
    """The lowest value that three digits count as equal to `value`."""
    shift = max(0, value.bit_length() - SUB_BUCKET_BITS)
    return value >> shift << shift


def _rank(count: int, per_mille: int) -> int:
    return max(1, -(-count * per_mille // 1000))


@cache
def _scratch() -> HdrHistogram:
    """The one histogram that all are encoded by.

    It and its encoder hold each other, and 170 KB: one for each line of `latency.hlog` would be
    megabytes a second that wait for the garbage collector.
    """
    return HdrHistogram(1, HIGHEST, _DIGITS)
