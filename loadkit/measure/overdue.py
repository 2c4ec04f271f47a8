"""Who waits for longer than they should have to, while it happens."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from loadkit.figures import Phase
from loadkit.measure.open_waits import STALE_MS, Waiting
from loadkit.profile.metrics import Metric
from loadkit.stats.number_format import number

_AT_MOST: Final = {
    Phase.TOKEN: STALE_MS,
    Phase.CREATE_SESSION: STALE_MS,
    Phase.CONNECT: STALE_MS,
    Phase.HISTORY: STALE_MS,
    Phase.GREETING: STALE_MS,
    Phase.RESPONSE: STALE_MS,
    Phase.LIVE_RESPONSE: None,  # humans take their time
    Phase.HANDOFF_WAIT: None,
    Phase.RECONNECT: STALE_MS,
    Phase.END: STALE_MS,
}
"""What a person can wait for, in milliseconds the most it should take where no objective says; None
for any time. The echo, the join and the first chunk are waited for with what follows them."""


class Overdue(NamedTuple):
    """Waits that last longer than they should."""

    waits: int  # how many there are
    oldest_s: float  # how long the oldest has lasted, in seconds

    @property
    def many(self) -> str:
        return number(self.waits)

    @property
    def oldest(self) -> str:
        return f"{number(round(self.oldest_s, 1 if self.oldest_s < 10 else 0))} s"

    def __bool__(self) -> bool:
        return self.waits > 0


def overdue(waiting: Waiting, limits: Sequence[tuple[str, float]]) -> Overdue:
    """Look for waits that are open for longer than the greatest limit of their phase.

    `limits` are the objectives, as pairs of a metric and the most it may be.
    """
    most: dict[str, float] = {}
    for text, limit in limits:
        metric = Metric.parse(text)
        if metric.phase is not None and metric.kind == "duration":
            most[metric.phase] = max(limit, most.get(metric.phase, 0.0))
    found = [
        (age, count)
        for phase, usual in _AT_MOST.items()
        if (limit_ms := most.get(phase, usual)) is not None
        for age, count in waiting.latency.get(phase, {}).items()
        if age > 1000 * limit_ms
    ]
    return Overdue(
        sum(count for _, count in found), max((age for age, _ in found), default=0) / 1e6
    )
