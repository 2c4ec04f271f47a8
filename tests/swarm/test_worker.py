"""When users begin and go on."""

from itertools import pairwise
from math import inf
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from loadkit.chat.effects import Finish
from loadkit.figures import Count, Ending
from loadkit.measure.recorder import Recorder
from loadkit.swarm.worker.worker import LONGEST_PAUSE, RENEW_AFTER, RENEW_LIMIT, SessionKind, Worker


@pytest.fixture
def worker() -> Worker:
    told: Any = print
    worker = Worker(SimpleNamespace(), told, told, told)  # type: ignore[arg-type]
    talk = SimpleNamespace(pause=10.0, time_scale=0.1)
    profile: Any = SimpleNamespace(conversation=talk)
    worker.profile = profile
    worker.recorder = Recorder()  # type: ignore[assignment]
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
    counts = worker.recorder.take(0.0).counts
    assert counts.get(Count.SESSIONS_RENEWED, 0) == (1 if finish.renew else 0)


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


# --- the load is over -----------------------------------------------------------------------------


class Talking:
    """A driver's session that waits for its answer for some looks, and ends when it is cut."""

    def __init__(self, drivers: dict[Any, str], looks: float = 0) -> None:
        self.drivers, self.looks, self.hushed, self.cuts = drivers, looks, False, 0
        drivers[self] = "CompleteChat"

    def hush(self) -> None:
        self.hushed = True

    def waits(self, now: float) -> tuple[list[str], list[float]]:
        assert self.hushed, "nobody is asked whether they wait before they are told to be quiet"
        self.looks -= 1
        return (["an answer"], []) if self.looks >= 0 else ([], [])

    def cut(self) -> None:
        self.cuts += 1
        gevent.spawn_later(0.02, self.drivers.pop, self)


@pytest.fixture
def ending(worker: Worker) -> Worker:
    worker.ready.set()
    return worker


def talking(worker: Worker, number: int, looks: float = 0) -> list[Talking]:
    drivers: Any = worker._drivers
    return [Talking(drivers, looks) for _ in range(number)]


def test_who_waits_when_the_load_is_over_is_waited_for(ending: Worker) -> None:
    """Then every session is cut off, once."""
    (patient,) = talking(ending, 1, looks=3)
    assert ending.wind_down(60.0)
    assert (patient.looks < 0, patient.cuts) == (True, 1)
    assert ending.recorder.is_ending


def test_nobody_is_waited_for_longer_than_the_drain(ending: Worker) -> None:
    (hanging,) = talking(ending, 1, looks=inf)
    assert ending.wind_down(0.15)
    assert hanging.cuts == 1


def test_thousands_end_a_few_at_a_time(ending: Worker) -> None:
    """Each gets the time for its goodbye: it is not cut off a second time."""
    many, most = talking(ending, 500), [0]

    def count_cut() -> None:
        while len(ending._drivers):
            under_way = sum(each.cuts for each in many) - (500 - len(ending._drivers))
            most[0] = max(most[0], under_way)
            gevent.sleep(0)

    counting = gevent.spawn(count_cut)
    assert ending.wind_down(0.0)
    counting.join()
    assert {each.cuts for each in many} == {1}
    assert 0 < most[0] < 250


def test_a_signal_ends_the_wait(ending: Worker) -> None:
    """What is left then is Locust's to kill."""
    talking(ending, 1, looks=inf)
    gevent.spawn_later(0.05, ending.hurry)
    assert ending.wind_down(60.0)


def test_it_is_wound_down_once(ending: Worker) -> None:
    """Whoever comes second has nothing to stop."""
    assert ending.wind_down(0.0)
    assert not ending.wind_down(0.0)


def test_nobody_begins_a_session_any_more(ending: Worker) -> None:
    ending.wind_down(0.0)
    with pytest.raises(gevent.GreenletExit):
        ending.converse(0.0, SessionKind("CompleteChat"), 0)
