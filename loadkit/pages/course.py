"""The course of a run while it goes on, for its charts: what `run_slices` reads from its files."""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil
from typing import Final

from loadkit.figures import Phase, State
from loadkit.measure.recent import LAST, RecentRows
from loadkit.measure.timeline import Row
from loadkit.pages.run_slices import HIGHEST, MEANS, STATES, SUMS, Curve, Slices, rows_of_a_slice
from loadkit.results.series import columns
from loadkit.stats.distribution import Distribution

SHARES: Final = {"p50": 500, "p95": 950, "p99": 990}

MOST: Final = 300
"""Slices of a run of the length that was asked for. One that lasts longer keeps the last ones."""

_PHASES: Final = (Phase.RESPONSE, Phase.FIRST_CHUNK)
_COLUMNS: Final = {
    name: value
    for name, value in columns(datetime.fromtimestamp(0, UTC)).items()
    if name in SUMS or name in HIGHEST or name in MEANS or name.startswith(STATES)
}
"""What is drawn of a row, by the names of `timeline.csv`."""


class _Slice:
    """Some rows on end: each column's known values, and how many they are."""

    def __init__(self, start: float) -> None:
        self.start, self.rows = start, 0
        self._values: dict[str, float] = {}
        self._known: dict[str, int] = {}
        self.figures: dict[Phase, dict[str, float | None]] = {}

    def add(self, row: Row) -> None:
        self.rows += 1
        for name, value_of in _COLUMNS.items():
            value = value_of(row)
            if not isinstance(value, int | float):
                continue
            before = self._values.get(name)
            self._known[name] = self._known.get(name, 0) + 1
            if before is None:
                self._values[name] = value
            else:
                self._values[name] = max(before, value) if name in HIGHEST else before + value

    def value(self, name: str) -> float | None:
        value = self._values.get(name)
        if value is None or name in SUMS or name in HIGHEST:
            return value
        return round(value / self._known[name], 3)


class Course:
    """Takes the rows of a run as they are closed. Bounded in memory, however long the run.

    Args:
        duration_s: how long the run is to last.
        interval: the length of a row, in seconds.

    Attributes:
        rows: how many have come.
    """

    def __init__(self, duration_s: float, interval: float) -> None:
        self.rows = 0
        self._each = rows_of_a_slice(ceil(duration_s / interval), MOST)
        self._length = round(self._each * interval, 6)
        self._slices: deque[_Slice] = deque(maxlen=2 * MOST)
        self._last = RecentRows()
        self._within = {phase: Distribution() for phase in _PHASES}  # of the slice that is open
        self._recent: dict[Phase, Distribution] = {}
        self.states: dict[str, int] = {}  # sessions by state, at the end of the last row

    def add(self, rows: Iterable[Row]) -> None:
        """Take the next rows, in their order."""
        for row in rows:
            if not self.rows % self._each:
                self._slices.append(_Slice(row.start))
                self._within = {phase: Distribution() for phase in _PHASES}
            self.rows += 1
            self._last.add([row])
            self._recent = {}
            self.states = {state: row.in_state(state) for state in State}
            open_slice = self._slices[-1]
            open_slice.add(row)
            for phase, within in self._within.items():
                if phase in row.latency:
                    within.merge(row.latency[phase])
                wide = self._length > LAST
                open_slice.figures[phase] = figures(within if wide else self.recent(phase))

    @property
    def recent_s(self) -> float:
        """Seconds that the last rows are of."""
        return self._last.seconds

    @property
    def stretch_s(self) -> float:
        """Seconds that a point of a curve is of."""
        return max(self._length, LAST)

    def recent(self, phase: Phase) -> Distribution:
        """The latencies of the last seconds, waits that are under way included."""
        if phase not in self._recent:
            self._recent[phase] = self._last.of(phase)
        return self._recent[phase]

    def slices(self) -> Slices:
        """Return the charts' figures as of now."""
        found = Slices([round(each.start, 3) for each in self._slices], self._length)
        for name in _COLUMNS:
            values = [each.value(name) for each in self._slices]
            if any(value is not None for value in values):
                found.columns[name] = values
        for phase in _PHASES:
            points = [each.figures.get(phase, {}) for each in self._slices]
            if any(point.get("count") for point in points):
                found.together[phase] = 1
                found.curves[phase] = Curve(
                    [int(point.get("count") or 0) for point in points],
                    *([point.get(name) for point in points] for name in (*SHARES, "max")),
                )
        return found


def figures(found: Distribution) -> dict[str, float | None]:
    """Return its count, percentiles and maximum (ms), each None where the samples do not tell."""
    told: dict[str, float | None] = {"count": found.count}
    for name, per_mille in SHARES.items():
        estimate = found.estimate(per_mille) if found.enough(per_mille) else None
        told[name] = None if estimate is None or estimate.at_least else estimate.value
    told["max"] = found.max / 1000 if found.count else None
    return told
