"""When the answers were as quick again as they had been: the response's p95 after an incident."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from loadkit.stats.distribution import Distribution
from loadkit.stats.order_statistics import needed

SLACK: Final = 1.1
"""Times what it was: up to here the p95 counts as what it was before."""

_P95: Final = 950
SHARE: Final = 0.05  # of the answers lie above a p95, whatever it is
_LONGEST: Final = 600  # rows that are looked at together, where answers are rare


def usual_p95(rows: Iterable[Distribution | None]) -> tuple[float, float] | None:
    """Return the p95 of some rows' responses, and up to where another is not worse, in ms.

    That limit is the upper end of its 95 % interval, or ten percent above it. None if the samples
    are too few for a p95.
    """
    whole = Distribution()
    for row in rows:
        if row is not None and row:
            whole.merge(row)
    if not whole.enough(_P95):
        return None
    p95, interval = whole.percentile(_P95), whole.interval(_P95)
    return p95, max(SLACK * p95, interval[1] if interval is not None else 0.0)


class RecoveryTime:
    """Looks at the answers from the beginning of an incident on. Bounded in memory.

    They are as quick as before (`usual_p95`) from that row on from which so many answers as a p95
    needs have no more than a twentieth above the limit. Once it is `settled`, nothing more has to
    be looked at.
    """

    def __init__(self, before: tuple[float, float] | None) -> None:
        self._before = before
        self._rows: deque[tuple[float, int, int]] = deque(maxlen=_LONGEST)
        self._since: float | None = None
        self.settled = before is None

    def add(self, start: float, responses: Distribution | None, *, over: bool) -> None:
        """Take the responses of the next row, which begins at `start` seconds of the run.

        Once the incident is `over` it cannot get worse again.
        """
        if self._before is None:
            return
        limit = self._before[1]
        count = 0 if responses is None else responses.decided(limit)
        above = 0 if responses is None else responses.above(limit)
        if count or self._rows:
            self._rows.append((start, count, above))
        enough = needed(_P95)
        every = sum(count for _, count, _ in self._rows)
        while self._rows and every - self._rows[0][1] >= enough:
            every -= self._rows.popleft()[1]
        if every < enough:
            return
        if sum(above for _, _, above in self._rows) > SHARE * every:
            self._since = None
        elif self._since is None:
            self._since = self._rows[0][0]
        self.settled = over and self._since is not None

    def to_dict(self, begin: float) -> dict[str, Any]:
        """Return what became of an incident that began at that second of the run, as plain values.

        Empty if there is no p95 to compare with.
        """
        if self._before is None:
            return {}
        since = self._since
        return {
            "response_p95_before_ms": self._before[0],
            "response_back_s": None if since is None else round(max(0.0, since - begin), 3),
        }
