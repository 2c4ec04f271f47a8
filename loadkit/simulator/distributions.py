"""What dials are of: lengths of time and numbers that are drawn anew each time."""

import math
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from loadkit.config.table import Duration, Table


def dial(default: Any, description: str, **bounds: Any) -> Any:
    """A setting: what it is where nobody turns it, what it does with its unit, and its bounds."""
    return Field(default=default, description=description, **bounds)


_Positive = Annotated[Duration, Field(gt=0)]


class Constant(Table):
    """Always the same."""

    kind: Literal["constant"] = "constant"
    value: Duration

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds."""
        return self.value


class Lognormal(Table):
    """Skewed to the right, as most answer times are."""

    kind: Literal["lognormal"] = "lognormal"
    median: _Positive
    sigma: float = Field(default=0.5, ge=0, le=10)
    max: Duration | None = None

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds, never above `max`."""
        return _capped(self.median * math.exp(rng.gauss(0.0, self.sigma)), self.max)


class Exponential(Table):
    """Without memory, as the service times of textbook queues are."""

    kind: Literal["exponential"] = "exponential"
    mean: _Positive
    max: Duration | None = None

    def sample(self, rng: Random) -> float:
        """Draw one length, in seconds, never above `max`."""
        return _capped(rng.expovariate(1.0 / self.mean), self.max)


class Bimodal(Table):
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


class Range(Table):
    """A whole number that is drawn anew each time, evenly spread over `min` to `max`."""

    min: int = Field(default=1, ge=1, le=1000, description="the lowest")
    max: int = Field(default=1, ge=1, le=1000, description="the highest")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self
