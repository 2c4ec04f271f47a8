"""The rounds of the table: a run that other work disturbed is made again, and never quoted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import rounds
from bench.processes import BenchError
from bench.rounds import Limits, run
from bench.rows import EXCHANGE, Load, Reading
from bench.script import AT_ONCE, Script
from bench.table import Table
from bench.tools import TOOLS
from bench.truth import Seen

OURS, K6, TSUNG = (tool for tool in TOOLS if tool.name in ("loadkit", "k6", "Tsung"))
LOAD = Load(Script(1, AT_ONCE), (EXCHANGE,))


class Lab:
    """Measures nothing: each tool's runs are given."""

    def __init__(self, folder: Path) -> None:
        self.truth = folder / "truth.jsonl"

    @contextmanager
    def server(self, dials: object) -> Iterator[Any]:
        """One that writes an empty log."""
        self.truth.touch()
        yield SimpleNamespace(truth=self.truth)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run three rounds, given what each run of each tool comes to: others' share, or its fault."""

    def measure(runs: dict[str, list[float | str]], until: float = 1e12) -> dict[str, Any]:
        left = {name: iter(each) for name, each in runs.items()}

        def reading(lab: object, server: object, tool: Any, load: Load) -> Reading:
            came_to = next(left[tool.name])
            if isinstance(came_to, str):
                raise BenchError(came_to)
            cost = (1 + came_to) / 1e3
            return Reading(cost, 0, Seen(turns=1000), None, 0.0, 0.9, came_to)

        monkeypatch.setattr(rounds, "reading", reading)
        table = Table()
        tools = [tool for tool in (OURS, K6, TSUNG) if tool.name in runs]
        lab: Any = Lab(tmp_path)
        run(lab, table, [LOAD], tools, Limits(3, until, 0.1), ["exchange"])
        cells: dict[str, Any] = table.rows["exchange"]["cells"]
        assert all(next(rest, None) is None for rest in left.values())
        return cells

    return measure


def test_a_disturbed_run_is_made_again(measured: Any) -> None:
    """It costs more, and must not be in the median."""
    cells = measured({"loadkit": [0.0, 0.9, 0.05, 0.1]})
    assert cells["loadkit"]["others"] == [0.0, 0.05, 0.1]
    assert cells["loadkit"]["values"] == pytest.approx([1.0, 1.05, 1.1])


def test_a_round_that_is_disturbed_each_time_has_no_value(measured: Any) -> None:
    """The others' have; and the table says why it is one less."""
    cells = measured({"loadkit": [0.0, 0.4, 0.5, 0.6, 0.0], "k6": [0.0, 0.0, 0.0]})
    assert len(cells["loadkit"]["values"]) == 2
    assert cells["loadkit"]["why"] == "others had 60% of a core, 10% is the limit"
    assert len(cells["k6"]["values"]) == 3


def test_a_tool_that_fails_is_not_tried_again(measured: Any) -> None:
    """It would take as long to fail once more."""
    cells = measured({"loadkit": [0.0, 0.0, 0.0], "k6": [0.0, "it broke\nin many words"]})
    assert (len(cells["k6"]["values"]), cells["k6"]["why"]) == (1, "it broke")


def test_what_a_tool_cannot_do_is_not_tried(measured: Any) -> None:
    """The table says so."""
    cells = measured({"loadkit": [0.0, 0.0, 0.0], "Tsung": []})
    assert cells["Tsung"]["why"] == TSUNG.cannot["exchange"]


def test_no_round_begins_when_the_time_is_over(measured: Any) -> None:
    """What is there is kept."""
    cells = measured({"loadkit": []}, until=0.0)
    assert cells["loadkit"]["values"] == []
