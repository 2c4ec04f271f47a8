"""The truth log: what the server knows to have happened, for a client's ledger to be held against.

One JSON object a line; docs/simulator.md lists the kinds. Nothing in it is a secret: tokens never
get here.
"""

import logging
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from loadkit.errors import UsageError

_log = logging.getLogger(__name__)

_BATCH: Final = 500  # lines; keeps a burst from growing in memory until the next flush


class TruthLog:
    """Collects records and writes them in batches.

    Args:
        path: the file, made anew; None keeps no log, and `record` does nothing.

    Raises:
        UsageError: the file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._lines: list[bytes] = []
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                self._file = path.open("wb", buffering=0)
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
        self.on = self._file is not None  # so that callers can spare the work

    def record(self, kind: str, **fields: Any) -> None:
        """Add a line; it reaches the file with the next `flush` at the latest."""
        if not self.on:
            return
        self._lines.append(orjson.dumps({"kind": kind, **fields}, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._lines) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what has come together."""
        if self._file is None or not self._lines:
            return
        lines, self._lines = b"".join(self._lines), []
        try:
            self._file.write(lines)
        except OSError as error:
            # A full disk must not take the service down in the middle of someone's test.
            _log.error("the truth log ends here: %s", error.strerror)
            self.close()

    def close(self) -> None:
        """Write the rest and let go of the file; nothing is recorded any more."""
        self.on = False
        if self._file is not None:
            file, lines, self._file = self._file, self._lines, None
            self._lines = []
            with file:
                if lines:
                    file.write(b"".join(lines))
