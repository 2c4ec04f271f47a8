"""Runs that are killed at random moments: their reports against what the server knows."""

import contextlib
import json
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import (
    PATIENCE,
    READY_LOCUST,
    ROOT,
    Started,
    Truth,
    forked,
    profile,
    results,
    started,
)
from simulator_client import HOST, TOKEN, simulators

from loadkit.results.rebuild import rebuild
from loadkit.results.run_folder import load_summary
from loadkit.results.status import status

SECRETS = {"POLY_CONNECTOR_TOKEN": TOKEN, "POLY_HOST_IDENTIFIER": HOST}
RAMP, LASTS = 2.0, 10.0  # seconds of the plan
USERS, WORKERS = 24, 3
LOSS = 2.0  # seconds before a kill of which something may be missing
ORPHANED = 5.0  # seconds that workers may live on without their master
AFTER = 1.0  # seconds after it in which the server may still answer who is dead


@dataclass
class Run:
    """A run that is killed bit by bit: two of its workers first, then what leads it, or all of it.

    Attributes:
        moments: seconds of the three kills, in their order, from the moment that all had talked.
        everything: whether the last one hits the workers too.
        kills: when they took place, on the clock of the truth log.
    """

    folder: Path
    process: Started
    truth: Path
    moments: list[float]
    everything: bool
    began: float = 0.0
    talked: float = 0.0
    kills: list[float] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return results(self.folder / "out")

    @property
    def has_begun(self) -> bool:
        return any((self.folder / "out").glob("*/journal.jsonl"))

    @property
    def has_talked(self) -> bool:
        return self.truth.read_bytes().count(b'"outcome":"answered"') >= USERS

    def kill_next(self) -> None:
        self.kills.append(time.monotonic())
        with contextlib.suppress(psutil.Error, ProcessLookupError, IndexError):  # it may be over
            leader = psutil.Process(self.process.group)
            if len(self.kills) < 3:
                leader.children()[0].kill()
            elif self.everything:
                self.process.send_all(signal.SIGKILL)
            else:
                leader.kill()


def kill_at_random(folder: Path, seed: int, runs: int) -> Iterator[Run]:
    """Several runs side by side, each with a simulator of its own in this process."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        lives = []
        owns = [folder / str(number) for number in range(runs)]
        for own in owns:
            own.mkdir()
        truths = [own / "truth" for own in owns]
        servers = stack.enter_context(simulators(truths=truths))
        for number, (own, truth, server) in enumerate(zip(owns, truths, servers, strict=True)):
            path = profile(own, users=USERS, seconds=LASTS - RAMP, pause="8s")
            ramp = f'stages = [{{ duration = "{RAMP}s"'
            path.write_text(re.sub(r'stages = \[\{ duration = "0s"', ramp, path.read_text()))
            command: list[str | Path] = [READY_LOCUST, "-f", ROOT / "locustfile.py", "--headless"]
            command += ["--profile", path, "-H", server.url, "--out", own / "out"]
            process = stack.enter_context(started([*command, *forked(WORKERS)], own, SECRETS))
            moments = sorted(chance.uniform(0.2, LASTS - 0.5) for _ in range(3))
            lives.append(Run(own, process, truth, moments, everything=number % 2 == 0))
        until = time.monotonic() + PATIENCE
        while any(len(run.kills) < 3 for run in lives):
            now = time.monotonic()
            assert now < until, [run.process.output for run in lives]
            for run in lives:
                if not run.began and run.has_begun:
                    run.began = now
                if run.began and not run.talked and run.has_talked:
                    run.talked = now
                due = len(run.kills) < 3 and run.moments[len(run.kills)]
                if run.talked and due and now >= run.talked + due:
                    run.kill_next()
            time.sleep(0.02)
        for run in lives:
            # Whoever is left ends by itself, and soon: nobody records its load.
            until = time.monotonic() + ORPHANED
            while family := run.process.family():
                assert time.monotonic() < until, f"left behind: {family}"
                time.sleep(0.1)
    yield from lives


class Bounds:
    """How often something must be in a report at least, and can be at most."""

    def __init__(self, moments: list[float], run: Run) -> None:
        *workers, last = run.kills
        self.least = sum(
            at < last - LOSS
            and not any(kill - LOSS < at < kill + AFTER for kill in workers if kill < last)
            for at in moments
        )
        self.most = len(moments)

    def __contains__(self, count: int) -> bool:
        return self.least <= count <= self.most


@pytest.mark.parametrize(
    ("seed", "runs"), [(1, 3), pytest.param(2, 5, marks=pytest.mark.slow)], ids=["1", "2"]
)
def test_what_the_server_saw_until_two_seconds_before_a_kill_is_in_the_report(
    tmp_path: Path, seed: int, runs: int
) -> None:
    """Three kills a run, of whoever it is; and nothing is in the report that it did not see."""
    seen = 0
    for run in kill_at_random(tmp_path, seed, runs):
        where = f"seed {seed}, {run.folder.name}: {run.moments}, {run.process.output}"
        truth = Truth(run.truth)
        answers = [turn["events"][-1]["at"] for turn in truth.of("turn", outcome="answered")]
        if (run.out / "summary.json").exists():  # it was over before the last kill
            found = load_summary(run.out)
            assert found.cut is None, where
        else:
            assert status(run.out, [])[0] == "cut", where
            found = rebuild(run.out, [])
            assert found.verdict.validity != "valid", where
            assert found.cut is not None, where
            assert found.cut.at_s > run.kills[-1] - run.began - LOSS, where
            again = (run.out / "summary.json").read_text()
            assert load_summary(run.out).to_dict() == json.loads(again), where
        sessions = count(found.latency_ms, "create_session")
        assert sessions in Bounds([one["at"] for one in truth.of("session")], run), where
        assert found.turns["sent"] in Bounds([o["received"] for o in truth.of("turn")], run), where
        assert found.turns["answered"] in Bounds(answers, run), where
        assert count(found.latency_ms, "response") == found.turns["answered"], where
        assert rows_of(run.out, "turns_sent") == found.turns["sent"], where
        seen += Bounds(answers, run).least
    assert seen > 6 * runs  # else nothing was tested


def count(latencies: Any, phase: str) -> int:
    return int(latencies.get(phase, {"count": 0})["count"])


def rows_of(folder: Path, column: str) -> int:
    """The sum of a column of the timeline; 0 where nothing was measured."""
    if not (folder / "timeline.csv").exists():
        return 0
    head, *rows = (folder / "timeline.csv").read_text().splitlines()
    place = head.split(",").index(column)
    return sum(int(row.split(",")[place]) for row in rows)
