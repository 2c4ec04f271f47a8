"""The master's side of its workers, without a master: who is let in, and who gets what."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.rpc import Message
from locust.runners import STATE_INIT, STATE_MISSING, STATE_RUNNING, WorkerNode

from loadkit import __version__
from loadkit.errors import UsageError
from loadkit.measure.recorder import Recorder
from loadkit.profile.profile import Profile, load_profile
from loadkit.swarm.messages import (
    VERSION,
    Ack,
    Assignment,
    FinishMessage,
    LeaveMessage,
    Report,
    Sorry,
    WorkerHello,
    decode,
    encode,
)
from loadkit.swarm.workers import pool
from loadkit.swarm.workers.pool import WorkerPool
from loadkit.verdict.run_facts import Absence


class Workers(dict[str, WorkerNode]):
    """Locust's own, as far as it is asked."""

    @property
    def all(self) -> list[WorkerNode]:
        return list(self.values())


class Runner:
    """Locust's master, which only writes down what it is told."""

    def __init__(self) -> None:
        self.clients = Workers()
        self.listeners: dict[str, Any] = {}
        self.said: list[tuple[str, Any, str | None]] = []
        self.ready: list[str] = []
        self.gone: list[str] = []
        self.sent: list[Message] = []
        self.server = SimpleNamespace(send_to_client=self.sent.append)
        self._users_dispatcher: Any = None
        self.target_user_count = 9
        self.started: list[int] = []
        self.state = STATE_INIT

    def start(self, users: int, spawn_rate: float) -> None:
        self.started.append(users)

    def register_message(self, kind: str, listener: Any, concurrent: bool = False) -> None:
        self.listeners[kind] = listener

    def send_message(self, kind: str, data: Any = None, worker: str | None = None) -> None:
        self.said.append((kind, data, worker))

    def get_worker_index(self, worker: str) -> int:
        return ord(worker[-1])

    def handle_message(self, worker: str, msg: Message) -> None:
        if msg.type == "quit":
            self.gone.append(worker)
        else:
            self.ready.append(worker)
            self.clients[worker] = WorkerNode(worker, state=STATE_RUNNING)

    # --- what happens -------------------------------------------------------------------------

    def connects(self, worker: str) -> None:
        self.handle_message(worker, Message("client_ready", "2.47.0", worker))

    def says(self, worker: str, kind: str, data: Any) -> None:
        self.listeners[kind](environment=None, msg=Message(kind, data, worker))

    def says_hello(self, worker: str, version: str = __version__) -> None:
        hello = WorkerHello(version, ("CompleteChat",), messages=VERSION)
        self.says(worker, WorkerHello.KIND, encode(hello))

    def quits(self, worker: str) -> None:
        self.handle_message(worker, Message("quit", None, worker))

    def joins(self, worker: str) -> None:
        self.connects(worker)
        self.says_hello(worker)

    def dealt(self) -> dict[str | None, Assignment]:
        """The last share that each was given."""
        told = self.told(Assignment.KIND)
        return {worker: decode(Assignment, data) for worker, data in told.items()}

    def told(self, kind: str) -> dict[str | None, Any]:
        """The last thing of a kind that each was told."""
        return {worker: data for said, data, worker in self.said if said == kind}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    path = tmp_path / "tiny.toml"
    path.write_text(
        '# Ok?\n[load]\nstages = [{ duration = "9s", users = 9 }]\n[mix]\nCompleteChat = 1\n'
    )
    return load_profile(str(path))


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def a_pool(runner: Runner, profile: Profile) -> WorkerPool:
    return WorkerPool(runner, lambda: profile)  # type: ignore[arg-type]


class TestWhoConnects:
    def test_is_unknown_to_locust_until_it_has_said_hello(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """It gets an answer at once: without one it never comes to the point of saying anything."""
        runner.connects("a")
        assert (runner.ready, runner.told("ack")) == ([], {"a": {"index": ord("a")}})
        runner.says_hello("a")
        assert runner.ready == ["a"]

    @pytest.mark.parametrize(
        "kind", ["heartbeat", "stats", "spawning", "exception", "quit", Sorry.KIND]
    )
    def test_is_not_heard_before_it_has_said_hello(
        self, a_pool: WorkerPool, runner: Runner, kind: str
    ) -> None:
        """Locust's listener ends with a message of a shape that it does not know."""
        runner.state = STATE_RUNNING
        runner.handle_message("a", Message(kind, None, "a"))
        assert (runner.ready, runner.gone) == ([], [])

    @pytest.mark.parametrize("data", [None, [], "x", 7])
    def test_does_not_say_hello_by_anything_but_one(
        self, a_pool: WorkerPool, runner: Runner, data: Any
    ) -> None:
        """What is in no shape of ours is of nobody who can take part."""
        runner.connects("a")
        runner.says("a", WorkerHello.KIND, data)
        assert (runner.ready, a_pool.membership.refused) == ([], {})

    def test_is_let_in_at_once_the_next_time(self, a_pool: WorkerPool, runner: Runner) -> None:
        """Locust says the same at the end of each run."""
        runner.joins("a")
        runner.connects("a")
        assert runner.ready == ["a", "a"]

    def test_is_sent_away_with_the_reason_if_it_runs_something_else(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        runner.connects("a")
        runner.says_hello("a", version="0.0.1")
        assert runner.ready == []
        assert "a runs loadkit 0.0.1" in runner.told(LeaveMessage.KIND)["a"]["text"]
        assert list(a_pool.membership.refused) == ["a"]

    def test_is_sent_away_in_locusts_words_if_it_never_says_hello(
        self, a_pool: WorkerPool, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runner.connects("a")
        a_pool.begin("run", dealt_out_anew=False)
        a_pool.supervise(1.0)
        assert runner.sent == []
        monkeypatch.setattr(pool, "HELLO_WITHIN", -1.0)
        a_pool.supervise(2.0)
        assert [(msg.type, msg.node_id) for msg in runner.sent] == [("quit", "a")]
        assert "does not run loadkit's locustfile" in a_pool.membership.refused["a"]

    def test_may_go_before_the_run_without_an_end_to_the_master(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """Locust would end itself with the last of them, and hear nobody who comes later."""
        runner.joins("a")
        runner.quits("a")
        assert (list(runner.clients), runner.gone) == ([], [])
        runner.joins("b")
        runner.state = STATE_RUNNING
        runner.quits("b")
        assert runner.gone == ["b"]

    def test_is_sent_away_before_the_run_too_if_it_never_says_hello(
        self, a_pool: WorkerPool, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The master would wait for it without a word."""
        monkeypatch.setattr(pool, "HELLO_WITHIN", -1.0)
        runner.connects("a")
        a_pool.mind()
        assert [(msg.type, msg.node_id) for msg in runner.sent] == [("quit", "a")]

    def test_is_let_in_while_there_is_no_profile_yet(self, runner: Runner) -> None:
        """The web UI may be given one later; the next run looks again."""

        def none() -> Profile:
            raise UsageError("no profile")

        WorkerPool(runner, none)  # type: ignore[arg-type]
        runner.joins("a")
        assert runner.ready == ["a"]


class TestARun:
    def test_is_dealt_out_in_even_shares(self, a_pool: WorkerPool, runner: Runner) -> None:
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=True)
        deals = {
            worker: decode(Assignment, data)
            for worker, data in runner.told(Assignment.KIND).items()
        }
        assert deals == {"a": Assignment("run", 0, 0, 2), "b": Assignment("run", 0, 1, 2)}

    @pytest.mark.parametrize(("anew", "told"), [(True, {"a", "b", "c"}), (False, {"c"})])
    def test_is_dealt_out_anew_to_all_in_the_open_model_when_somebody_comes(
        self, a_pool: WorkerPool, runner: Runner, anew: bool, told: set[str]
    ) -> None:
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=anew)
        runner.said.clear()
        runner.joins("c")
        a_pool.supervise(4.0)
        deals = {
            worker: decode(Assignment, data)
            for worker, data in runner.told(Assignment.KIND).items()
        }
        assert set(deals) == told
        assert deals["c"] == Assignment("run", 4.0, 2, 3, 4.0 + pool.DEAL_AHEAD, late=True)

    def test_refuses_at_its_start_who_cannot_live_its_profile(
        self, a_pool: WorkerPool, runner: Runner, profile: Profile
    ) -> None:
        """The profile may be another than when the worker came."""
        runner.joins("a")
        object.__setattr__(profile, "mix", {"CompleteChat": 1, "HandoffChat": 1})
        a_pool.begin("run", dealt_out_anew=False)
        assert "has no user class HandoffChat" in runner.told(LeaveMessage.KIND)["a"]["text"]
        assert (list(runner.clients), runner.told(Assignment.KIND)) == ([], {})

    def test_goes_on_without_a_worker_that_gives_up_by_itself(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """It lacks the secrets, for one."""
        runner.joins("a")
        runner.joins("b")
        a_pool.begin("run", dealt_out_anew=False)
        runner.says("a", Sorry.KIND, {"text": "a cannot take part: no token"})
        a_pool.supervise(1.0)
        assert a_pool.membership.present == ["b"]
        assert [loss.worker for loss in a_pool.losses(9.0)] == ["b"]

    def test_counts_no_users_of_a_worker_that_has_fallen_silent(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """Locust still believes in them for some seconds."""
        for worker in "ab":
            runner.joins(worker)
            runner.clients[worker].user_classes_count = {"CompleteChat": 5}
        a_pool.begin("run", dealt_out_anew=False)
        for second in (1.0, 2.0, 3.0, 4.0):
            a_pool.hear("a", second, 5)
        a_pool.hear("b", 1.0, 5)
        assert a_pool.users_at_work(3.0) == 10
        assert a_pool.users_at_work(4.0) == 5

    def test_names_who_was_lost_with_the_sessions_of_its_last_report(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=False)
        a_pool.hear("b", 2.0, 7)
        runner.clients["b"].state = STATE_MISSING
        a_pool.supervise(6.5)
        a_pool.has_finished("a")
        (loss,) = a_pool.losses(9.0)
        assert (loss.worker, loss.at_s, loss.sessions_live) == ("b", 6.5, 7)

    def test_has_not_lost_who_was_missed_and_handed_over_all_the_same(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """On a busy machine heartbeats come late, and a worker may go before the next look."""
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=False)
        for worker in "ab":
            runner.clients[worker].state = STATE_MISSING
        a_pool.supervise(6.5)
        a_pool.has_finished("a")
        del runner.clients["a"]
        a_pool.supervise(7.5)
        assert list(a_pool.membership.lost) == ["b"]
        assert [loss.worker for loss in a_pool.losses(9.0)] == ["b"]

    def test_keeps_locust_from_forgetting_a_missing_worker(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """A minute later it would deal all users out as if from nothing."""
        runner.joins("a")
        a_pool.begin("run", dealt_out_anew=False)
        runner.clients["a"].state, runner.clients["a"].heartbeat = STATE_MISSING, -59
        a_pool.supervise(70.0)
        assert runner.clients["a"].heartbeat == pool.NEVER_FORGOTTEN

    def test_waits_at_its_end_for_those_alone_who_can_still_hand_over(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=False)
        runner.clients["b"].state = STATE_MISSING
        a_pool.has_finished("a")
        a_pool.drain(60.0)  # returns at once
        assert runner.told(FinishMessage.KIND) == {
            None: {"run": "run", "at_once": False, "drain": 0.0}
        }
        assert [loss.worker for loss in a_pool.losses(9.0)] == ["b"]

    def test_in_a_hurry_waits_for_nobodys_sessions(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """Also if it waits already: the drain ends in time, and who is silent is a loss."""
        runner.joins("a")
        a_pool.begin("run", dealt_out_anew=False)
        draining = gevent.spawn(a_pool.drain, 60.0)
        gevent.sleep(0)
        assert not draining.dead
        a_pool.hurry(0.0)
        draining.join(5)
        assert draining.dead
        assert runner.told(FinishMessage.KIND) == {
            None: {"run": "run", "at_once": True, "drain": 0.0}
        }
        assert [loss.worker for loss in a_pool.losses(9.0)] == ["a"]

    def test_acknowledges_each_report(self, a_pool: WorkerPool, runner: Runner) -> None:
        a_pool.acknowledge("a", Report("run", 3, Recorder().take(1.0)))
        assert runner.told(Ack.KIND) == {"a": {"run": "run", "seq": 3}}


class TestARunWithoutWorkers:
    def test_is_one_from_the_last_word_of_the_last_of_them(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        """And until another one is there, to whom Locust hands out the users anew."""
        for worker in "ab":
            runner.joins(worker)
        a_pool.begin("run", dealt_out_anew=False)
        a_pool.hear("a", 2.0, 3)
        a_pool.hear("b", 6.25, 3)
        runner.clients["a"].state = STATE_MISSING
        a_pool.supervise(7.0)
        assert a_pool.membership.absence is None
        runner.clients["b"].state = STATE_MISSING
        a_pool.supervise(11.0)
        a_pool.supervise(12.0)
        assert a_pool.membership.absences == [Absence(6.2)]
        runner.joins("c")
        a_pool.supervise(14.04)
        gevent.sleep(0)
        assert a_pool.membership.absence is None
        assert a_pool.membership.absences == [Absence(6.2, 14.0)]
        assert runner.started == [9]

    def test_is_one_from_its_start_where_all_are_refused(
        self, a_pool: WorkerPool, runner: Runner
    ) -> None:
        runner.joins("a")
        a_pool.begin("run", dealt_out_anew=False)
        runner.says("a", Sorry.KIND, {"text": "a cannot take part: no token"})
        a_pool.supervise(1.0)
        assert a_pool.membership.absence == Absence(0.0)

    @pytest.mark.parametrize("finished", [True, False])
    def test_is_one_at_its_end_where_nobody_handed_over(
        self, a_pool: WorkerPool, runner: Runner, finished: bool
    ) -> None:
        """Whoever was killed in its last seconds is missed only later."""
        runner.joins("a")
        a_pool.begin("run", dealt_out_anew=False)
        a_pool.hear("a", 57.0, 3)
        if finished:
            a_pool.has_finished("a")
        a_pool.losses(60.0)
        assert a_pool.membership.absences == ([] if finished else [Absence(57.0)])
