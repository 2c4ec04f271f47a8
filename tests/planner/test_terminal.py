"""A plan as `loadkit plan` prints it."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from loadkit import cli
from loadkit.planner.inputs import read_inputs
from loadkit.planner.sizing import make_plan
from loadkit.planner.terminal import chart, render

from .searches import result

pytestmark = pytest.mark.usefixtures("small_storms")


def shown(width: int = 80, **given: str) -> str:
    out = io.StringIO()
    render(make_plan(read_inputs(dict(given))), Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize(
    "given",
    [{}, {"sessions_per_hour": "250000", "growth": "20%/year", "handoffs": "5%", "capacity": "9"}],
)
def test_it_fits_eighty_columns_and_cuts_nothing(given: dict[str, str]) -> None:
    """Every figure whole: rich marks what it cuts."""
    text = shown(**given)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_it_tells_what_was_given_measured_and_assumed() -> None:
    """Each input with the word for how it is known."""
    lines = shown(sessions_per_hour="7200").splitlines()
    known = {line[:19].strip(): line.split() for line in lines[:17]}
    assert "given" in known["sessions per hour"]
    assert "measured" in known["sessions per core"]
    assert "assumed" in known["mean session"]
    assert "assumed" in known["upgrades per second"]


def test_inputs_that_play_no_part_are_left_out() -> None:
    """No humans, no growth, no mean hour."""
    text = shown(concurrent="100")
    for word in ("live service", "live slo", "years", "peak to mean"):
        assert word not in text


def test_a_chart_is_as_high_as_its_rates_on_a_logarithmic_scale() -> None:
    """The power of ten above the peak is full, one four powers lower is the least to be seen."""
    lines = chart([1000.0] * 10 + [100.0] * 10 + [0.0] * 10 + [0.001] * 30, 6.0)
    columns = ["".join(column) for column in zip(*lines, strict=True)]
    assert columns[0] == columns[9] == "████"
    assert columns[10] == columns[19] == " ███"
    assert columns[20] == columns[29] == "    "
    assert columns[30] == columns[59] == "   ▁"


def test_a_short_storm_fills_its_part_of_a_long_chart() -> None:
    """Beyond the last attempt there is nothing."""
    lines = chart([10.0] * 30, 6.0)
    assert [line.rstrip() for line in lines] == ["█" * 30] * 4


def test_the_command_prints_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, with the table and a chart a rule."""
    assert cli.main(["plan", "--concurrent", "500"]) == 0
    told = capsys.readouterr().out
    assert "agents needed" in told
    assert told.count("└") == 3


def test_the_command_takes_a_capacity_result_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object, which another program can read."""
    path = tmp_path / "capacity.json"
    found = result()
    found["steps"][2]["delivered"] = {"concurrent": 411.0, "turns_per_second": 12.5}
    path.write_text(json.dumps(found))
    assert cli.main(["plan", str(path), "--concurrent", "500", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["inputs"]["capacity"]["origin"] == "measured"
    assert document["inputs"]["capacity"]["value"]["turns_per_second"] == 12.5


def test_bad_input_is_exit_code_2_with_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    """And no table."""
    assert cli.main(["plan", "--turns", "none"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--turns none: should be a number" in told.err
