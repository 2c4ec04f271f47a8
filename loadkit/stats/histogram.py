"""What a worker counts of one quantity: a histogram of three significant digits.

It knows waits whose end was seen, and others of which only that they lasted at least so long: those
that were given up, and those that are open.

It holds whole thousandths of the unit that is shown: microseconds for milliseconds, and in the
same way 0.001 % for percent and kilobytes for megabytes. A figure is kept as the lowest value
that an HdrHistogram of three digits counts as equal to it, so a tally crosses the wire as pairs
of (value, count), merges into any other without loss, and becomes an HdrHistogram at any time
(`loadkit.stats.distribution`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from loadkit.stats.hdr_index import SUB_BUCKET_BITS

if TYPE_CHECKING:
    from loadkit.stats.dense_histogram import DenseHistogram

__all__ = ["HIGHEST", "NONE", "UNSEEN", "Tally", "bucket_of", "pairs_of"]

HIGHEST: Final = 600_000_000
"""The longest duration that is a sample: ten minutes in microseconds."""

NONE: Final[Mapping[int, int]] = MappingProxyType({})
"""No waits."""

UNSEEN: Final = ("lost", "open", "entered")
"""The attributes that hold waits of which one end was not seen."""


class Tally:
    """What one worker counts of one quantity within one interval. Only ever increments.

    Attributes:
        counts: value (the lowest that is equivalent at three digits) → how often.
        total: exact sum of the samples.
        min: exact smallest sample; `HIGHEST` + 1 before the first one.
        max: exact largest sample; -1 before the first one.
        negative: how many were below zero. They are no samples.
        overflow: how many were above `HIGHEST`. They are no samples.
        lost: as `counts`, of waits that were given up: the value is how long they had lasted.
        open: likewise of waits that were under way when nobody looked on any further.
        entered: likewise of waits that were under way when the stretch began that is looked at,
            with how long they had lasted then; none of those that began before the run count.
    """

    __slots__ = (
        "counts",
        "entered",
        "lost",
        "max",
        "min",
        "negative",
        "open",
        "overflow",
        "total",
    )

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] | DenseHistogram = defaultdict(int)
        self.lost = self.open = self.entered = NONE
        self.total = 0
        self.min = HIGHEST + 1
        self.max = -1
        self.negative = 0
        self.overflow = 0

    def __bool__(self) -> bool:
        return bool(self.counts or self.lost or self.open) or self.negative > 0 or self.overflow > 0

    @property
    def count(self) -> int:
        """How many waits it holds whose end was seen: its samples."""
        return sum(self.counts.values())

    @property
    def waits(self) -> int:
        """How many waits began: with those that were given up, and those that are open."""
        unseen = sum(self.lost.values()) + sum(self.open.values())
        return self.count + unseen - sum(self.entered.values())

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

    def unfinished(self, seconds: float, *, lost: bool) -> None:
        """Take a wait that is over without what was waited for.

        Args:
            seconds: how long it had lasted.
            lost: whether it was given up; else it was open when nobody looked on any further.
        """
        pairs = (bucket_of(round(seconds * 1e6)), 1)
        self._take("lost" if lost else "open", pairs)

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types; pairs are one flat list, as a map's keys may turn to text."""
        return {
            "counts": list(chain.from_iterable(self.counts.items())),
            "total": self.total,
            "min": self.min,
            "max": self.max,
            "negative": self.negative,
            "overflow": self.overflow,
            **{
                name: list(chain.from_iterable(found.items()))
                for name in UNSEEN
                if (found := getattr(self, name))
            },
        }

    def add(self, wire: Mapping[str, Any]) -> None:
        """Merge what `Tally.to_wire` gave. The order of merging does not matter."""
        self._count(wire["counts"])
        self.total += wire["total"]
        self.min = min(self.min, wire["min"])
        self.max = max(self.max, wire["max"])
        self.negative += wire["negative"]
        self.overflow += wire["overflow"]
        for name in UNSEEN:
            if name in wire:
                self._take(name, wire[name])

    def _count(self, pairs: Sequence[int]) -> None:
        for value, count in pairs_of(pairs):
            self.counts[value] += count

    def _take(self, name: str, pairs: Sequence[int]) -> None:
        found = Counter(getattr(self, name))
        for value, count in pairs_of(pairs):
            found[value] += count
        setattr(self, name, found)
        if self.entered and self.open:
            # Where one stretch follows another, what was open at the end of the first is what
            # entered the second: for both of them together it was under way throughout.
            both = Counter(self.open) & Counter(self.entered)
            if both:
                self.open, self.entered = Counter(self.open) - both, Counter(self.entered) - both


def bucket_of(value: int) -> int:
    """The lowest value that three digits count as equal to `value`, from 0 to `HIGHEST`."""
    value = min(max(0, value), HIGHEST)
    shift = max(0, value.bit_length() - SUB_BUCKET_BITS)
    return value >> shift << shift


def pairs_of(flat: Sequence[int]) -> Iterator[tuple[int, int]]:
    numbers = iter(flat)
    return zip(numbers, numbers, strict=True)
