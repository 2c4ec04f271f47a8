"""What the side that leads makes of its workers' messages, its runs and their ends."""

import json
from typing import Any

import gevent
import pytest
from gevent.event import Event
from locust.runners import STATE_CLEANUP, STATE_MISSING

from loadkit.capacity.adapter import CapacityAdapter
from loadkit.exit_codes import ExitCode
from loadkit.profile.tables import Load
from loadkit.swarm import run_controller
from loadkit.swarm.messages import (
    Ack,
    Assignment,
    Fault,
    FinishMessage,
    Last,
    OwnCode,
    Sorry,
)
from loadkit.swarm.run import Run
from loadkit.swarm.run_controller import HURRY_LIMIT, ORPHANED_LIMIT, RunController
from loadkit.swarm.web.scrape import Scrape
from loadkit.swarm.workers.pool import WorkerPool
from tests.swarm.doubles import OPEN
from tests.swarm.worlds import FOLLOW, Begin, World


@pytest.fixture
def world(begin: Begin) -> World:
    return begin()


def test_it_goes_through_its_stages_once_a_run(world: World) -> None:
    controller = world.controller
    assert (controller.stage, controller.exit_code) == ("before", None)
    controller.start()
    assert (controller.stage, controller.exit_code) == ("under way", None)
    controller.drain()
    assert controller.stage == "writing"
    controller.finish()
    assert controller.exit_code == ExitCode.INVALID  # it was ended before its time
    controller.start()
    assert (controller.stage, controller.exit_code) == ("under way", None)


def test_a_run_that_drains_is_ending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever else wants to drain it waits until that is over."""
    over = Event()
    monkeypatch.setattr(WorkerPool, "drain", lambda *_: over.wait())
    world.controller.start()
    draining = [gevent.spawn(world.controller.drain) for _ in range(2)]
    gevent.sleep(0)
    assert world.controller.stage == "ending"
    assert not any(each.dead for each in draining)
    over.set()
    assert len(gevent.joinall(draining, timeout=9)) == 2
    assert world.controller.stage == "writing"


def test_another_run_can_begin_once_the_last_is_written_down(world: World) -> None:
    controller = world.controller
    assert controller.wait_until_idle(0.0)
    controller.start()
    assert not controller.wait_until_idle(9.0)  # at once: nobody has told it to stop
    controller.drain()
    assert not controller.wait_until_idle(0.0)
    controller.finish()
    assert controller.wait_until_idle(0.0)


def test_its_user_classes_have_the_weights_of_the_profile(begin: Begin) -> None:
    """Which may be none at all, by an override."""
    world = begin(profile_overrides=["mix.CompleteChat=3"])
    world.controller.start()
    assert [each.weight for each in world.environment.user_classes] == [3]


def test_what_it_will_hardly_tell_is_said_before_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.options.profile_overrides = ['load.stages=[{duration="1s", users=1}]']
    world.controller.start()
    assert "warning: response p50: hardly any samples" in capsys.readouterr().out


class TestAReport:
    def test_is_counted_once_and_acknowledged_each_time(self, world: World) -> None:
        run = world.controller.start()
        for _ in range(2):
            world.report(run, 1)
        assert world.answered() == 1
        assert world.master.told(Ack) == [Ack(run, 1)] * 2

    def test_of_a_run_before_is_only_acknowledged(self, world: World) -> None:
        """Its worker would send it again for ever."""
        world.controller.start()
        world.report("yesterday", 1)
        assert world.answered() == 0
        assert world.master.told(Ack) == [Ack("yesterday", 1)]

    def test_of_a_worker_that_was_refused_is_not_counted(self, world: World) -> None:
        run = world.controller.start()
        world.master.hears(Sorry("w2 cannot take part: no token"), "w2")
        world.report(run, 1, "w2")
        assert world.answered() == 0


class TestTheLastWord:
    def test_of_all_workers_leaves_none_lost(self, world: World) -> None:
        run = world.controller.start()
        for worker in ("w1", "w2"):
            world.report(run, 1, worker)
            world.master.hears(Last(run, 1), worker)
        told = world.end()
        assert told["generator"]["workers_lost"] == []
        assert told["turns"]["answered"] == 2

    def test_that_never_came_is_a_loss(self, world: World) -> None:
        """As is one of another run: it says nothing of this one."""
        run = world.controller.start()
        world.master.hears(Last(run, 0), "w1")
        world.master.hears(Last("yesterday", 9), "w2")
        told = world.end()
        assert [each["worker"] for each in told["generator"]["workers_lost"]] == ["w2"]


class TestAFaultOfThisTool:
    def test_on_a_worker_ends_the_run_with_a_code_of_its_own(self, world: World) -> None:
        run = world.controller.start()
        world.master.hears(Fault(run, "KeyError: 'x'", "trace"))
        gevent.sleep(0)
        assert world.master.done == ["quit"]
        told = world.end()
        assert "KeyError: 'x'" in told["verdict"]["reasons"][0]
        assert told["verdict"]["exit_code"] == ExitCode.FAULT_OF_OURS
        assert world.controller.exit_code == ExitCode.FAULT_OF_OURS

    def test_in_a_run_before_is_over(self, world: World) -> None:
        world.controller.start()
        world.master.hears(Fault("yesterday", "KeyError: 'x'", "trace"))
        gevent.sleep(0)
        assert world.master.done == []
        assert world.controller.exit_code is None

    def test_before_any_run_ends_the_process(self, world: World) -> None:
        """The greenlet that made the controller is the one that Locust waits in."""
        ended: list[Any] = []

        def waiting() -> None:
            try:
                gevent.sleep(60)
            except SystemExit as end:
                ended.append(end.code)

        world.controller._main = main = gevent.spawn(waiting)
        gevent.sleep(0)
        world.controller.fault("KeyError: 'x'", "trace")
        main.join(9)
        assert ended == [ExitCode.FAULT_OF_OURS]
        assert world.controller.next.withdrawn  # or the workers that go would be started again


def test_a_failure_of_the_users_own_code_is_told_once_and_stands_in_the_result(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """However many workers have it."""
    run = world.controller.start()
    for worker in ("w1", "w2"):
        world.master.hears(OwnCode(run, "Mine.plan: boom", f"trace of {worker}"), worker)
    world.master.hears(OwnCode("yesterday", "Mine.plan: bang", "trace"))
    (told,) = [text for text in caplog.messages if "own code" in text]
    assert "Mine.plan: boom\ntrace of w1" in told
    assert "Mine.plan: boom" in json.dumps(world.end()["verdict"]["reasons"])


def test_results_that_could_not_be_written_are_a_mistake_to_be_mended(begin: Begin) -> None:
    """Even where all objectives hold."""
    world = begin()
    world.controller.start()
    world.controller.drain()
    world.controller.finish()
    run = world.controller._run
    assert run is not None
    assert run.summary is not None
    object.__setattr__(run.summary.verdict, "exit_code", ExitCode.OK)
    assert world.controller.exit_code == ExitCode.OK
    run.unwritten = "there is no room"
    assert world.controller.exit_code == ExitCode.USAGE


class TestToStop:
    def test_a_run_without_a_ui_is_to_end_the_shape(self, world: World) -> None:
        """Locust's main greenlet waits for it alone."""
        world.controller.start()
        world.master.shape_greenlet = world.master.greenlet
        world.controller.stop()
        assert world.master.done == ["kill"]

    def test_one_of_a_ui_is_locusts_own_way(self, begin: Begin) -> None:
        world = begin(headless=False)
        world.controller.start()
        world.controller.stop()
        assert world.master.done == ["stop"]

    def test_what_is_ending_already_is_nothing(self, world: World) -> None:
        world.controller.start()
        world.controller.drain()
        world.controller.stop()
        world.controller._drained, world.master.state = None, STATE_CLEANUP
        world.controller.stop()
        assert world.master.done == []


@pytest.mark.parametrize(("cut", "limit"), [(False, HURRY_LIMIT), (True, ORPHANED_LIMIT)])
def test_in_a_hurry_nobodys_session_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: bool, limit: float
) -> None:
    """Less so where what has started this process is gone."""
    waited: list[tuple[float, ...]] = []
    monkeypatch.setattr(WorkerPool, "drain", lambda _, *limits: waited.append(limits))
    monkeypatch.setattr(run_controller.lifeline, "is_cut", lambda: cut)
    world.controller.start()
    world.environment.stop_timeout = 60.0
    world.controller.hurry()
    assert world.environment.stop_timeout == 0
    world.controller.drain()
    assert waited == [(limit,)]
    assert world.master.told(FinishMessage)[-1].at_once


class TestOnceASecond:
    def stock(self, world: World, now: float) -> None:
        run = world.controller._run
        assert run is not None
        world.controller._take_stock(run, now)
        gevent.sleep(0)

    def test_a_run_in_which_nobody_can_start_is_given_up(self, world: World) -> None:
        run = world.controller.start()
        self.stock(world, 11.0)
        assert world.master.done == []
        world.recorder.count("errors.own_code")
        world.report(run, 1, answers=0)
        self.stock(world, 12.0)
        assert world.master.done == ["quit"]
        assert "by failures of your own code: nobody could start" in world.end()["stopped_early"]

    def test_workers_that_are_all_gone_are_started_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        again: list[float] = []
        replacements: Any = world.controller.replacements
        monkeypatch.setattr(replacements, "restart_lost", lambda absence, now: again.append(now))
        world.controller.start()
        self.stock(world, 3.0)
        for node in world.master.clients.all:
            node.state = STATE_MISSING
        self.stock(world, 4.0)
        self.stock(world, 5.0)
        assert again == [4.0, 5.0]

    def test_the_reader_is_told_where_it_stands(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.controller.start()
        self.stock(world, 9.0)
        assert "/01:00" not in capsys.readouterr().out
        self.stock(world, 10.0)
        assert "00:10/01:00  4 users" in capsys.readouterr().out


class TestASearchAsksForAnotherLoad:
    def test_in_the_open_model_each_worker_goes_on_by_its_stages(self, begin: Begin) -> None:
        world = begin(OPEN)
        run = world.controller.start()
        load = Load.model_validate(
            {"model": "open", "stages": [{"duration": "9s", "arrivals_per_second": 8.0}]}
        )
        world.controller.follow(load, 0.0)  # what holds from the start on is everyone's already
        assert world.master.told(Assignment)[2:] == []
        world.controller.follow(load, 5.0)
        told = world.master.told(Assignment)[2:]
        assert [(each.run, each.index, each.workers) for each in told] == [(run, 0, 2), (run, 1, 2)]
        assert {(each.since_s, each.stages) for each in told} == {(5.0, load.stages)}

    def test_in_the_closed_model_it_is_locusts_affair(self, world: World) -> None:
        """The shape is asked, and by it the share of the load that was delivered."""
        world.controller.start()
        load = Load.model_validate({"stages": [{"duration": "9s", "users": 9}]})
        world.controller.follow(load, 5.0)
        assert world.master.told(Assignment)[2:] == []

    def test_it_is_what_the_shape_gets_and_what_the_workers_are_told(
        self, begin: Begin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In place of the profile's own stages, which are where it began."""
        world = begin(capacity=True)
        world.controller.start()
        assert world.controller.load() == world.controller.next.profile().load
        asked = Load.model_validate({"stages": [{"duration": "9s", "users": 9}]})
        monkeypatch.setattr(CapacityAdapter, "load", asked)
        assert world.controller.load() == world.controller.as_run().load == asked


def test_what_a_scrape_sees_is_of_the_workers_that_are_there(world: World) -> None:
    """And before any run it is nothing."""
    assert Scrape.of(world.controller, world.master).run == ""
    run = world.controller.start()
    for worker in ("w1", "w2"):
        world.recorder.gauge("cpu_percent", 30.0)
        world.report(run, 1, worker)
    world.pool.membership.present.remove("w2")
    live = Scrape.of(world.controller, world.master)
    assert (live.run, live.profile, live.users, live.users_asked) == (run, "tiny", 4, 4)
    assert live.workers == {"running": 2}
    assert list(live.generator) == ["w1"]


def test_seconds_that_a_machine_slept_through_are_not_made_up_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes stock once a second; after eleven hours of sleep it does so once, and goes on."""
    now, stock, naps = [0.0], list[float](), list[float]()

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 6:
            raise gevent.GreenletExit
        now[0] = 40_000.5 if len(naps) == 3 else now[0] + seconds

    world.controller.start()
    run = world.controller.run
    with monkeypatch.context() as patched:
        patched.setattr(Run, "elapsed_s", property(lambda _: now[0]))
        patched.setattr(run_controller.gevent, "sleep", sleep)
        patched.setattr(RunController, "_take_stock", lambda _, run, at: stock.append(at))
        with pytest.raises(gevent.GreenletExit):
            FOLLOW(world.controller, run)
    assert stock == [1.0, 2.0, 40_000.5, 40_001.0, 40_002.0]
