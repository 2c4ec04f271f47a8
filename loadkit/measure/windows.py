"""The run cut into windows that are few however long it lasts: what drift is looked for in."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from math import inf
from typing import Final

from loadkit.figures import Count
from loadkit.measure.histogram import Distribution
from loadkit.measure.timeline import Row

__all__ = ["MOST", "Sketch", "Window", "Windows", "joined"]

MOST: Final = 120
"""Windows that are kept at most; from the first time on that there are so many, at least half. More
would date a change more closely, but take longer to fill: some 4 MB on whoever leads, which it has
after two minutes of rows of a second."""

_BITS: Final = 6  # significant bits of a bucket's number: 32 buckets for each doubling

ROOM: Final = 192
"""Buckets: the latencies of a phase spread over some 50 to 180, many of them over a few more."""

_PLACES: Final = 1 << 16  # that the mean of a bucket's samples may have within the bucket


class Sketch:
    """A distribution in little room: some 60 buckets of 8 bytes, for the latencies of a phase.

    It has room for `ROOM` of them from the start. So windows that grow longer, and hit more
    buckets, take no more memory: whoever leads has that after two minutes. What is beyond joins a
    neighbour, the buckets with the fewest samples first.

    A bucket is 1.6 to 3.1 % wide, yet it says where in it the mean of its samples lies, and a
    percentile lies between means: within 0.1 % of the exact one for smooth distributions, and
    without steps while it moves from one bucket to the next.

    Args:
        samples: values in microseconds, and how often each is there.
    """

    __slots__ = ("_counts", "_keys", "_places", "_used")

    def __init__(self, samples: Iterable[tuple[float, int]] = ()) -> None:
        merged: defaultdict[int, list[float]] = defaultdict(lambda: [0, 0])
        for value, count in samples:
            known = merged[_bucket(int(value))]
            known[0] += count
            known[1] += count * value
        ordered = sorted(merged.items())
        while len(ordered) > ROOM:
            _join_the_least(ordered)
        self._used = len(ordered)
        room = [0] * (ROOM - self._used)
        self._keys = array("H", [*(key for key, _ in ordered), *room])
        self._counts = array("I", [*(int(count) for _, (count, _) in ordered), *room])
        self._places = array("H", [*(_place(key, s / n) for key, (n, s) in ordered), *room])

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """What makes another one like it: the mean of each bucket, and its samples."""
        return zip(self._means(), self._counts, strict=False)

    def _means(self) -> list[float]:
        """The mean of each bucket's samples in microseconds."""
        used = map(_reach, self._keys[: self._used])
        return [
            lowest + place * width / _PLACES
            for (lowest, width), place in zip(used, self._places, strict=False)
        ]

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return sum(self._counts)

    def percentile(self, per_mille: int) -> float:
        """Return a percentile in milliseconds, 950 for p95; there must be samples."""
        count = self.count
        wanted = count * per_mille / 1000
        means = self._means()
        counts = self._counts[: self._used]
        middles = [upto - n / 2 for upto, n in zip(accumulate(counts), counts, strict=True)]
        right = bisect_left(middles, wanted)
        if right == 0:
            return means[0] / 1000
        if right == len(means):
            return means[-1] / 1000
        left = right - 1
        share = (wanted - middles[left]) / (middles[right] - middles[left])
        return (means[left] + share * (means[right] - means[left])) / 1000


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - _BITS)
    return (shift << _BITS) + (value >> shift)


def _reach(key: int) -> tuple[int, int]:
    """The lowest value of a bucket, and how wide it is; undoes `_bucket`."""
    shift = key >> _BITS
    return (key & (1 << _BITS) - 1) << shift, 1 << shift


def _place(key: int, mean: float) -> int:
    """Where in a bucket its mean lies: at its edge where neighbours that joined it pull it out."""
    lowest, width = _reach(key)
    return min(max(round((mean - lowest) / width * _PLACES), 0), _PLACES - 1)


def _join_the_least(ordered: list[tuple[int, list[float]]]) -> None:
    """Have the bucket with the fewest samples join the nearer one of its neighbours."""
    least = min(range(len(ordered)), key=lambda at: ordered[at][1][0])
    key, (count, total) = ordered.pop(least)
    beside = range(max(0, least - 1), min(least + 1, len(ordered)))
    known = ordered[min(beside, key=lambda at: abs(ordered[at][0] - key))][1]
    known[0] += count
    known[1] += total


@dataclass(slots=True)
class Window:
    """What was measured in one stretch of the run.

    Attributes:
        start: seconds of the run at which it begins.
        seconds: how long it is.
        asked: the load asked for; None where that changed within the window.
        latency: by phase, end - sent.
        answered, errors, reconnects: how many there were.
        rss_mb, master_rss_mb: the memory of all workers, and of the process that leads, on average;
            None while none has said.
        age_rise: how response times rose with the session's age, of responses of the same moment:
            see `_age_rise`.
        aged: how many responses that says something about.
    """

    start: float
    seconds: float
    asked: float | None
    latency: dict[str, Sketch] = field(default_factory=dict)
    answered: int = 0
    errors: int = 0
    reconnects: int = 0
    rss_mb: float | None = None
    master_rss_mb: float | None = None
    age_rise: float = 0.0
    aged: int = 0

    @property
    def end(self) -> float:
        """Seconds of the run at which it ends."""
        return self.start + self.seconds

    @classmethod
    def joined(cls, parts: "Sequence[Window]") -> "Window":
        """Make one of several that follow each other."""
        first = parts[0]
        phases = dict.fromkeys(phase for part in parts for phase in part.latency)
        return cls(
            first.start,
            sum(part.seconds for part in parts),
            first.asked if all(part.asked == first.asked for part in parts) else None,
            {
                phase: Sketch(
                    samples
                    for part in parts
                    if phase in part.latency
                    for samples in part.latency[phase]
                )
                for phase in phases
            },
            sum(part.answered for part in parts),
            sum(part.errors for part in parts),
            sum(part.reconnects for part in parts),
            _average((part.rss_mb, part.seconds) for part in parts),
            _average((part.master_rss_mb, part.seconds) for part in parts),
            sum(part.age_rise for part in parts),
            sum(part.aged for part in parts),
        )


class Windows:
    """Windows of equal length, one after the other, whose length doubles when they are `most`.

    So they take the same room however long the run is. They are not all joined at once, which
    would hold up a process that also loads: each time that one is full, two of the oldest become
    one.

    Args:
        since: seconds of the run that are left out: the warm-up.
        most: how many there are at most.
    """

    def __init__(self, since: float = 0.0, most: int = MOST) -> None:
        self._since, self._most = since, most
        self._closed: list[Window] = []
        self._joined = 0  # so many at the front are twice as long as the others
        self._rows = 1  # that a window takes which is not twice as long
        self._open: Window | None = None
        self._has = 0  # rows of it

    def add(self, *rows: Row) -> None:
        """Take the next rows of the run; each takes about a millisecond."""
        for row in rows:
            if row.start >= self._since:
                self._add(_of(row))

    def _add(self, new: Window) -> None:
        self._open = new if self._open is None else Window.joined((self._open, new))
        self._has += 1
        if self._has < self._rows:
            return
        self._closed.append(self._open)
        self._open, self._has = None, 0
        if len(self._closed) > self._most:
            at = self._joined
            self._closed[at : at + 2] = [Window.joined(self._closed[at : at + 2])]
            self._joined += 1
            if self._joined == len(self._closed):
                self._joined, self._rows = 0, 2 * self._rows

    def whole(self) -> list[Window]:
        """Return the windows that are full, all of the same length."""
        if not self._joined:
            return list(self._closed)
        return self._closed[: self._joined] + joined(self._closed[self._joined :], 2)

    def steady(self, until: float = inf) -> list[Window]:
        """Return the longest stretch of whole windows in which the same load was asked for.

        Ramps are no part of it, nor are stages with nobody.

        Args:
            until: seconds of the run at which it was told to end.
        """
        best: list[Window] = []
        for asked, windows in groupby(self.whole(), lambda window: window.asked):
            stretch = [window for window in windows if window.end <= until]
            if asked is not None and len(stretch) > len(best):
                best = stretch
        return best


def joined(windows: Sequence[Window], number: int) -> list[Window]:
    """Join so many at a time; what is left over at the end is left out."""
    whole = len(windows) // number * number
    if number == 1:
        return list(windows)
    return [Window.joined(windows[at : at + number]) for at in range(0, whole, number)]


def _of(row: Row) -> Window:
    counts = row.counts
    rise, aged = _age_rise(row.ages)
    return Window(
        row.start,
        row.length,
        sum(row.asked.values()) or None if row.asked else 0.0,
        {
            phase: Sketch(found.counts.items())
            for phase, found in row.latency.items()
            if found.counts
        },
        counts[Count.TURNS_ANSWERED],
        sum(n for key, n in counts.items() if key.startswith("errors.")),
        counts[Count.DISCONNECTS_RECONNECTED],
        row.rss_mb,
        row.master_rss_mb,
        rise,
        aged,
    )


def _average(values: Iterable[tuple[float | None, float]]) -> float | None:
    """Weighed by seconds; None where there is none."""
    known = [(value, seconds) for value, seconds in values if value is not None]
    whole = sum(seconds for _, seconds in known)
    return sum(value * seconds for value, seconds in known) / whole if known else None


def _age_rise(ages: Mapping[int, Distribution]) -> tuple[float, int]:
    """How the rank of a response among all of its row rises with the session's age.

    The sum, over responses, of the age's class less its mean, times the rank as a share of all
    less one half. It is zero on average wherever age does not matter, be the target slow at that
    moment or not: rows are strata, as in Ph. van Elteren, "On the combination of independent two
    sample tests of Wilcoxon", Bulletin of the International Statistical Institute 37, 1960.

    Returns:
        That, and of how many responses.
    """
    every: defaultdict[int, int] = defaultdict(int)
    for found in ages.values():
        for value, n in found.counts.items():
            every[value] += n
    total = sum(every.values())
    if len(ages) < 2:
        return 0.0, 0
    below, rank = 0, {}
    for value, n in sorted(every.items()):
        rank[value] = (below + n / 2) / total - 0.5
        below += n
    mean = sum(number * found.count for number, found in ages.items()) / total
    rise = sum(
        (number - mean) * sum(n * rank[value] for value, n in found.counts.items())
        for number, found in ages.items()
    )
    return rise, total
