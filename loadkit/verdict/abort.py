"""When a run is not worth going on: an objective that stays broken."""

from collections.abc import Collection, Iterable

from loadkit.verdict.slo import SloLine

__all__ = ["AbortWatch"]


class AbortWatch:
    """Looks at the objectives again and again, and tells which one has been broken for too long.

    What is undecided is not broken, and what was never measured is not broken yet: the first
    answer may still be on its way. An objective that recovers starts anew.

    Args:
        grace: seconds that an objective may stay broken without a pause.
        metrics: the objectives that count; all of them if empty.
    """

    def __init__(self, grace: float, metrics: Collection[str] = ()) -> None:
        self._grace = grace
        self._metrics = frozenset(metrics)
        self._since: dict[str, float] = {}

    def lasting_breach(self, now: float, lines: Iterable[SloLine]) -> SloLine | None:
        """Take the objectives as they stand.

        Args:
            now: seconds on a monotonic clock, rising from look to look.
            lines: what `judge` makes of the run so far.

        Returns:
            The line that has been broken for the whole grace (of several, the one that broke
            first); None if there is none.
        """
        broken = {
            line.metric: line
            for line in lines
            if line.status == "fail"
            and line.actual is not None
            and (not self._metrics or line.metric in self._metrics)
        }
        self._since = {metric: self._since.get(metric, now) for metric in broken}
        over = [metric for metric, since in self._since.items() if now - since >= self._grace]
        return broken[min(over, key=self._since.__getitem__)] if over else None
