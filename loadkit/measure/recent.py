"""What the last seconds of a run were like, from the rows of its timeline as they are closed."""

from collections.abc import Iterable
from typing import Final

from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution

LAST: Final = 10.0
"""Seconds that count as the last ones: enough samples for a p95 from six answers a second on."""


class RecentRows:
    """The last rows, as many as make `LAST` seconds. Constant in size."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Take the rows that were closed since the last time."""
        self._rows += rows
        if self._rows:
            since = self._rows[-1].start + self._rows[-1].length - LAST
            self._rows = [row for row in self._rows if row.start + row.length > since]

    @property
    def seconds(self) -> float:
        """How many seconds they are of."""
        return sum(row.length for row in self._rows)

    def of(self, phase: str) -> Distribution:
        """Return a phase's latencies in them, waits that are under way included."""
        found = Distribution()
        for row in self._rows:
            if phase in row.latency:
                found.merge(row.latency[phase])
        return found
