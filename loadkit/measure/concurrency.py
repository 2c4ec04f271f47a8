"""How many sessions ran at once, over all workers, second by second."""

from math import floor
from typing import Final

from loadkit.measure.state import ConcurrencyState

WINDOW: Final = 120
"""Seconds that are kept apart, so that reports which come late still meet those of their time."""


RECENT: Final = 60
"""The last seconds that are written down apart in a state; a report that is later is very late."""


class Concurrency:
    """The largest sum, over workers, of the sessions each had live within one second of the run.

    A worker's report gives its highest number of live sessions within an interval; that number is
    taken for every second the interval touches. Workers need not have peaked at the same instant of
    a second, so with more than one worker the figure may be too high, by what their numbers moved
    within two intervals, and is never too low unless a report was two minutes late.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, dict[str, int]] = {}
        self._highest = 0  # of the seconds that are no longer kept

    def add(self, worker: str, start: float, end: float, peak: int) -> None:
        """Take that `worker` had at most `peak` sessions at once from `start` to `end` (s)."""
        for second in range(floor(start), floor(end) + 1):
            peaks = self._seconds.setdefault(second, {})
            peaks[worker] = max(peak, peaks.get(worker, 0))
        if len(self._seconds) > WINDOW:  # true once a second
            oldest = max(self._seconds) - WINDOW
            for second in [second for second in self._seconds if second <= oldest]:
                self._highest = max(self._highest, sum(self._seconds.pop(second).values()))

    def state(self) -> ConcurrencyState:
        """Return what is known now, for `restore`."""
        oldest = max(self._seconds, default=0) - RECENT
        highest = max(
            (sum(peaks.values()) for second, peaks in self._seconds.items() if second < oldest),
            default=0,
        )
        recent = tuple((s, dict(peaks)) for s, peaks in self._seconds.items() if s >= oldest)
        return ConcurrencyState(highest=max(self._highest, highest), seconds=recent)

    def restore(self, state: ConcurrencyState) -> None:
        """Go on from what `state` gave."""
        self._highest = state.highest
        self._seconds = {second: dict(peaks) for second, peaks in state.seconds}

    @property
    def peak(self) -> int:
        """The largest sum of any second so far."""
        return max(
            self._highest, max((sum(peaks.values()) for peaks in self._seconds.values()), default=0)
        )
