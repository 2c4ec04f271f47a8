"""A run's folder while the run lasts: its log and the rows that are written as they arise."""

import errno
import logging
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import psutil

from loadkit.compiled import form
from loadkit.errors import UsageError
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.timeline import Row
from loadkit.measure.turn_times import TurnTime
from loadkit.output import Log
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.results.journal import RunJournal
from loadkit.results.journal_lines import Head
from loadkit.results.run_folder import withdraw
from loadkit.results.series import Series
from loadkit.results.turn_log import TurnLog
from loadkit.verdict.run_facts import DoneByHand, RunFacts

logger = logging.getLogger(__name__)

LOG_BYTES: Final = 10_000_000
LOG_FILES: Final = 5
"""`loadkit.log` and its elders `loadkit.log.1` … are 50 MB together at most."""

_PACKAGES: Final = ("loadkit", "locust", "gevent", "websockets", "geventhttpclient", "orjson")


class RunFiles:
    """Where the results of one run go: into the folder `path`, which is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log: logging.Handler | None = None
        self._series: Series | None = None
        self._journal: RunJournal | None = None
        self._turns: TurnLog | None = None
        self._told: set[str] = set()

    def begin(self, head: Head, pause: Callable[[], None]) -> None:
        """The run begins; `pause` is called between two lines of a file, to let others run."""
        self._log = _LogFile(
            self.path / "loadkit.log",
            maxBytes=LOG_BYTES,
            backupCount=LOG_FILES - 1,
            encoding="utf-8",
            delay=True,
        )
        with suppress(OSError):
            (self.path / "loadkit.log").touch()  # a run without a word has an empty log
        form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._log.setFormatter(Log(form))
        logging.getLogger().addHandler(self._log)
        self._series = Series(self.path, head.started, pause)
        self._journal = RunJournal(self.path, head, pause)
        self._turns = TurnLog(self.path)

    def note(self, worker: str, seq: int, at: float, interval: Interval) -> None:
        """Write down an interval as it comes in."""
        if self._journal is not None:
            self._journal.add(worker, seq, at, interval)

    def note_turns(self, turns: Iterable[TurnTime]) -> None:
        """Write down turns, which are in no journal."""
        if self._turns is not None:
            self._turns.write(turns)
            self._tell(self._turns.failed)

    def note_by_hand(self, by_hand: Sequence[DoneByHand]) -> None:
        """Write down what was done by hand, all of it so far."""
        if self._journal is not None:
            self._journal.note_by_hand(by_hand)

    def write_second(
        self,
        at: float,
        rows: Sequence[Row],
        users: int,
        load: Load,
        facts: RunFacts,
        ledger: Ledger,
    ) -> None:
        """Once a second: write down what is new.

        Args:
            rows: those that the ledger's timeline has closed by then.
            at, users, load, facts: see `RunJournal.tick`.
        """
        if self._journal is not None:
            self._journal.tick(at, users, load, facts)
            self.write_rows(rows)
            self._journal.renew(ledger)
            self._tell(self._journal.failed)

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Append rows of the timeline."""
        if self._series is not None:
            self._series.write(rows)
            self._tell(self._series.failed)

    def _write(self, write: Callable[[Path], None]) -> None:
        """Write the rest, and delete the journal if it is all there; what has no room takes its."""
        try:
            write(self.path)
        except UsageError as error:
            if self._journal is None:
                raise
            self._journal.close()
            if getattr(error.__cause__, "errno", None) not in (errno.ENOSPC, errno.EDQUOT):
                raise  # `loadkit report` writes the rest, once it can
            self._journal.make_way(lambda: write(self.path), lambda: withdraw(self.path))
        else:
            if self._journal is not None:
                self._journal.remove()

    def _tell(self, failed: str | None) -> None:
        """A full disk is told once and does not end the run."""
        if failed is not None and failed not in self._told:
            self._told.add(failed)
            logger.error("%s", failed)

    def finish(self, write: Callable[[Path], None]) -> str | None:
        """The run is over: have the rest written into the folder.

        Returns:
            Why something could not be written; None if all is there.
        """
        failed: str | None = None
        if self._series is not None:
            self._series.close()
            failed = self._series.failed
        if self._turns is not None:
            self._turns.close()
        try:
            self._write(write)
        except UsageError as error:
            failed = str(error)
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            self._log.close()
        return failed


class _LogFile(RotatingFileHandler):
    """A log that stays bounded; what its disk has no room for is lost, and nothing else."""

    def close(self) -> None:
        """Let go of the file, and of what never found room in it."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing: the file's own error would be told once a line."""


def run_info(
    profile: Profile,
    started_at: str,
    target: str | None,
    network: Mapping[str, Any],
    again: str,
) -> dict[str, Any]:
    """Return what `run.json` says of a run: what was run, with what, and where; no secrets.

    Args:
        again: the command that runs it again.
    """
    return {
        "profile": profile.outline,
        "target": target,
        "network": dict(network),
        "started_at": started_at,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "code": form(),
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "again": again,
    }
