"""How a run stands, by its files alone."""

from pathlib import Path

import pytest

from loadkit.errors import UsageError
from loadkit.figures import Phase, Wait
from loadkit.results.journal import JOURNAL
from loadkit.results.rebuild import rebuild
from loadkit.results.status import status, status_document
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram
from loadkit.stats.number_format import number

from .master import Hand, Master


def told(folder: Path, age: float = 0.4) -> tuple[str, dict[str, str]]:
    """The state, and the lines by their labels."""
    journal = folder / JOURNAL
    written = journal.stat().st_mtime if journal.exists() else 0.0
    state, lines = status(folder, [], lambda: written + age)
    return state, {line[:11].strip(): line[11:] for line in lines}


def lived(folder: Path, seconds: int) -> tuple[Master, list[float]]:
    """A worker's seconds, each with a slower answer than the one before; gives those, too."""
    master, hand, answers = Master(folder), Hand(waits=False), []
    for second in range(1, seconds + 1):
        answers.append(second / 1000)
        master.add("w", *hand.report(float(second), answers[-1]), second + 0.01)
        master.tick(second + 0.02)
    return master, answers


def percentile(answers: list[float], share: float) -> float:
    tally, found = Histogram(), Distribution()
    for each in answers:
        tally.record(each)
    found.merge(tally)
    return found.percentile(int(share * 1000))


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    """What it is, how far it is, what was asked for and what is there."""
    master, _ = lived(tmp_path, 12)
    state, lines = told(tmp_path)
    assert state == "running"
    assert lines["running"] == (
        "tiny → http://127.0.0.1:8100, since 2026-11-22T15:06:54Z, 00:12 of 00:20; "
        "last written 0.4 s ago"
    )
    assert lines["load"] == "8 of 8 users asked for · 1 session now, 1 at most, 1 started"
    assert lines["turns"] == "12 sent · 12 answered · 0 lost · 0 open"
    assert lines["errors"] == "none"
    assert lines["workers"] == "1 · lost w9 at 1 s"
    assert "12 turns, 0 lost" in lines["so far"]
    master.kill()


def test_the_last_minute_and_the_whole_run(tmp_path: Path) -> None:
    """Of both the percentiles that have the samples, taken from the samples themselves."""
    master, answers = lived(tmp_path, 190)
    _, lines = told(tmp_path)
    minute = [number(percentile(answers[131:], 0.5)), "–", "–"]  # until second 190.02
    whole = [number(percentile(answers, share)) for share in (0.5, 0.95)] + ["–"]
    assert lines["response"] == (
        f"p50/p95/p99 {'/'.join(minute)} ms in the last minute, {'/'.join(whole)} ms over the run"
    )
    master.kill()


def test_who_waits_too_long_is_told_of(tmp_path: Path) -> None:
    """While it happens: longer than the limit of the phase, or ten seconds where there is none."""
    master, hand = Master(tmp_path), Hand(waits=False)
    for second in range(1, 20):
        waits = [Wait(Phase.GREETING, None, 2.0), Wait(Phase.END, None, second - 1.0)]
        hand.recorder.see_waiting("CompleteChat", second, waits, [])
        master.add("w", *hand.report(float(second), 0.1), second + 0.01)
        master.tick(second + 0.02)
    _, lines = told(tmp_path)
    assert lines["waiting"] == "1, oldest 17 s, each longer than its limit"
    master.kill()


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """Nobody holds its journal; how to go on stands below."""
    master, _ = lived(tmp_path, 3)
    master.kill()
    state, lines = told(tmp_path, age=7200)
    assert state == "cut"
    assert lines["cut"].endswith("last written 7,200 s ago")
    assert f"`loadkit report {tmp_path}`" in lines[""]


def test_a_run_whose_results_are_there(tmp_path: Path) -> None:
    """Its verdict is all there is to say."""
    master, _ = lived(tmp_path, 3)
    master.kill()
    summary = rebuild(tmp_path, [])
    state, lines = told(tmp_path)
    assert state == "finished"
    assert lines["cut"].startswith("tiny → http://127.0.0.1:8100, 2026-11-22T15:06:54Z, ")
    assert summary.verdict.reasons[0].statement in lines["verdict"]


def test_a_run_that_was_killed_right_after_its_summary_is_finished(tmp_path: Path) -> None:
    """All that is missing is that its journal is deleted."""
    master, _ = lived(tmp_path, 3)
    master.kill()
    journal = (tmp_path / JOURNAL).read_bytes()
    rebuild(tmp_path, [])
    (tmp_path / JOURNAL).write_bytes(journal)
    assert told(tmp_path)[0] == "finished"


def test_half_a_line_is_no_obstacle(tmp_path: Path) -> None:
    """The run may be in the midst of writing one."""
    master, _ = lived(tmp_path, 3)
    for name in (JOURNAL, "latency.hlog", "timeline.csv"):
        with (tmp_path / name).open("ab") as file:
            file.write(b"Tag=resp")
    assert told(tmp_path)[0] == "running"
    master.kill()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"summary\.json cannot be read"):
        status(tmp_path, [])


def test_a_script_gets_the_summary_so_far(tmp_path: Path) -> None:
    """With how far the run is; of one that is over, the summary that was written."""
    master, answers = lived(tmp_path, 5)
    state, told = status_document(tmp_path, [])
    assert told["state"] == state == "running"
    assert told["summary"]["turns"]["answered"] == len(answers)
    assert 4 < told["elapsed_s"] < told["asked_s"]
    master.kill()
    assert status_document(tmp_path, [])[0] == "cut"
    summary = rebuild(tmp_path, [])
    state, told = status_document(tmp_path, [])
    assert (state, told["summary"]) == ("finished", summary.to_dict())
