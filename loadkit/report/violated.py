"""How widely a violation has spread, in words that the renderers share."""

from collections.abc import Mapping
from typing import Any

from loadkit.stats.number_format import number, plural

__all__ = ["hit", "spread"]


def hit(found: Mapping[str, Any]) -> tuple[str, str]:
    """How many sessions it hit, and which share of all; nothing where that is not known.

    Args:
        found: of `Summary.violations_detail`.
    """
    if not found.get("sessions"):
        return "", ""
    return number(found["sessions"]), f"{number(100 * found['share'])} %"


def spread(found: Mapping[str, Any]) -> str:
    """The same as a phrase that begins with a blank."""
    if not found.get("sessions"):
        return ""
    return f" in {plural(found['sessions'], 'session')} ({hit(found)[1]})"
