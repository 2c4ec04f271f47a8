"""A comparison on a terminal or in a CI log."""

from collections.abc import Sequence
from typing import Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.compare import trend
from loadkit.compare.comparison import Change, Comparison, Difference, Step
from loadkit.compare.words import (
    COLUMNS,
    cells,
    difference,
    first_line,
    heads,
    pairing,
    reasons,
    shown,
)
from loadkit.report.screen import Whole

_STYLES: Final = {"worse": "bold red", "better": "bold green", "noise": "", "unknown": "dim"}
_MOST: Final = 20  # differences that are listed


def render(found: Comparison, console: Console) -> None:
    """Print a comparison; it looks well from 100 columns on, and in a log at any width."""
    console.print(Text(first_line(found), _style(found)), soft_wrap=True)
    console.print()
    if found.trend:
        console.print(Whole(_trend(found.trend)), soft_wrap=True)
        console.print()
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, line in heads(found):
        grid.add_row(Text(name, "bold"), Text(line))
    console.print(grid)
    _differences(console, "in the profile", found.settings)
    _differences(console, "besides", found.surroundings)
    console.print()
    changes = shown(found)
    for rows in (
        [each for each in changes if each.kind == "latency"],
        [each for each in changes if each.kind != "latency"],
    ):
        if rows:
            console.print(Whole(_table(rows)), soft_wrap=True)
            console.print()
    for held in found.held:
        mark, style = ("✓", "green") if held.status == "kept" else ("✗", "bold red")
        console.print(Text.assemble((mark, style), f" {held.text}: {held.told}"))
    for text in (*found.notes, *reasons(found)):
        console.print(Text(f"- {text}", "dim"))
    console.print(Text(f"- {pairing(found)}", "dim"))


def _table(changes: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in COLUMNS:
        justify: Literal["left", "right"] = "left" if title in ("figure", "verdict") else "right"
        table.add_column(title, justify=justify, no_wrap=True)
    for change in changes:
        table.add_row(*map(Text, cells(change)), style=_STYLES[change.verdict])
    return table


def _trend(steps: Sequence[Step]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in trend.COLUMNS:
        first = title in trend.COLUMNS[:3]
        table.add_column(title, justify="left" if first else "right", no_wrap=True)
    for each in steps:
        table.add_row(*map(Text, trend.cells(each)))
    return table


def _differences(console: Console, what: str, found: Sequence[Difference]) -> None:
    if not found:
        return
    console.print()
    console.print(Text(f"what differs {what}", "bold"))
    for each in found[:_MOST]:
        console.print(Text(f"  {difference(each)}"))
    if len(found) > _MOST:
        console.print(Text(f"  and {len(found) - _MOST} more"))


def _style(found: Comparison) -> str:
    if found.doubts:
        return "bold magenta"
    if found.regressions:
        return "bold red"
    return "bold yellow" if first_line(found).startswith("UNKNOWN") else "bold green"
