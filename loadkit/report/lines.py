"""A file of whole lines, there as soon as they are written."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["NO_LINK", "Lines", "whole", "written"]

NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""The flag with which a file is not opened whose name is a link; Windows has none."""


class Lines:
    """A file that holds whole lines only, even if the disk is full in the midst of one.

    What is written is the kernel's at once: it is there when the process is killed. It is not
    forced to the disk, so a machine that loses its power may lose the last half minute.

    Args:
        path: the file; made anew with the first line.
        go_on: whether to write on at its end instead.

    Attributes:
        path: the same.
        size: bytes of whole lines in the file.
    """

    def __init__(self, path: Path, *, go_on: bool = False) -> None:
        self.path = path
        self.size = path.stat().st_size if go_on else 0
        self._go_on = go_on
        self._file: BinaryIO | None = None
        self._closed = False

    def append(self, text: str | bytes) -> None:
        """Write a line, or several; nothing happens once it is closed.

        Raises:
            OSError: it cannot be written, at least not whole.
        """
        if self._closed:
            return
        if self._file is None:
            # Unbuffered: what is written is there when the process is killed, and a buffer
            # that could not be emptied would raise once more when the file is closed.
            self._file = written(self.path, go_on=self._go_on)
        line = text.encode() if isinstance(text, str) else text
        data = memoryview(line)
        while data:
            data = data[self._file.write(data) :]
        self.size += len(line)

    def fileno(self) -> int:
        """Return the number of the open file.

        Raises:
            ValueError: nothing was written yet, or it is closed.
        """
        if self._file is None:
            raise ValueError("the file is not open")
        return self._file.fileno()

    def close(self) -> None:
        """Cut off what is no whole line, and end the file."""
        self._closed = True
        if self._file is not None:
            with suppress(OSError):  # a pipe or a device: nothing to cut off
                self._file.truncate(self.size)
            self._file.close()
            self._file = None


def written(path: Path, *, go_on: bool) -> BinaryIO:
    """Open a file of a run's folder, to be written to.

    The folder may be a stranger's: a link in it, whatever it leads to, is not followed.

    Args:
        path: the file.
        go_on: whether what is in it stays.

    Raises:
        OSError: it is a link, or cannot be written to.
    """
    end = os.O_APPEND if go_on else os.O_TRUNC
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | NO_LINK | end, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise OSError(error.errno, "it is a link to elsewhere, which is not followed") from None
        raise
    return open(number, "ab" if go_on else "wb", buffering=0)


def whole(path: Path) -> tuple[list[str], int]:
    """Read the whole lines of a file that may end in the midst of one.

    Args:
        path: the file; one that is missing has no lines.

    Returns:
        The lines without their ends, and how many were left out as half-written: 0 or 1.

    Raises:
        OSError: it cannot be read.
    """
    if not path.exists():
        return [], 0
    lines = path.read_bytes().split(b"\n")
    half = bool(lines.pop())
    return [line.decode("utf-8", "replace") for line in lines], int(half)
