"""When users begin and go on."""

import weakref
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from pathlib import Path
from random import Random
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.env import Environment
from locust.event import Events

from loadkit.chat.effects import Finish
from loadkit.figures import Count, Ending, State
from loadkit.measure.interval import Interval
from loadkit.measure.recorder import Recorder
from loadkit.network import Network
from loadkit.profile.profile import Profile, load_profile
from loadkit.stats import random_streams
from loadkit.swarm.messages import Assignment
from loadkit.swarm.worker import live_sessions
from loadkit.swarm.worker import worker as worker_module
from loadkit.swarm.worker.users import CompleteChat
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
    drivers: Any = worker._sessions.drivers
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
        while len(ending._sessions.drivers):
            under_way = sum(each.cuts for each in many) - (500 - len(ending._sessions.drivers))
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


# --- every session that was begun is handed over with its end -------------------------------------


class Parting:
    """A driver whose session lasts until it is cut off, and then says goodbye for a while."""

    rest, state = None, State.READY
    goodbye = 0.05

    def __init__(self, setting: Any, person: Any, itinerary: Any) -> None:
        self.recorder = setting.recorder

    def run(self, due: float) -> Finish:
        self.greenlet = gevent.getcurrent()
        self.recorder.session_started()
        self.recorder.count(Count.TURNS_SENT)
        try:
            gevent.sleep(60.0)
        except gevent.GreenletExit:
            gevent.sleep(self.goodbye)
            raise
        finally:
            self.recorder.count(Count.TURNS_OPEN)
            self.recorder.session_ended(Ending.CUT_OFF)
        return Finish(Ending.USER_END)

    def waits(self, now: float) -> tuple[list[Any], list[float]]:
        return [], []

    def cut(self) -> None:
        self.greenlet.kill(block=False)


class WithUsers:
    """A process of Locust's with three users, each in the midst of a session."""

    def __init__(self, profile: Profile) -> None:
        self.environment = Environment(events=Events(), user_classes=[CompleteChat])
        self.runner = self.environment.create_local_runner()
        self.intervals: list[Interval] = []
        self.faults: list[str] = []
        told: Any = print
        self.worker = Worker(
            self.environment,
            self.intervals.append,
            told,
            lambda text, trace: self.faults.append(text),
        )
        self.environment.loadkit = self.worker  # type: ignore[attr-defined]
        self.environment.events.test_stop.add_listener(lambda **_: self.worker.stop())
        self.worker.prepare(profile, "http://127.0.0.1:1", Network())
        self.worker.take(Assignment("run"))
        self.runner.start(3, spawn_rate=100)
        while self.worker.recorder.live < 3:
            gevent.sleep(0.01)

    def booked(self, key: str) -> int:
        return sum(interval.counts.get(key, 0) for interval in self.intervals)


@pytest.fixture
def with_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WithUsers]:
    monkeypatch.setenv("POLY_CONNECTOR_TOKEN", "a-connector-token")
    monkeypatch.setenv("POLY_HOST_IDENTIFIER", "shop.example")
    monkeypatch.setattr(worker_module, "Driver", Parting)
    monkeypatch.setattr(Worker, "first_due", lambda _: perf_counter())
    path = tmp_path / "three.toml"
    path.write_text(
        "# Three.\n[load]\nstages = [{duration='1m', users=3}]\n[mix]\nCompleteChat=1\n"
    )
    found = WithUsers(load_profile(str(path)))
    yield found
    found.runner.greenlet.kill()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Random]]:
    """The generators that sessions were drawn with."""
    made: list[weakref.ref[Random]] = []

    def person_rng(*path: Any) -> Random:
        rng = random_streams.person_rng(*path)
        made.append(weakref.ref(rng))
        return rng

    monkeypatch.setattr(worker_module, "person_rng", person_rng)
    return made


def test_a_session_that_lives_holds_no_generator(
    drawn: list[weakref.ref[Random]], with_users: WithUsers
) -> None:
    """It would be an eighth of the session's memory."""
    assert with_users.worker.recorder.live == 3
    assert len(drawn) >= 3
    assert [rng for rng in drawn if rng() is not None] == []
    with_users.runner.stop()


def test_users_that_are_killed_already_when_locust_stops_have_their_end_counted(
    with_users: WithUsers,
) -> None:
    """A signal and the master's word come at once: Locust waits for nobody whom it kills twice."""
    with_users.runner.user_greenlets.kill(block=False)  # as `cut_off` does
    with_users.runner.stop()
    assert with_users.booked("sessions.started") == with_users.booked("ended.cut_off") == 3
    assert with_users.booked(Count.TURNS_SENT) == with_users.booked(Count.TURNS_OPEN) == 3
    assert with_users.faults == []


def test_whoever_came_while_locust_stopped_is_ended_too(
    with_users: WithUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust stops those users whom it knew when it began to."""
    monkeypatch.setattr(live_sessions, "GOODBYES", 0.1)
    with_users.worker.stop()
    assert with_users.booked("sessions.started") == with_users.booked("ended.cut_off") == 3
    assert with_users.faults == []


def test_sessions_that_cannot_be_ended_are_told_of(
    with_users: WithUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures that miss them are not handed over as if they were whole."""
    monkeypatch.setattr(live_sessions, "GOODBYES", 0.1)
    monkeypatch.setattr(Parting, "cut", lambda self: None)
    with_users.worker.stop()
    assert with_users.faults == ["3 sessions were killed twice and have not ended"]
    with_users.runner.user_greenlets.kill()
