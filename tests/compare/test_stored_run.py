"""A run is read as it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from loadkit.compare.course import PhaseCourse
from loadkit.compare.stored_run import load_run
from loadkit.errors import UsageError
from loadkit.figures import Count
from loadkit.stats.distribution import Distribution
from tests.compare.folders import lived
from tests.compare.simulated import drawn


@pytest.mark.parametrize("lost", [0, 3])
def test_the_histograms_of_all_seconds_give_the_figures_of_the_summary(
    tmp_path: Path, lost: int
) -> None:
    """Every percentile, with waits that were lost and one that is open as well."""
    summary = lived(tmp_path / "run", lost=lost)
    run = load_run(tmp_path / "run")
    run.read_course(1.0)
    assert run.course is not None, run.no_course
    for phase in ("response", "echo"):
        found, told = run.course.phases[phase].whole.stats(), summary.latency_ms[phase]
        for name in ("count", "p50", "p90", "p95", "p99", "p999", "max"):
            assert found[name] == told[name], f"{phase}.{name}"
    assert run.course.counted(Count.TURNS_LOST).sum() == summary.turns["lost"]
    assert run.course.counted("violations").sum() == 1


def test_a_stretch_is_as_far_from_a_share_as_its_waits_are() -> None:
    """All stretches together are as far as the whole run is."""
    rows, waits = np.repeat(np.arange(30), 20), np.random.default_rng(1).lognormal(0, 0.5, 600)
    parts = [
        (at, value, many)
        for at, found in drawn(rows, waits)
        for value, many in found.counts.items()
    ]
    whole = Distribution()
    for _, found in drawn(rows, waits):
        whole.merge(found)
    phase = PhaseCourse(whole, *np.array(parts, np.int64).T)
    value = phase.curve.quantile(0.9)
    assert value is not None
    away = phase.unlike(value, 0.9, 30)
    below = [(waits[rows == at] * 1e6 < value + 2000).sum() for at in range(30)]
    assert away * 600 == pytest.approx(np.array(below) - 18.0, abs=1.01)
    assert away.sum() == pytest.approx(phase.curve.at(value) - 0.9)


def test_a_summary_alone_is_a_run_without_a_course(tmp_path: Path) -> None:
    """It says what is missing."""
    lived(tmp_path / "run", seconds=30)
    (tmp_path / "run/summary.json").rename(tmp_path / "summary.json")
    run = load_run(tmp_path / "summary.json")
    run.read_course(1.0)
    assert run.course is None
    assert "latency.hlog" in run.no_course
    assert any("run.json is missing" in text for text in run.left_out)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("run.json", "[]", "left_out"),
        ("run.json", '{"profile": ', "left_out"),
        ("timeline.csv", "elapsed_s\n1,2\n", "no_course"),
        ("timeline.csv", "", "no_course"),
        ("timeline.csv", "\x00\n", "no_course"),
        ("latency.hlog", "Tag=response,0.000,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=response,nan,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=response,9e8,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=response,200.0,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=rumour,0.000,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=open.response,29.000,1.000,2.0,AAAA\n", "no_course"),
        ("latency.hlog", "Tag=response,0.000\n", "no_course"),
        ("turns.csv", "who\n", "left_out"),
    ],
)
def test_what_is_damaged_is_named_and_left_out(
    tmp_path: Path, name: str, text: str, where: str
) -> None:
    """The rest is compared."""
    lived(tmp_path / "run", seconds=30)
    (tmp_path / "run" / name).write_text(text)
    run = load_run(tmp_path / "run")
    run.read_course(1.0)
    assert name in str(getattr(run, where))


@pytest.mark.parametrize(
    ("column", "value"),
    [("turns_sent", "-1"), ("turns_lost", "many"), ("length_s", "0"), ("violations", "1" * 5_000)],
)
def test_a_row_that_makes_no_sense_is_named(tmp_path: Path, column: str, value: str) -> None:
    """As what was edited."""
    lived(tmp_path / "run", seconds=30)
    path = tmp_path / "run/timeline.csv"
    names, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[names.split(",").index(column)] = value
    path.write_text("\n".join([names, ",".join(cells), *rest]) + "\n")
    run = load_run(tmp_path / "run")
    run.read_course(1.0)
    assert run.course is None
    assert "timeline.csv" in run.no_course
    assert len(run.no_course) < 500


def test_rows_of_another_run_do_not_take_all_memory(tmp_path: Path) -> None:
    """A row at second 900,000,000 of a run of half a minute."""
    lived(tmp_path / "run", seconds=30)
    path = tmp_path / "run/timeline.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], "9e8" + lines[-1].lstrip("0123456789.")]) + "\n")
    run = load_run(tmp_path / "run")
    run.read_course(1.0)
    assert "after the run's end" in run.no_course


def test_a_run_without_a_summary_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"summary\.json"):
        load_run(tmp_path)


def test_a_profile_as_large_as_none_is_left_out(tmp_path: Path) -> None:
    """A stranger's run.json may be anything."""
    lived(tmp_path / "run", seconds=30)
    huge = {"profile": {str(part): dict.fromkeys(map(str, range(900)), 1) for part in range(9)}}
    (tmp_path / "run/run.json").write_text(json.dumps(huge))
    run = load_run(tmp_path / "run")
    assert not run.settings
    assert "more values" in str(run.left_out)
