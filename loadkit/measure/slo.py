"""The objectives of a run: a metric, its upper limit, and whether it held.

The grammar of a metric:

    <phase>.<min|mean|p50|p90|p95|p99|p999|max>   milliseconds
    <phase>.count                                 samples
    turns.<sent|answered|lost|lost_ratio|resent|answered_twice|answered_by_replay>
    sessions.<started|completed|peak_concurrent|user_end|natural_end|abandoned|client_handoff|
              failed|cut_off>
    disconnects.<forced|unexpected|reconnected|gave_up|events_lost|events_duplicated>
    errors, errors.<kind>                         in total, and of one kind of failure
    violations, violations.<kind>

An objective about something that never happened is not met: a latency that was never measured,
or the ratio of turns lost where none was sent, has no actual value, and fails. A count that
never rose is 0.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.histogram import PERCENTILES
from loadkit.measure.words import compare, number

__all__ = ["SloLine", "check_metric", "judge"]

_DURATIONS: Final = frozenset(
    f"{phase}.{stat}" for phase in Phase for stat in ("min", "mean", *PERCENTILES, "max")
)
_RATIO: Final = "turns.lost_ratio"
_COUNTS: Final = frozenset(
    [
        "violations",
        "errors",
        "sessions.completed",
        "sessions.peak_concurrent",
        *(count.value for count in Count),
        *(f"sessions.{ending}" for ending in Ending),
        *(f"errors.{failure}" for failure in Failure),
        *(f"{phase}.count" for phase in Phase),
    ]
)
_METRICS: Final = _DURATIONS | _COUNTS | {_RATIO}


@dataclass(frozen=True, slots=True)
class SloLine:
    """One objective and how it fared.

    Attributes:
        metric: by the grammar above.
        limit: the most it may be; milliseconds for a latency.
        actual: what it was; None if there was nothing to measure.
        ok: whether it held.
    """

    metric: str
    limit: float
    actual: float | None
    ok: bool

    @property
    def is_duration(self) -> bool:
        """Whether the limit and the actual value are in milliseconds."""
        return self.metric in _DURATIONS

    def __str__(self) -> str:
        unit = "ms" if self.is_duration else ""
        name = self.metric.replace(".", " ")
        if self.actual is None:
            return f"{name} never measured, limit {number(self.limit)} {unit}".rstrip()
        return f"{name} {compare(self.actual, self.limit, unit)}"

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `summary.json`."""
        return {
            "metric": self.metric,
            "limit": self.limit,
            "actual": self.actual,
            "pass": self.ok,
        }

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> "SloLine":
        """Undo `to_dict`."""
        return cls(line["metric"], line["limit"], line["actual"], line["pass"])


def check_metric(metric: str) -> None:
    """Check a metric's name, so that a profile can be refused before there is any load.

    Raises:
        UsageError: nobody measures that; the text names the nearest that exists.
    """
    if metric in _METRICS or metric.removeprefix("violations.") not in ("", metric):
        return
    nearest = difflib.get_close_matches(metric, sorted(_METRICS), n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise UsageError(f"[slo] {metric!r}: there is no such metric{hint}")


def judge(limits: Sequence[tuple[str, float]], figures: Mapping[str, float]) -> tuple[SloLine, ...]:
    """Hold every limit against what was measured.

    Args:
        limits: metrics and the most each may be, in the order of the profile.
        figures: what was measured, by metric; what is absent was not measured or not counted.

    Raises:
        UsageError: a metric that nobody measures.
    """
    return tuple(_line(metric, limit, figures) for metric, limit in limits)


def _line(metric: str, limit: float, figures: Mapping[str, float]) -> SloLine:
    check_metric(metric)
    actual = figures.get(metric)
    if actual is None and metric not in _DURATIONS and metric != _RATIO:
        actual = 0
    return SloLine(metric, limit, actual, ok=actual is not None and actual <= limit)
