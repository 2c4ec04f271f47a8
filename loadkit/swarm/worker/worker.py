"""The side that loads: what one worker process (or a lone process) does during a run."""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.env import Environment

from loadkit.chat.effects import Finish
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Origin
from loadkit.fleet import Fleet
from loadkit.machine.resources import ran_out
from loadkit.measure.interval import Interval
from loadkit.net.driver import Driver
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionPlan, SocketFault
from loadkit.net.websocket.link import Traffic
from loadkit.network import Network
from loadkit.people.person import Person
from loadkit.profile.chaos import Chaos, ChaosFault, ChaosPlan, in_storm
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import SessionKind
from loadkit.security.credentials import Credentials
from loadkit.stats.random_streams import person_rng, share_of
from loadkit.swarm.messages import Assignment, Storm
from loadkit.swarm.worker.arrival_gate import ArrivalGate
from loadkit.swarm.worker.blame import LONGEST_PAUSE, Blame, OwnCodeError, Tell, unmade_by
from loadkit.swarm.worker.garbage import SWEEP_EVERY, calm
from loadkit.swarm.worker.live_sessions import LiveSessions
from loadkit.swarm.worker.locust_recorder import SwarmRecorder
from loadkit.swarm.worker.self_probes import Probes

logger = logging.getLogger(__name__)

KINDS: Final = 20  # of exceptions in the user's own code that a worker tells its master of
LONGEST_INTERVAL: Final = 1.0  # seconds between two reports, whatever a row of the timeline lasts
LATE: Final = 10_000_000  # where the numbers of the sessions of a worker that comes late begin
SPREAD: Final = 1.0  # seconds over which the users of one spawn message start: see `first_due`
RENEW_AFTER: Final = 0.3  # seconds until a new session replaces one that the server lost (SDK)
RENEW_LIMIT: Final = 3  # in a row
JITTER: Final = 0.2  # share of such a pause, either way; as of the reconnects of sockets
LOOK_UP_EVERY: Final = 60.0  # seconds; a balancer's name has a time to live of about as much
GOLDEN: Final = 0.6180339887498949


class Worker:
    """One process' part of a run: its users' sessions, its recorder, its reports.

    Args:
        deliver: takes each interval to the master.
        tell: told of the first exception of each kind in the user's own code.
        fault: told when this tool itself is at fault; the run must stop.
    """

    def __init__(
        self,
        environment: Environment,
        deliver: Callable[[Interval], None],
        tell: Tell,
        fault: Tell,
    ) -> None:
        self._environment = environment
        self._deliver, self._tell, self._fault = deliver, tell, fault
        self.blame = Blame(self.own_code, fault, self._ran_out)
        self._told: set[str] = set()
        self._sessions = LiveSessions()
        self._spread = count()
        self._jitter = Random()
        self._gate: ArrivalGate | None = None
        self._winding_down = False
        self.ready = Event()  # set while a run is under way, from the first deal on
        self.profile: Profile | None = None  # of the run; None while there is none

    def prepare(self, profile: Profile, url: str, network: Network) -> None:
        """Find out whether this worker can take part; nothing happens yet.

        Raises:
            UsageError, TargetError: this machine lacks the secrets, a file or the target's address.
        """
        self._credentials = Credentials.of(os.environ)
        self._target = Target.resolve(url, network)
        _ = profile.dialogues  # made now and not in the midst of the first session
        self.blame.texts_hidden = profile.results.texts == "hidden"
        self.profile = profile

    def take(self, deal: Assignment, name: int = 0) -> None:
        """Begin with a share of the run, or go on with another one.

        Args:
            deal: the share.
            name: a number that no other worker has ever had in this run; whoever comes late
                brings people of its own.
        """
        if not self.ready.is_set():
            self._begin(deal, name)
        if self._gate is not None:
            self._gate.deal(deal.index, deal.workers, deal.since_s, deal.stages)

    def _begin(self, deal: Assignment, name: int) -> None:
        profile = self.profile
        assert profile is not None
        # Sessions are numbered over all workers, and a session's number says who comes: how many
        # workers there are changes nothing.
        first, step = (LATE * (name + 1), 1) if deal.late else (deal.index, deal.workers)
        self._told.clear()
        self._numbers = defaultdict[str, "count[int]"](lambda: count(first, step))
        self._began = perf_counter() - deal.elapsed_s
        self._traffic = Traffic()
        self.recorder = SwarmRecorder(
            self._environment,
            self._began + profile.load.warmup,
            profile.watched,
            frozenset(profile.mix) | profile.fleet,
            texts_hidden=self.blame.texts_hidden,
        )
        self._fleet = Fleet(profile, self._target, self._credentials, self.recorder, self._traffic)
        self._names = tuple(profile.mix)
        self._classes: dict[str, Any] = {
            cls.__name__: cls for cls in self._environment.user_classes
        }
        if profile.load.model == "open":
            self._gate = ArrivalGate(
                profile.load, profile.mix, self._visit, self.recorder, self._began
            )
        sweeper = calm()
        self._probes = Probes(self.recorder)
        self._probes.start()
        self._chores: list[gevent.Greenlet[..., None]] = [
            gevent.spawn(self._report, min(LONGEST_INTERVAL, profile.results.interval)),
            gevent.spawn(_every, LOOK_UP_EVERY, self._target.look_again),
            gevent.spawn(_every, SWEEP_EVERY, lambda: sweeper.sweep(len(self._sessions.drivers))),
        ]
        self.ready.set()

    def wind_down(self, drain: float) -> bool:
        """The load is over: nobody says anything new, whoever waits may still be answered.

        That takes `drain` seconds at most. Then every session ends.

        Returns:
            False if it is under way already.
        """
        if self._winding_down:
            return False
        self._winding_down = True
        if self.ready.is_set():
            if self._gate is not None:
                self._gate.close()
            self._sessions.await_answers(drain)
            self.recorder.is_ending = True
            self._sessions.end()
        return True

    def storm(self, storm: Storm) -> None:
        """Have the sockets of some sessions reset, at the moment and by the chance that it says."""
        profile = self.profile
        if profile is None or not self.ready.is_set():
            return
        at, words = self._began + storm.at_s, (profile.load.seed, "storm by hand", storm.number)
        for driver in self._sessions.drivers:
            if share_of(*words, driver.person) < storm.share:
                driver.storm(at, ChaosFault("reset"))

    def hurry(self) -> None:
        """A signal has come: wait for nobody any more."""
        self._sessions.hurried = True

    def stop(self) -> bool:
        """After the last user: hand over the rest. Returns whether there was a run."""
        was_ready = self.ready.is_set()
        self.ready.clear()
        if was_ready:
            if self._gate is not None:
                self._gate.stop()
                self._gate = None
            self._probes.stop()
            gevent.killall(self._chores)
            self._sessions.await_endings()
            if live := self.recorder.live:
                self._fault(f"{live} sessions were killed twice and have not ended", "")
            self._take()
        self.profile = None
        self._winding_down = self._sessions.hurried = False
        return was_ready

    def users(self) -> Mapping[str, int]:
        """Sessions in the open model, by user class, as Locust's table of users has them."""
        if self._gate is None:
            return {}
        return Counter(name for name, _ in self._sessions.drivers.values())

    def first_due(self) -> float:
        """When a user that is spawned now should begin: evenly spread over a second, as Locust
        spawns a second's worth of users in one burst. The sequence is one of low discrepancy.
        """
        return perf_counter() + SPREAD * (next(self._spread) * GOLDEN % 1.0)

    def planned(self, user: Any) -> SessionKind:
        """Ask a user for its next session.

        Raises:
            OwnCodeError: that is none of this run.
        """
        try:
            session_kind = user.plan()
        except SystemExit as error:
            raise OwnCodeError(f"it calls sys.exit({error.code})") from error
        if not isinstance(session_kind, SessionKind) or session_kind.name not in self._names:
            names = ", ".join(self._names)
            told = f"it returns {session_kind!r}: return a SessionKind of one of {names}"
            raise OwnCodeError(told)
        return session_kind

    def _ran_out(self, text: str, _: str) -> None:
        """This machine has no file, port or memory left: the run is worth nothing any more."""
        if self.ready.is_set():
            self.recorder.fail(Failure.LOCAL_LIMIT, text)

    def own_code(self, text: str, trace: str) -> None:
        """Count an exception of the user's own code; of each kind the first is told."""
        if not self.ready.is_set():
            return  # the run is over
        name = text.partition(".")[0]
        self.recorder.fail(Failure.OWN_CODE, text, Origin(name if name in self._names else ""))
        kind = trace.rstrip().rpartition("\n")[0]  # all but its words, which may differ each time
        if kind not in self._told and len(self._told) < KINDS:
            self._told.add(kind)
            self._tell(text, trace)

    def converse(
        self, due: float, session_kind: SessionKind, number: int, *, first: bool = False
    ) -> Finish:
        """Live one session; a fault of this tool stops the run.

        Args:
            due: when the plan wants it to begin.
            number: the session's among all of its class: it says who comes.
            first: whether it is its user's first one, which `load.stagger` cuts short.
        """
        profile = self.profile
        if profile is None or self._winding_down:
            raise gevent.GreenletExit  # the run is over
        name, seed = session_kind.name, profile.load.seed
        member = self._fleet.member(name, number)
        midway = first and profile.load.stagger
        # The generator has no name here: it would take 2.5 KB for as long as the session lives.
        person = Person(profile, person_rng(seed, name, number), session_kind.errand, midway=midway)
        plan = SessionPlan(
            streaming=session_kind.streaming,
            faults=ChaosPlan.of(member.chaos, name, person_rng(seed, "chaos", name, number)),
            storms=self._storms(member.chaos, f"{name}-{number}"),
            tabs=session_kind.tabs,
            restarts=session_kind.restarts,
            socket_age=person.age_s,
            device=member.device,
            person=f"{name}-{number}",
        )
        driver = Driver(member.setting, person, plan)
        self._sessions.drivers[driver] = (name, member.setting.client)
        try:
            return driver.run(due)
        except Exception as error:  # whatever it is, no server sent it
            text, trace = self.blame.told(error)
            kind = Failure.LOCAL_LIMIT if ran_out(error) else Failure.INTERNAL
            self.recorder.fail(kind, text, Origin(name))
            if kind is Failure.INTERNAL:
                self._fault(text, trace)
            return Finish(Ending.FAILED)
        finally:
            del self._sessions.drivers[driver]

    def _visit(self, name: str, number: int, due: float) -> None:
        """One arrival of the open model: a user that lives one session and is gone.

        A session that the server does not know any more is replaced, as in the closed model.
        """
        user = self._classes[name](self._environment)
        if (unmade := unmade_by(user)) is not None:
            self.blame.take(unmade, f"{name}.__init__")
            return
        try:
            session_kind = self.planned(user)
        except Exception as error:
            self.blame.take(error, f"{name}.plan")
            return
        finish, renewals = self.converse(due, session_kind, number), 0
        while finish.renew and renewals < RENEW_LIMIT:
            renewals += 1
            gevent.sleep(RENEW_AFTER)
            self.recorder.count(Count.SESSIONS_RENEWED)
            finish = self.converse(perf_counter(), session_kind, number)

    def _storms(self, chaos: Chaos, session: str) -> tuple[tuple[float, SocketFault], ...]:
        """The storms to come that hit a session."""
        assert self.profile is not None
        since, seed = perf_counter() - self._began, self.profile.load.seed
        found = [
            (self._began + storm.at, fault)
            for index, storm in enumerate(chaos.storms)
            if storm.at > since and (fault := in_storm(chaos, index, session, seed)) is not None
        ]
        return tuple(sorted(found, key=lambda due: due[0]))

    def next_number(self, name: str) -> int:
        """A session's number among all of its class, over all workers."""
        return next(self._numbers[name])

    def renews(self, finish: Finish, failures: int) -> bool:
        """Whether the same person begins anew, as the server has lost the session; after so many
        failures in a row, this one included.
        """
        return finish.renew and failures <= RENEW_LIMIT

    def next_due(self, finish: Finish, failures: int) -> float:
        """When the user begins the next session.

        Sessions fail in step when a target goes away: without the jitter their users would come
        back in step as well, and fell it again. With each failure in a row the user slows down.
        """
        assert self.profile is not None
        talk = self.profile.conversation
        pause = talk.pause * talk.time_scale
        if self.renews(finish, failures):
            self.recorder.count(Count.SESSIONS_RENEWED)
            pause = RENEW_AFTER
        elif failures:
            backoff = min(2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
            pause = max(pause, backoff * self._jitter.uniform(1 - JITTER, 1 + JITTER))
        return perf_counter() + pause

    def _report(self, every: float) -> None:
        due = perf_counter()
        while True:
            due += every
            gevent.sleep(max(0.0, due - perf_counter()))
            self._take()

    def _take(self) -> None:
        recorder, traffic = self.recorder, self._traffic
        recorder.frames_sent, recorder.bytes_sent = traffic.frames_sent, traffic.bytes_sent
        recorder.frames_received = traffic.frames_received
        recorder.bytes_received = traffic.bytes_received
        now = perf_counter()
        self._sessions.look(now, recorder)
        self._deliver(recorder.take(now))


def _every(seconds: float, do: Callable[[], object]) -> None:
    while True:
        gevent.sleep(seconds)
        do()
