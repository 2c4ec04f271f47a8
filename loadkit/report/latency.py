"""The rows of a table of latencies, the same on a terminal and on a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadkit.stats.distribution import PERCENTILES
from loadkit.stats.number_format import FROM_DUE, number
from loadkit.stats.order_statistics import needed
from loadkit.verdict.summary import Stats, Summary

TOO_FEW: Final = "–"
"""What stands where the samples are too few for a percentile."""

HEADLINE: Final = "response"

NOTABLE: Final = 1.05
"""A figure counted from the schedule is shown when it is over 5 % above the plain one."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One row."""

    phase: str  # which phase it is about
    label: str  # what the first column says; the phase's name, or what the row has besides
    cells: tuple[str, ...]  # the figures, in the order of the columns asked for
    # `headline` and `phase` are measured latencies, `interval` is what the headline's percentiles
    # lie between, `schedule` are the latencies of the phase above from the time at which it was due
    kind: Literal["headline", "phase", "interval", "schedule"]


def rows(summary: Summary, columns: Sequence[str]) -> Iterator[LatencyRow]:
    """Return the rows of every phase that was measured; columns are names of statistics."""
    for phase, stats in summary.latency_ms.items():
        headline = phase == HEADLINE
        yield LatencyRow(phase, phase, shown(stats, columns), "headline" if headline else "phase")
        if headline:
            yield from _interval(summary, columns)
        due = summary.from_schedule_ms.get(phase, {})
        if shifted(stats, due, columns):
            yield LatencyRow(phase, FROM_DUE, shown(due, columns), "schedule")


WAITS: Final = ("waits without an end", "open", "median, s", "oldest, s", "lost")
"""The columns of the table of waits that nobody saw the end of."""


def waits(summary: Summary) -> Iterator[tuple[str, ...]]:
    """Return its rows, one for each phase that has some."""
    for phase, stats in summary.waits.items():
        ages = (stats.get(name) for name in ("open_median_ms", "open_oldest_ms"))
        median, oldest = (TOO_FEW if age is None else number(age / 1000) for age in ages)
        yield phase, number(stats["open"]), median, oldest, number(stats["lost"])


def supported(stats: Stats, name: str) -> bool:
    """Tell whether there are samples enough to show a figure."""
    if name in PERCENTILES and "supported" in stats:
        return PERCENTILES[name] <= 10 * stats["supported"]
    return name not in PERCENTILES or stats.get("count", 0) >= needed(PERCENTILES[name])


def is_bound(stats: Stats, name: str) -> bool:
    """Tell whether a figure is only known to be no less, as waits were never seen to end."""
    seen = stats.get("observed", 100.0)
    if name in PERCENTILES:
        return PERCENTILES[name] > 10 * seen
    return name in ("mean", "max") and seen < 100.0


def figure(stats: Stats, name: str) -> str:
    """Return a figure as text, whether the samples are enough or not."""
    return f"{'≥ ' if is_bound(stats, name) else ''}{number(stats[name])}"


def shifted(latency: Stats, from_schedule: Stats, columns: Sequence[str]) -> bool:
    """Tell whether counting from the due time changes a column that is shown by more than 5 %."""
    return bool(latency and from_schedule) and any(
        max(from_schedule[name], latency[name]) > NOTABLE * min(from_schedule[name], latency[name])
        for name in columns
        if name != "count" and supported(latency, name)
    )


def note(summary: Summary, columns: Sequence[str]) -> str:
    """Return what explains the dashes of the table, or nothing if it has none."""
    every = [*summary.latency_ms.values(), *summary.from_schedule_ms.values()]
    missing = [name for name in columns if not all(supported(stats, name) for stats in every)]
    if not missing:
        return ""
    least = ", ".join(
        f"{name}{' needs' if name == missing[-1] else ''} {number(needed(PERCENTILES[name]))}"
        for name in reversed(missing)
    )
    return f"{TOO_FEW} too few samples for that percentile ({least})"


def shown(stats: Stats, names: Sequence[str]) -> tuple[str, ...]:
    """Return figures as text, with a dash where the samples are too few."""
    return tuple(figure(stats, name) if supported(stats, name) else TOO_FEW for name in names)


def _interval(summary: Summary, columns: Sequence[str]) -> Iterator[LatencyRow]:
    """Two rows, since both ends in one cell would not fit into 80 columns."""
    intervals = summary.intervals_ms.get(HEADLINE, {})
    if any(name in intervals for name in columns):
        for end, label in enumerate(("95 % CI from", "95 % CI to")):
            cells = (number(intervals[name][end]) if name in intervals else "" for name in columns)
            yield LatencyRow(HEADLINE, label, tuple(cells), "interval")
