"""What the master knows of one quantity, and what it reads from that.

Percentiles take waits that were given up, or are open, for what they are: at least so long
(`loadkit.stats.censored`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from hdrh.histogram import HdrHistogram

from loadkit.stats.hdr_codec import DIGITS, counters
from loadkit.stats.hdr_index import (
    HIGHEST,
    SUB_BUCKET_BITS,
    BucketCounts,
    bucket_of,
    index_of,
    lowest_at,
)
from loadkit.stats.histogram import NONE, UNSEEN, Histogram
from loadkit.stats.order_statistics import needed, ranks

if TYPE_CHECKING:
    from loadkit.stats.censored import Survival
    from loadkit.stats.dense_histogram import DenseHistogram

PERCENTILES: Final = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""The percentiles of a report, in thousandths, so that ranks are exact integers."""


class Estimate(NamedTuple):
    """A figure of some waits, in the unit shown."""

    value: float  # what it is
    # whether it is only known to be no less, as too many waits were never seen to end
    at_least: bool = False


class Distribution(Histogram):
    """What the master knows of one quantity, from every worker: histograms merged, and read.

    Its size hangs on which of the 20,601 buckets were hit, not on how many samples there were.
    """

    __slots__ = ("_curve_now",)

    def __init__(self) -> None:
        super().__init__()
        self._curve_now: Survival | None = None  # as long as nothing changes

    @classmethod
    def lasting(cls) -> "Distribution":
        """Return one that lives as long as the run, in 82 KB: see `DenseHistogram`."""
        from loadkit.stats.dense_histogram import (
            DenseHistogram,  # whose numpy a worker should not pay for
        )

        found = cls()
        found.counts = DenseHistogram(HIGHEST)
        return found

    def merge(self, other: Histogram) -> None:
        self._curve_now = None
        super().merge(other)

    def _take(self, name: str, more: Mapping[int, int]) -> None:
        self._curve_now = None
        super()._take(name, more)

    def record_whole(self, value: int) -> None:
        self._curve_now = None
        super().record_whole(value)

    @classmethod
    def of(
        cls, counts: Mapping[int, int] | BucketCounts, lost: Mapping[int, int] = NONE
    ) -> "Distribution":
        """Return one with so many waits bucket by bucket, where no more is known of them."""
        found = cls()
        found.counts = defaultdict(int, counts.items())
        found.lost = lost
        found.total = sum(value * count for value, count in counts.items())
        found.min, found.max = (
            min(counts.keys(), default=found.min),
            max(counts.keys(), default=found.max),
        )
        return found

    def _count(self, more: BucketCounts) -> None:
        if isinstance(self.counts, dict):
            super()._count(more)
        else:
            cast("DenseHistogram", self.counts).add(more)

    def copy(self) -> "Distribution":
        """Return it as it is now; a lasting one's copy is to be read only."""
        twin = Distribution()
        twin.counts = self.counts.copy()  # of a lasting one what suffices to read
        for name in ("total", "min", "max", "negative", "overflow", *UNSEEN):
            setattr(twin, name, getattr(self, name))  # what is unseen is replaced, never changed
        return twin

    def look_again(self, before: Mapping[int, int], now: Mapping[int, int]) -> None:
        """Waits that were taken for open as in `before` are now as in `now`: some have ended."""
        self._curve_now = None
        self.open = Counter(self.open) - Counter(before) + Counter(now)

    def under_way(self, at_begin: Mapping[int, int], at_end: Mapping[int, int]) -> None:
        """Say which waits were under way at the begin and at the end of this stretch."""
        self._take("entered", at_begin)
        self._take("open", at_end)

    def stats(self) -> dict[str, float]:
        """Return the figures of a report, in the unit shown: milliseconds for a duration.

        `count`, `min`, `mean` and `max` are exact. A percentile is the nearest rank (the
        smallest value with at least that share of the samples at or below it), taken at the
        middle of its bucket and kept within `[min, max]`: at most 0.05 % off either way.

        Where waits were given up or are open, `lost` and `open` say how many, and the rest follows
        the curve by Kaplan and Meier, as far as that was seen: up to the percentile `observed`;
        what lies beyond is a lower bound. `supported` is the highest percentile that the waits are
        enough for. Empty without samples.
        """
        count = self.count
        if not count:
            return {}
        curve, unseen = self._curve(), {}
        if curve is not None:
            unseen = {
                "lost": sum(self.lost.values()),
                "open": sum(self.open.values()),
                "observed": round(100 * (1 - float(curve.left[-1])), 3),
                "supported": max(
                    (share / 10 for share in PERCENTILES.values() if self.enough(share)), default=0
                ),
            }
        values = self._percentiles(list(PERCENTILES.values()), curve)
        return {
            "count": count,
            "min": self.min / 1000,
            "mean": self._mean(curve).value,
            **{name: each.value for name, each in zip(PERCENTILES, values, strict=True)},
            "max": self._max(curve).value,
            **unseen,
        }

    def unfinished_stats(self) -> dict[str, float]:
        """Return how many waits nobody saw the end of, and how long the open ones have lasted.

        `lost` and `open`, and `open_median_ms` and `open_oldest_ms`, where there are any.
        """
        lost, many = sum(self.lost.values()), sum(self.open.values())
        if many <= 0:
            return {"lost": lost, "open": 0} if self.lost else {}
        ages = sorted((age, n) for age, n in self.open.items() if n > 0)
        below = accumulate(n for _, n in ages)
        median = next(age for (age, _), n in zip(ages, below, strict=True) if 2 * n >= many)
        return {
            "lost": lost,
            "open": many,
            "open_median_ms": median / 1000,
            "open_oldest_ms": ages[-1][0] / 1000,
        }

    def statistic(self, name: str) -> Estimate:
        """Return `min`, `mean` or `max`, as in `stats`; there must be samples."""
        if name == "min":
            return Estimate(self.min / 1000)
        return self._mean(self._curve()) if name == "mean" else self._max(self._curve())

    def percentile(self, per_mille: int) -> float:
        """Return one percentile as in `stats`; 990 asks for p99.

        Raises:
            ValueError: there are no waits.
        """
        return self.estimate(per_mille).value

    def estimate(self, per_mille: int) -> Estimate:
        """Return the same, with whether it is only a lower bound."""
        if not self.count:
            if not self._unseen():
                raise ValueError("there are no samples to take a percentile of")
            return Estimate(max(self._unseen()) / 1000, at_least=True)
        return self._percentiles([per_mille], self._curve())[0]

    def interval(self, per_mille: int) -> tuple[float, float] | None:
        """Return the lowest and highest value of a percentile's 95 % interval, in the unit shown.

        Its ends are samples: order statistics by the binomial, whatever the distribution
        (`loadkit.stats.order_statistics.ranks`); beta products where waits have no end. None where
        the samples are too few for one, or have no end.
        """
        curve = self._curve() if self.count else None
        if curve is not None:
            between = curve.interval(per_mille / 1000)
            return None if between is None else (self._middle(between[0]), self._middle(between[1]))
        found = ranks(self.count, per_mille)
        if found is None:
            return None
        lowest, highest = self._at(list(found))
        return lowest, highest

    def above(self, value: float) -> int:
        """Return how many waits lasted longer than `value`, which is in the unit shown.

        The bucket that holds `value` counts as not above: what is told is surely above.
        """
        limit = int(round(value * 1000, 3) // 1)  # 1.001 ms are 1,001 µs, not 1,000.9…
        if limit < 0:
            return self.waits
        bucket = bucket_of(limit)
        every = (self.counts, self.lost, self.open)
        # Less than none, where a worker went away and with it what was known of its waits.
        return max(0, sum(_beyond(each, bucket) for each in every) - _beyond(self.entered, bucket))

    def decided(self, value: float) -> int:
        """Return how many waits say on which side of `value` they are: all but young open ones."""
        bucket = bucket_of(int(round(value * 1000, 3) // 1))
        return self.count - _beyond(self.counts, bucket) + self.above(value)

    def open_above(self, value: float) -> int:
        """Return how many of the open waits have lasted longer than `value`, likewise."""
        return _beyond(self.open, bucket_of(round(value * 1000)))

    def known(self, per_mille: int) -> int:
        """Return how many waits say on which side of a percentile they are.

        A wait that was given up, or is open, before it lasted that long does not.
        """
        if not self._unseen():
            return self.count
        return self.decided(self.estimate(per_mille).value)

    def enough(self, per_mille: int) -> bool:
        """Whether there are samples enough for a percentile to be judged and printed."""
        return self.known(per_mille) >= needed(per_mille)

    def with_stale(self, after: float) -> Iterator[tuple[float, int]]:
        """Return the samples and how often each is there, with waits that lasted over `after`.

        These as if they had ended after so long (in the unit shown): where one stretch of a run
        follows another, each is there once, in the stretch in which it had lasted that long.
        """
        yield from self.counts.items()
        bucket = bucket_of(round(after * 1000))
        became = self.above(after) - _beyond(self.counts, bucket)
        if became > 0:
            yield bucket, became

    def _unseen(self) -> Counter[int]:
        return Counter(self.lost) + Counter(self.open)

    def _curve(self) -> "Survival | None":
        unseen = self._unseen()
        if not unseen and not self.entered:
            return None
        if self._curve_now is None:
            from loadkit.stats.censored import Survival  # numpy, as above

            self._curve_now = Survival(dict(self.counts.items()), unseen, self.entered)
        return self._curve_now

    def _percentiles(self, shares: Sequence[int], curve: "Survival | None") -> list[Estimate]:
        if curve is None:
            return [Estimate(each) for each in self._at([_rank(self.count, at) for at in shares])]
        found = [curve.quantile(share / 1000) for share in shares]
        return [
            Estimate(curve.longest / 1000, at_least=True)
            if value is None
            else Estimate(self._middle(value))
            for value in found
        ]

    def _mean(self, curve: "Survival | None") -> Estimate:
        if curve is None:
            return Estimate(round(self.total / self.count / 1000, 3))
        return Estimate(round(curve.mean(self.total) / 1000, 3), at_least=not curve.ends)

    def _max(self, curve: "Survival | None") -> Estimate:
        if curve is None or curve.longest <= self.max:
            return Estimate(self.max / 1000)
        return Estimate(curve.longest / 1000, at_least=True)

    def encode(self) -> str:
        """Return it as an HdrHistogram in its standard compressed form (V2), in base64.

        Without what was negative, too long, given up or open.
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
        found = cls()
        try:
            for index, count in counters(text):
                lowest = lowest_at(index)
                found.counts[lowest] = count
                found.total += count * lowest
                found.min = min(found.min, lowest)
                found.max = max(found.max, lowest_at(index + 1) - 1)
        except ValueError as error:
            raise ValueError(f"not an HdrHistogram: {error}") from error
        return found

    def _at(self, wanted: list[int]) -> list[float]:
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


def _beyond(counts: Mapping[int, int] | BucketCounts, bucket: int) -> int:
    return sum(count for lowest, count in counts.items() if lowest > bucket)


def _rank(count: int, per_mille: int) -> int:
    return max(1, -(-count * per_mille // 1000))


@cache
def _scratch() -> HdrHistogram:
    """The one histogram that all are encoded by.

    It and its encoder hold each other, and 170 KB: one for each line of `latency.hlog` would be
    megabytes a second that wait for the garbage collector.
    """
    return HdrHistogram(1, HIGHEST, DIGITS)
