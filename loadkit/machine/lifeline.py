"""Who was started by a process of ours ends soon after it: nobody watches what goes on then.

Each process alone holds the writing end of a pipe, and those whom it starts the reading end:
however it dies, the system closes what it held, and they read the end of file. That is so on every
system, for threads and forks alike, and if it dies before they have come to look: none of which
holds for Linux' `PR_SET_PDEATHSIG`.
"""

import _thread
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

VARIABLE: Final = "LOADKIT_LIFELINE"  # the descriptor to read, for those that are started

# Seconds from the parent's death to SIGKILL's like. One after the other they make 5 at most: the
# leader has its workers stop; they outlive it only if it was killed; their target stays for all of
# that, or its end would be in the results as its failure.
LEADER_ENDS: Final = 2.8
WORKER_ENDS: Final = 1.0
TARGET_STAYS: Final = LEADER_ENDS + WORKER_ENDS
TARGET_ENDS: Final = 1.0

_own: tuple[int, int] | None = None  # reading and writing end, for those whom this process starts
_parents: int | None = None  # the reading end that the parent gave
_forks_are_tied = _cut = False

Thread = Callable[[Callable[..., None], tuple[Any, ...]], object]


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a process in order: a hang-up too, unless it is ignored (`nohup`)."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


def is_cut() -> bool:
    """Whether the process that started this one is gone, and this one to end for that reason."""
    return _cut


def is_tied() -> bool:
    """Whether this process was made by `start`."""
    _take_parents()
    return _parents is not None


def start(
    command: Sequence[str], environment: Mapping[str, str], **options: Any
) -> "subprocess.Popen[Any]":
    """Start a process that can `watch` this one's life; options are of `subprocess.Popen`."""
    reading, _ = _pipe()
    environment = {**environment, VARIABLE: str(reading)}
    return subprocess.Popen(command, env=environment, pass_fds=[reading], **options)


def watch(within: float, *, after: float = 0.0, thread: Thread = _thread.start_new_thread) -> None:
    """End with the process that has started this one, if that was `start`.

    Args:
        within: seconds to end in order, from a SIGTERM on; a process that takes longer is killed.
        after: seconds from the other's death to that SIGTERM.
        thread: starts a thread of the system's, where `_thread` starts something else.
    """
    _take_parents()
    if _parents is not None:
        thread(_follow, (_parents, within, after))


def tie_forks(within: Callable[[], float], thread: Thread) -> None:
    """Have those whom this process forks from now on end with it. May be called twice."""
    global _forks_are_tied
    _take_parents()
    if _forks_are_tied:
        return
    _forks_are_tied = True

    def in_fork() -> None:
        global _own, _parents
        assert _own is not None
        reading, writing = _own
        _own = _parents = None
        os.close(writing)
        thread(_follow, (reading, within(), 0.0))

    os.register_at_fork(before=_pipe, after_in_child=in_fork)


def _pipe() -> tuple[int, int]:
    global _own
    if _own is None:
        _own = os.pipe()
    return _own


def _take_parents() -> None:
    """Take the parent's descriptor from the environment, which a fork or a child gets, too."""
    global _parents
    if VARIABLE in os.environ:
        _parents = int(os.environ.pop(VARIABLE))


def _follow(reading: int, within: float, after: float) -> None:
    global _cut
    os.read(reading, 1)  # nobody ever writes
    _cut = True
    if after:
        time.sleep(after)
    # Without a handler of its own this signal is the end, however busy the process is with itself.
    signal.setitimer(signal.ITIMER_REAL, within)
    os.kill(os.getpid(), signal.SIGTERM)
