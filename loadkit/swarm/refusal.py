"""The end of a process that leads, or was to, before any load."""

import sys
from typing import NoReturn

import psutil

from loadkit.errors import LoadkitError, TargetError
from loadkit.output import complain

__all__ = ["refuse_to_start"]

USAGE, UNREACHABLE = 2, 4  # exit codes


def refuse_to_start(error: LoadkitError) -> NoReturn:
    """Say why, and end it all: nothing else tells workers that `--processes` forked."""
    complain(str(error))
    for child in psutil.Process().children():
        child.kill()  # they have nothing to lose yet; Locust waits for them as it exits
    sys.exit(UNREACHABLE if isinstance(error, TargetError) else USAGE)
