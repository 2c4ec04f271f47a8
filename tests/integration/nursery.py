"""Forks commands on request: each a real process as a shell starts it, at a tenth of the cost.

Its one argument says which: `locust`, as `loadkit run` starts it, or `loadkit`. Reads a line of
JSON for each: its arguments, its whole environment, and the file that it writes to. Writes the pid
of each, and a line `pid code` when one has ended. `ready_locust.py` asks it.
"""

import atexit
import gc
import json
import os
import random
import select
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from loadkit.machine import quick_start

ROOT = Path(__file__).parents[2]
EVERY = 0.02  # seconds between two looks at who has ended
_select, _waitpid, _fork = select.select, os.waitpid, os.fork


def locust() -> Callable[[], object]:
    """What a process is to do, once what costs most is loaded."""
    import gevent.os

    from loadkit.codec import Codec
    from loadkit.stats import order_statistics
    from loadkit.swarm.locust_internals import start

    global _fork
    _fork = gevent.os.fork  # the others here are the system's own, taken before Locust patches them
    order_statistics.load()
    for each in gc.get_objects():
        if isinstance(each, Codec):
            each.prepare()
    return start.main


def loadkit() -> Callable[[], object]:
    import loadkit.__main__
    import loadkit.cli
    import loadkit.launch
    import loadkit.planner.terminal
    import loadkit.readiness.doctor
    import loadkit.report.terminal
    import loadkit.results.run_folder
    import loadkit.results.status
    import loadkit.simulator

    return lambda: sys.exit(loadkit.__main__.main())


def be(
    command: str,
    main: Callable[[], object],
    arguments: list[str],
    environment: dict[str, str],
    output: str,
) -> None:
    os.setsid()
    os.chdir(ROOT)
    files = [(os.devnull, os.O_RDONLY), (output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)]
    for number, (path, flags) in enumerate(files):
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    sys.argv = [command, *arguments]
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    # As Python ends, up to where it takes all that is loaded apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    assert isinstance(code, int), code
    os._exit(code)


def main() -> None:
    quick_start.begin()
    command = sys.argv[1]
    run = {"locust": locust, "loadkit": loadkit}[command]()
    quick_start.over()
    living = set()
    while True:
        if _select([0], [], [], EVERY)[0]:
            line = sys.stdin.buffer.raw.readline()
            if not line:
                return
            order = json.loads(line)
            pid = _fork()
            if not pid:
                be(command, run, **order)
            living.add(pid)
            print(pid, flush=True)  # noqa: T201
        for pid in list(living):
            ended, status = _waitpid(pid, os.WNOHANG)
            if ended:
                living.remove(pid)
                print(pid, os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
