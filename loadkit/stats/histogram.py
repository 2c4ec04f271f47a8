"""What is counted of one quantity: a histogram of three significant digits.

It knows waits whose end was seen, and others of which only that they lasted at least so long:
those that were given up, and those that are open.

It holds whole thousandths of the unit that is shown: microseconds for milliseconds, 0.001 %,
kilobytes for megabytes. A figure is kept as the lowest value that an HdrHistogram of three
digits counts as equal to it, so one merges into any other without loss.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from loadkit.codec import OPTIONAL, Count, whole
from loadkit.stats.hdr_index import HIGHEST, PAIRS, SUB_BUCKET_BITS, BucketCounts, bucket_of

NONE: Final[Mapping[int, int]] = MappingProxyType({})
"""No waits."""

UNSEEN: Final = ("lost", "open", "entered")
"""The attributes that hold waits of which one end was not seen."""

_Value = Annotated[int, Field(strict=True, ge=-1, le=HIGHEST + 1)]
_Waits = Annotated[Mapping[int, int], PAIRS, OPTIONAL]


@dataclass(slots=True)
class Histogram:
    """What was counted of one quantity. Only ever increments."""

    # value (the lowest that is equivalent at three digits) → how often
    counts: Annotated[BucketCounts, PAIRS] = field(
        default_factory=lambda: defaultdict[int, int](int)
    )
    total: Annotated[int, Field(strict=True, ge=0, le=10**18)] = 0  # exact sum of the samples
    min: _Value = HIGHEST + 1  # exact smallest sample; `HIGHEST` + 1 before the first one
    max: _Value = -1  # exact largest sample; -1 before the first one
    negative: Count = 0  # how many were below zero. They are no samples.
    overflow: Count = 0  # how many were above `HIGHEST`. They are no samples.
    # as `counts`, of waits that were given up: the value is how long they had lasted
    lost: _Waits = field(default_factory=lambda: NONE)
    # likewise of waits that were under way when nobody looked on any further
    open: _Waits = field(default_factory=lambda: NONE)
    # likewise of waits that were under way when the stretch began that is looked at, with how long
    # they had lasted then; none of those that began before the run count
    entered: _Waits = field(default_factory=lambda: NONE)

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

    @property
    def mean(self) -> float | None:
        """The mean of its samples in the unit shown; None where there are none."""
        count = self.count
        return self.total / count / 1000 if count else None

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
        """Take a wait of so many seconds that is over without what was waited for.

        It was given up (`lost`), or was open when nobody looked on any further.
        """
        self._take("lost" if lost else "open", {bucket_of(round(seconds * 1e6)): 1})

    def merge(self, other: "Histogram") -> None:
        """Add what another one counted; that stays as it is. The order does not matter."""
        self._count(other.counts)
        self.total += other.total
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)
        self.negative += other.negative
        self.overflow += other.overflow
        for name in UNSEEN:
            if more := getattr(other, name):
                self._take(name, more)

    def _count(self, more: BucketCounts) -> None:
        counts = self.counts
        if not counts:
            self.counts = defaultdict(int, more.items())
            return
        for value, count in more.items():
            counts[value] += count

    def _take(self, name: str, more: Mapping[int, int]) -> None:
        found = Counter(getattr(self, name))
        found.update(more)
        setattr(self, name, found)
        if self.entered and self.open:
            # Where one stretch follows another, what was open at the end of the first is what
            # entered the second: for both of them together it was under way throughout.
            both = Counter(self.open) & Counter(self.entered)
            if both:
                self.open, self.entered = Counter(self.open) - both, Counter(self.entered) - both


def _spans(found: Histogram) -> Histogram:
    if found.counts and not 0 <= found.min <= found.max <= HIGHEST:
        raise ValueError("min and max do not fit its counts")
    return found


Measured = Annotated[
    Histogram,
    whole("counts", "total", "min", "max", "negative", "overflow"),
    AfterValidator(_spans),
]
"""One that is read: it says all of itself, and does not contradict itself."""
