"""The grammar of a service level: which metrics may be limited, and in which unit."""

import math
import re
from typing import Any, Final

from pydantic import ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase
from loadkit.plan.suggest import did_you_mean
from loadkit.plan.units import parse_duration, parse_ratio

__all__ = ["STATISTICS", "Limit"]

STATISTICS: Final = ("min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "count")

_RATIO: Final = "turns.lost_ratio"
_LATENCIES: Final = frozenset(f"{p}.{s}" for p in Phase for s in STATISTICS if s != "count")
_COUNTS: Final = frozenset(
    [
        *(f"{phase}.count" for phase in Phase),
        *Count,
        *(f"sessions.{ending}" for ending in Ending),
        "errors",
        *(f"errors.{failure}" for failure in Failure),
        "violations",
    ]
)
_METRICS: Final = (*sorted(_LATENCIES), *sorted(_COUNTS), _RATIO)
_KIND: Final = re.compile(r"violations\.([a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of a service level: the metric's value holds when it is at most the limit.

    Attributes:
        metric: a name of the grammar, such as `response.p95`, `turns.lost_ratio`, `errors`.
        limit: milliseconds for a latency, 0 to 1 for a ratio, else a number of occurrences.
    """

    metric: str
    limit: float

    def holds(self, actual: float) -> bool:
        """Tell whether a measured value, in the limit's unit, keeps to the limit."""
        return actual <= self.limit

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str, info: ValidationInfo) -> str:
        if metric in _LATENCIES or metric in _COUNTS or metric == _RATIO:
            return metric
        kinds = (info.context or {}).get("violations")
        kind = _KIND.fullmatch(metric)
        if kind and (kinds is None or kind[1] in kinds):
            return metric
        if kind and kinds is not None:
            raise ValueError(f"no violation is called {kind[1]!r}{did_you_mean(kind[1], kinds)}")
        phase, _, statistic = metric.partition(".")
        if phase in set(Phase):
            mend = did_you_mean(statistic, STATISTICS)
            raise ValueError(f"no statistic is called {statistic!r}{mend}")
        raise ValueError(f"no metric is called {metric!r}{did_you_mean(metric, _METRICS)}")

    @field_validator("limit", mode="before")
    @classmethod
    def _in_unit(cls, limit: Any, info: ValidationInfo) -> float:
        metric = info.data.get("metric")
        if metric is None:
            return 0.0  # the metric is already complained about; its unit is anybody's guess
        if metric == _RATIO:
            return parse_ratio(limit)
        if metric in _LATENCIES:
            if isinstance(limit, str):
                return round(parse_duration(limit) * 1000, 6)  # "70ms" is 70, not 70.00…01
            return parse_duration(limit)
        countable = isinstance(limit, int | float) and not isinstance(limit, bool)
        if countable and 0 <= limit < math.inf:
            return float(limit)
        raise ValueError(f"should be a number of 0 or more, not {limit!r}")
