"""A process of the swarm: what it is tied to, its interrupts, where it stands, how it ends."""

import os
import signal
import sys
import traceback
from typing import Final, Literal, NoReturn

import psutil
from gevent.monkey import get_original
from locust.runners import STATE_CLEANUP, Runner

from loadkit.errors import LoadkitError, UsageError
from loadkit.exit_codes import ExitCode, of_error
from loadkit.machine import lifeline
from loadkit.output import complain
from loadkit.security.textfile import clipped

FAULTY: Final = "a fault of loadkit itself, please report it with this traceback: %s\n%s"
NATIVE_THREAD: Final = get_original("_thread", "start_new_thread")  # a greenlet else

Stage = Literal["before", "under way", "ending", "writing"]
"""Where a process that leads stands: no run has begun, one goes on, its users leave, or it is all
handed over."""


def tie_workers() -> None:
    """Have the workers that this process forks end with it. May be called many times."""
    lifeline.tie_forks(
        # On its own there is a master elsewhere, to hand over to.
        lambda: lifeline.LEADER_ENDS if is_on_its_own() else lifeline.WORKER_ENDS,
        NATIVE_THREAD,
    )


def tie_to_parent(within: float) -> None:
    """Have this process end, within so many seconds, with the one that started it, if ours did."""
    lifeline.watch(within, thread=NATIVE_THREAD)


def is_on_its_own() -> bool:
    """Whether this worker was started as such; one that a master forked has the master's words."""
    if lifeline.is_tied():
        return False  # started again in the place of one that was forked
    return "--worker" in sys.argv or "LOCUST_MODE_WORKER" in os.environ


def take_interrupts() -> None:
    """Take a Ctrl-C from here on, and now the one that was kept since `loadkit.launch`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def cut_off(runner: Runner) -> None:
    """Wait for no user of this process any more, were it in the midst of that."""
    runner.environment.stop_timeout = 0.0
    if runner.state == STATE_CLEANUP:
        runner.user_greenlets.kill(block=False)


def refuse_to_start(error: LoadkitError) -> NoReturn:
    """Say why, and end it all: nothing else tells workers that `--processes` forked."""
    complain(str(error))
    _end(of_error(error))


def crash(error: Exception) -> NoReturn:
    """Say that this tool is at fault, and end it all."""
    trace = "".join(traceback.format_exception(error))
    complain(FAULTY % (f"{type(error).__name__}: {error}", trace))
    _end(ExitCode.FAULT_OF_OURS)


def uncaught(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """End as the command line ends, where Python would with 1, the code of a broken objective.

    It takes the place of `sys.excepthook`: what reaches it was raised in Locust's own code, in
    ours, or by a file that an option of Locust's names.
    """
    if not isinstance(error, Exception):
        sys.__excepthook__(kind, error, None)
        return
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.filename is not None:
            refuse_to_start(UsageError(f"{clipped(str(at.filename))}: {at.strerror}"))
        at = at.__cause__ or at.__context__
    crash(error)


def _end(code: int) -> NoReturn:
    for child in psutil.Process().children():
        child.kill()  # they have nothing to lose yet; Locust waits for them as it exits
    sys.exit(code)
