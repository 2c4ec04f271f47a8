"""Locust as `loadkit` starts it: told by this command line alone.

`locust` itself also takes options from `LOCUST_*` variables, `~/.locust.conf`, `locust.conf` and
`pyproject.toml`, wherever it happens to run.
"""

import sys
import traceback
from typing import Any

from locust import argument_parser
from locust.main import main as locust_main

from loadkit import output
from loadkit.errors import UsageError
from loadkit.machine import quick_start
from loadkit.swarm.process import crash, refuse_to_start
from loadkit.swarm.worker.blame import own_frames


def main() -> None:
    """Run `locust`; the variables are gone by now, as some of them count when it is imported."""
    quick_start.over()
    output.guard()
    read_no_files()
    sys.argv[0] = "locust"
    try:
        locust_main()
    except Exception as error:  # where Locust would end with 1, the code of a broken objective
        if isinstance(error, SyntaxError) or own_frames(error):
            trace = "".join(traceback.format_exception(error))
            refuse_to_start(UsageError(f"your locustfile cannot be read: {error!r}\n{trace}"))
        crash(error)


def read_no_files() -> None:
    """Have Locust's parsers of this process look for no file of options."""
    no_files: tuple[str, ...] = ()
    empty: Any = argument_parser.get_empty_argument_parser
    empty.__defaults__ = (True, no_files)
    whole: Any = argument_parser.get_parser
    whole.__defaults__ = (no_files,)
