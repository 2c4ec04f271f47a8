"""The ages of sessions, in classes that are few: each from the second on reaches twice as far."""

from typing import Final

__all__ = ["AGES", "age_class"]

_FIRST: Final = 15  # seconds; a first answer comes about then

AGES: Final = (0, *(_FIRST << number for number in range(11)))
"""Seconds at which each class begins: 0, 15, 30, 60, … 15,360 (some four hours and older)."""


def age_class(seconds: float) -> int:
    """Return the number of the class that an age lies in, from 0 on."""
    return min(int(seconds / _FIRST).bit_length(), len(AGES) - 1)
