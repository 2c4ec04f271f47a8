"""When users begin and go on."""

from itertools import pairwise
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest

from loadkit.chat.effects import Finish
from loadkit.figures import Ending
from loadkit.swarm.worker import LONGEST_PAUSE, RENEW_AFTER, RENEW_LIMIT, Worker


@pytest.fixture
def worker() -> Worker:
    worker = Worker(SimpleNamespace(), lambda interval: None, lambda text: None)  # type: ignore[arg-type]
    talk = SimpleNamespace(pause=10.0, time_scale=0.1)
    profile: Any = SimpleNamespace(conversation=talk)
    worker.profile = profile
    return worker


def pause(worker: Worker, finish: Finish, failures: int) -> float:
    before = perf_counter()
    due = worker.next_due(finish, failures)
    return due - (before + perf_counter()) / 2


def test_users_of_one_burst_begin_evenly_spread_over_a_second(worker: Worker) -> None:
    began = perf_counter()
    dues = sorted(worker.first_due() - began for _ in range(100))
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    assert dues[0] >= 0
    assert dues[-1] == pytest.approx(1.0, abs=0.1)
    assert max(gaps) < 0.05  # a hundredth of a second each would be perfect


@pytest.mark.parametrize(
    ("finish", "failures", "seconds"),
    [
        (Finish(Ending.USER_END), 0, 1.0),
        (Finish(Ending.FAILED, renew=True), 1, RENEW_AFTER),
        (Finish(Ending.FAILED, renew=True), RENEW_LIMIT, RENEW_AFTER),
    ],
    ids=[
        "after a good session, the scaled pause",
        "after one that the server lost, soon",
        "and again",
    ],
)
def test_the_pause_before_the_next_session(
    worker: Worker, finish: Finish, failures: int, seconds: float
) -> None:
    assert pause(worker, finish, failures) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    ("finish", "failures", "seconds"),
    [
        (Finish(Ending.FAILED), 2, 2.0),
        (Finish(Ending.FAILED), 3, 4.0),
        (Finish(Ending.FAILED), 60, LONGEST_PAUSE),
        (Finish(Ending.FAILED, renew=True), RENEW_LIMIT + 1, 8.0),
    ],
    ids=["doubling", "and again", "up to a limit", "after a few that the server lost, likewise"],
)
def test_users_whose_sessions_fail_come_back_apart_from_each_other(
    worker: Worker, finish: Finish, failures: int, seconds: float
) -> None:
    """Who failed in step with all others does not come back in step with them."""
    pauses = [pause(worker, finish, failures) for _ in range(400)]
    assert min(pauses) == pytest.approx(0.8 * seconds, abs=0.05 * seconds)
    assert max(pauses) == pytest.approx(1.2 * seconds, abs=0.05 * seconds)
    assert sum(pauses) / len(pauses) == pytest.approx(seconds, rel=0.05)


def test_a_failure_makes_no_pause_shorter(worker: Worker) -> None:
    """People who would have waited anyhow wait as long as they would have."""
    assert worker.profile is not None
    worker.profile.conversation.pause = 600.0  # type: ignore[misc]
    assert pause(worker, Finish(Ending.FAILED), 3) == pytest.approx(60.0, abs=0.01)
