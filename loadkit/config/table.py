"""A table of settings, and the numbers in it: durations, shares and rates as people write them."""

import math
import re
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from loadkit.security.textfile import clipped

MOST: Final = 1e9
"""Seconds of thirty years: nothing is counted or timed beyond, and what is reckoned from such
numbers stays finite."""

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern}\s*)+")


def checked(value: Any) -> Any:
    """Return a value as it is.

    Raises:
        ValueError: it is a number beyond the most, infinite or none (NaN).
    """
    if isinstance(value, int | float) and not abs(value) <= MOST:
        told = f", not {value!r}" if isinstance(value, float) else ""
        raise ValueError(f"should be {MOST:,.0f} or less{told}")
    return value


class Table(BaseModel):
    """A table of settings: frozen, no unknown key, no coercion, no number without a meaning.

    Strict because `users = "50"` or `seed = true` is a slip of the pen, not a wish.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )

    @field_validator("*")
    @classmethod
    def _means_something(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name == "seed" else checked(value)


def parse_duration(value: Any) -> float:
    """Read seconds from a number of them, or a text such as `"250ms"`, `"2.5s"`, `"1h30m"`, `"1d"`.

    Raises:
        ValueError: it is neither, or it is negative or longer than a life.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        # fsum and division: "100ms" is then exactly 0.1, which 100 * 0.001 is not
        seconds = math.fsum(
            float(number) / 1000 if unit == "ms" else float(number) * _SECONDS[unit]
            for number, unit in _PART.findall(value)
        )
        if seconds > MOST:
            raise ValueError(
                f"should be {MOST / _SECONDS['d']:,.0f}d or less, not {clipped(value)!r}"
            )
        return seconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"should be a duration of 0 or more, not {_told(value)}")
        return float(checked(value))
    raise ValueError(
        f'should be a duration such as "250ms", "2.5s", "1h30m" or "1d", or seconds, not '
        f"{_told(value)}"
    )


def write_duration(seconds: float) -> str:
    """Write a duration as `parse_duration` reads it: `1m30s`, `2.5s`, `250ms`.

    To a millisecond under a second, to a tenth under a minute, else to a whole second.
    """
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{round(seconds, 1):g}s"
    left, written = round(seconds), ""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        written += f"{number}{unit}" if number else ""
    return written


def parse_ratio(value: Any) -> float:
    """Read a share of a whole, 0 to 1: a number, or a text such as `"1%"`.

    Raises:
        ValueError: it is neither, or lies outside.
    """
    ratio = value
    if isinstance(value, str):
        percent = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        ratio = float(percent[1]) / 100 if percent else None
    if isinstance(ratio, int | float) and not isinstance(ratio, bool) and 0 <= ratio <= 1:
        return float(ratio)
    raise ValueError(f'should be a ratio from 0 to 1, or a text such as "1%", not {_told(value)}')


def parse_percent_per_hour(value: Any) -> float:
    """Read how fast something may change in percent per hour: a number, or a text as `"5%/h"`.

    Raises:
        ValueError: it is neither, or it is negative or not finite.
    """
    rate = value
    if isinstance(value, str):
        written = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%\s*/\s*h", value.strip())
        rate = float(written[1]) if written else None
    if isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate < math.inf:
        return float(rate)
    raise ValueError(f'should be a rate such as "5%/h", or percent per hour, not {_told(value)}')


def _told(value: Any) -> str:
    return clipped(repr(value), 60)


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
"""A field that reads as `parse_duration` does and holds seconds."""

Ratio = Annotated[float, BeforeValidator(parse_ratio)]
"""A field that reads as `parse_ratio` does and holds a share from 0 to 1."""
