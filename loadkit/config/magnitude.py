"""How large a number that a user gives may be and still mean something."""

from typing import Any, Final

__all__ = ["MOST", "checked"]

MOST: Final = 1e9
"""Seconds of thirty years: nothing is counted or timed beyond, and what is reckoned from such
numbers stays finite."""


def checked(value: Any) -> Any:
    """Return a value as it is.

    Raises:
        ValueError: it is a number beyond the most, infinite or none (NaN).
    """
    if isinstance(value, int | float) and not abs(value) <= MOST:
        told = f", not {value!r}" if isinstance(value, float) else ""
        raise ValueError(f"should be {MOST:,.0f} or less{told}")
    return value
