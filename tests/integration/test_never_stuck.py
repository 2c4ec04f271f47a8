"""A master never needs `kill -9`: whatever becomes of its workers, it ends or goes on rightly."""

import contextlib
import os
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
import pytest
import ready_locust
from processes import (
    READY_LOCUST,
    ROOT,
    SECRETS,
    as_run,
    forked,
    free_port,
    profile,
    results,
    simulator,
    started,
    summary,
    timeline,
)
from ready_locust import ReadyLocust

LIMIT = 10.0  # seconds from a signal to the end
PATIENCE = 90.0  # seconds before a row gives up; nothing waits for it to pass
AT_ONCE = 6  # rows

Phase = Literal["before", "ramp", "load", "drain"]
Event = Literal["joins", "refused", "leaves", "killed", "frozen"]
END = {"SIGINT": 130, "SIGTERM": 143}


class Row(NamedTuple):
    """What happens to whom, when, and what is done about it.

    Attributes:
        everyone: whether it happens to all workers that there are, and not to one of two.
    """

    phase: Phase
    event: Event
    signal: Literal["SIGINT", "SIGTERM", "nothing"]
    everyone: bool = False

    def __str__(self) -> str:
        who = "everyone" if self.everyone else "one"
        return f"{self.phase}: {who} {self.event}, {self.signal}"


PHASES: tuple[Phase, ...] = ("before", "ramp", "load", "drain")
EVENTS: tuple[Event, ...] = ("joins", "refused", "leaves", "killed", "frozen")
TABLE = [
    *(
        Row(phase, event, number)
        for phase, event, number in product(PHASES, EVENTS, ("SIGINT", "SIGTERM", "nothing"))
    ),
    *(
        Row(phase, event, number, everyone=True)
        for phase, event, number in product(PHASES[1:], EVENTS[2:], ("SIGINT", "SIGTERM"))
    ),
]
ALWAYS = [
    Row("before", "refused", "SIGTERM"),
    Row("before", "leaves", "nothing"),
    Row("before", "frozen", "nothing"),
    Row("ramp", "killed", "nothing"),
    Row("load", "frozen", "SIGINT", everyone=True),
    Row("load", "killed", "SIGTERM", everyone=True),
    Row("drain", "frozen", "nothing"),
    Row("drain", "joins", "SIGTERM"),
]
"""Those that are tried each time; the rest is `slow`."""


class Run:
    """One row: a master, its workers, and what became of them."""

    def __init__(self, row: Row, folder: Path, url: str) -> None:
        self._folder, self._port = folder, str(free_port())
        self._started: list[ReadyLocust] = []
        self.out = folder / "out"
        lasts = 600 if row.signal != "nothing" and row.phase != "drain" else 5
        ramp = 2 if row.phase == "ramp" else 0
        path = profile(folder, users=4)
        stages = f'[{{ duration = "{ramp}s", users = 4 }}, {{ duration = "{lasts}s", users = 4 }}]'
        path.write_text(re.sub("stages = .*", f"stages = {stages}", path.read_text()))
        self.ends_after = ramp + lasts
        command = ["-f", ROOT / "locustfile.py", "--headless", "--master", "--profile", path]
        command += ["-H", url, "--out", self.out, "--expect-workers", "2", "-s", "6"]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", self._port]
        self.master = self._start(*command)

    def _start(self, *arguments: Any) -> ReadyLocust:
        output = self._folder / f"{len(self._started)}.out"
        output.touch()
        one = ready_locust.start([*map(str, arguments)], {**os.environ, **SECRETS}, output)
        self._started.append(one)
        return one

    def worker(self, *more: Any) -> ReadyLocust:
        command = ["-f", ROOT / "locustfile.py", "--worker", "--master-host", "127.0.0.1"]
        return self._start(*command, "--master-port", self._port, *more)

    @property
    def said(self) -> str:
        return (self._folder / "0.out").read_text()

    def wait_for(self, happened: Callable[[], Any], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            assert self.master.poll() is None, f"it ended before {what}:\n{self.said}"
            assert time.monotonic() < until, f"never {what}:\n{self.said}"
            time.sleep(0.02)

    def end(self, within: float) -> int:
        """The master's exit code."""
        until = time.monotonic() + within
        while (code := self.master.poll()) is None:
            assert time.monotonic() < until, f"it is still there:\n{self.said}"
            time.sleep(0.02)
        return code

    def clear(self) -> None:
        for one in self._started:
            one.send_signal(signal.SIGKILL)

    # --- what happens -------------------------------------------------------------------------

    def come(self, number: int) -> list[ReadyLocust]:
        """Start workers, and wait until the master has them."""
        before = self.said.count("reported as ready")
        workers = [self.worker() for _ in range(number)]
        self.wait_for(
            lambda: self.said.count("reported as ready") == before + number, f"{number} came"
        )
        return workers

    def reach(self, phase: Phase) -> list[ReadyLocust]:
        """Get there; returns the workers."""
        if phase == "before":
            self.wait_for(lambda: any(self.out.glob("*")), "it had its folder")
            return self.come(1)
        workers = self.come(2)
        self.wait_for(lambda: any(self.out.glob("*/journal.jsonl")), "it had begun")
        began = time.monotonic()
        if phase == "drain":
            self.wait_for(lambda: time.monotonic() > began + self.ends_after + 0.5, "the end")
        else:
            self.wait_for(lambda: len(timeline(self.out)) >= 1, "a second was over")
        return workers

    def befall(self, event: Event, workers: list[ReadyLocust], *, unnoticed: bool) -> None:
        """Let it happen to these workers; it has been noticed then, if it is ever."""
        if event == "joins":
            self.worker() if unnoticed else self.come(1)
        elif event == "refused":
            other = self.worker("--profile", "smoke")
            self.wait_for(lambda: other.poll() is not None, "it was refused")
        elif event == "leaves":
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            self.wait_for(lambda: all(worker.poll() is not None for worker in workers), "gone")
        else:
            for worker in workers:
                worker.send_signal(signal.SIGSTOP if event == "frozen" else signal.SIGKILL)
            if not unnoticed:
                missed = "setting state to missing"
                self.wait_for(lambda: self.said.count(missed) == len(workers), "it was missed")


def live(row: Row, folder: Path, url: str) -> None:
    """Live a row, and look at what came of it."""
    run = Run(row, folder, url)
    try:
        workers = run.reach(row.phase)
        victims = workers if row.everyone else workers[:1]
        with contextlib.suppress(AssertionError) if row.everyone else contextlib.nullcontext():
            # Without any worker the master may end before it is told to.
            run.befall(row.event, victims, unnoticed=row.phase == "drain")
        if row.signal != "nothing":
            run.master.send_signal(getattr(signal, row.signal))
            code = run.end(LIMIT)
            assert code == END[row.signal] or row.everyone or row.phase == "drain", run.said
        else:
            if row.phase == "before":
                run.come(2 - (row.event == "joins"))
            assert run.end(run.ends_after + LIMIT + 5) in (0, 1, 3), run.said
        if row.phase == "before" and row.signal != "nothing":
            assert not any(run.out.iterdir())
            return
        told = summary(run.out)
        assert "cut" not in told
        assert (results(run.out) / "junit.xml").exists()
        lost = row.event in ("killed", "frozen") and row.phase != "before"
        if row.phase != "drain" or row.event not in ("killed", "frozen"):
            assert len(told["generator"]["workers_lost"]) == lost * len(victims), run.said
    finally:
        run.clear()


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Row, Future[None]]]:
    """All rows that are asked for, some at a time."""
    folder = tmp_path_factory.mktemp("rows")
    asked = {
        item.callspec.params["row"]  # type: ignore[attr-defined]
        for item in request.session.items
        if item.fspath == request.fspath and hasattr(item, "callspec")
    }
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(simulator(folder, "agent.first_response=60s"))
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        rows = {}
        for row in sorted(asked):
            own = folder / uuid.uuid4().hex
            own.mkdir()
            rows[row] = pool.submit(live, row, own, server.url)
        yield rows


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=str(row), marks=() if row in ALWAYS else pytest.mark.slow)
        for row in TABLE
    ],
)
def test_a_master_ends_or_goes_on_rightly(ended: dict[Row, Future[None]], row: Row) -> None:
    """Within ten seconds of a signal it is over; without one it lives its plan to the end."""
    ended[row].result()


def test_a_worker_that_dies_before_the_run_is_started_again(tmp_path: Path) -> None:
    """The master that forked it would wait for it for ever, and nobody else comes."""
    with simulator(tmp_path) as server:
        command = as_run(profile(tmp_path, seconds=2), server.url, tmp_path / "out")
        with started(command, tmp_path, SECRETS) as process:
            leader = psutil.Process(process.group)
            process.wait_for(leader.children, "it had forked")[0].kill()
            code = process.finish().code
    assert code in (0, 3), process.output
    told = summary(tmp_path / "out")
    assert told["sessions"]["started"] > 0
    assert told["stopped_early"] is None


def test_a_wait_for_workers_that_is_given_up_is_no_broken_slo(tmp_path: Path) -> None:
    """It is told as long as it lasts, and ends as a run whose load was not delivered."""
    with simulator(tmp_path) as server:
        command = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless", "--master"]
        command += ["--profile", profile(tmp_path), "-H", server.url, "--out", tmp_path / "out"]
        command += [*forked(1)[2:], "--expect-workers", "2", "--expect-workers-max-wait", "6"]
        with started(command, tmp_path, SECRETS) as process:
            assert process.finish().code == 3
    assert "waiting for workers: 0 of 2 workers came so far" in process.output
    assert "error: 0 of 2 workers came within 6 s (--expect-workers-max-wait)" in process.output
    assert list((tmp_path / "out").iterdir()) == []
