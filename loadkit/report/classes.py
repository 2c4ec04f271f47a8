"""How each user class fared, a row each: the same on a terminal and on a page."""

from collections.abc import Iterator
from typing import Final

from loadkit.measure.summary import Summary
from loadkit.measure.words import number
from loadkit.report.latency import TOO_FEW, shown

__all__ = ["COLUMNS", "rows"]

COLUMNS: Final = ("sessions", "failed", "turns", "lost", "errors", "violations", "p50", "p95")
"""Behind the class' name; the last two are of its responses, in milliseconds."""


def rows(summary: Summary) -> Iterator[tuple[str, ...]]:
    """Return the rows, the class' name first; none where there is but one class."""
    if len(summary.user_classes) < 2:
        return
    for name, had in summary.user_classes.items():
        counts = (
            had["sessions"]["started"],
            had["sessions"]["failed"],
            had["turns"]["sent"],
            had["turns"]["lost"],
            had["errors"],
            had["violations"],
        )
        response = had["latency_ms"].get("response")
        percentiles = shown(response, ("p50", "p95")) if response else (TOO_FEW, TOO_FEW)
        yield name, *map(number, counts), *percentiles
