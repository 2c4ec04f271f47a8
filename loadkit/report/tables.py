"""What a terminal and a page say in the same words: of user classes, clients, violations."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadkit.report.latency import TOO_FEW, shown
from loadkit.stats.number_format import number, plural
from loadkit.verdict.summary import Summary

COLUMNS: Final = ("sessions", "failed", "turns", "lost", "errors", "violations", "p50", "p95")
"""Behind the name; the last two are of its responses, in milliseconds."""


def fared(summary: Summary) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Return the rows of user classes and of clients, behind which of them they are about.

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


def hit(found: Mapping[str, Any]) -> tuple[str, str]:
    """How many sessions one of `Summary.violations_detail` hit, and which share of all."""
    if not found.get("sessions"):
        return "", ""
    return number(found["sessions"]), f"{number(100 * found['share'])} %"


def spread(found: Mapping[str, Any]) -> str:
    """The same as a phrase that begins with a blank."""
    if not found.get("sessions"):
        return ""
    return f" in {plural(found['sessions'], 'session')} ({hit(found)[1]})"
