"""The table: what a cell shows, what is held against a target, and what is said beside it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.processes import BenchError
from bench.rows import EXCHANGE, STREAM, TURN, Reading
from bench.table import Table
from bench.tools import TOOLS, Said
from bench.truth import Seen


def reading(micros: float, **more: object) -> Reading:
    """A run of a thousand turns."""
    seen = Seen(turns=1000, frames=5000)
    one = Reading(micros / 1000, 0, seen, None, 0.0, 0.9, 0.03)
    return replace(one, **more)  # type: ignore[arg-type]


@pytest.fixture
def table() -> Table:
    """Two rounds of two tools, and one that is not up to it."""
    table = Table()
    for tool, costs in {"loadkit": (100.0, 60.0), "k6": (200.0, 150.0)}.items():
        table.tool(tool, "1.0", "something")
        table.begin(EXCHANGE, tool)
        for cost in costs:
            table.take(EXCHANGE, tool, reading(cost))
    table.tool("Tsung", "1.7", "little")
    table.begin(EXCHANGE, "Tsung", "it cannot wait")
    return table


def row(table: Table, title: str) -> list[str]:
    (line,) = [line for line in table.markdown().splitlines() if line.startswith(f"| {title}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_cell_is_the_median_with_its_spread(table: Table) -> None:
    """The ratio is that of the rounds, pair by pair: 0.5 and 0.4."""
    shown = row(table, "CPU of an exchange")
    assert shown[1:] == ["80 (60 – 100)", "175 (150 – 200)", "–", "0.45", "≤ 0.5 × k6: met"]


def test_more_is_better_where_it_is_a_rate() -> None:
    """Frames a second of CPU have no target."""
    table = Table()
    table.tool("loadkit", "1.0", "all")
    table.begin(STREAM, "loadkit")
    table.take(STREAM, "loadkit", reading(100.0))
    assert row(table, "frames a second")[1:] == ["50,000", "–", ""]


def test_it_says_why_a_cell_is_empty_and_what_each_tool_records(table: Table) -> None:
    """A round that was refused is told beside those that count."""
    table.miss(EXCHANGE, "k6", "12 turns, the script asks for 20")
    text = table.markdown()
    assert "- Tsung, exchange: it cannot wait." in text
    assert "- k6, exchange: 12 turns, the script asks for 20 (2 rounds count)." in text
    assert "- **Tsung** 1.7 records little." in text
    assert "3 % of a core beside them" in text


def test_it_says_what_loadkit_thinks_of_its_own_runs() -> None:
    """A figure of a run that is not to be believed is no good one."""
    table = Table()
    table.tool("loadkit", "1.0", "all")
    table.begin(TURN, "loadkit")
    for note in ("valid", "suspect: late", "valid"):
        table.take(TURN, "loadkit", reading(1.0, said=Said(9, 1.0, 2.0, note)))
    assert (
        "own word on these runs at people's pace: 2 × valid; 1 × suspect: late." in table.markdown()
    )


def test_rows_of_an_earlier_table_are_kept(table: Table, tmp_path: Path) -> None:
    """What is measured anew takes its place; another machine's is refused."""
    path = tmp_path / "table.json"
    path.write_text(table.to_json(), encoding="utf-8")
    again = Table(path)
    again.begin(STREAM, "loadkit")
    again.begin(EXCHANGE, "k6")
    again.take(EXCHANGE, "k6", reading(300.0))
    assert row(again, "CPU of an exchange")[1:3] == ["80 (60 – 100)", "300"]
    elsewhere = json.loads(table.to_json()) | {"machine": "another"}
    path.write_text(json.dumps(elsewhere), encoding="utf-8")
    with pytest.raises(BenchError, match="another machine"):
        Table(path)


def test_each_tool_says_what_it_records() -> None:
    """The table would break on the one that does not, after half an hour."""
    assert all(tool.name and tool.records and tool.boot for tool in TOOLS)
