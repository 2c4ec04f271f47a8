"""A run's folder while the run lasts: its log and the rows that are written as they arise."""

import logging
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from loadkit.errors import UsageError
from loadkit.measure.timeline import Row
from loadkit.plan.profile import Profile
from loadkit.report.series import Series

__all__ = ["Folder", "run_info"]

logger = logging.getLogger(__name__)

_PACKAGES: Final = ("loadkit", "locust", "gevent", "websockets", "geventhttpclient", "orjson")


class Folder:
    """Where the results of one run go.

    Args:
        path: the folder, which is there.

    Attributes:
        path: the same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log: logging.Handler | None = None
        self._series: Series | None = None
        self._told = False

    def begin(self, started: datetime, pause: Callable[[], None]) -> None:
        """The run begins.

        Args:
            started: the wall clock's time; a label.
            pause: called between two lines of a file, to let others run.
        """
        self._log = _LogFile(self.path / "loadkit.log", encoding="utf-8", delay=True)
        with suppress(OSError):
            (self.path / "loadkit.log").touch()  # a run without a word has an empty log
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(self._log)
        self._series = Series(self.path, started, pause)

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Append rows of the timeline; a full disk is told once and does not end the run."""
        if self._series is None:
            return
        self._series.write(rows)
        if self._series.failed is not None and not self._told:
            self._told = True
            logger.error("%s", self._series.failed)

    def finish(self, write: Callable[[Path], None]) -> str | None:
        """The run is over.

        Args:
            write: writes the rest into the folder.

        Returns:
            Why something could not be written; None if all is there.
        """
        failed: str | None = None
        if self._series is not None:
            self._series.close()
            failed = self._series.failed
        try:
            write(self.path)
        except UsageError as error:
            failed = str(error)
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            self._log.close()
        return failed


class _LogFile(logging.FileHandler):
    """A log whose disk may be full: what it cannot write is lost, and nothing else."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing: the file's own error would be told once a line."""


def run_info(profile: Profile, started_at: str, target: str | None) -> dict[str, Any]:
    """Return what `run.json` says of a run: what was run, with what, and where; no secrets."""
    return {
        "profile": profile.model_dump(mode="json"),
        "target": target,
        "started_at": started_at,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
