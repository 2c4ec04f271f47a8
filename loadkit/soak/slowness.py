"""Whether a run's answers take clearly longer than is usual for it."""

from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import Final, NamedTuple

from loadkit.soak.baseline import Baseline
from loadkit.soak.recovery_time import SHARE, usual_p95
from loadkit.stats.distribution import Distribution

CLEARLY: Final = 2.0  # times the usual, up or down: what is only significant is not yet important
CROWDED: Final = 1.25  # times the usual sessions, from where on slow answers are the load's doing
KEPT: Final = 60  # rows that say what is usual
LOOKED_UP: Final = 10  # rows after which that is looked up again


class Slow(NamedTuple):
    """The answers of a row that may be compared with what is usual, and how many were slow."""

    length: float = 0.0
    responses: int = 0
    slow: int = 0


class Slowness:
    """Knows how slow the answers of a run usually are. Bounded in memory.

    An answer is slow if it took over twice the usual p95 (`limit_ms`; None while too little is
    known). Answers are slow as a whole where more than a twentieth are, so that the p95 has
    doubled, and beyond chance; where a share is slow all along, it has to be twice that share.
    """

    def __init__(self) -> None:
        self.limit_ms: float | None = None
        self._rows: deque[Distribution | None] = deque(maxlen=KEPT)
        self._sessions: deque[int] = deque(maxlen=KEPT)
        self._usual = Baseline()
        self._learnt = 0

    def of(self, length: float, response: Distribution | None, sessions: int) -> Slow:
        """Count the slow ones among the answers of a row of so many seconds and live sessions.

        With clearly more sessions than usual nothing is compared.
        """
        if self.limit_ms is None or sessions > CROWDED * fmean(self._sessions):
            return Slow()
        if response is None or not response.decided(self.limit_ms):
            return Slow(length)
        # An answer that is still waited for is a slow one from the row on in which it becomes so.
        return Slow(length, response.decided(self.limit_ms), response.above(self.limit_ms))

    def learn(self, response: Distribution | None, sessions: int, seen: Slow) -> None:
        """Take a row for usual; `seen` is what `of` said of it."""
        self._usual.learn(seen.slow, seen.responses)
        self._rows.append(response)
        self._sessions.append(sessions)
        self._learnt += 1
        if self.limit_ms is None or self._learnt % LOOKED_UP == 0:
            usual = self.p95()
            self.limit_ms = None if usual is None else CLEARLY * usual[1]

    def p95(self) -> tuple[float, float] | None:
        """The usual p95 as `usual_p95` tells it."""
        return usual_p95(self._rows)

    def of_all(self, rows: Sequence[Slow], surprise: float) -> bool:
        """Whether the answers of some rows are slow as a whole, beyond a chance of so many nats."""
        responses = sum(row.responses for row in rows)
        slow = sum(row.slow for row in rows)
        usual = max(SHARE * responses, CLEARLY * self._usual.expected(responses))
        return slow > usual and self._usual.surprise(slow, responses) > surprise
