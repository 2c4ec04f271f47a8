"""Lengths of time: one that is fixed, and ones that are drawn anew each time."""

import math
import re
from random import Random
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from loadkit.magnitude import checked

__all__ = [
    "Bimodal",
    "Constant",
    "Distribution",
    "Duration",
    "Exponential",
    "Lognormal",
    "parse_duration",
]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPELLING: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", re.ASCII)


def parse_duration(value: Any) -> float:
    """Read a length of time.

    Args:
        value: `"800ms"`, `"2s"`, `"1.5m"`, `"1h"`, or a bare number of seconds.

    Returns:
        Seconds, finite and not negative.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str):
        match = _SPELLING.fullmatch(value.strip())
        if match is not None:
            return float(checked(float(match[1]) * _UNITS[match[2]]))
    elif (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    ):
        return float(checked(value))
    raise ValueError(f"{value!r} is not a duration; write '800ms', '2s', '10m' or seconds")


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
_PositiveDuration = Annotated[Duration, AfterValidator(_positive)]


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Constant(_Kind):
    """Always the same."""

    kind: Literal["constant"] = "constant"
    value: Duration

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds."""
        return self.value


class Lognormal(_Kind):
    """Skewed to the right, as most answer times are."""

    kind: Literal["lognormal"] = "lognormal"
    median: _PositiveDuration
    sigma: float = Field(default=0.5, ge=0, le=10)
    max: Duration | None = None

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds, never above `max`."""
        return _capped(self.median * math.exp(rng.gauss(0.0, self.sigma)), self.max)


class Exponential(_Kind):
    """Without memory, as the service times of textbook queues are."""

    kind: Literal["exponential"] = "exponential"
    mean: _PositiveDuration
    max: Duration | None = None

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds, never above `max`."""
        return _capped(rng.expovariate(1.0 / self.mean), self.max)


class Bimodal(_Kind):
    """Mostly `fast` and sometimes `slow`, as behind a cache or a cold start."""

    kind: Literal["bimodal"] = "bimodal"
    fast: "_Single"
    slow: "_Single"
    slow_share: float = Field(default=0.1, ge=0, le=1)

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds."""
        mode = self.slow if rng.random() < self.slow_share else self.fast
        return mode.sample(rng)


def _capped(value: float, limit: float | None) -> float:
    return value if limit is None or value < limit else limit


def _shorthand(value: Any) -> Any:
    """A bare duration stands for one that never varies."""
    return {"kind": "constant", "value": value} if isinstance(value, str | int | float) else value


_Single = Annotated[
    Annotated[Constant | Lognormal | Exponential, Field(discriminator="kind")],
    BeforeValidator(_shorthand),
]
Distribution = Annotated[
    Annotated[Constant | Lognormal | Exponential | Bimodal, Field(discriminator="kind")],
    BeforeValidator(_shorthand),
]
"""A length of time that is drawn anew each time; a bare duration is a `Constant`."""

Bimodal.model_rebuild()
