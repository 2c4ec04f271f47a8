"""A plan on a terminal: what it was reckoned with, the table, and the storms as small charts."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadkit.output import say
from loadkit.planner.inputs import Carried, PlanInput, read_inputs
from loadkit.planner.reconnect_storm import BIN, ReconnectStorm
from loadkit.planner.sizing import Plan, make_plan
from loadkit.report.load import FILLED
from loadkit.stats.number_format import number

_WIDTH, _HEIGHT, _DECADES = 60, 4, 4  # of a chart: columns, lines, powers of ten
_STYLES: Final = {"given": "bold", "measured": "green", "assumed": "yellow"}
_UNITS: Final = {"sessions_per_core": "sessions", "session_kb": "KB", "years": "years"}


def plan(
    console: Console, given: dict[str, str | None], capacity: Path | None, *, as_json: bool
) -> int:
    """Reckon a plan and print it; returns the exit code, 0. Raises UsageError."""
    made = make_plan(read_inputs(given, capacity))
    if as_json:
        import json

        say(json.dumps(made.to_dict(), indent=1))
    else:
        render(made, console)
    return 0


def render(made: Plan, console: Console) -> None:
    """Print a plan; it looks well from 80 columns on, with and without colour."""
    console.print(_inputs(made))
    console.print()
    console.print(_table(made))
    for remark in made.remarks:
        console.print(Text(remark, "bold"))
    console.print()
    _storms(made, console)


def chart(rates: Sequence[float], seconds: float) -> list[str]:
    """Draw rates, one each `BIN`, as lines of blocks, the highest first, on a logarithmic scale.

    The right edge is at so many seconds. A column has the greatest rate within it. The top is the
    power of ten at or above the greatest rate, the bottom `_DECADES` lower.
    """
    bins = max(1, math.ceil(seconds / BIN))
    top = _top(rates)
    eighths = []
    for column in range(_WIDTH):
        first = column * bins // _WIDTH
        some = rates[first : max(first + 1, (column + 1) * bins // _WIDTH)]
        most = max(some, default=0.0)
        share = 1 + (math.log10(most) - top) / _DECADES if most > 0 else 0.0
        # Whatever came at all can be seen.
        eighths.append(max(1 if most > 0 else 0, round(share * 8 * _HEIGHT)))
    return [
        "".join(FILLED[min(8, max(0, level - 8 * line))] for level in eighths)
        for line in reversed(range(_HEIGHT))
    ]


def _top(rates: Sequence[float]) -> int:
    return math.ceil(math.log10(max(rates)))


def _inputs(made: Plan) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    inputs = dict(made.inputs)
    if not inputs["handoffs"].value:
        del inputs["live_service"], inputs["live_slo"]
    if inputs["growth"].value == 1:
        del inputs["years"]
    if "sessions_per_hour" not in inputs:
        del inputs["peak_to_mean"]
    storm = made.storms[0]
    inputs.setdefault(
        "upgrades_per_second",
        PlanInput(
            None, number(storm.upgrades_per_second), "assumed", "all who are cut off, in 60 s"
        ),
    )
    for name, figure in inputs.items():
        text = f"{figure.text} {_UNITS.get(name, '')}".rstrip()
        if isinstance(figure.value, Carried):
            text = figure.value.text
        origin = Text(figure.origin, _STYLES[figure.origin])
        grid.add_row(name.replace("_", " "), Text(text), origin, Text(figure.source, "dim"))
    return grid


def _table(made: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("figure", no_wrap=True)
    for name in made.columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("formula", overflow="fold", style="dim")
    for row in made.rows:
        cells = [number(round(value, 9)) for value in row.values]
        table.add_row(row.symbol, row.name, *cells, Text(row.formula))
    return table


def _storms(made: Plan, console: Console) -> None:
    first = made.storms[0]
    console.print(
        Text(
            f"Reconnect storm: {number(first.sessions)} sockets lost at once, "
            f"{number(first.upgrades_per_second)} upgrades/s let in, the rest refused",
            "bold",
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("rule", no_wrap=True)
    for name in ("peak, /s", "tries each", "99 % back", "gave up"):
        table.add_column(name, justify="right", no_wrap=True)
    for storm in made.storms:
        back = "never" if storm.back_after is None else f"{number(storm.back_after)} s"
        gave_up = f"{100 * storm.gave_up / storm.sessions:.3g} %"
        cells = [number(round(storm.peak)), number(round(storm.attempts_each, 2)), back, gave_up]
        table.add_row(storm.policy.name, *cells)
    console.print(table)
    seconds = max(len(storm.attempts) for storm in made.storms) * BIN
    for storm in made.storms:
        console.print()
        _draw(storm, seconds, console)


def _draw(storm: ReconnectStorm, seconds: float, console: Console) -> None:
    rates = [count / BIN for count in storm.attempts]
    top = _top(rates)
    console.print(Text(f"{storm.policy.name}: {storm.policy.rule}", "bold"))
    for index, line in enumerate(chart(rates, seconds)):
        label = f"{10.0**top:,.0f}/s" if index == 0 else ""
        console.print(Text(f"{label:>13} │{line}"), soft_wrap=True)
    console.print(Text(f"{10.0 ** (top - _DECADES):>11,.3g}/s └{'─' * _WIDTH}"), soft_wrap=True)
    console.print(Text(f"{'0 s':>17}{f'{seconds:.0f} s':>{_WIDTH - 2}}"), soft_wrap=True)
