"""Forks commands on request: each a real process as a shell starts it, at a tenth of the cost.

Its arguments say which, `locust`, as `loadkit run` starts it, or `loadkit`; the descriptor of the
socket at which those who test connect; its path, beside which is the file that they lock for that
time. Reads a line of JSON for each process: its arguments, its whole environment, and the file that
it writes to. Writes the pid of each, and a line `pid code` when one has ended. It goes when all who
were connected have gone. `ready_locust.py` starts and asks it.

A `loadkit` that is forked by one may have its Locust from another: it connects, and sends the
descriptors that this is to have.
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
import signal
import socket
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from loadkit.machine import lifeline, quick_start

ROOT = Path(__file__).parents[2]
EVERY = 0.02  # seconds between two looks at who has ended
LOCUSTS = "LOADKIT_TEST_LOCUSTS"  # in a `loadkit`'s environment: where its Locust is forked
FAMILY = "LOADKIT_TEST"  # a file to which the session of each that is forked is added
LARGEST, FILES = 1 << 16, 3
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

    def main() -> None:
        if LOCUSTS in os.environ:
            setattr(lifeline, "subprocess", SimpleNamespace(Popen=popen))  # noqa: B010
        sys.exit(loadkit.__main__.main())

    return main


def popen(command: Sequence[str], **options: Any) -> "ItsLocust | subprocess.Popen[Any]":
    """As `loadkit` starts what it starts, but for a Locust, which is forked ready."""
    if command[1:3] == ["-m", "loadkit.start_locust"]:
        return ItsLocust(command[3:], options["env"], options["pass_fds"])
    return subprocess.Popen(command, **options)


class ItsLocust:
    """Forked elsewhere, so that it is no child; so much of `subprocess.Popen` as is needed."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], lifelines: Sequence[int]
    ) -> None:
        nursery = socket.socket(socket.AF_UNIX)
        nursery.connect(os.environ[LOCUSTS])
        masked = [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
        order = {"arguments": arguments, "environment": dict(environment), "masked": masked}
        socket.send_fds(nursery, [json.dumps(order).encode() + b"\n"], [1, 2, *lifelines])
        self._told = nursery.makefile()
        self.pid = int(self._told.readline())

    def wait(self) -> int:
        return int(self._told.readline().split()[1])

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def be(
    command: str,
    main: Callable[[], object],
    arguments: list[str],
    environment: dict[str, str],
    output: str = "",
    files: Sequence[int] = (),
) -> None:
    """Be the command, in a session of its own.

    Args:
        output: the file that it writes to; else it writes to the first two of `files`.
        files: descriptors that it is given; the third is its lifeline.
    """
    os.setsid()
    os.chdir(ROOT)
    if output:
        files = [os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)] * 2
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, *files[:2])):
        os.dup2(file, number)
    for file in {nothing, *files[:2]}:
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    if len(files) == FILES:
        os.environ[lifeline.VARIABLE] = str(files[-1])
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
    """A process that tests, or one of its `loadkit`s, at one end of a connection.

    Attributes:
        files: descriptors that came with what it ordered.
    """

    def __init__(self, descriptor: int) -> None:
        self._connection, self._rest, self.files = _Socket(fileno=descriptor), b"", array("i")

    def fileno(self) -> int:
        return self._connection.fileno()

    def orders(self) -> list[bytes] | None:
        """What came since; None if it has gone."""
        try:
            room = socket.CMSG_SPACE(FILES * self.files.itemsize)
            read, sent, _, _ = self._connection.recvmsg(LARGEST, room)
        except ConnectionError:
            return None
        for _, _, descriptors in sent:
            self.files.frombytes(descriptors)
        *lines, self._rest = (self._rest + read).split(b"\n")
        return lines if read else None

    def tell(self, *words: int) -> None:
        with contextlib.suppress(OSError):  # it has gone
            os.write(self.fileno(), " ".join(map(str, words)).encode() + b"\n")

    def close(self) -> None:
        for file in self.files:
            os.close(file)
        self._connection.close()


def add_to_family(pid: int, environment: dict[str, str]) -> None:
    with open(environment.get(FAMILY, os.devnull), "a") as family:
        family.write(f"{pid}\n")


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
            for order in map(json.loads, orders or ()):
                # Before it is there: who asked may send it one as soon as its pid is known.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, order.pop("masked", ()))
                pid = _fork()
                if not pid:
                    files, ready.files = ready.files, array("i")
                    for each in (door, *clients):
                        each.close()
                    be(command, run, files=files, **order)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                add_to_family(pid, order["environment"])
                living[pid] = ready
                ready.tell(pid)
        for pid in list(living):
            ended, status = _waitpid(pid, os.WNOHANG)
            if ended:
                living.pop(pid).tell(pid, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
