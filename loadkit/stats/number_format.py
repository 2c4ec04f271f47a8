"""Numbers in words: as many digits as a reader can use, the same in every verdict and report."""

from typing import Final

ENDINGS: Final = {"cut_off": "still running at the end"}
"""How a session ended, where its key does not say it: the key is a contract."""

FROM_DUE: Final = "from planned time"
"""What a latency is called that counts from when the plan wanted it to begin."""


def number(value: float) -> str:
    """Write a number with about three digits and thousands separated: 812, 81.2, 8.12, 0.812."""
    if value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def compare(actual: float, limit: float, unit: str = "", *, at_least: bool = False) -> str:
    """Write `actual ≤ limit` or `actual > limit`, with more digits where fewer would look equal.

    Args:
        at_least: whether it is only known to be no less than `actual`.
    """
    left, right = number(actual), number(limit)
    if left == right and actual != limit:
        left = f"{actual:,.3f}"
    ending = f" {unit}" if unit else ""
    left = f"≥ {left}" if at_least else left
    return f"{left}{ending} {'≤' if actual <= limit else '>'} {right}{ending}"


def plural(count: float, noun: str) -> str:
    """Write a count with its noun: `1 turn`, `1,204 turns`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share as whole percent: 0.95 is `95 %`."""
    return f"{100 * share:,.0f} %"
