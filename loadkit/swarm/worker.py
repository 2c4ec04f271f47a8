"""The side that loads: what one worker process (or a lone process) does during a run."""

import gc
import logging
import os
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random
from time import perf_counter
from typing import Any, Final

import gevent
import psutil
from gevent.event import Event
from locust.env import Environment

from loadkit.chat.effects import Finish
from loadkit.chat.policy import Policy
from loadkit.credentials import Credentials
from loadkit.errors import Failure, LoadkitError
from loadkit.figures import Ending
from loadkit.net.driver import Driver
from loadkit.net.link import Traffic
from loadkit.net.ports import Itinerary, Mishap, Setting
from loadkit.net.target import Target
from loadkit.plan.chance import person_rng
from loadkit.plan.chaos import Mishaps, in_storm
from loadkit.plan.errand import Errand
from loadkit.plan.human import Person
from loadkit.plan.profile import Profile
from loadkit.swarm.recorder import SwarmRecorder

__all__ = ["Outing", "Worker"]

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0  # seconds between two reports
PROBE_EVERY: Final = 0.1  # seconds between two looks at the event loop's lag
SPREAD: Final = 1.0  # seconds over which the users of one spawn message start: see `first_due`
RENEW_AFTER: Final = 0.3  # seconds until a new session replaces one that the server lost (SDK)
RENEW_LIMIT: Final = 3  # in a row
LONGEST_PAUSE: Final = 30.0  # seconds between sessions of a user whose sessions keep failing
GOLDEN: Final = 0.6180339887498949

Deliver = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Outing:
    """One session to be lived, as its user class has it.

    Attributes:
        name: the user class.
        errand: what the person has come for.
        streaming, tabs, restarts: see `loadkit.net.ports.Itinerary`.
    """

    name: str
    errand: Errand = Errand.CHAT
    streaming: bool = False
    tabs: int = 0
    restarts: int = 0


class Worker:
    """One process' part of a run: its users' sessions, its recorder, its reports.

    Args:
        deliver: takes each interval, as `Recorder.take` gives it, to the master.
        fault: called once when this tool itself is at fault; the run must stop.
    """

    def __init__(
        self, environment: Environment, deliver: Deliver, fault: Callable[[str], None]
    ) -> None:
        self._environment = environment
        self._deliver, self._fault = deliver, fault
        self._greenlets: list[gevent.Greenlet[[], None]] = []
        self._spread = count()
        self._ready = Event()
        self.profile: Profile | None = None

    def start(self, profile: Profile, url: str, index: int, workers: int) -> None:
        """Get ready for the first user.

        Args:
            index: this worker's number, from 0.
            workers: how many there are. Sessions of a class are numbered over all of them, and
                a session's number says who comes: the number of workers changes nothing.

        Raises:
            UsageError, TargetError: this machine lacks the secrets, or the target's address.
        """
        self.profile = profile
        talk = profile.conversation
        self._numbers = defaultdict[str, "count[int]"](lambda: count(index, workers))
        self._began = perf_counter()
        self._traffic = Traffic()
        self.recorder = SwarmRecorder(self._environment, perf_counter() + profile.load.warmup)
        self._setting = Setting(
            target=Target.resolve(url),
            credentials=Credentials.of(os.environ),
            recorder=self.recorder,
            traffic=self._traffic,
            policy=Policy(
                patience=talk.patience,
                queue_patience=profile.handoff.patience,
                handshake=profile.connection.handshake,
                resend=talk.resend,
                max_reconnect_attempts=profile.connection.max_reconnect_attempts,
                reconnect=profile.chaos.reconnect,
            ),
            rng=Random(),
            platform=talk.platform,
            cursor=talk.cursor,
        )
        _calm_the_collector()
        self._greenlets = [gevent.spawn(self._probe), gevent.spawn(self._report)]
        self._ready.set()

    def stop(self) -> None:
        """After the last user: hand over the rest of what was measured."""
        gevent.killall(self._greenlets)
        self._greenlets = []
        if self.profile is not None:
            self._take()
            self.profile = None
        self._ready.clear()

    def first_due(self) -> float:
        """When a user that is spawned now should begin.

        Locust spawns a second's worth of users in one burst; a low-discrepancy sequence spreads
        them evenly over the second until the next burst.
        """
        return perf_counter() + SPREAD * (next(self._spread) * GOLDEN % 1.0)

    def converse(self, due: float, outing: Outing) -> Finish:
        """Live one session; a fault of this tool stops the run."""
        self._ready.wait()  # a user may be spawned while `start` looks the target up
        profile = self.profile
        assert profile is not None
        name, number, seed = outing.name, next(self._numbers[outing.name]), profile.load.seed
        person = Person.of(profile, person_rng(seed, name, number), outing.errand)
        itinerary = Itinerary(
            streaming=outing.streaming,
            mishaps=Mishaps.of(profile.chaos, name, person_rng(seed, "chaos", name, number)),
            storms=self._storms(f"{name}-{number}"),
            tabs=outing.tabs,
            restarts=outing.restarts,
        )
        try:
            return Driver(self._setting, person, itinerary).run(due)
        except Exception as error:  # whatever it is, no server sent it
            text = f"{type(error).__name__}: {error}"
            logger.critical("a fault of this tool:\n%s", traceback.format_exc())
            self.recorder.fail(Failure.INTERNAL, text)
            self._fault(text)
            return Finish(Ending.FAILED)

    def _storms(self, session: str) -> tuple[tuple[float, Mishap], ...]:
        """The storms to come that hit a session."""
        profile = self.profile
        assert profile is not None
        now, found = perf_counter(), []
        for index, storm in enumerate(profile.chaos.storms):
            at = self._began + storm.at
            mishap = in_storm(profile.chaos, index, session, profile.load.seed)
            if at > now and mishap is not None:
                found.append((at, mishap))
        return tuple(sorted(found, key=lambda due: due[0]))

    def next_due(self, finish: Finish, failures: int) -> float:
        """When the user begins the next session.

        Args:
            failures: how many sessions in a row failed; too many and the user slows down.
        """
        assert self.profile is not None
        talk = self.profile.conversation
        pause = talk.pause * talk.time_scale
        if finish.renew and failures <= RENEW_LIMIT:
            pause = RENEW_AFTER
        elif failures:
            pause = max(pause, min(2.0 ** min(failures - 1, 10), LONGEST_PAUSE))
        return perf_counter() + pause

    def _probe(self) -> None:
        due = perf_counter()
        while True:
            due += PROBE_EVERY
            gevent.sleep(max(0.0, due - perf_counter()))
            now = perf_counter()
            self.recorder.loop_lag(max(0.0, now - due), now)
            if now - due > PROBE_EVERY:
                due = now  # what was missed in one stall is one stall

    def _report(self) -> None:
        process = psutil.Process()
        process.cpu_percent()
        due = perf_counter()
        while True:
            due += INTERVAL
            gevent.sleep(max(0.0, due - perf_counter()))
            cpu, rss = process.cpu_percent(), process.memory_info().rss
            self.recorder.resources(cpu, rss, perf_counter())
            self._take()

    def _take(self) -> None:
        recorder, traffic = self.recorder, self._traffic
        recorder.frames_sent = traffic.frames_sent
        recorder.frames_received = traffic.frames_received
        recorder.bytes_sent = traffic.bytes_sent
        recorder.bytes_received = traffic.bytes_received
        try:
            self._deliver(recorder.take(perf_counter()))
        except LoadkitError as error:
            logger.error("a report could not be delivered: %s", error)


def _calm_the_collector() -> None:
    """Keep what is there already out of the garbage collector's way.

    With 3,000 sessions a full collection stopped everything for some 140 ms, and a stopped
    generator reports a slow server. So what is there before the first user is frozen, and full
    collections come ten times more rarely than by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 100)
