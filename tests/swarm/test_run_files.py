"""A run's folder while the run lasts, on disks good and bad."""

import errno
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadkit.errors import UsageError
from loadkit.measure.ledger import Ledger
from loadkit.profile.tables import Load
from loadkit.results.journal_lines import Head
from loadkit.results.line_file import LineFile
from loadkit.swarm import run_files as module
from loadkit.swarm.run_files import RunFiles
from loadkit.verdict.run_facts import RunFacts, RunSpec

HEAD = Head(
    datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC),
    1.0,
    RunSpec("p", "2026-11-22T15:06:54Z", "t"),
    {},
)
LOAD = Load.model_validate({"stages": [{"duration": 4.0, "users": 8}]})


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFiles]:
    begun = RunFiles(tmp_path)
    begun.begin(HEAD, lambda: None)
    yield begun
    begun.finish(lambda _: None)


def names(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


def test_the_journal_is_deleted_once_all_is_written(folder: RunFiles, tmp_path: Path) -> None:
    """It is there all the time that the rest is being written."""
    seen: list[set[str]] = []
    assert folder.finish(lambda path: seen.append(names(path))) is None
    assert seen == [{"journal.jsonl", "loadkit.log", "timeline.csv", "latency.hlog", "turns.csv"}]
    assert "journal.jsonl" not in names(tmp_path)


def test_what_could_not_be_written_can_be_made_from_the_journal(
    folder: RunFiles, tmp_path: Path
) -> None:
    """Once whoever may mend it has done so."""

    def refused(path: Path) -> None:
        raise UsageError("cannot write") from PermissionError(errno.EACCES, "Permission denied")

    assert folder.finish(refused) == "cannot write"
    assert "journal.jsonl" in names(tmp_path)


@pytest.mark.parametrize("room", [True, False])
def test_on_a_full_disk_the_results_take_the_journals_room(
    folder: RunFiles, tmp_path: Path, room: bool
) -> None:
    """If that is not enough either, the journal is put back."""
    journal = (tmp_path / "journal.jsonl").read_bytes()

    def full(path: Path) -> None:
        (path / "run.json").touch()
        if "journal.jsonl" in names(path) or not room:
            raise UsageError("no room") from OSError(errno.ENOSPC, "No space left on device")

    assert folder.finish(full) == (None if room else "no room")
    assert ("journal.jsonl" in names(tmp_path)) is not room
    assert ("run.json" in names(tmp_path)) is room
    if not room:
        assert (tmp_path / "journal.jsonl").read_bytes() == journal


def test_a_full_disk_is_told_once_of_each_file(
    folder: RunFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the run goes on."""

    def full(self: LineFile, text: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LineFile, "append", full)
        for second in range(3):
            folder.write_second(float(second), [], second, LOAD, RunFacts(), Ledger())
    assert [record.message.count("journal.jsonl: No space") for record in caplog.records] == [1]


def test_the_log_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest words go first."""
    monkeypatch.setattr(module, "LOG_BYTES", 1000)
    monkeypatch.setattr(module, "LOG_FILES", 3)
    folder = RunFiles(tmp_path)
    folder.begin(HEAD, lambda: None)
    for number in range(500):
        logging.getLogger("loadkit.test").warning("line %d", number)
    folder.finish(lambda _: None)
    logs = sorted(tmp_path.glob("loadkit.log*"))
    assert [path.name for path in logs] == ["loadkit.log", "loadkit.log.1", "loadkit.log.2"]
    assert sum(path.stat().st_size for path in logs) <= 3000
    assert "line 499" in logs[0].read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_log_without_room_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else each line would be told to have failed; and the end of the run would, too."""
    (tmp_path / "loadkit.log").symlink_to("/dev/full")
    folder = RunFiles(tmp_path)
    folder.begin(HEAD, lambda: None)
    logging.getLogger("loadkit.test").warning("a word")
    assert folder.finish(lambda _: None) is None
    assert "No space" not in capsys.readouterr().err
