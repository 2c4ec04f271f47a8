"""A run whose workers are all gone: it waits, starts its own again, and never passes for a run."""

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet_of_workers import Fleet
from processes import (
    READY_BOTH,
    SECRETS,
    Finished,
    Simulator,
    profile,
    started,
    summary,
    timeline,
)

from loadkit.stats.number_format import number

SECONDS = 16.0  # a lost worker is missed within five
LONG = 300.0  # of what is stopped as soon as it has shown what it is to show
USERS = 6
ARRIVING = (
    'model = "open"\nstages = [{ duration = "0s", arrivals_per_second = 8 }, '
    f'{{ duration = "{SECONDS:g}s", arrivals_per_second = 8 }}]'
)


class Ended(NamedTuple):
    ended: Finished
    told: dict[str, Any]

    @property
    def absences(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.told["generator"]["without_workers"]
        return found


def killed(folder: Path, url: str, workers: int, *, arriving: bool = False) -> Ended:
    """All of its workers are killed, and nobody comes."""
    path = profile(folder, users=USERS, seconds=SECONDS)
    if arriving:
        path.write_text(re.sub("stages = .*", ARRIVING, path.read_text()))
    with Fleet(folder, url, path, workers, "--worker-patience", "2") as run:
        victims = [run.worker() for _ in range(workers)]
        run.wait_for_second(2)
        for victim in victims:
            victim.send(signal.SIGKILL)
        return Ended(run.master.finish(), summary(run.out))


def replaced(folder: Path, url: str) -> Ended:
    """Another one comes once the first is missed."""
    path = profile(folder, users=USERS, seconds=LONG)
    with Fleet(folder, url, path, 1) as run:
        victim = run.worker()
        run.wait_for_second(2)
        victim.send(signal.SIGKILL)
        run.master.wait_for(lambda: "no worker is left" in run.master.output, "missed its worker")
        run.worker()
        run.master.wait_for(lambda: all_are_back(run.rows()), "a run again")
        run.master.send(signal.SIGTERM)
        return Ended(run.master.finish(), summary(run.out))


def killed_at_the_end(folder: Path, url: str) -> Ended:
    """So late that it is missed only after the stages are over."""
    with Fleet(folder, url, profile(folder, users=USERS, seconds=6), 1) as run:
        victim = run.worker()
        run.wait_for_second(2)
        victim.send(signal.SIGKILL)
        return Ended(run.master.finish(), summary(run.out))


def its_own(folder: Path, url: str) -> Ended:
    """`loadkit run`, whose only worker is killed."""
    out = folder / "out"
    command = [READY_BOTH, "run", profile(folder, users=USERS, seconds=LONG), "--host", url]
    with started([*command, "--workers", "1", "--out", out], folder, SECRETS) as process:
        process.wait_for(lambda: len(timeline(out)) > 2, "running")
        family = process.family()
        pids = {each.pid for each in family}
        (worker,) = [each for each in family if each.ppid() in pids]
        worker.kill()
        process.wait_for(lambda: all_are_back(timeline(out)), "a run again")
        process.send(signal.SIGTERM)
        return Ended(process.finish(), summary(out))


def all_are_back(rows: list[dict[str, str]]) -> bool:
    """After a time in which nobody was there any more."""
    sessions = [int(row["sessions"]) for row in rows]
    nobody = any(one and not other for one, other in pairwise(sessions))
    return nobody and sessions[-1] == USERS


@pytest.fixture(scope="module")
def runs(server: Simulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """All of them side by side: most of the time they wait."""
    cases: dict[str, Callable[[Path], Ended]] = {
        "both killed": lambda folder: killed(folder, server.url, 2),
        "people come": lambda folder: killed(folder, server.url, 1, arriving=True),
        "another one comes": lambda folder: replaced(folder, server.url),
        "at the end": lambda folder: killed_at_the_end(folder, server.url),
        "its own": lambda folder: its_own(folder, server.url),
    }
    with ThreadPoolExecutor() as pool:
        ended = {
            name: pool.submit(case, tmp_path_factory.mktemp("run")) for name, case in cases.items()
        }
        return {name: each.result() for name, each in ended.items()}


@pytest.mark.parametrize("name", ["both killed", "people come"])
def test_a_run_to_which_no_worker_comes_back_ends_and_is_invalid(
    runs: dict[str, Ended], name: str
) -> None:
    """Not at the end of its stages, and not without a word of what was never run."""
    ended, told = runs[name].ended, runs[name].told
    assert ended.code == told["verdict"]["exit_code"] == 3, ended.output
    assert told["duration_s"] < SECONDS
    assert "the loss of every worker: none came within 2 s" in told["stopped_early"]
    (absence,) = runs[name].absences
    assert 2 <= absence["from_s"] < told["duration_s"] - 2
    assert absence["to_s"] is None
    said = f"no worker was heard of from {number(absence['from_s'])} s on"
    assert any(said in reason for reason in told["verdict"]["reasons"])
    assert "no worker is left: waiting for another one, for 2 s" in ended.output


def test_a_run_goes_on_with_another_worker_that_comes_in_time(runs: dict[str, Ended]) -> None:
    """Its users are those that were asked for, and the time without any is told."""
    run = runs["another one comes"]
    told = run.told
    assert told["stopped_early"].endswith("by SIGTERM")  # ours
    (absence,) = run.absences
    assert absence["to_s"] > absence["from_s"]
    assert absence["started"] == 0
    assert told["verdict"]["validity"] != "valid"
    assert len(told["generator"]["workers_lost"]) == 1
    assert "You can't start a distributed test" not in run.ended.output


def test_a_worker_that_is_killed_just_before_the_end_is_not_passed_over(
    runs: dict[str, Ended],
) -> None:
    """Nobody is there any more to hand over."""
    run = runs["at the end"]
    assert run.ended.code == 3, run.ended.output
    (absence,) = run.absences
    assert absence["to_s"] is None
    assert run.told["verdict"]["validity"] == "invalid"


def test_loadkit_run_starts_its_worker_again(runs: dict[str, Ended]) -> None:
    """In the terminal and in the verdict; and nobody stays behind."""
    run = runs["its own"]
    (absence,) = run.absences
    assert absence["started"] == 1
    assert absence["to_s"] is not None, run.ended.output
    assert run.told["stopped_early"].endswith("by SIGTERM")
    assert "no worker is left: starting 1 worker again" in run.ended.output
    assert "(1 worker started again by loadkit)" in " ".join(run.told["verdict"]["reasons"])
