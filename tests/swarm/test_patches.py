"""What is mended in Locust, each with what would happen without it."""

import logging
import time
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.pool
import locust.runners
import pytest
from gevent.event import Event
from locust import User, argument_parser
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.rpc import Message
from locust.runners import (
    STATE_INIT,
    STATE_MISSING,
    STATE_RUNNING,
    STATE_STOPPED,
    STATE_STOPPING,
    MasterRunner,
    WorkerNode,
    WorkerNodes,
)
from locust.stats import RequestStats, StatsEntry

from loadkit.swarm.locust_internals import patches
from loadkit.swarm.locust_internals.patches import SteadyTime, measure_from, mend_locust


def test_it_starts_with_the_wall_clock_and_follows_the_monotonic_one() -> None:
    wall, monotonic = 1_000_000.0, 50.0
    steady = SteadyTime(lambda: wall, lambda: monotonic)
    assert steady.time() == 1_000_000
    wall, monotonic = 3.0, 57.5  # set back by days, seven and a half seconds later
    assert steady.time() == 1_000_007.5


def test_all_else_is_the_standard_librarys() -> None:
    assert SteadyTime().perf_counter is time.perf_counter


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust as this tool runs it, for one test."""
    monkeypatch.setattr(locust.runners, "time", locust.runners.time)
    monkeypatch.setattr(locust.runners, "inspect", locust.runners.inspect)
    monkeypatch.setattr(StatsEntry, "total_rps", StatsEntry.total_rps)
    for name in ("check_stopped", "worker_count", "start", "quit"):
        monkeypatch.setattr(MasterRunner, name, vars(MasterRunner)[name])
    monkeypatch.setattr(argument_parser, "default_args_dict", argument_parser.default_args_dict)
    monkeypatch.setenv("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP", "0.1")
    mend_locust()


@pytest.mark.usefixtures("mended")
def test_locust_dates_its_messages_by_a_clock_that_nobody_moves() -> None:
    assert isinstance(locust.runners.time, SteadyTime)
    assert abs(locust.runners.time.time() - time.time()) < 60


@pytest.mark.usefixtures("mended")
def test_a_run_is_stopped_without_a_look_at_the_stack(caplog: pytest.LogCaptureFixture) -> None:
    """Locust's own words say which way it went."""
    runner = Environment().create_local_runner()
    with caplog.at_level(logging.DEBUG, "locust.runners"):
        runner.quit()
    assert "couldn't determine where stop() was called from" in caplog.text


@pytest.mark.usefixtures("mended")
def test_the_parsers_defaults_are_made_once() -> None:
    assert argument_parser.default_args_dict() is argument_parser.default_args_dict()


@pytest.mark.usefixtures("mended")
def test_requests_a_second_are_of_the_time_in_which_they_were_counted() -> None:
    """40 of them in 10 s after a warm-up of 30 s: Locust's own says one a second."""
    stats = RequestStats()
    stats.total.start_time = 1_000.0
    measure_from(stats, 1_030.0)
    entry = stats.get("response", "chat")
    assert entry.total_rps == 0
    entry.num_requests, stats.total.last_request_timestamp = 40, 1_040.0
    assert entry.total_rps == 4
    stats.total.start_time = 1_035.0  # "reset stats" in the web UI
    assert entry.total_rps == 8


@pytest.mark.usefixtures("mended")
def test_what_fails_is_counted_from_the_first_moment() -> None:
    """20 failures in 40 s, and 40 answers in the last 10: 4.5 requests a second."""
    stats = RequestStats()
    stats.total.start_time = 1_000.0
    measure_from(stats, 1_030.0)
    entry = stats.get("response", "chat")
    entry.num_requests = entry.num_failures = 20
    stats.total.last_request_timestamp = 1_020.0
    assert entry.total_rps == entry.total_fail_per_sec == 1
    entry.num_requests, stats.total.last_request_timestamp = 60, 1_040.0
    assert (entry.total_rps, entry.total_fail_per_sec) == (4.5, 0.5)


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize(
    ("state", "workers", "then"),
    [
        pytest.param(STATE_INIT, [], STATE_INIT, id="waiting for the first"),
        pytest.param(STATE_INIT, [STATE_MISSING], STATE_INIT, id="the first one was killed"),
        pytest.param(STATE_RUNNING, [], STATE_RUNNING, id="the last one could not take part"),
        pytest.param(STATE_STOPPING, [STATE_RUNNING], STATE_STOPPING, id="one still has users"),
        pytest.param(STATE_STOPPING, [STATE_INIT, STATE_MISSING], STATE_STOPPED, id="all rest"),
        pytest.param(STATE_STOPPING, [], STATE_STOPPED, id="all have gone"),
    ],
)
def test_only_a_master_that_is_stopping_is_ever_stopped(
    state: str, workers: list[str], then: str
) -> None:
    clients = WorkerNodes()
    for number, each in enumerate(workers):
        clients[str(number)] = WorkerNode(str(number), each)
    runner: Any = SimpleNamespace(state=state, clients=clients)
    runner.update_state = lambda state: setattr(runner, "state", state)
    MasterRunner.check_stopped(runner)
    assert runner.state == then


@pytest.fixture
def master(mended: None) -> MasterRunner:
    """One without a port, whose only worker has just been killed."""
    runner = MasterRunner.__new__(MasterRunner)
    runner.environment = Environment(user_classes=[User])
    runner.state, runner.connection_broken, runner.spawning_completed = STATE_RUNNING, False, True
    runner.greenlet, runner.target_user_count, runner.spawn_rate = None, 3, 100.0
    runner.worker_indexes, runner.worker_index_max, runner.custom_messages = {}, 0, {}
    runner.clients = WorkerNodes()
    runner.clients["a"] = WorkerNode("a", STATE_RUNNING, heartbeat_liveness=-1)
    runner._users_dispatcher = UsersDispatcher(list(runner.clients.all), [User])
    return runner


def test_a_master_does_not_end_the_run_with_its_last_worker(
    master: MasterRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it that it was killed, or that it left; and it is still told that there is none."""
    stops: list[str] = []
    monkeypatch.setattr(master, "stop", lambda *_: stops.append("stop"))
    monkeypatch.setattr(master, "quit", lambda: stops.append("quit"))
    monkeypatch.setattr(locust.runners, "HEARTBEAT_INTERVAL", 0)
    beats = gevent.spawn(master.heartbeat_worker)
    gevent.sleep(0)
    with gevent.Timeout(30):
        while master.clients["a"].state != STATE_MISSING:
            gevent.sleep(0)
    beats.kill()
    assert master.worker_count == 0
    master.clients["a"].state = STATE_RUNNING
    master.handle_message("a", Message("quit", None, "a"))
    assert (master.worker_count, master.state, stops) == (0, STATE_RUNNING, [])


def test_the_workers_are_told_to_quit_and_waited_for_once(
    master: MasterRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a headless run ends: by the shape, whose greenlet ends with it, then by all the others."""
    told: list[str] = []
    waits: list[float] = []
    master.server = SimpleNamespace(send_to_client=lambda message: told.append(message.type))
    master.greenlet = gevent.pool.Group()
    monkeypatch.setattr(master, "stop", lambda send_stop_to_client: None)
    monkeypatch.setattr(patches.gevent, "sleep", waits.append)
    shape, monitor = master.greenlet.spawn(master.quit), master.greenlet.spawn(Event().wait)
    with gevent.Timeout(30):
        gevent.joinall([shape, monitor])
        for _ in range(3):
            master.quit()
    assert isinstance(shape.value, gevent.GreenletExit)
    assert monitor.dead
    assert (told, waits) == (["quit"], [patches.WORKERS_HEAR])


def test_a_master_without_workers_keeps_in_mind_what_is_asked_for(master: MasterRunner) -> None:
    """Locust's own forgets that it had spawned all, and gives the next worker nothing."""
    master.clients["a"].state = STATE_MISSING
    master.start(7, 100)
    assert (master.target_user_count, master.spawning_completed) == (7, True)
