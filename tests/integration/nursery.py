"""Forks commands on request: each a real process as a shell starts it, at a tenth of the cost.

Its arguments say which, `locust`, as `loadkit run` starts it, or `loadkit`; the descriptor of the
socket at which those who test connect; its path, beside which is the file that they lock for that
time. Reads a line of JSON for each process: its arguments, its whole environment, and the file that
it writes to. Writes the pid of each, and a line `pid code` when one has ended. It goes when all who
were connected have gone. `ready_locust.py` starts and asks it.
"""

import _socket
import atexit
import contextlib
import fcntl
import gc
import json
import os
import random
import select
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadkit.machine import quick_start

ROOT = Path(__file__).parents[2]
EVERY = 0.02  # seconds between two looks at who has ended
_select, _waitpid, _fork = select.select, os.waitpid, os.fork
_Socket = _socket.socket  # the system's, as the others: Locust patches what is above it


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


class Client:
    """A process that tests, at one end of a connection."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""

    def fileno(self) -> int:
        return self._descriptor

    def orders(self) -> list[bytes] | None:
        """What came since; None if it has gone."""
        try:
            read = os.read(self._descriptor, 1 << 16)
        except ConnectionError:
            return None
        *lines, self._rest = (self._rest + read).split(b"\n")
        return lines if read else None

    def tell(self, *words: int) -> None:
        with contextlib.suppress(OSError):  # it has gone
            os.write(self._descriptor, " ".join(map(str, words)).encode() + b"\n")

    def close(self) -> None:
        os.close(self._descriptor)


def is_over(door: Any, path: Path) -> bool:
    """Whether nobody connects; nobody can who has not seen that the path is gone."""
    lock = path.with_suffix(".lock")
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if _select([door], [], [], 0)[0]:
            return False
        path.unlink()
        lock.unlink()
        return True


def main() -> None:
    command, descriptor, path = sys.argv[1:]
    if os.fork():
        os._exit(0)  # nobody need wait for its end
    os.setsid()
    quick_start.begin()
    with quick_start.entry_points_read_once():
        run = {"locust": locust, "loadkit": loadkit}[command]()
    quick_start.over()
    door = _Socket(fileno=int(descriptor))
    clients: set[Client] = set()
    living: dict[int, Client] = {}
    while clients or not is_over(door, Path(path)):
        for ready in _select([door, *clients], [], [], EVERY)[0]:
            if ready is door:
                clients.add(Client(door._accept()[0]))
                continue
            orders = ready.orders()
            if orders is None:
                clients.remove(ready)
                ready.close()
            for order in orders or ():
                pid = _fork()
                if not pid:
                    for each in (door, *clients):
                        each.close()
                    be(command, run, **json.loads(order))
                living[pid] = ready
                ready.tell(pid)
        for pid in list(living):
            ended, status = _waitpid(pid, os.WNOHANG)
            if ended:
                living.pop(pid).tell(pid, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
