"""What the journal holds at any moment, and that it stays small."""

import errno
import fcntl
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loadkit.codec import Codec
from loadkit.figures import Count
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.state import PART
from loadkit.profile.tables import Load
from loadkit.results import journal as module
from loadkit.results import journal_lock
from loadkit.results.journal import JOURNAL, RunJournal
from loadkit.results.journal_lines import NOTED, Head
from loadkit.results.journal_lock import hold
from loadkit.results.line_file import LineFile
from loadkit.verdict.run_facts import RunFacts, RunSpec

SPEC = RunSpec("tiny", "2026-11-22T15:06:54Z", "http://127.0.0.1:8100", (("response.p50", 900.0),))
HEAD = Head(datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC), 1.0, SPEC, {"target": SPEC.target})
LOAD = Load.model_validate({"stages": [{"duration": 4.0, "users": 8}]})


def interval(turns: int = 1) -> Interval:
    recorder = Recorder()
    recorder.count(Count.TURNS_SENT, turns)
    return recorder.take(1.0)


def records(folder: Path) -> list[tuple[str, Any]]:
    lines = (folder / JOURNAL).read_text().splitlines()
    return [item for line in lines for item in json.loads(line).items()]


def kinds(folder: Path) -> list[str]:
    return [kind for kind, _ in records(folder)]


def test_it_begins_with_what_the_run_is(tmp_path: Path) -> None:
    """And with all that is known at that moment, be it nothing."""
    journal = RunJournal(tmp_path, HEAD)
    kind, head = records(tmp_path)[0]
    what = head.pop("what")
    assert (kind, head) == (
        "head",
        {
            "schema": "loadkit.journal/2",
            "started": "2026-11-22T15:06:54+00:00",
            "interval": 1.0,
            "run": {"target": "http://127.0.0.1:8100"},
            "locked": True,
        },
    )
    assert (what["profile"], what["limits"]) == ("tiny", [["response.p50", 900.0]])
    assert kinds(tmp_path) == ["head", "known", "state"]
    journal.close()


def test_an_interval_is_there_as_soon_as_it_is_noted(tmp_path: Path) -> None:
    """A kill a moment later loses nothing of it."""
    journal = RunJournal(tmp_path, HEAD)
    report = interval()
    journal.add("w", 7, 1.5, report)
    kind, content = records(tmp_path)[-1]
    of = Codec[Interval](Interval).encode(report)
    assert (kind, content) == ("interval", {"worker": "w", "seq": 7, "at": 1.5, "of": of})
    journal.close()


def test_a_tick_tells_what_has_changed(tmp_path: Path) -> None:
    """What was said is not said again."""
    journal = RunJournal(tmp_path, HEAD)
    journal.tick(1.0, 5, LOAD, RunFacts())
    journal.tick(2.0, 6, LOAD, RunFacts())
    journal.tick(3.0, 6, LOAD, RunFacts(heartbeats_lost=2))
    first, second, third = [content for kind, content in records(tmp_path) if kind == "tick"]
    assert first.keys() == {"at", "users", "load", "besides"}
    assert first["load"]["stages"][0]["users"] == 8
    assert second == {"at": 2.0, "users": 6}
    assert third == {"at": 3.0, "besides": first["besides"] | {"heartbeats_lost": 2}}
    journal.close()


def test_a_new_file_takes_the_place_of_one_that_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with the ledger as it is, and its size does not hang on how long the run was."""
    monkeypatch.setattr(module, "GROWTH", 3000)
    journal, ledger, sizes = RunJournal(tmp_path, HEAD), Ledger(), []
    for seq in range(1, 200):
        ledger.add("w", seq, interval(), float(seq))
        journal.add("w", seq, float(seq), interval())
        journal.tick(float(seq), seq, LOAD, RunFacts())
        journal.renew(ledger)
        sizes.append((tmp_path / JOURNAL).stat().st_size)
    assert max(sizes[100:]) <= max(sizes[:100]) + 100  # longer numbers
    began = records(tmp_path)
    kind, known = began[1]
    assert (kind, known["at"]) == ("known", known["users"])
    restored = Ledger()
    for kind, content in began:
        if kind == "state":
            restored.restore(PART.decode(content))
        elif kind == "interval":
            noted = NOTED.decode(content)
            assert restored.add(noted.worker, noted.seq, noted.of, noted.at)
    assert restored.counts[Count.TURNS_SENT] == 199
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]
    journal.close()


def test_what_comes_in_while_a_new_file_is_written_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in the old one, which is still the one that counts."""
    monkeypatch.setattr(module, "GROWTH", 0)
    late = iter([1, 2])

    def meanwhile() -> None:
        for seq in late:
            journal.add("w", seq, float(seq), interval())
            assert kinds(tmp_path)[-1] == "interval"
            return

    journal = RunJournal(tmp_path, HEAD, pause=lambda: None)
    journal._pause = meanwhile
    journal.renew(Ledger())
    assert kinds(tmp_path) == ["head", "known", "state", "interval"]
    journal.close()


def test_who_is_stopped_while_writing_a_new_file_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a run the greenlet that writes is killed wherever it is."""
    monkeypatch.setattr(module, "GROWTH", 0)
    journal = RunJournal(tmp_path, HEAD)
    journal.add("w", 1, 1.0, interval())

    def killed() -> None:
        raise KeyboardInterrupt

    journal._pause = killed
    with pytest.raises(KeyboardInterrupt):
        journal.renew(Ledger())
    journal.add("w", 2, 2.0, interval())
    assert kinds(tmp_path)[-2:] == ["interval", "interval"]
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]
    journal.close()


def test_a_full_disk_ends_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why and what to do; what was written stays."""
    journal = RunJournal(tmp_path, HEAD)
    journal.add("w", 1, 1.0, interval())

    def full(self: LineFile, text: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LineFile, "append", full)
    journal.add("w", 2, 2.0, interval())
    journal.tick(2.0, 1, LOAD, RunFacts())
    journal.renew(Ledger())
    assert journal.failed is not None
    assert f"cannot write {tmp_path / JOURNAL}: No space left on device" in journal.failed
    assert "--out" in journal.failed
    assert kinds(tmp_path).count("interval") == 1


def test_a_disk_that_is_full_from_the_start_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no journal then, and no trace of one."""

    def full(self: LineFile, text: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LineFile, "append", full)
    journal = RunJournal(tmp_path, HEAD)
    journal.add("w", 1, 1.0, interval())
    assert journal.failed is not None
    assert list(tmp_path.iterdir()) == []


def test_nobody_takes_up_the_journal_of_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor after a new file took its place; and one at a time once the run is over."""
    monkeypatch.setattr(module, "GROWTH", 0)
    journal = RunJournal(tmp_path, HEAD)
    path = tmp_path / JOURNAL
    with hold(path) as over:
        assert not over
    journal.renew(Ledger())
    with hold(path) as over:
        assert not over
    journal.close()
    with hold(path) as over, hold(path) as taken_twice:
        assert (over, taken_twice) == (True, False)


@pytest.mark.parametrize("without", ["writer", "reader", "both"])
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF])
def test_where_there_are_no_locks_a_run_that_goes_on_is_known_by_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str, number: int
) -> None:
    """A file system may have none at all, or for one of two machines."""
    locks = fcntl.flock

    def none(*_: object) -> None:
        raise OSError(number, "no locks")

    def flock(side: str) -> None:
        monkeypatch.setattr("fcntl.flock", none if without in (side, "both") else locks)

    flock("writer")
    journal = RunJournal(tmp_path, HEAD)
    assert journal.failed is None
    flock("reader")
    writes = iter(range(3))

    def pause(seconds: float) -> None:
        for second in writes:
            journal.tick(float(second), second, LOAD, RunFacts())

    grows = journal_lock.grows
    monkeypatch.setattr(journal_lock, "grows", lambda path: grows(path, pause))
    with hold(tmp_path / JOURNAL) as over:
        assert not over
    journal.close()
    with hold(tmp_path / JOURNAL) as over:
        assert over


def test_a_run_that_ends_in_order_leaves_none(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, HEAD)
    journal.remove()
    assert list(tmp_path.iterdir()) == []
