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
        (Finish(Ending.FAILED), 1, 1.0),
        (Finish(Ending.FAILED), 3, 4.0),
        (Finish(Ending.FAILED), 60, LONGEST_PAUSE),
        (Finish(Ending.FAILED, renew=True), 1, RENEW_AFTER),
        (Finish(Ending.FAILED, renew=True), RENEW_LIMIT, RENEW_AFTER),
        (Finish(Ending.FAILED, renew=True), RENEW_LIMIT + 1, 8.0),
    ],
    ids=[
        "after a good session, the scaled pause",
        "after a failure, no shorter",
        "after more, doubling",
        "up to a limit",
        "after one that the server lost, soon",
        "and again",
        "but not for ever",
    ],
)
def test_the_pause_before_the_next_session(
    worker: Worker, finish: Finish, failures: int, seconds: float
) -> None:
    assert pause(worker, finish, failures) == pytest.approx(seconds, abs=0.01)
