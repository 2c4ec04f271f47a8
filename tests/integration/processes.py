"""Real processes for tests: started as a user starts them, watched, and never left behind."""

import contextlib
import csv
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import ready_locust
from simulator_client import simulators as simulators_in_thread

from loadkit.simulator import ConnectorCredentials

ROOT = Path(__file__).parents[2]
LOADKIT = str(Path(sys.executable).with_name("loadkit"))
LOCUST = str(Path(sys.executable).with_name("locust"))
READY_LOCUST, READY_LOADKIT = "a locust that is ready", "a loadkit that is ready"
"""In a command's first place: forked from one that has loaded all, at a tenth of the cost. What it
starts itself is not."""
READY_BOTH = "a loadkit that is ready, as is its locust"
"""Likewise; and what `loadkit` has to say to a Locust is said to one that is forked, too."""
READY = {READY_LOCUST: "locust", READY_LOADKIT: "loadkit", READY_BOTH: "both"}
TOKEN, HOST = "a-connector-token-that-nobody-may-see", "shop.example"
SECRETS = {"POLY_CONNECTOR_TOKEN": TOKEN, "POLY_HOST_IDENTIFIER": HOST}
QUICK = (
    "agent.join=10ms",
    "agent.greeting=20ms",
    "agent.thinking=5ms",
    "agent.first_response=40ms",
    "agent.gap=5ms",
)
PATIENCE = 60.0  # seconds before a test gives up; nothing waits for it to pass
# In the environment of all that a `Started` starts, however deep: a file. What is forked ready, and
# shows another environment, adds its session to it.
_MARK = "LOADKIT_TEST"


def profile(
    folder: Path,
    *,
    name: str = "tiny",
    seconds: float = 3,
    users: int = 6,
    warmup: float = 0,
    turns: str = "{ min = 1, max = 3 }",
    pause: str = "500ms",
    more: str = "",
) -> Path:
    """Write a profile that is quick to run: all its users are asked for at once."""
    path = folder / f"{name}.toml"
    path.write_text(
        f"""# Does it work at all?
[load]
stages = [{{ duration = "0s", users = {users} }}, {{ duration = "{seconds}s", users = {users} }}]
warmup = "{warmup}s"
seed = 7
[mix]
CompleteChat = 50
StreamingChat = 50
[conversation]
turns = {turns}
pause = "{pause}"
time_scale = 0.02
{more}
"""
    )
    return path


def as_run(
    path: str | Path,
    url: str,
    out: Path,
    *more: str | Path,
    workers: int = 1,
    locustfile: Path = ROOT / "locustfile.py",
) -> list[str | Path]:
    """The Locust that `loadkit run` starts, without waiting for it to load: for `started`."""
    command: list[str | Path] = [READY_LOCUST, "-f", locustfile, "--headless"]
    command += ["--loglevel", "WARNING", "--profile", path, "-H", url, "--out", out]
    return [*command, *forked(workers), *more]


def environment(pid: int) -> list[bytes]:
    """What a process was started with; much quicker than psutil, where there is `/proc`."""
    if psutil.LINUX:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return [f"{name}={text}".encode() for name, text in psutil.Process(pid).environ().items()]


def doors(path: Path, url: str, out: Path) -> list[list[str | Path]]:
    """The same run by `loadkit`, and by `locust` with a worker and alone."""
    return [
        [READY_BOTH, "run", path, "--host", url, "--workers", "1", "--out", out],
        [READY_LOCUST, "--headless", "--profile", path, "-H", url, "--out", out, *forked(1)],
        [READY_LOCUST, "--headless", "--profile", path, "-H", url, "--out", out],
    ]


class Finished(NamedTuple):
    """A process that has ended: its exit code and what it said on both streams."""

    code: int
    output: str


class Started:
    """A process in a group of its own, with all that it starts.

    Attributes:
        group: its process group, which is what a terminal's Ctrl-C goes to.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        output: Path,
        place: Path | None = None,
    ) -> None:
        self._output, self._family = output, output.with_suffix(".family")
        self._family.touch()
        self._ended = False
        clean = {key: value for key, value in os.environ.items() if not key.startswith("POLY_")}
        whole = {**clean, "COLUMNS": "120", **environment, _MARK: str(self._family)}
        self._process: subprocess.Popen[bytes] | ready_locust.ReadyLocust
        with output.open("wb") as file:
            if (ready := READY.get(command[0])) is not None:
                self._process = ready_locust.start(command[1:], whole, place or output, ready)
            else:
                self._process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=whole,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        self.group = self._process.pid

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """A signal to the process alone."""
        self._process.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """A signal to the whole group, as a terminal sends it."""
        os.killpg(self.group, number)

    def wait_for(self, happened: Callable[[], Any], what: str) -> Any:
        """What `happened` returns, once it is something."""
        until = time.monotonic() + PATIENCE
        used = time.thread_time()
        while not (result := happened()):
            assert self.running, f"it ended before {what}:\n{self.output}"
            assert time.monotonic() < until, f"never {what}:\n{self.output}"
            # What takes long to find out is asked less often: others need the processor.
            used, before = time.thread_time(), used
            time.sleep(max(0.05, 9 * (used - before)))
        return result

    def finish(self, within: float = PATIENCE) -> Finished:
        """Wait for its end, and see to it that nothing it started lives on."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.output}") from None
        left = self.family()
        assert not left, f"left behind: {[process.cmdline() for process in left]}"
        self._ended = True
        return Finished(code, self.output)

    def family(self) -> list[psutil.Process]:
        """Every living process that it started, itself included."""
        sessions = {self.group, *map(int, self._family.read_text().split())}
        mark = f"{_MARK}={self._family}".encode()
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                # A fork shows its parent's environment, so workers are found too.
                ours = os.getsid(pid) in sessions or mark in environment(pid)
                # A zombie is over: only its exit code is still to be read.
                if ours and (one := psutil.Process(pid)).status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found

    def destroy(self) -> None:
        if self._ended:  # and nobody is left
            return
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait()


@contextlib.contextmanager
def started(
    command: Sequence[str | Path],
    folder: Path,
    environment: dict[str, str] | None = None,
    place: Path | None = None,
) -> Iterator[Started]:
    """A process that is gone, with all it has started, when the block is over.

    Args:
        folder: where its output is kept.
        environment: what is added to this process' own, which has no secrets.
        place: where what is forked ready writes instead.
    """
    output = folder / f"{uuid.uuid4().hex}.out"
    process = Started([str(word) for word in command], environment or {}, output, place)
    try:
        yield process
    finally:
        process.destroy()


def run(
    command: Sequence[str | Path],
    folder: Path,
    environment: dict[str, str] | None = None,
    within: float = PATIENCE,
) -> Finished:
    """Start a process and wait for its end."""
    with started(command, folder, environment) as process:
        return process.finish(within)


class Simulator:
    """A simulated service that knows `TOKEN`.

    Attributes:
        url: where it listens.
        truth: its log.
    """

    def __init__(self, url: str, truth: Path, stop: Callable[[], object]) -> None:
        self.url, self.truth, self._stop = url, truth, stop

    def stop(self) -> "Truth":
        """Have it write the rest of its truth log and go."""
        self._stop()
        return Truth(self.truth)


@contextlib.contextmanager
def simulators(folder: Path, number: int, *dials: str) -> Iterator[list[Simulator]]:
    """Quick ones, all in a thread of this process, where a start costs next to nothing.

    Who stops one stops them all.
    """
    truths = [folder / f"{uuid.uuid4().hex}.truth" for _ in range(number)]
    knows = ConnectorCredentials(TOKEN, HOST)
    with contextlib.ExitStack() as stack:
        clients = stack.enter_context(
            simulators_in_thread(*QUICK, *dials, truths=truths, knows=knows)
        )
        yield [
            Simulator(client.url, truth, stack.close)
            for client, truth in zip(clients, truths, strict=True)
        ]


@contextlib.contextmanager
def simulator(folder: Path, *dials: str) -> Iterator[Simulator]:
    """One of them."""
    with simulators(folder, 1, *dials) as (one,):
        yield one


class SimulatorProcess(Simulator):
    """One in a process of its own, which can be killed.

    Attributes:
        process: it.
    """

    def __init__(self, url: str, truth: Path, process: Started) -> None:
        super().__init__(url, truth, self._end)
        self.process = process

    def _end(self) -> None:
        self.process.send(signal.SIGTERM)
        assert self.process.finish().code == 0


@contextlib.contextmanager
def simulator_process(folder: Path, *dials: str, port: int = 0) -> Iterator[SimulatorProcess]:
    """A quick one by its command; at any port, unless told."""
    truth = folder / f"{uuid.uuid4().hex}.truth"
    command: list[str | Path] = [READY_LOADKIT, "simulate", "--port", str(port), "--truth", truth]
    for dial in (*QUICK, *dials):
        command += ["--set", dial]
    with started(command, folder, SECRETS) as process:
        said = process.wait_for(
            lambda: re.match(r"listening on (\S+)\n", process.output), "listening"
        )
        yield SimulatorProcess(said[1], truth, process)


class Truth:
    """What the server knows to have happened."""

    def __init__(self, path: Path) -> None:
        self._records = [json.loads(line) for line in path.read_text().splitlines()]

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The records of a kind whose fields are these."""
        return [
            record
            for record in self._records
            if record["kind"] == kind
            and all(record[name] == value for name, value in fields.items())
        ]

    def answer_times(self) -> list[float]:
        """Milliseconds from each message to its complete answer, sorted."""
        return sorted(
            (turn["events"][-1]["at"] - turn["received"]) * 1000
            for turn in self.of("turn", outcome="answered")
        )


def results(parent: Path) -> Path:
    """The one folder of results below `parent`."""
    (folder,) = parent.iterdir()
    return folder


def timeline(parent: Path) -> list[dict[str, str]]:
    """The whole rows of the one run below `parent`, as far as they are written by now."""
    for path in parent.glob("*/timeline.csv"):
        return rows_of(path)
    return []


def rows_of(path: Path) -> list[dict[str, str]]:
    """The whole rows of a timeline."""
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def summary(parent: Path) -> dict[str, Any]:
    """The summary of the one run below `parent`."""
    content: dict[str, Any] = json.loads((results(parent) / "summary.json").read_text())
    _adds_up(content)
    return content


def _adds_up(told: dict[str, Any]) -> None:
    """Whoever began has ended, unless the results say what of the run they miss."""
    misses = "cut" in told or told["generator"].get("workers_lost")
    sessions, turns = told["sessions"], told["turns"]
    verdict = told["verdict"]
    if misses or verdict["exit_code"] == 70 or "never arrived" in str(verdict["reasons"]):
        return
    assert sessions["started"] == sum(sessions["ended"].values()), sessions
    assert turns["sent"] == turns["answered"] + turns["lost"] + turns["open"], turns


def unless_busy(code: int, told: dict[str, Any]) -> int:
    """The exit code to expect: `code`, but 3 where the machine was too busy for any figures.

    That is no flaw of a run, but what it has to say then; for any other reason it must be valid.
    """
    verdict = told["verdict"]
    if verdict["validity"] != "invalid":
        return code
    busy = r"event-loop lag p99|schedule delay p99|a worker used|.* clearly fewer users ran"
    assert any(re.match(busy, reason) for reason in verdict["reasons"]), verdict
    return 3


def forked(workers: int) -> list[str]:
    """Locust's flags for a master and its workers beside other runs on this machine."""
    port = str(free_port())
    return ["--processes", str(workers), "--master-bind-port", port, "--master-port", port]


def free_port() -> int:
    """One that no outgoing connection takes meanwhile: below the system's own (32768)."""
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
