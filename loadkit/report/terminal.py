"""The end of a run on a terminal or in a CI log: tables, then one line of verdict."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.measure.summary import BROKEN, Stats, Summary
from loadkit.measure.words import compare, number, plural
from loadkit.report.verdict import verdict_line, word

__all__ = ["render", "shifted"]

_COLUMNS: Final = ("p50", "p90", "p95", "p99", "max")
_NOTABLE: Final = 1.05
"""A figure counted from the schedule is shown when it is over 5 % above the plain one."""

_COLOURS: Final = {"PASS": "bold green", "FAIL": "bold red", "INVALID": "bold magenta"}


def render(summary: Summary, console: Console, examples: Mapping[str, str] | None = None) -> None:
    """Print a summary.

    Args:
        summary: what to print.
        console: where to; it looks well from 80 columns on, with and without colour.
        examples: one text for each `errors.<kind>` and `violations.<kind>`.
    """
    console.print(
        Text.assemble(
            (f"{summary.profile}", "bold"),
            f" · {summary.target} · {summary.started_at} · {number(summary.duration_s)} s",
        )
    )
    console.print()
    if summary.latency_ms:
        console.print(_latencies(summary))
        console.print()
    console.print(_counts(summary, examples or {}))
    console.print()
    if summary.slo:
        console.print(_objectives(summary))
        console.print()
    # Broken lines of the SLO have their cross right above.
    reasons = [text for text in summary.verdict.reasons if not text.startswith(BROKEN)]
    if reasons:
        console.print(_reasons(reasons))
        console.print()
    # Never broken, so that a log can be searched for it.
    console.print(Text(verdict_line(summary), _COLOURS[word(summary)]), soft_wrap=True)


def shifted(latency: Stats, from_schedule: Stats) -> bool:
    """Tell whether counting from the due time changes a column by more than 5 %."""
    return bool(from_schedule) and any(
        max(from_schedule[name], latency[name]) > _NOTABLE * min(from_schedule[name], latency[name])
        for name in _COLUMNS
    )


def _latencies(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("latency, ms", no_wrap=True)
    for name in ("count", *_COLUMNS):
        table.add_column(name, justify="right", no_wrap=True)
    for phase, stats in summary.latency_ms.items():
        style = "bold" if phase == "response" else ""
        table.add_row(phase, *_cells(stats), style=style)
        due = summary.from_schedule_ms.get(phase, {})
        if shifted(stats, due):
            table.add_row("  from schedule", *_cells(due), style="yellow")
    return table


def _cells(stats: Stats) -> list[str]:
    return [number(stats[name]) for name in ("count", *_COLUMNS)]


def _counts(summary: Summary, examples: Mapping[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in _count_lines(summary, examples):
        grid.add_row(label, Text(text))  # Text, since the server's words may look like markup
    return grid


def _count_lines(summary: Summary, examples: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    sessions, turns, drops = summary.sessions, summary.turns, summary.disconnects
    yield (
        "sessions",
        f"{number(sessions['started'])} started · {number(sessions['completed'])} completed · "
        f"{number(sessions['peak_concurrent'])} at once",
    )
    yield "  ended", _listed(sessions["ended"]) or "none"
    lost = f"{number(turns['lost'])} lost"
    if turns["lost"]:
        lost += f" ({number(100 * turns['lost_ratio'])} %)"
    rare = _listed({name: int(turns[name]) for name in ("resent", "answered_twice")})
    yield (
        "turns",
        f"{number(turns['sent'])} sent · {number(turns['answered'])} answered · {lost}"
        + (f" · {rare}" if rare else ""),
    )
    yield "disconnects", _listed(drops) or "none"
    for label, kinds in (("errors", summary.errors), ("violations", summary.violations)):
        yield label, f"{number(sum(kinds.values()))}" if kinds else "none"
        for kind, count in sorted(kinds.items(), key=lambda item: -item[1]):
            example = examples.get(f"{label}.{kind}")
            yield "", f"{number(count)} × {kind}" + (f": {example}" if example else "")
    yield "generator", " · ".join(_generator(summary))


def _listed(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{number(n)} {name.replace('_', ' ')}" for name, n in counts.items() if n)


def _generator(summary: Summary) -> Iterator[str]:
    generator = summary.generator
    yield plural(generator["workers"], "worker")
    for name, text, stat, unit in (
        ("loop_lag_ms", "loop lag p99", "p99", "ms"),
        ("schedule_delay_ms", "schedule delay p99", "p99", "ms"),
        ("cpu_percent", "CPU p95", "p95", "%"),
        ("rss_mb", "memory", "max", "MB"),
    ):
        if generator[name]:
            yield f"{text} {number(generator[name][stat])} {unit}"


def _objectives(summary: Summary) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(no_wrap=True)
    grid.add_column()
    for line in summary.slo:
        unit = "ms" if line.is_duration else ""
        if line.actual is None:
            fared = f"never measured (limit {number(line.limit)} {unit}".rstrip() + ")"
        else:
            fared = compare(line.actual, line.limit, unit)
        mark = Text("✓", "green") if line.ok else Text("✗", "bold red")
        grid.add_row(mark, Text(line.metric), Text(fared))
    return grid


def _reasons(reasons: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for reason in reasons:
        grid.add_row("-", Text(reason))
    return grid
