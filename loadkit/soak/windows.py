"""The run cut into windows that are few however long it lasts: what drift is looked for in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import inf
from typing import Final

from loadkit.figures import Count
from loadkit.measure.open_waits import STALE_MS
from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution
from loadkit.stats.sketch import Sketch, Sketches

MOST: Final = 120
"""Windows that are kept at most; from the first time on that there are so many, at least half. More
would date a change more closely, but take longer to fill: some 3 MB on whoever leads, which it has
after two minutes of rows of a second."""


@dataclass(slots=True)
class Window:
    """What was measured in one stretch of the run."""

    start: float  # seconds of the run at which it begins
    seconds: float  # how long it is
    asked: float | None  # the load asked for; None where that changed within the window
    # by phase, end - sent. A wait without an end is among them once it has lasted ten seconds, as
    # ten seconds.
    latency: Sketches = field(default_factory=Sketches)
    # how many there were
    answered: int = 0
    errors: int = 0
    reconnects: int = 0
    # the memory of all workers, and of the process that leads, on average; None while none has said
    rss_mb: float | None = None
    master_rss_mb: float | None = None
    # how response times rose with the session's age, of responses of the same moment: see
    # `_age_rise`
    age_rise: float = 0.0
    aged: int = 0  # how many responses that says something about

    @property
    def end(self) -> float:
        """Seconds of the run at which it ends."""
        return self.start + self.seconds

    @classmethod
    def joined(cls, parts: "Sequence[Window]") -> "Window":
        """Make one of several that follow each other."""
        first = parts[0]
        return cls(
            first.start,
            sum(part.seconds for part in parts),
            first.asked if all(part.asked == first.asked for part in parts) else None,
            Sketches.joined([part.latency for part in parts]),
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
    one. The seconds before `since`, the warm-up, are left out.
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

        Ramps are no part of it, nor are stages with nobody, nor what came after `until` (seconds).
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
        Sketches(
            {
                phase: Sketch(samples)
                for phase, found in row.latency.items()
                if (samples := list(found.with_stale(STALE_MS)))
            }
        ),
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
    """How the rank of a response among all of its row rises with its session's age, of how many.

    The sum, over responses, of the age's class less its mean, times the rank as a share of all
    less one half. It is zero on average wherever age does not matter, be the target slow at that
    moment or not: rows are strata, as in Ph. van Elteren, "On the combination of independent two
    sample tests of Wilcoxon", Bulletin of the International Statistical Institute 37, 1960.
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
