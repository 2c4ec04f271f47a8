"""What is put into a process of Locust's, by its part: it leads, loads, or does both."""

import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust.runners import STATE_CLEANUP

from loadkit.errors import TargetError, UsageError
from loadkit.profile.profile import Profile, load_profile
from loadkit.swarm import install
from loadkit.swarm.messages import (
    VERSION,
    Assignment,
    FinishMessage,
    Last,
    LeaveMessage,
    RunProfile,
    Sorry,
    WorkerHello,
)
from loadkit.swarm.next_run import NextRun
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.worker.blame import Blame
from loadkit.swarm.worker.worker import Worker
from tests.swarm.doubles import Master, WorkerEnd, environment, options

installed = import_module("loadkit.swarm.install")

Handlers = dict[int, tuple[Callable[..., Any], tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handlers:
    """The process of the tests stays as it is: returns what would be called by a signal."""
    found: Handlers = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(installed.sys, "argv", ["locust"])
    for name in ("never_wait", "mend_locust", "bound_heap", "tie_to_parent", "take_interrupts"):
        monkeypatch.setattr(installed, name, lambda *_: None)
    for name in ("keep_bounded", "install_exit"):
        monkeypatch.setattr(installed, name, lambda *_: None)
    monkeypatch.setattr(installed, "Log", lambda form: form)
    monkeypatch.setattr(Blame, "watch_locust", lambda _: None)
    monkeypatch.setattr(Blame, "watch_users", lambda *_: None)
    monkeypatch.setattr(
        gevent,
        "signal_handler",
        lambda number, handler, *told: found.setdefault(number, (handler, told)),
    )
    monkeypatch.setattr(NextRun, "check", lambda *_: None)
    monkeypatch.setattr(RunController, "_follow", lambda *_: None)
    monkeypatch.setattr(RunController, "_mind", lambda *_: None)
    monkeypatch.setenv("POLY_CONNECTOR_TOKEN", "a-connector-token")
    monkeypatch.setenv("POLY_HOST_IDENTIFIER", "shop.example")
    return found


class Loads:
    """A worker of a master elsewhere, or forked by one."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        self.options = options(folder, **{"profile": None} | asked)
        self.profile = load_profile(str(folder / "tiny.toml"))
        self.environment = environment(self.options)
        self.runner = WorkerEnd(self.environment)
        self.did: list[Any] = []
        install(self.environment)
        self.worker: Worker = self.environment.loadkit  # type: ignore[attr-defined]

    def begins(self, run: str, *, profile: Profile | None = None) -> None:
        """Locust says that a run begins."""
        if profile is not None:
            self.runner.hears(RunProfile(run, profile.to_json()))
        self.options.loadkit_run = run
        self.options.loadkit_network = {
            name.removeprefix("network_"): value
            for name, value in vars(self.options).items()
            if name.startswith("network_")
        }
        self.environment.events.test_start.fire(environment=self.environment)


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """The other half of it, a `Worker`, only writes down what it has to do."""
    made = Loads(tmp_path)

    def note(name: str, answer: Any = None) -> Callable[..., Any]:
        def done(_: Worker, *told: Any) -> Any:
            made.did.append((name, *told))
            return answer

        return done

    for name in ("take", "hurry"):
        monkeypatch.setattr(Worker, name, note(name))
    monkeypatch.setattr(Worker, "wind_down", note("wind_down", True))
    monkeypatch.setattr(Worker, "stop", note("stop", True))
    return made


class TestAWorker:
    def test_introduces_itself(self, loads: Loads) -> None:
        """With all that the master has to know before it has a part in anything."""
        (hello,) = loads.runner.told(WorkerHello)
        assert (hello.classes, hello.profile, hello.messages) == (("CompleteChat",), None, VERSION)

    def test_on_its_own_tells_the_profile_that_it_was_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The master refuses it where that is another one."""
        monkeypatch.setattr(installed, "is_on_its_own", lambda: True)
        (hello,) = Loads(tmp_path, profile=str(tmp_path / "tiny.toml")).runner.told(WorkerHello)
        assert '"name": "tiny"' in hello.profile

    def test_on_its_own_is_not_told_the_way_to_the_target(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """That is the master's to say."""
        monkeypatch.setattr(installed, "is_on_its_own", lambda: True)
        with pytest.raises(SystemExit) as ended:
            Loads(tmp_path, network_ca="there.pem")
        assert ended.value.code == 2
        assert "--ca=there.pem: the master tells its workers" in capfd.readouterr().err

    @pytest.mark.parametrize("deal_comes", ["before", "after"])
    def test_takes_its_share_once_it_has_both_profile_and_share(
        self, loads: Loads, deal_comes: str
    ) -> None:
        deal = Assignment("run", index=1, workers=2)
        if deal_comes == "before":
            loads.runner.hears(deal)
            assert loads.did == []
        loads.begins("run", profile=loads.profile)
        assert loads.worker.profile is not None
        assert loads.worker.profile.to_json() == loads.profile.to_json()
        if deal_comes == "after":
            assert loads.did == []
            loads.runner.hears(deal)
        assert loads.did == [("take", deal, 0)]

    def test_takes_no_share_of_another_run(self, loads: Loads) -> None:
        loads.runner.hears(Assignment("yesterday"))
        loads.begins("run", profile=loads.profile)
        loads.runner.hears(Assignment("yesterday"))
        assert loads.did == []

    @pytest.mark.parametrize("lacks", ["profile", "secret"])
    def test_that_lacks_something_says_so_and_goes(
        self, loads: Loads, monkeypatch: pytest.MonkeyPatch, lacks: str
    ) -> None:
        """To the master, which ends nothing by it, and by its exit code."""
        later: list[Any] = []
        monkeypatch.setattr(gevent, "spawn_later", lambda _, do: later.append(do))
        if lacks == "secret":
            monkeypatch.delenv("POLY_CONNECTOR_TOKEN")
        loads.begins("run", profile=loads.profile if lacks == "secret" else None)
        (sorry,) = loads.runner.told(Sorry)
        assert sorry.text.startswith("w1 cannot take part: ")
        assert loads.environment.process_exit_code == 2
        assert later == [loads.runner.quit]

    def test_goes_where_the_master_sends_it_away(
        self, loads: Loads, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(gevent, "spawn_later", lambda *_: None)
        loads.runner.hears(LeaveMessage("w1 runs loadkit 0.0.1"))
        assert loads.environment.process_exit_code == 2
        assert "w1 runs loadkit 0.0.1" in capfd.readouterr().err

    @pytest.mark.parametrize("at_once", [False, True])
    def test_ends_its_sessions_by_the_masters_word(self, loads: Loads, at_once: bool) -> None:
        """In a hurry nobody is waited for, were Locust in the midst of that."""
        loads.environment.stop_timeout = None if not at_once else 60.0
        loads.runner.hears(FinishMessage("run", at_once=at_once, drain=5.0))
        hurry = [("hurry",)] if at_once else []
        assert loads.did == [*hurry, ("wind_down", 5.0)]
        assert loads.runner.done == ["stop"]
        loads.runner.state = STATE_CLEANUP
        loads.runner.hears(FinishMessage("run", at_once=at_once, drain=5.0))
        assert loads.runner.done.count("stop") == 1

    def test_hands_over_what_locust_has_of_a_run_with_it(
        self, loads: Loads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its next report would come within three seconds, and count for the next run."""
        monkeypatch.setattr(installed.ReportSender, "settle", lambda _: loads.did.append("settled"))
        loads.environment.events.test_stop.fire(environment=loads.environment)
        assert (loads.did, loads.runner.done) == ([("stop",), "settled"], ["send stats"])

    @pytest.mark.parametrize("ends", ["the run", "the worker"])
    def test_whose_users_have_not_come_has_nothing_to_hand_over(
        self, loads: Loads, ends: str
    ) -> None:
        """The master waits for its word, and would name it as lost; who comes now is too late."""
        loads.runner.hears(Assignment("run", late=True))
        if ends == "the run":
            loads.runner.hears(FinishMessage("run", at_once=True, drain=0.0))
        else:
            loads.environment.events.quitting.fire(environment=loads.environment, reverse=True)
        assert loads.runner.told(Last) == [Last("run", 0)]
        loads.begins("run", profile=loads.profile)
        assert loads.worker.profile is None
        loads.runner.hears(Assignment("another", late=True))
        loads.begins("another", profile=loads.profile)
        assert loads.worker.profile is not None
        loads.runner.hears(FinishMessage("another", at_once=True, drain=0.0))
        assert len(loads.runner.told(Last)) == 1

    def test_shows_locust_its_sessions_of_the_open_model(
        self, loads: Loads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report: dict[str, Any] = {"user_count": 0}
        fire = loads.environment.events.report_to_master.fire
        fire(client_id="w1", data=report)
        assert report == {"user_count": 0}
        monkeypatch.setattr(Worker, "users", lambda _: {"CompleteChat": 7})
        fire(client_id="w1", data=report)
        assert report == {"user_count": 7, "user_classes_count": {"CompleteChat": 7}}

    def test_at_its_end_waits_for_no_user(self, loads: Loads) -> None:
        loads.environment.stop_timeout = 60.0
        loads.environment.events.quitting.fire(environment=loads.environment, reverse=True)
        assert loads.did == [("hurry",)]
        assert (loads.environment.stop_timeout, loads.runner.done) == (0, ["stop"])

    def test_that_is_interrupted_leaves_the_end_to_its_master(
        self, loads: Loads, handlers: Handlers
    ) -> None:
        """A Ctrl-C reaches every process of the terminal; without a run there is no such end."""
        interrupted, _ = handlers[signal.SIGINT]
        interrupted()
        assert loads.runner.done == ["kill"]


class Leads:
    """A master."""

    def __init__(self, folder: Path, **asked: Any) -> None:
        self.options = options(folder, **asked)
        self.environment = environment(self.options)
        self.master = Master(self.environment)

    def installed(self) -> RunController:
        install(self.environment)
        controller: RunController = self.environment.loadkit_controller  # type: ignore[attr-defined]
        return controller


class TestAMaster:
    def test_gives_each_worker_the_profile_of_the_run_late_ones_too(self, tmp_path: Path) -> None:
        """And the way to the target; the secrets they have, or not."""
        leads = Leads(tmp_path, network_insecure=True)
        controller, events = leads.installed(), leads.environment.events
        events.worker_connect.fire(client_id="w1")
        assert leads.master.told(RunProfile) == []
        events.test_start.fire(environment=leads.environment)
        events.worker_connect.fire(client_id="w2")
        told, again = leads.master.told(RunProfile)
        assert told == again
        assert told == RunProfile(leads.options.loadkit_run, controller.as_run().to_json())
        assert [worker for kind, _, worker in leads.master.said if kind == RunProfile.KIND] == [
            None,
            "w2",
        ]
        assert leads.options.loadkit_network["insecure"] is True
        controller.finish()

    @pytest.mark.parametrize(
        ("error", "code"),
        [(UsageError("mend it"), 2), (TargetError("it refuses"), 4), (KeyError("x"), 70)],
    )
    def test_that_cannot_begin_ends_with_a_code_that_says_why(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        error: Exception,
        code: int,
    ) -> None:
        """Before any load, and with no folder of results; a fault of ours is told as that."""

        def fail(*_: Any) -> None:
            raise error

        monkeypatch.setattr(NextRun, "check", fail)
        with pytest.raises(SystemExit) as ended:
            Leads(tmp_path).installed()
        assert ended.value.code == code
        assert ("a fault of loadkit itself" in capfd.readouterr().err) == (code == 70)
        assert not (tmp_path / "results").exists()

    def test_refuses_what_contradicts_its_profile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(installed.sys, "argv", ["locust", "--users", "5"])
        with pytest.raises(SystemExit) as ended:
            Leads(tmp_path, num_users=5).installed()
        assert ended.value.code == 2
        assert "--users 5 contradicts the profile" in capfd.readouterr().err

    def test_whose_metrics_cannot_be_served_does_not_begin(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def taken(*_: Any) -> None:
            raise UsageError("the metrics cannot be served")

        monkeypatch.setattr(installed, "serve_metrics", taken)
        with pytest.raises(SystemExit) as ended:
            Leads(tmp_path, metrics_port=9464).installed()
        assert ended.value.code == 2


def test_a_lone_process_leads_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own reports are numbered anew in each run."""
    world = environment(options(tmp_path))
    world.create_local_runner()
    install(world)
    controller: RunController = world.loadkit_controller  # type: ignore[attr-defined]
    worker: Worker = world.loadkit  # type: ignore[attr-defined]
    added: list[tuple[str, int]] = []
    monkeypatch.setattr(RunController, "add", lambda _, name, seq, __: added.append((name, seq)))
    for _ in range(2):
        world.events.test_start.fire(environment=world)
        assert (controller.stage, worker.ready.is_set()) == ("under way", True)
        assert controller.lone is worker
        world.events.test_stopping.fire(environment=world)
        world.events.test_stop.fire(environment=world)
        assert (controller.stage, worker.ready.is_set()) == ("writing", False)
    assert added == [("local", 1)] * 2
