"""What is looked for in the course of a run, row by row: drift, incidents, the load delivered."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from loadkit.measure.load_curve import LoadCurve
from loadkit.measure.timeline import Row
from loadkit.soak.drift import Drift, analyse
from loadkit.soak.incidents import Incidents
from loadkit.soak.windows import Windows
from loadkit.stats.distribution import Distribution

LEAVING: Final = 1.0  # seconds before the end that the last reports, when users leave, reach back


class RunAnalysis:
    """Takes the rows of a run as they are closed. Bounded in memory, however long the run.

    Args:
        warmup: seconds that are left out of what is looked at for drift.
        asked_at: see `Incidents`.
    """

    def __init__(
        self,
        warmup: float = 0.0,
        asked_at: Callable[[float], Mapping[str, float]] | None = None,
    ) -> None:
        self.incidents, self.load = Incidents(asked_at), LoadCurve()
        self._windows = Windows(warmup)

    def add(self, rows: Iterable[Row], until: float | None = None) -> None:
        """Take the next rows, in their order.

        `until` is the second at which the run was told to end, once it was. From then on users
        leave because of that.
        """
        for row in rows:
            self._windows.add(row)
            if until is None or row.start + row.length <= until - LEAVING:
                self.incidents.add(row)
                self.load.add(row)

    def drift(self, until: float, ages: Mapping[int, Distribution]) -> Drift:
        """Look for drift up to a second of the run; `ages` as in the ledger."""
        return analyse(self._windows.steady(until), ages)
