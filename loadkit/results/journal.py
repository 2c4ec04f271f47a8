"""`journal.jsonl`: what the process that leads knows, written down as it comes to know it.

A write-ahead log, as of a database. It begins with what the run is and with all that the ledger
held when the file was begun; each report of a worker follows as it comes in, and once a second what
the summary tells besides. When it has grown by `GROWTH` a new one takes its place, so its size does
not grow with the run. A run that ends in order leaves none: `summary.json` has it all.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from loadkit.errors import UsageError
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.state import PART, StatePart
from loadkit.profile.tables import Load
from loadkit.results.journal_lines import HEAD, NOTED, SCHEMA, Head, NotedLine
from loadkit.results.journal_lock import lock
from loadkit.results.line_file import LineFile
from loadkit.verdict.run_facts import BY_HAND, FACTS, DoneByHand, RunFacts

JOURNAL: Final = "journal.jsonl"

GROWTH: Final = 1_000_000
"""Bytes of reports after which a new file begins: a minute or two of a busy run, and a fraction of
a second to read again. The first few take memory that stays taken, so they are to come early."""


class RunJournal:
    """Writes the journal of a run. Locked while it is open: so others know that the run goes on.

    Args:
        folder: the run's folder.
        head: what the run is.
        pause: called between two parts of a new file, to let others run; what comes in meanwhile
            loses nothing, and neither does what raises from it.
    """

    def __init__(self, folder: Path, head: Head, pause: Callable[[], None] = lambda: None) -> None:
        self.failed: str | None = None  # why it could not be written, in words
        self._path = folder / JOURNAL
        self._head = {"schema": SCHEMA, **HEAD.encode(head)}
        self._pause = pause
        self._known: dict[str, Any] = {"at": 0.0}  # by the ticks so far
        self._meanwhile: list[bytes] | None = None
        self._file: LineFile | None = None
        self._renew_at = 0
        NOTED.prepare()
        FACTS.prepare()
        self.renew(Ledger())

    def add(self, worker: str, seq: int, at: float, interval: Interval) -> None:
        """Note an interval that the ledger has taken."""
        self._append(b'{"interval":%b}\n' % NOTED.json(NotedLine(worker, seq, at, interval)))

    def tick(self, at: float, users: int, load: Load, facts: RunFacts) -> None:
        """Note what else is known at a second of the run, before the rows of that second go out;
        see `Tick`.
        """
        told = {
            "at": at,
            "users": users,
            "load": load.model_dump(mode="json"),
            "besides": FACTS.encode(facts),
        }
        new = {key: value for key, value in told.items() if self._known.get(key) != value}
        self._known |= new
        self._append(_line({"tick": new}))

    def note_by_hand(self, by_hand: Sequence[DoneByHand]) -> None:
        """Note at once what was done by hand, all of it so far."""
        new = {"by_hand": [*map(BY_HAND.encode, by_hand)]}
        self._known |= new
        self._append(_line({"tick": new}))

    def renew(self, ledger: Ledger) -> None:
        """Begin a new file with what the ledger holds, if this one has grown enough.

        All rows that its timeline has closed must have been written.
        """
        if self.failed is not None or (self._file and self._file.size < self._renew_at):
            return
        draft = LineFile(self._path.with_name(f".{JOURNAL}.tmp"))
        self._meanwhile = []
        try:
            self._write(draft, ledger.state())
        except OSError as error:
            _discard(draft)
            self._renew_at += GROWTH  # the old one still serves
            if self._file is None:
                self._fail(error)
        except BaseException:
            _discard(draft)
            raise
        finally:
            self._meanwhile = None

    def _write(self, draft: LineFile, state: Iterable[StatePart]) -> None:
        draft.append(b"")  # it is there now
        draft.append(_line({"head": {**self._head, "locked": lock(draft) is True}}))
        draft.append(_line({"known": self._known}))
        for part in state:
            draft.append(b'{"state":%b}\n' % PART.json(part))
            self._pause()
        self._renew_at = draft.size + GROWTH
        draft.append(b"".join(self._meanwhile or ()))
        os.replace(draft.path, self._path)
        old, self._file = self._file, draft
        if old is not None:
            old.close()

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Let go of the file and delete it: the results are all there."""
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def make_way(self, attempt: Callable[[], None], undo: Callable[[], None]) -> None:
        """Let `attempt` write the results in its place, and raise as that does.

        If not even the summary has room, `undo` deletes what was written, and the journal is back.
        """
        kept = self._path.read_bytes() if self._path.exists() else b""
        self.remove()
        try:
            attempt()
        except UsageError:
            if not self._path.with_name("summary.json").exists():
                undo()
                with suppress(OSError):
                    self._path.write_bytes(kept)
            raise

    def _append(self, line: bytes) -> None:
        if self._file is None or self.failed is not None:
            return
        if self._meanwhile is not None:
            self._meanwhile.append(line)
        try:
            self._file.append(line)
        except OSError as error:
            self._fail(error)
            self._file.close()

    def _fail(self, error: OSError) -> None:
        self.failed = (
            f"cannot write {self._path}: {error.strerror or error}; it ends here, the run goes on; "
            "should it be killed, what comes after is lost; make room on that disk, or choose "
            "another folder with --out"
        )


def _discard(draft: LineFile) -> None:
    draft.close()
    with suppress(OSError):
        draft.path.unlink(missing_ok=True)


def _line(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
