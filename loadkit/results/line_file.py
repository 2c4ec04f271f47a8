"""A file of whole lines, there as soon as they are written."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from loadkit.errors import UsageError
from loadkit.security.textfile import UnreadableError, clipped, open_file

NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""The flag with which a file is not opened whose name is a link; Windows has none."""

_PIECE: Final = 65_536


class LineFile:
    """A file that holds whole lines only, even if the disk is full in the midst of one.

    What is written is the kernel's at once: it is there when the process is killed. It is not
    forced to the disk, so a machine that loses its power may lose the last half minute.

    Args:
        path: the file; made anew with the first line.
        go_on: whether to write on at its end instead.
    """

    def __init__(self, path: Path, *, go_on: bool = False) -> None:
        self.path = path
        self.size = 0  # bytes of whole lines in it, from the first that is written here
        self.failed: str | None = None  # why `append_or_end` could not go on, in words
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
            self.size = os.fstat(self._file.fileno()).st_size
        line = text.encode() if isinstance(text, str) else text
        data = memoryview(line)
        while data:
            data = data[self._file.write(data) :]
        self.size += len(line)

    def append_or_end(self, text: str) -> None:
        """Append, and end the file where that cannot be done: see `failed`."""
        try:
            self.append(text)
        except OSError as error:
            self.close()
            self.failed = (
                f"cannot write {self.path}: {error.strerror or error}; it ends here, the run goes "
                "on; make room on that disk, or choose another folder with --out"
            )

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
    """Open a file of a run's folder, to be written to; with `go_on` what is in it stays.

    The folder may be a stranger's: a link in it, whatever it leads to, is not followed.

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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say in a `UsageError` what is wrong with a file of a run that is read meanwhile."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnreadableError as error:
        raise UsageError(f"{path} {error}") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path} is damaged, or was edited: {clipped(str(error))}") from error


def whole(path: Path, most: int) -> tuple[list[bytes], int]:
    """Read the whole lines of a file that may end in the midst of one; one that is missing has
    none.

    Returns:
        The lines without their ends, and how many were left out as half-written: 0 or 1.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ordinary file, or has more than `most` bytes.
    """
    if not os.path.lexists(path):
        return [], 0
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise ValueError(f"is larger than {most // 1024**2} MB, the most that is read")
        data = file.read(most)
    lines = data.split(b"\n")
    half = bool(lines.pop())
    return lines, int(half)


def forwards(file: BinaryIO, most: int) -> Iterator[bytes]:
    """Give the lines of an open file with their ends, one by one.

    Raises:
        ValueError: one is longer than `most` bytes.
    """
    for number in count(1):
        line = file.readline(most + 1)
        if len(line) > most:
            raise ValueError(f"line {number} is longer than {most // 1024:,} KB")
        if not line:
            return
        yield line


def backwards(file: BinaryIO, most: int) -> Iterator[tuple[int, int, bytes]]:
    """Give the lines of an open file from the last to the first.

    Yields:
        Where it begins and ends in the file, its end included, and the line with its end; the last
        one of the file may lack that.

    Raises:
        ValueError: one is longer than `most` bytes.
    """
    at = end = file.seek(0, os.SEEK_END)
    held = b""  # from `at` to `end`
    while end:
        begin = held.rfind(b"\n", 0, len(held) - 1) + 1
        if not begin and at:
            if len(held) > most:
                raise ValueError(f"the line that ends at byte {end:,} is longer than {most:,}")
            step = min(at, max(len(held), _PIECE))
            at = file.seek(at - step)
            held = file.read(step) + held
            continue
        yield at + begin, end, held[begin:]
        held, end = held[:begin], at + begin
