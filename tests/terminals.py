"""A terminal for tests, with somebody who looks at it."""

import codecs
import contextlib
import fcntl
import os
import re
import struct
import termios
import threading
from collections.abc import Iterator

_PARTS = re.compile(
    r"\x1b\[(?P<number>\d*)(?P<what>[A-Za-z])|\x1b\[[\d;]*m|[\r\n]|[^\r\n\x1b]+|\x1b"
)


class Terminal:
    """One that knows what is needed (ECMA-48's CUU, ED and SGR) and keeps what has scrolled away.

    Attributes:
        path: its device, for whoever is to write to it.
        descriptor: the same, open.
        columns, height: of its window.
    """

    def __init__(self, ours: int, theirs: int, columns: int, height: int) -> None:
        self.path, self.descriptor, self._ours = os.ttyname(theirs), theirs, ours
        self._lines = [""]
        self._row = self._column = 0  # where the cursor is; the row counts from the first of all
        self._shots: list[str] = []
        self._unknown: list[str] = []
        self._lock = threading.Lock()
        self.resize(columns, height)
        threading.Thread(target=self._read, daemon=True).start()

    def resize(self, columns: int, height: int) -> None:
        """Make the window another size."""
        self.columns, self.height = columns, height
        size = struct.pack("HHHH", height, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    @property
    def text(self) -> str:
        """All that a reader finds on it, what has scrolled away included."""
        with self._lock:
            assert not self._unknown, f"what is it to make of {self._unknown}?"
            return self._whole()

    @property
    def shots(self) -> list[str]:
        """How it looked before something was erased each time, and how it looks now."""
        with self._lock:
            return [*self._shots, self._whole()]

    def _whole(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines).rstrip()

    def _read(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")().decode
        with contextlib.suppress(OSError):  # it was taken away
            while data := os.read(self._ours, 65_536):
                with self._lock:
                    for part in _PARTS.finditer(decode(data)):
                        self._take(part)

    def _take(self, part: "re.Match[str]") -> None:
        what, text = part["what"], part[0]
        if what == "J" and not part["number"]:
            self._shots.append(self._whole())
            del self._lines[self._row + 1 :]
            self._lines[self._row] = self._lines[self._row][: self._column]
        elif what == "A":
            top = max(0, len(self._lines) - self.height)
            self._row = max(top, self._row - int(part["number"] or 1))
        elif text == "\r":
            self._column = 0
        elif text == "\n":
            self._down()
        elif text.startswith("\x1b") and what != "m" and not text.endswith("m"):
            self._unknown.append(text)
        elif not text.startswith("\x1b"):
            for character in text:
                self._put(character)

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append("")

    def _put(self, character: str) -> None:
        if self._column >= self.columns:
            self._column = 0
            self._down()
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
        self._column += 1


@contextlib.contextmanager
def terminals(columns: int = 100, height: int = 40) -> Iterator[Terminal]:
    """One that is there as long as the block lasts."""
    ours, theirs = os.openpty()
    try:
        yield Terminal(ours, theirs, columns, height)
    finally:
        os.close(theirs)
        os.close(ours)
