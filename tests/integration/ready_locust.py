"""Commands that are forked from one that has loaded all: for tests that are not about their start.

Each is a process with a session of its own, whose command line in the system's list is the
nursery's. What is read as Python starts or a module is imported is as it was for the first of them.
"""

import atexit
import fcntl
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

STARTS = 60.0  # seconds; nothing waits for it to pass
LOCUSTS = "LOADKIT_TEST_LOCUSTS"  # as in `nursery.py`


class ReadyLocust:
    """One of them, with so much of `subprocess.Popen` as is needed.

    Attributes:
        pid: its number, and that of its session and its process group.
    """

    def __init__(self, pid: int, code: "Future[int]") -> None:
        self.pid, self._code = pid, code

    def poll(self) -> int | None:
        """Its exit code; None while it lives."""
        return self._code.result() if self._code.done() else None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still lives then.
        """
        try:
            return self._code.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired("a command", timeout or 0) from None

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class _Nursery:
    """The process that forks them, `nursery.py`: one for all that test in one run of pytest.

    Attributes:
        path: where it can be reached.
    """

    def __init__(self, command: str) -> None:
        self._ordered: deque[Future[ReadyLocust]] = deque()
        self._codes: dict[int, Future[int]] = {}
        self._turn = threading.Lock()
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        self.path = path = Path(tempfile.gettempdir(), f"loadkit-{run}-{command}")
        self._connection = socket.socket(socket.AF_UNIX)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._connection.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                path.unlink(missing_ok=True)
                self._start(command, path)
                self._connection.connect(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        atexit.register(self._close)

    def _start(self, command: str, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen()
            nursery = Path(__file__).with_name("nursery.py")
            subprocess.run(
                [sys.executable, nursery, command, str(door.fileno()), path],
                pass_fds=[door.fileno()],
                check=True,
            )

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> ReadyLocust:
        order = {"arguments": arguments, "environment": environment, "output": str(output)}
        born: Future[ReadyLocust] = Future()
        with self._turn:
            self._ordered.append(born)
            self._connection.sendall(json.dumps(order).encode() + b"\n")
        return born.result(STARTS)

    def _read(self) -> None:
        with self._connection.makefile() as lines:
            for line in lines:
                pid, *code = map(int, line.split())
                if code:
                    self._codes.pop(pid).set_result(code[0])
                else:
                    self._codes[pid] = Future()
                    self._ordered.popleft().set_result(ReadyLocust(pid, self._codes[pid]))

    def _close(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()


@functools.cache
def _nursery(command: str) -> _Nursery:
    """One of each: what it costs is spent once."""
    return _Nursery(command)


_first = threading.Lock()


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    command: str = "locust",
) -> ReadyLocust:
    """Start a command.

    Args:
        arguments: those behind it.
        environment: all of it.
        output: the file that both of its streams are appended to.
        command: `locust` or `loadkit`; or `both`, a `loadkit` that has its Locust from there, too.
    """
    with _first:
        if command == "both":
            environment = {**environment, LOCUSTS: str(_nursery("locust").path)}
            command = "loadkit"
        nursery = _nursery(command)
    return nursery.start(arguments, environment, output)
