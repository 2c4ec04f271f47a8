"""The processes of a benchmark, each on its core: a simulator, and a Locust master with one worker.

The worker is the generator under test and has a core to itself. Everything else, this process too,
shares the other cores; the simulator has the first of those.
"""

import os
import platform
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.truth import Truth

ROOT: Final = Path(__file__).parents[1]
STARTS: Final = 20.0  # seconds that a process gets to be ready
STOPS: Final = 10.0  # seconds from SIGTERM to SIGKILL
_LATER: Final = 10  # what a process is nice by that others go before


class BenchError(Exception):
    """A run that gives no figure, with the end of what the processes said."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of steady load."""

    begin: float  # seconds on the monotonic clock, which all processes share
    end: float
    cpu_s: float  # processor seconds, user and system, that the generator used in between
    server_cpu_s: float  # likewise the simulator
    other_cpu_s: float  # likewise all else on the machine: much of it, and the run was disturbed

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin

    @property
    def busy(self) -> tuple[float, float, float]:
        """Percent of one core that the generator, the simulator and everything else used."""
        used = self.cpu_s, self.server_cpu_s, self.other_cpu_s
        generator, server, other = (cpu_s / self.seconds * 100 for cpu_s in used)
        return generator, server, other


@dataclass(frozen=True, slots=True)
class Server:
    """A running simulator."""

    url: str
    process: psutil.Process
    truth: Path


@dataclass(frozen=True, slots=True)
class Generator:
    """A running Locust worker."""

    process: psutil.Process  # the worker itself
    log: Path  # what master and worker said
    master: "subprocess.Popen[bytes]"

    def finish(self, limit: float) -> int:
        """Let the run come to its end, within so many seconds; returns the exit code."""
        try:
            return self.master.wait(limit)
        except subprocess.TimeoutExpired:
            raise BenchError(f"the run was not over after {limit:g} s\n{self}") from None

    def await_descriptors(self, count: int, limit: float = 60.0) -> None:
        """Return as soon as the worker holds `count` file descriptors."""
        until = time.monotonic() + limit
        while (held := self.descriptors()) < count:
            if time.monotonic() > until:
                raise BenchError(f"{held} descriptors of {count} after {limit:g} s\n{self}")
            time.sleep(0.1)

    def descriptors(self) -> int:
        """How many file descriptors the worker holds: one a connection, and some of its own."""
        try:
            return int(self.process.num_fds())
        except psutil.Error as error:
            raise BenchError(f"the worker is gone: {error}\n{self}") from error

    def rss(self) -> int:
        """Resident memory in bytes."""
        return int(self.process.memory_info().rss)

    def __str__(self) -> str:
        return end_of(self.log)


class Lab:
    """Where the runs take place.

    Args:
        folder: for profiles, logs and results; the caller removes it.
        k6: the program to compare with; None where it is not installed.
    """

    def __init__(self, folder: Path, k6: Path | None = None) -> None:
        self.folder, self.k6 = folder, k6
        self._runs = 0
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.pinned = len(cores) > 1  # whether both ends have cores of their own
        self._cores = cores
        if self.pinned:
            os.sched_setaffinity(0, set(cores[1:]))  # whoever we start begins there too
        self.environment = dict(os.environ)
        self.environment["POLY_CONNECTOR_TOKEN"] = secrets.token_urlsafe(24)
        self.environment["POLY_HOST_IDENTIFIER"] = "simulated.localhost"

    @property
    def first_core(self) -> int | None:
        """The generator's; None where nothing is pinned."""
        return self._cores[0] if self.pinned else None

    def new_folder(self) -> Path:
        """An empty one for a run."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        return folder

    @contextmanager
    def server(self, dials: Sequence[str]) -> Iterator[Server]:
        """Run a simulator with `KEY=VALUE` dials. Its truth log is complete after the block."""
        self._runs += 1
        truth = self.folder / f"truth-{self._runs}.jsonl"
        command = [sys.executable, "-m", "loadkit", "simulate", "--truth", str(truth)]
        for dial in dials:
            command += ["--set", dial]
        with ExitStack() as stack:
            # Clients that are killed in mid-request leave a trace that nobody wants to read.
            log = stack.enter_context((self.folder / f"simulator-{self._runs}.log").open("wb"))
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
            stack.callback(_stop, process)
            assert process.stdout is not None
            stack.enter_context(process.stdout)
            if self.pinned:
                os.sched_setaffinity(process.pid, {self._cores[1]})
            ready, _, _ = select.select([process.stdout], [], [], STARTS)
            said = process.stdout.readline().strip() if ready else ""
            url = said.removeprefix("listening on ")
            if url == said:
                raise BenchError(f"the simulator did not start: it said {said!r}")
            yield Server(url, psutil.Process(process.pid), truth)

    @contextmanager
    def generator(
        self,
        server: Server,
        locustfile: Path,
        options: Sequence[str],
        user_class: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Generator]:
        """Run a headless Locust master and one worker against `server`; kill both at the end.

        Args:
            options: of the master; the worker gets them from it.
            user_class: who comes, of a locustfile that has no profile.
            environment: variables for both, beside those of this process.
        """
        port = str(free_port())
        base = [sys.executable, "-m", "locust", "-f", str(locustfile), "--loglevel", "WARNING"]
        base += [user_class] if user_class is not None else []
        lead = [*base, "--master", "--headless", "--expect-workers", "1", "-H", server.url]
        lead += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, *options]
        load = [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
        path = self.folder / f"locust-{self._runs}.log"
        with ExitStack() as stack:
            log = stack.enter_context(path.open("wb"))
            processes = []
            for command in (lead, load):
                variables = {**self.environment, **(environment or {})}
                process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=ROOT)
                stack.callback(_kill, process)
                processes.append(process)
            master, worker = processes
            self._pin(worker)
            # It shares a core with the simulator, which must not wait for it.
            psutil.Process(master.pid).nice(_LATER)
            yield Generator(psutil.Process(worker.pid), path, master)

    def run(self, command: Sequence[str], environment: Mapping[str, str], limit: float) -> None:
        """Run another load generator on the worker's core, to its end.

        Raises:
            BenchError: it failed, or took longer than `limit` seconds.
        """
        path = self.folder / f"other-{self._runs}.log"
        with ExitStack() as stack:
            log = stack.enter_context(path.open("wb"))
            variables = {**self.environment, **environment}
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=ROOT)
            stack.callback(_kill, process)
            self._pin(process)
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
        if code != 0:
            ended = f"was not over after {limit:g} s" if code is None else f"exited with {code}"
            raise BenchError(f"{command[0]} {ended}\n{end_of(path)}")

    def _pin(self, process: "subprocess.Popen[bytes]") -> None:
        """Give a process the generator's core."""
        if self.pinned:
            os.sched_setaffinity(process.pid, {self._cores[0]})

    def profile(self, name: str, text: str) -> Path:
        """Write a profile (or another file of a run) and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def quiet(self) -> list[str]:
        """Options that keep a run of loadkit out of the user's results."""
        return ["--out", str(self.folder / "results")]


def watch(server: Server, generator: Generator, warm_up: float, seconds: float) -> Window:
    """Let the load settle, then measure for a while."""
    time.sleep(warm_up)
    try:
        before = _readings(server, generator)
        time.sleep(seconds)
        after = _readings(server, generator)
    except psutil.Error as error:
        raise BenchError(f"a process died: {error}\n{generator}") from error
    cpu_s, server_cpu_s, all_s = (after[i] - before[i] for i in (1, 2, 3))
    other_s = max(0.0, all_s - cpu_s - server_cpu_s)  # clocks of different grain
    return Window(before[0], after[0], cpu_s, server_cpu_s, other_s)


def truth_of(server: Server, generator: Generator, window: Window) -> Truth:
    """What the server saw in the window; the run counts only if nothing failed there."""
    truth = Truth.read(server.truth, window.begin, window.end)
    server.truth.unlink()
    if truth.refused or truth.nonsense or not (truth.turns or truth.joins):
        raise BenchError(f"not the exchange that was meant: {truth}\n{generator}")
    return truth


def machine() -> str:
    """The processor, how many cores of it, and the Python."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = psutil.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def _readings(server: Server, generator: Generator) -> tuple[float, float, float, float]:
    """Now, and processor seconds so far: the generator's, the simulator's, the machine's."""
    return time.monotonic(), _cpu(generator.process), _cpu(server.process), machine_cpu_s()


def machine_cpu_s() -> float:
    """Processor seconds that the whole machine has used, those included that its host took away."""
    whole = psutil.cpu_times()
    everything = sum(whole) - whole.idle - getattr(whole, "iowait", 0.0)
    everything -= getattr(whole, "guest", 0.0) + getattr(whole, "guest_nice", 0.0)  # in user
    return float(everything)


def end_of(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()  # nothing of its results is wanted, and an orderly end takes seconds
    process.wait()
