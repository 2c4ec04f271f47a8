"""What a command says as it ends: the exit codes, each with one meaning."""

from enum import IntEnum
from typing import Final

from loadkit.errors import LoadkitError, TargetError

_SIGNALS: Final = 128
"""What shells add to the number of the signal that ended a process."""


class ExitCode(IntEnum):
    """Of `loadkit` and, of a run, of `locust` alike; README.md has them as a table."""

    OK = 0
    FAILED = 1  # an objective is broken, or a check found what is wrong
    USAGE = 2  # the user can mend it: a flag, a profile, a file, a secret
    INVALID = 3  # the generator was the limit, or the load asked for was not delivered
    UNREACHABLE = 4  # the target cannot be reached or refuses the credentials
    FAULT_OF_OURS = 70  # as in BSD's sysexits.h, EX_SOFTWARE
    INTERRUPTED = 130  # by SIGINT, where there is nothing to end in order


OF_A_RUN: Final = (
    ExitCode.OK,
    ExitCode.FAILED,
    ExitCode.USAGE,
    ExitCode.INVALID,
    ExitCode.FAULT_OF_OURS,
)
"""Those that a run may come to, which its results keep."""


def of_error(error: LoadkitError) -> ExitCode:
    """Return the one of a command that an error ends."""
    return ExitCode.UNREACHABLE if isinstance(error, TargetError) else ExitCode.USAGE


def of_signal(number: int) -> int:
    """Return the one of a command that a signal ends."""
    return _SIGNALS + number
