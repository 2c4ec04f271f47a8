"""How each user class and each client fared, a row each: the same on a terminal and on a page."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadkit.report.latency import TOO_FEW, shown
from loadkit.stats.number_format import number
from loadkit.verdict.summary import Summary

__all__ = ["COLUMNS", "tables"]

COLUMNS: Final = ("sessions", "failed", "turns", "lost", "errors", "violations", "p50", "p95")
"""Behind the name; the last two are of its responses, in milliseconds."""


def tables(summary: Summary) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Return each table's rows behind what they are about, the row's name first.

    A user class or client that is the only one has no table: its figures are the run's.
    """
    for what, figures in (("user class", summary.user_classes), ("client", summary.clients)):
        if len(figures) > 1:
            yield what, list(_rows(figures))


def _rows(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, had in figures.items():
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
