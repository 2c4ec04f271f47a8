"""The service level: which metrics are limited, in which unit, and when to give up."""

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

from loadkit.config.mistakes import did_you_mean
from loadkit.config.table import (
    Duration,
    Table,
    checked,
    parse_duration,
    parse_percent_per_hour,
    parse_ratio,
)
from loadkit.figures import CLIENTS
from loadkit.profile.metrics import Metric, MetricError
from loadkit.profile.tables import known_class


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of a service level: the metric's value holds when it is at most the limit."""

    metric: str  # by the grammar of `loadkit.profile.metrics`, such as `response.p95`, `errors`
    limit: float  # milliseconds, a ratio from 0 to 1, percent per hour for a drift, or a count

    @field_validator("metric")
    @classmethod
    def _known(cls, text: str, info: ValidationInfo) -> str:
        try:
            metric = Metric.parse(text)
        except MetricError as error:
            mend = did_you_mean(error.word, error.options)
            raise ValueError(f"{error}{mend}") from error
        if metric.scope in CLIENTS:
            _has_client(metric.scope, info)
        elif metric.scope is not None:
            _has_users(known_class(metric.scope, info), info)
        kinds = (info.context or {}).get("violations")
        family, _, kind = metric.name.partition(".")
        if family == "violations" and kind and kinds is not None and kind not in kinds:
            raise ValueError(f"no violation is called {kind!r}{did_you_mean(kind, kinds)}")
        return text

    @field_validator("limit", mode="before")
    @classmethod
    def _in_unit(cls, limit: Any, info: ValidationInfo) -> float:
        text = info.data.get("metric")
        if text is None:
            return 0.0  # the metric is already complained about; its unit is anybody's guess
        kind = Metric.parse(text).kind
        if kind == "ratio":
            return parse_ratio(limit)
        if kind == "drift":
            return parse_percent_per_hour(limit)
        if kind == "duration":
            if isinstance(limit, str):
                return round(parse_duration(limit) * 1000, 6)  # "70ms" is 70, not 70.00…01
            return parse_duration(limit)
        countable = isinstance(limit, int | float) and not isinstance(limit, bool)
        if countable and 0 <= limit < math.inf:
            return float(checked(limit))
        raise ValueError(f"should be a number of 0 or more, not {limit!r}")


def _has_users(name: str, info: ValidationInfo) -> None:
    """Refuse a user class that the mix leaves out: its metrics would never be measured."""
    context = info.context or {}
    mix = context.get("mix")
    if not isinstance(mix, Mapping) or mix.get(name):
        return
    if name not in mix and context.get("classes") is None:  # it may not exist at all
        mend = did_you_mean(name, mix, listed=False)
        raise ValueError(f"[mix] has no user class {name!r}{mend}")
    raise ValueError(f"[mix] sends no {name}; give it a weight above 0, or take the limit out")


def _has_client(name: str, info: ValidationInfo) -> None:
    """Refuse a client that the fleet leaves out, likewise."""
    context = info.context or {}
    clients = context.get("clients", {})
    if "clients" in context and not (isinstance(clients, Mapping) and clients.get(name)):
        raise ValueError(f"[clients] sends no {name}; give it a weight above 0")


def _limited(metric: str, info: ValidationInfo) -> str:
    """Refuse a metric that has no limit, where the context holds those that have one."""
    limited: Collection[str] | None = (info.context or {}).get("limited")
    if limited and metric not in limited:
        raise ValueError(f"[slo] has no limit on {metric!r}{did_you_mean(metric, limited)}")
    return metric


class Abort(Table):
    """When to end a run early: a limit that stays broken."""

    grace: Annotated[Duration, Field(gt=0)]  # that it may stay so without a pause
    # Which lines of the service level count; all of them if empty.
    metrics: Annotated[
        tuple[Annotated[str, AfterValidator(_limited)], ...], Field(strict=False)
    ] = ()

    @model_validator(mode="after")
    def _has_limits(self, info: ValidationInfo) -> "Abort":
        limited: Collection[str] | None = (info.context or {}).get("limited")
        if limited is not None and not limited:
            raise ValueError("there is no limit that could be broken; write one in [slo]")
        return self
