"""Forks Locusts on request: each a real process as `loadkit run` starts it, at a tenth of the cost.

Reads a line of JSON for each: its arguments, its whole environment, and the file that it writes
to. Writes the pid of each, and a line `pid code` when one has ended. `ready_locust.py` asks it.
"""

import json
import os
import random
import sys
from pathlib import Path

import gevent.os
from gevent.monkey import get_original

import loadkit.swarm  # noqa: F401  what costs most is loaded here, once
from loadkit.stats import order_statistics
from loadkit.swarm import start

waitpid, select = get_original("os", "waitpid"), get_original("select", "select")
ROOT = Path(__file__).parents[2]
EVERY = 0.02  # seconds between two looks at who has ended


def be_locust(arguments: list[str], environment: dict[str, str], output: str) -> None:
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
    sys.argv = ["locust", *arguments]
    start.main()


def main() -> None:
    order_statistics.load()
    living = set()
    while True:
        if select([0], [], [], EVERY)[0]:
            line = sys.stdin.buffer.raw.readline()
            if not line:
                return
            order = json.loads(line)
            pid = gevent.os.fork()
            if not pid:
                be_locust(**order)
            living.add(pid)
            print(pid, flush=True)  # noqa: T201
        for pid in list(living):
            ended, status = waitpid(pid, os.WNOHANG)
            if ended:
                living.remove(pid)
                print(pid, os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
