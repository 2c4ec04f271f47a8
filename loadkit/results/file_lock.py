"""Whether somebody writes a file: told by a lock, or where there are none by whether it grows."""

import fcntl
import time
from collections.abc import Callable
from os import stat_result
from pathlib import Path
from typing import Final, Protocol

__all__ = ["GROWS_WITHIN", "grows", "lock"]

GROWS_WITHIN: Final = 5.0
"""Seconds in which a file that gets a line a second will have got one."""

_PAUSE: Final = 0.2  # seconds between two looks


class _Open(Protocol):
    def fileno(self) -> int: ...


def lock(file: _Open) -> bool | None:
    """Lock an open file, until it is closed, for its one writer.

    Returns:
        Whether that was possible, or somebody has locked it; None where the file system has no
        locks (NFS without its daemon, some of FUSE's and of clusters').
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


def _state(found: stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns
