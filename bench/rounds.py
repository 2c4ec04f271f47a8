"""The rounds of the table: each goes through the tools, and each tool has the first core to itself.

The simulator has the second core, and its CPU is in no figure. What a cost is divided by is counted
in the simulator's truth log, never by the tool; and a tool that did another thing than the script
gets no figure. Nor does a run that other work on the machine disturbed: it is made again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.one_run import reading
from bench.processes import BenchError, Lab, Server
from bench.rows import Load, Reading, Row
from bench.table import Table
from bench.tools import Tool

AGAIN: Final = 2  # times that a disturbed run is made again, at the most


class DisturbedError(BenchError):
    """Something else on the machine had too much of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How often, how long, and how quiet it has to be."""

    rounds: int
    until: float  # on the monotonic clock: no round begins that would not be over by then
    others: float  # the greatest share of a core that all else may have


def run(
    lab: Lab,
    table: Table,
    loads: Sequence[Load],
    tools: Sequence[Tool],
    limits: Limits,
    names: Sequence[str],
) -> None:
    """Measure those rows of the loads that are named, and put them into the table."""
    for load in loads:
        rows = [row for row in load.rows if row.name in names]
        if rows:
            with lab.server(load.script.dials) as server:
                _rounds(lab, server, table, load, rows, tools, limits)
            server.truth.unlink()


def _rounds(
    lab: Lab,
    server: Server,
    table: Table,
    load: Load,
    rows: Sequence[Row],
    tools: Sequence[Tool],
    limits: Limits,
) -> None:
    able = {tool: [row for row in rows if row.name not in tool.cannot] for tool in tools}
    for tool in tools:
        for row in rows:
            table.begin(row, tool.name, tool.cannot.get(row.name))
    rounds, longest = min(limits.rounds, load.rounds or limits.rounds), 0.0
    for number in range(1, rounds + 1):
        began = time.monotonic()
        if began + longest > limits.until:
            print(f"{rows[0].name}: no time for round {number} of {rounds}", flush=True)
            return
        for tool in [tool for tool in tools if able[tool]]:
            told = f"{rows[0].name} {number}/{rounds}: {tool.name}"
            try:
                one = _quiet(lab, server, tool, load, limits)
            except BenchError as error:
                print(f"{told}: {error}", flush=True)
                for row in able[tool]:
                    table.miss(row, tool.name, str(error).splitlines()[0])
                if not isinstance(error, DisturbedError):
                    able[tool] = []  # it would take as long to fail again
                continue
            for row in able[tool]:
                table.take(row, tool.name, one)
                told += f", {row.name} {row.value(one):.4g}"
            print(f"{told} ({one.busy:.0%} of a core; others {one.others:.0%})", flush=True)
        longest = max(longest, time.monotonic() - began)


def _quiet(lab: Lab, server: Server, tool: Tool, load: Load, limits: Limits) -> Reading:
    """A run that nothing disturbed."""
    for _ in range(1 + AGAIN):
        one = reading(lab, server, tool, load)
        # Memory is the same, whatever else goes on.
        if one.others <= limits.others or load.few is not None:
            return one
        print(f"{tool.name}: others had {one.others:.0%} of a core: not counted", flush=True)
        if time.monotonic() > limits.until:
            break
    raise DisturbedError(f"others had {one.others:.0%} of a core, {limits.others:.0%} is the limit")
