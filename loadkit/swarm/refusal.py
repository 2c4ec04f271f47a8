"""The end of a process that leads, or was to, before any load."""

import sys
import traceback
from typing import Final, NoReturn

import psutil

from loadkit.errors import LoadkitError, UsageError
from loadkit.exit_codes import ExitCode, of_error
from loadkit.output import complain
from loadkit.security.textfile import clipped

__all__ = ["FAULTY", "crash", "refuse_to_start", "uncaught"]

FAULTY: Final = "a fault of loadkit itself, please report it with this traceback: %s\n%s"


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
