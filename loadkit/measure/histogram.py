"""Histograms of three significant digits: `Tally` on a worker, `Distribution` on the master.

Both hold whole thousandths of the unit that is shown: microseconds for milliseconds, and in the
same way 0.001 % for percent and kilobytes for megabytes. A figure is kept as the lowest value
that an HdrHistogram of three digits counts as equal to it, so a tally crosses the wire as pairs
of (value, count) and merges into any other without loss.
"""

from collections import defaultdict
from typing import Any, Final

from hdrh.histogram import HdrHistogram

__all__ = ["HIGHEST", "PERCENTILES", "Distribution", "Tally"]

HIGHEST: Final = 600_000_000
"""The longest duration that is a sample: ten minutes in microseconds."""

PERCENTILES: Final = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles of a report, in thousandths, so that ranks are exact integers."""

_DIGITS: Final = 3
_SUB_BUCKET_BITS: Final = 11  # 2,048 sub-buckets: the power of two above 2 × 10³ (HdrHistogram)


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
        self.counts: defaultdict[int, int] = defaultdict(int)
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
        shift = value.bit_length() - _SUB_BUCKET_BITS
        self.counts[value >> shift << shift if shift > 0 else value] += 1
        self.total += value
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types; pairs are one flat list, as a map's keys may turn to text."""
        return {
            "counts": [number for pair in self.counts.items() for number in pair],
            "total": self.total,
            "min": self.min,
            "max": self.max,
            "negative": self.negative,
            "overflow": self.overflow,
        }


class Distribution:
    """What the master knows of one quantity over the whole run, from every worker.

    It costs about 170 KB whatever the number of samples, so make one only for what was measured.

    Attributes:
        histogram: the HdrHistogram underneath, for the interval log.
        total, min, max, negative, overflow: as in `Tally`.
    """

    __slots__ = ("histogram", "max", "min", "negative", "overflow", "total")

    def __init__(self) -> None:
        self.histogram: Any = HdrHistogram(1, HIGHEST, _DIGITS)
        self.total = 0
        self.min = HIGHEST + 1
        self.max = -1
        self.negative = 0
        self.overflow = 0

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return int(self.histogram.get_total_count())

    def add(self, wire: dict[str, Any]) -> None:
        """Merge what `Tally.to_wire` gave. The order of merging does not matter."""
        pairs = iter(wire["counts"])
        for value, count in zip(pairs, pairs, strict=True):
            self.histogram.record_value(value, count)
        self.total += wire["total"]
        self.min = min(self.min, wire["min"])
        self.max = max(self.max, wire["max"])
        self.negative += wire["negative"]
        self.overflow += wire["overflow"]

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
        figures: dict[str, float] = {
            "count": count,
            "min": self.min / 1000,
            "mean": round(self.total / count / 1000, 3),
        }
        ranks = {name: -(-count * share // 1000) for name, share in PERCENTILES.items()}
        figures |= {
            name: round(value / 1000, 3)
            for name, value in zip(ranks, self._at(list(ranks.values())), strict=True)
        }
        figures["max"] = self.max / 1000
        return figures

    def _at(self, ranks: list[int]) -> list[float]:
        """Return the values at rising ranks, the first sample having rank 1."""
        first = self.histogram.get_counts_array_index(self.min)
        last = self.histogram.get_counts_array_index(self.max)
        found: list[float] = []
        below = 0
        # One slice, because the counts are a ctypes array, slow to read one by one.
        for index, count in enumerate(self.histogram.counts[first : last + 1], start=first):
            below += count
            while below >= ranks[len(found)]:
                found.append(self._middle(index))
                if len(found) == len(ranks):
                    return found
        raise AssertionError("a rank beyond the number of samples")

    def _middle(self, index: int) -> float:
        lowest = self.histogram.get_value_from_index(index)
        highest = self.histogram.get_highest_equivalent_value(lowest)
        return float(min(max((lowest + highest) / 2, self.min), self.max))
