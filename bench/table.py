"""The table: ourselves beside other tools, a row a figure, a column a tool."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.processes import BenchError, machine
from bench.rows import NAMES, Reading, Row

OURS, K6 = "loadkit", "k6"
_TARGETS: Final = ("at_most", "at_least", "at_most_of_k6")

Cell = dict[str, Any]  # the values of its rounds, or why there is none


class Table:
    """All cells as they come in.

    Args:
        path: of an earlier table, whose other cells are kept; it need not be there.

    Raises:
        BenchError: that one is of another machine.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.machine = machine()
        self.tools: dict[str, dict[str, str]] = {}  # name → version, and what it records
        self.rows: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            if before["machine"] != self.machine:
                raise BenchError(f"{path} is of another machine: name a new file")
            self.tools, self.rows = before["tools"], before["rows"]

    def tool(self, name: str, version: str, records: str) -> None:
        """Take a tool in that is installed."""
        self.tools[name] = {"version": version, "records": records}

    def begin(self, row: Row, tool: str, cannot: str | None = None) -> None:
        """Make a cell anew; `cannot` is why it will have no value."""
        told = {"title": row.title} | {name: getattr(row, name) for name in _TARGETS}
        cells = self.rows.get(row.name, {}).get("cells", {})
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        cells[tool] = {"day": day, "values": [], "others": [], "notes": []}
        if cannot:
            cells[tool]["why"] = cannot
        self.rows[row.name] = told | {"cells": cells}

    def take(self, row: Row, tool: str, one: Reading) -> None:
        """Add what a run came to."""
        cell = self._cell(row, tool)
        cell["values"].append(row.value(one))
        cell["others"].append(one.others)
        if one.said is not None and one.said.note:
            cell["notes"].append(one.said.note)

    def miss(self, row: Row, tool: str, why: str) -> None:
        """Say why a round has no value."""
        self._cell(row, tool)["why"] = why

    def _cell(self, row: Row, tool: str) -> Cell:
        cell: Cell = self.rows[row.name]["cells"][tool]
        return cell

    def to_json(self) -> str:
        """All of it."""
        content = {"machine": self.machine, "tools": self.tools, "rows": self.rows}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """As a page has it, padded, so that a terminal may as well."""
        names = [name for name in NAMES if name in self.rows]
        tools = list(self.tools)
        lines = [["", *tools, f"{OURS} ÷ {K6}", "target"]]
        under: list[str] = []
        for name in names:
            row = self.rows[name]
            cells = {tool: row["cells"].get(tool, {"values": []}) for tool in tools}
            ratio = _ratio(cells)
            shown = "–" if ratio is None else f"{ratio:.2f}"
            target = _target(row, cells, ratio)
            lines.append([row["title"], *map(_shown, cells.values()), shown, target])
            under += _notes(name, cells)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
        records = [
            f"- **{name}** {of['version']} records {of['records']}."
            for name, of in self.tools.items()
        ]
        return "\n".join([self._head(), "", *text, "", *under, *records]) + "\n"

    def _head(self) -> str:
        cells = [cell for row in self.rows.values() for cell in row["cells"].values()]
        days = sorted({cell["day"] for cell in cells})
        rounds = [len(cell["values"]) for cell in cells if cell["values"]] or [0]
        others = [100 * share for cell in cells for share in cell["others"]] or [0]
        many = f"{min(rounds)} to {max(rounds)}" if min(rounds) < max(rounds) else str(max(rounds))
        beside = f"Other work had {median(others):.0f} % of a core beside them"
        return (
            f"{self.machine}, {' and '.join(days)}. Medians of {many} rounds (least – greatest). "
            f"{beside}, {max(others):.0f} at most."
        )


def _ratio(cells: dict[str, Cell]) -> float | None:
    """Round by round, so that what disturbs one pair disturbs both of its halves."""
    ours, theirs = (cells.get(name, {}).get("values") for name in (OURS, K6))
    if not ours or not theirs:
        return None
    return float(median(one / other for one, other in zip(ours, theirs, strict=False)))


def _target(row: dict[str, Any], cells: dict[str, Cell], ratio: float | None) -> str:
    ours = cells.get(OURS, {}).get("values")
    told, met = [], []
    middle = median(ours) if ours else None
    for sign, limit, value in (
        ("≤ {:g}", row["at_most"], middle),
        ("≥ {:g}", row["at_least"], middle),
        ("≤ {:g} × k6", row["at_most_of_k6"], ratio),
    ):
        if limit is None:
            continue
        told.append(sign.format(limit))
        if value is not None:
            met.append(value >= limit if sign[0] == "≥" else value <= limit)
    verdict = f": {'met' if all(met) else 'not met'}" if met else ""
    return ", ".join(told) + verdict


def _shown(cell: Cell) -> str:
    values = cell["values"]
    if not values:
        return "–"
    middle = _short(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_short(min(values))} – {_short(max(values))})"


def _notes(row: str, cells: dict[str, Cell]) -> list[str]:
    """Why cells are empty, and what loadkit said of its own runs."""
    lines = []
    for tool, cell in cells.items():
        if cell.get("why"):
            rounds = f" ({len(cell['values'])} rounds count)" if cell["values"] else ""
            lines.append(f"- {tool}, {row}: {cell['why']}{rounds}.")
        if cell.get("notes") and row == "turn":
            said = Counter[str](cell["notes"]).most_common()
            told = "; ".join(f"{count} × {note}" for note, count in said)
            lines.append(f"- {tool}'s own word on these runs at people's pace: {told}.")
    return lines


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def versions(table: Table, names: Sequence[str]) -> str:
    """What is installed, in a line."""
    return ", ".join(f"{name} {table.tools[name]['version']}" for name in names)
