"""The master's side of its workers: who is let in, who has which share, who has handed over."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.rpc import Message
from locust.runners import STATE_INIT, STATE_MISSING, MasterRunner

from loadkit import __version__
from loadkit.errors import UsageError
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Stage
from loadkit.swarm.messages import (
    Ack,
    Assignment,
    FinishMessage,
    LeaveMessage,
    Report,
    Sorry,
    WorkerHello,
    listen,
    send,
)
from loadkit.swarm.workers.membership import Membership, objection
from loadkit.verdict.run_facts import Absence, Loss

logger = logging.getLogger(__name__)

DEAL_AHEAD: Final = 0.5  # seconds that the word of a new deal gets to reach every worker
HELLO_WITHIN: Final = 5.0  # seconds from its connection in which a worker must say what it runs
SILENT: Final = 2.5  # seconds without a report; a worker that is silent is taken to do nothing
BEFORE_HELLO: Final = frozenset({WorkerHello.KIND, "locustfile"})
"""What is heard of somebody who has not said hello; the second is Locust's, for `-f -`."""
ALL_AT_ONCE: Final = 100.0  # users a second, of a spawn rate that plays no part
NEVER_FORGOTTEN: Final = -30  # heartbeats; see `_hold_on_to`


class WorkerPool:
    """The workers of a master, over one run after the other.

    Locust takes every worker that connects and hands it users at once. Here it hears of a worker
    only when that has said what it runs, and may take part.

    Args:
        runner: Locust's.
        profile: gives the profile that is to be run.

    Attributes:
        membership: of the run under way, or of the last one.
    """

    def __init__(self, runner: MasterRunner, profile: Callable[[], Profile]) -> None:
        self._runner, self._profile = runner, profile
        self._hellos: dict[str, WorkerHello] = {}
        self._waiting: dict[str, tuple[float, Message]] = {}  # for a hello: since when
        self._handed_over = Event()
        self._take = runner.handle_message
        runner.handle_message = self._receive  # type: ignore[method-assign, assignment]
        listen(runner, WorkerHello, self._on_hello)
        listen(runner, Sorry, lambda worker, sorry: self._refuse(worker, sorry.text))
        self.begin("", dealt_out_anew=False)

    def begin(self, run: str, *, dealt_out_anew: bool) -> None:
        """A run begins: deal it out among those who are there.

        Args:
            run: its name.
            dealt_out_anew: whether everyone's share changes when somebody comes or goes (open
                model). In the closed one Locust moves users instead.
        """
        self._run, self._anew = run, dealt_out_anew
        self._stages: tuple[Stage, ...] | None = None
        self.membership = Membership()
        self._finished: set[str] = set()
        self._until = inf
        self._heard: dict[str, tuple[float, int]] = {}  # last report: when, and sessions then
        if run:
            for worker in list(self._runner.clients):
                self._check(worker)
            self._deal_out(0.0)

    def hear(self, worker: str, now: float, live: int) -> None:
        """Take note that a worker has reported `live` sessions."""
        self._heard[worker] = now, live

    def supervise(self, now: float) -> None:
        """Notice who came and who went; to be called at least once a second (of the run)."""
        self.mind()
        self._deal_out(now)

    def mind(self) -> None:
        """Forget nobody, send away who says nothing; at least once a second, run or no run."""
        self._hold_on_to(list(self._runner.clients.all))
        for worker, (since, _) in list(self._waiting.items()):
            if perf_counter() - since > HELLO_WITHIN:
                del self._waiting[worker]
                self._check(worker)

    def follow(self, stages: Sequence[Stage], now: float, since: float) -> None:
        """Have the arrivals of every worker go on by other stages from second `since` on; up to
        then they are what they were.
        """
        self._stages = tuple(stages)
        here = self.membership.present
        for index, worker in enumerate(here):
            self._deal(worker, index, len(here), now, since)

    def users_at_work(self, now: float) -> int:
        """Users of workers that are heard of; Locust counts those of a dead one for some time."""
        return sum(
            client.user_count
            for client in self._runner.clients.all
            if client.state != STATE_MISSING and now - self._heard_at(client.id, now) < SILENT
        )

    def has_finished(self, worker: str) -> None:
        """Take note that a worker has handed over all that it measured."""
        self._finished.add(worker)
        self.membership.lost.pop(worker, None)  # its heartbeats alone were late
        self._handed_over.set()

    def acknowledge(self, worker: str, report: Report) -> None:
        """Tell a worker that its report is here."""
        send(self._runner, Ack(report.run, report.seq), worker)

    def drain(self, limit: float, patience: float = 0.0) -> None:
        """Have every worker stop its users and hand over the rest.

        Args:
            limit: seconds to wait for that at most, besides `patience`.
            patience: seconds that users may still wait for what they are owed.
        """
        self._until = perf_counter() + limit + patience
        send(self._runner, FinishMessage(self._run, at_once=False, drain=patience))
        while perf_counter() < self._until and any(
            client.id in self.membership.present
            and client.id not in self._finished
            and client.state != STATE_MISSING
            for client in self._runner.clients.all
        ):
            self._handed_over.clear()
            self._handed_over.wait(0.2)

    def hurry(self, limit: float) -> None:
        """Have sessions cut off that a stop would wait for; from now on wait `limit` s at most."""
        self._until = min(self._until, perf_counter() + limit)
        send(self._runner, FinishMessage(self._run, at_once=True, drain=0.0))

    def losses(self, at_s: float) -> list[Loss]:
        """Those that went away during the run, or never handed over what they measured last."""
        silent = [worker for worker in self.membership.present if worker not in self._finished]
        if len(silent) == len(self.membership.present) and self.membership.absence is None:
            self.membership.absences.append(Absence(self._last_word(at_s)))
        late = [Loss(worker, round(at_s, 1), self._live_on(worker)) for worker in silent]
        return [*self.membership.lost.values(), *late]

    def _deal_out(self, now: float) -> None:
        before = list(self.membership.present)
        there = {each.id: (each.state, each.heartbeat) for each in self._runner.clients.all}
        changed = self.membership.update(now, there, self._live_on, self._finished)
        here, absence = self.membership.present, self.membership.absence
        if not here and absence is None:
            self.membership.absences.append(Absence(self._last_word(0.0)))
        elif here and absence is not None:
            absence.to_s = round(now, 1)
            # Locust does not hand out anew what was asked for meanwhile.
            gevent.spawn(self._runner.start, self._runner.target_user_count, ALL_AT_ONCE)
        if not changed:
            return
        for index, worker in enumerate(here):
            if self._anew or worker not in before:
                self._deal(worker, index, len(here), now, now + DEAL_AHEAD if now else 0.0)

    def _deal(self, worker: str, index: int, workers: int, now: float, since: float) -> None:
        deal = Assignment(self._run, now, index, workers, since, late=now > 0, stages=self._stages)
        send(self._runner, deal, worker)

    @staticmethod
    def _hold_on_to(clients: Sequence[Any]) -> None:
        """Keep Locust from forgetting a missing worker.

        A minute after it does, it makes a new dispatcher that knows of no user, and deals all
        users out as if from nothing.
        """
        for client in clients:
            if client.state == STATE_MISSING:
                client.heartbeat = max(client.heartbeat, NEVER_FORGOTTEN)

    def _receive(self, worker: str, msg: Message) -> None:
        """Take a message of a worker, in Locust's place."""
        if msg.type == "client_ready" and worker not in self._hellos:
            # Its answer lets the worker go on, and come to the point where it says hello.
            index = self._runner.get_worker_index(worker)
            self._runner.send_message("ack", {"index": index}, worker)
            self._waiting[worker] = perf_counter(), msg
        elif msg.type == "quit" and self._runner.state == STATE_INIT:
            # With the last one Locust would go as well, or rather grow deaf: it waits for others.
            self._runner.clients.pop(worker, None)
        elif worker in self._hellos:
            self._take(worker, msg)
        elif msg.type in BEFORE_HELLO:
            with suppress(Exception):  # it holds anything: Locust's listener would end with it
                self._take(worker, msg)
        # What else comes is of nobody who takes part.

    def _on_hello(self, worker: str, hello: WorkerHello) -> None:
        self._hellos[worker] = hello
        _, ready = self._waiting.pop(worker, (0.0, None))
        if self._check(worker) and ready is not None:
            self._take(worker, ready)

    def _check(self, worker: str) -> bool:
        """Send a worker away that cannot take part. Returns whether it can."""
        hello = self._hellos.get(worker)
        try:
            why = objection(worker, hello, __version__, self._profile())
        except UsageError:
            return True  # there is no profile yet, and no run
        if why is None:
            return True
        self._refuse(worker, why)
        if hello is not None:
            send(self._runner, LeaveMessage(why), worker)
        else:  # it does not know our words, but Locust's
            self._runner.server.send_to_client(Message("quit", None, worker))
        return False

    def _refuse(self, worker: str, why: str) -> None:
        logger.error("%s", why)
        self.membership.refuse(worker, why)
        client = self._runner.clients.get(worker)
        if client is not None:
            del self._runner.clients[worker]
            if self._runner._users_dispatcher is not None:
                self._runner._users_dispatcher.remove_worker(client)

    def _last_word(self, default: float) -> float:
        """When any worker was last heard of."""
        return round(max((at for at, _ in self._heard.values()), default=default), 1)

    def _heard_at(self, worker: str, default: float) -> float:
        return self._heard[worker][0] if worker in self._heard else default

    def _live_on(self, worker: str) -> int:
        return self._heard[worker][1] if worker in self._heard else 0
