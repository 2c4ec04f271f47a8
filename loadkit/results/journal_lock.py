"""Whether somebody writes a journal: told by a lock, or without locks by whether it grows."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import orjson

from loadkit.security.textfile import open_file

GROWS_WITHIN: Final = 5.0
"""Seconds in which a file that gets a line a second will have got one."""

_PAUSE: Final = 0.2  # seconds between two looks
_LONGEST_HEAD: Final = 1024 * 1024  # bytes


class _Open(Protocol):
    def fileno(self) -> int: ...


def lock(file: _Open) -> bool | None:
    """Lock an open file, until it is closed, for its one writer. Returns whether that was possible.

    None where the file system has no locks (NFS without its daemon, some of FUSE's, of clusters').
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # ENOLCK, ENOTSUP, EINVAL, ENOSYS; on NFS EBADF where it is open to be read
        return None
    return True


def grows(path: Path, pause: Callable[[float], object] = time.sleep) -> bool:
    """Watch a file for `GROWS_WITHIN`, or until it is written.

    Raises:
        OSError: it is not there.
    """
    before = _state(path.stat())
    for _ in range(round(GROWS_WITHIN / _PAUSE)):
        pause(_PAUSE)
        if _state(path.stat()) != before:
            return True
    return False


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Keep a journal whose run is over from being taken up by somebody else.

    Yields:
        Whether its run is over; if it goes on, nothing is held.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ordinary file.
    """
    while True:
        with _opened(path) as file:
            ours = lock(file)
            # Else a new file has just taken its place.
            if ours is False or os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                # Where its writer could not lock it, that this could says nothing.
                yield not grows(path) if ours is None or not _locked(file) else ours
                return


def _opened(path: Path) -> BinaryIO:
    with open_file(path):  # an ordinary one
        pass
    try:
        return path.open("r+b")  # some file systems lock nothing else
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return path.open("rb")


def _locked(file: BinaryIO) -> bool:
    """Whether the journal says that its writer has locked it."""
    try:
        return bool(orjson.loads(file.readline(_LONGEST_HEAD))["head"].get("locked", True))
    except (ValueError, KeyError, TypeError, AttributeError):
        return True  # no journal: whoever reads it will tell
