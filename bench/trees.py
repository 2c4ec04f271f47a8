"""The processes of one generator: all that a command started, on one core, measured as one."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.processes import ROOT, BenchError, end_of


class Tree:
    """The processes that were started, with all of their children."""

    def __init__(self, started: Sequence["subprocess.Popen[bytes]"], log: Path) -> None:
        self.started, self.log = started, log

    def processes(self) -> list[psutil.Process]:
        """All that live now."""
        found = {}
        for process in self.started:
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                for one in (root, *root.children(recursive=True)):
                    found[one.pid] = one
        return list(found.values())

    def cpu_s(self) -> dict[int, float]:
        """Seconds of processor that each has used, to the nanosecond: what `getrusage` sums up."""
        used = {}
        for process in self.processes():
            with contextlib.suppress(OSError, psutil.NoSuchProcess):  # it is gone
                if sys.platform != "linux":
                    used[process.pid] = sum(process.cpu_times()[:2])
                    continue
                # The clock of another process, all threads and those that ended; Linux'
                # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED), as of clock_getcpuclockid(3).
                used[process.pid] = time.clock_gettime(~process.pid << 3 | 2)
        return used

    def rss(self) -> int:
        """Resident memory in bytes; what two of them share counts twice."""
        return sum(process.memory_info().rss for process in self.processes())

    def wait_for(self, what: str, limit: float, true: Callable[[], bool]) -> None:
        """Return once something is true; raises BenchError after `limit` seconds, or a death."""
        until = time.monotonic() + limit
        while not true():
            dead = [one for one in self.started if one.poll() is not None]
            if dead or time.monotonic() > until:
                why = f"ended with {dead[0].returncode}" if dead else f"not within {limit:g} s"
                raise BenchError(f"{what}: {why}\n{end_of(self.log)}")
            time.sleep(0.2)

    def finish(self, limit: float) -> None:
        """Let the first of them come to its end."""
        try:
            self.started[0].wait(limit)
        except subprocess.TimeoutExpired:
            raise BenchError(f"was not over after {limit:g} s\n{end_of(self.log)}") from None

    def kill(self) -> None:
        """End all of it."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self.started:
            started.wait()


@contextmanager
def tree(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path, core: int | None
) -> Iterator[Tree]:
    """Start commands on a core, and end them, and all that they started, behind the block."""
    started: list[subprocess.Popen[bytes]] = []
    running = Tree(started, log)
    mine = os.sched_getaffinity(0)
    try:
        with log.open("wb") as said:
            if core is not None:  # children begin where we are: some count the cores as they start
                os.sched_setaffinity(0, {core})
            for command in commands:
                process = subprocess.Popen(
                    command, env=environment, stdout=said, stderr=said, cwd=ROOT
                )
                started += [process]  # at once: it is ended, too, where a later one fails
            os.sched_setaffinity(0, mine)
        yield running
    finally:
        os.sched_setaffinity(0, mine)
        running.kill()
