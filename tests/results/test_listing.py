"""The runs of a folder, each in a line."""

import json
from pathlib import Path

import pytest

from loadkit import cli
from loadkit.results.listing import listing
from tests.compare.folders import lived
from tests.results.master import Hand, Master


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, one that was killed, one that is damaged, and what is none."""
    folder = tmp_path_factory.mktemp("results")
    lived(folder / "2026-11-22T150654Z-smoke", seconds=20)
    (folder / "2026-11-23T000000Z-tiny").mkdir()
    master = Master(folder / "2026-11-23T000000Z-tiny")
    master.add("w", *Hand(waits=False).report(1.0, 0.1), 1.01)
    master.tick(1.02)
    master.kill()
    (folder / "2026-11-21T000000Z-old").mkdir()
    (folder / "2026-11-21T000000Z-old/summary.json").write_text('{"schema": 1}')
    (folder / "notes").mkdir()
    (folder / "README.md").write_text("")
    return folder


def test_runs_are_listed_the_newest_last(parent: Path) -> None:
    """Whatever became of them; what is no run is not there."""
    runs = listing(parent)
    assert [run.folder[:10] for run in runs] == ["2026-11-21", "2026-11-22", "2026-11-23"]
    assert [run.state for run in runs] == ["damaged", "finished", "cut"]
    assert runs[1].word == "FAIL"  # it has a violation, and no objectives
    assert "loadkit report" in runs[2].headline
    assert (runs[2].profile, runs[2].started_at[:10]) == ("tiny", "2026-11-22")
    assert "is not a summary" in runs[0].headline


def test_the_command_prints_a_line_each(parent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or JSON; a damaged run is no error."""
    assert cli.main(["results", str(parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "2026-11-22T15:06:54Z" in lines[1]
    assert cli.main(["results", str(parent), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["state"] for run in told] == ["damaged", "finished", "cut"]


def test_a_folder_that_is_not_there_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty one is none."""
    assert cli.main(["results", str(tmp_path / "none")]) == 2
    assert "--out" in capsys.readouterr().err
    assert cli.main(["results", str(tmp_path)]) == 0
    assert "no runs" in capsys.readouterr().out
