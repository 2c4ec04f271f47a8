"""Turns are written as they come, and read again."""

from pathlib import Path

import pytest

from loadkit.errors import UsageError
from loadkit.measure.turn_times import TurnTime
from loadkit.results import turn_log
from loadkit.results.turn_log import TURNS, TurnLog, read_turns

SAID = [TurnTime("CompleteChat-0", 1, 1.5, 812_345), TurnTime("CompleteChat-0", 2, 3.25, 7)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """At once, whatever becomes of whoever writes."""
    log = TurnLog(tmp_path)
    log.write(SAID[:1])
    assert read_turns(tmp_path) == SAID[:1]
    log.write(SAID[1:])
    log.write([])
    log.close()
    assert read_turns(tmp_path) == SAID
    assert log.failed is None


def test_there_are_no_more_than_the_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones."""
    monkeypatch.setattr(turn_log, "MOST", 3)
    log = TurnLog(tmp_path)
    log.write(SAID)
    log.write(SAID)
    log.write(SAID)
    log.close()
    assert read_turns(tmp_path) == [*SAID, SAID[0]]


def test_the_half_of_a_line_is_none(tmp_path: Path) -> None:
    """Of one that was killed as it wrote: it would read as a shorter wait."""
    log = TurnLog(tmp_path)
    log.write(SAID)
    log.close()
    path = tmp_path / TURNS
    path.write_bytes(path.read_bytes()[:-2])
    assert read_turns(tmp_path) == SAID[:1]


def test_a_run_without_such_a_file_has_none(tmp_path: Path) -> None:
    assert read_turns(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "person\n",
        "person,turn,sent_s,response_us\nA-1,1,0.5\n",
        "person,turn,sent_s,response_us\nA-1,0,0.5,1\n",
        "person,turn,sent_s,response_us\nA-1,1,nan,1\n",
        "person,turn,sent_s,response_us\nA-1,1,1,1e3\n",
        "person,turn,sent_s,response_us\nA-1,1,1,-1\n",
        "person,turn,sent_s,response_us\n" + "x" * 5_000,
    ],
)
def test_a_damaged_one_is_told(tmp_path: Path, text: str) -> None:
    """But for one that was never begun."""
    (tmp_path / TURNS).write_text(text)
    if not text:
        assert read_turns(tmp_path) == []
        return
    with pytest.raises(UsageError, match=r"turns\.csv"):
        read_turns(tmp_path)


def test_a_full_disk_ends_the_file_and_nothing_else(tmp_path: Path) -> None:
    """It is told."""
    log = TurnLog(tmp_path / "missing")
    log.write(SAID)
    assert log.failed is not None
    assert TURNS in log.failed
