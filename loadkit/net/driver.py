"""A session with its socket: performs the effects, feeds back what happened.

One greenlet a session. It keeps reading, and beating, while the person types or thinks: all that
anyone waits for is a deadline of the one `receive`, so every event is stamped when it arrives.
"""

from time import perf_counter, time
from typing import Any, Final

import gevent

from loadkit.actions import ActionKind
from loadkit.chat import effects, inputs
from loadkit.chat.effects import Connect, Counted, Drop, Effect, Finish, Sample, Send, Unfinished
from loadkit.chat.inputs import Input, Opened, Refused
from loadkit.chat.session import Session
from loadkit.chat.states import NEVER
from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.figures import Count, Ending, Origin, Phase, State, Wait
from loadkit.net.browser_tab import Tab, revisit
from loadkit.net.fault_injector import FaultInjector
from loadkit.net.http.entry import Entry, count_status, enter, refreshed
from loadkit.net.http.rest import expired
from loadkit.net.interfaces import PersonLike, SessionContext, SessionPlan, SocketFault
from loadkit.net.person_acts import PersonActs
from loadkit.net.transcript import Frames
from loadkit.net.websocket.flood_allowance import FLOODED, Allowance
from loadkit.net.websocket.link import Link
from loadkit.protocol import Event, Flaw
from loadkit.security import redaction

_Happening = Event | Flaw | Input
_PLAIN: Final = SessionPlan()
_RESPONSE: Final = Phase.RESPONSE  # looked up for every sample


class Driver:
    """One session from its token to its end."""

    __slots__ = (
        "_acts",
        "_allowance",
        "_asked",
        "_broken_next",
        "_correlation_id",
        "_entry",
        "_faults",
        "_finish",
        "_frames",
        "_greenlet",
        "_link",
        "_plan",
        "_refresh_at",
        "_session",
        "_setting",
        "_started",
        "_tabs",
        "_to",
    )

    def __init__(
        self, setting: SessionContext, person: PersonLike, plan: SessionPlan = _PLAIN
    ) -> None:
        self._setting, self._plan = setting, plan
        self._session = Session(
            setting.policy, setting.rng, streaming=plan.streaming, socket_age=plan.socket_age
        )
        self._faults = FaultInjector(plan)
        self._acts = PersonActs(person, self._faults, plan.restarts, setting.recorder)
        self._link: Link | None = None
        self._allowance = Allowance()
        self._greenlet: Any = None  # that lives the session
        self._asked: Wait | None = None  # for a token, a session or a socket
        self._entry: Entry | None = None
        self._correlation_id = ""  # of the exchange that was refused last, else of the entry
        self._to: Connect | None = None  # a connect that was asked for
        self._finish: Finish | None = None
        self._frames = Frames()
        self._started, self._refresh_at = 0.0, NEVER
        self._broken_next: SocketFault | None = None  # what happens to the socket being opened
        self._tabs: list[Tab] = []

    @property
    def state(self) -> State:
        """Where the session stands now."""
        return self._session.charted

    @property
    def rest(self) -> State | None:
        """Where it stands if it waits for nothing, as most do most of the time; None if it does."""
        return self._session.rest if self._asked is None else None

    def waits(self, now: float) -> tuple[list[Wait], list[float]]:
        """What is waited for whose end this side can hear; and when each open message was sent."""
        if self.rest is not None:
            return [], []
        asked = [] if self._asked is None else [self._asked]
        every = [*asked, *self._session.waits()]
        return (
            [wait for wait in every if not self._faults.was_deaf(wait.sent, now)],
            [turn.sent for turn in self._session.open_turns()],
        )

    def hush(self) -> None:
        """From now on the person says nothing new; what is owed to them may still come."""
        self._acts.hushed = True
        self._acts.due.clear()

    @property
    def person(self) -> str:
        """Who lives it, as of `SessionPlan`."""
        return self._plan.person

    def storm(self, at: float, fault: SocketFault) -> None:
        """Have its socket meet a fault at a moment (monotonic), beside those of its plan."""
        self._faults.storm(at, fault)
        if self._link is not None:
            self._link.wake()  # it waits for what was due next until now

    def cut(self) -> None:
        """Have the session cut off, as if its greenlet were killed."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def run(self, due: float) -> Finish:
        """Live the session, which was to begin at `due` (seconds, monotonic); how it ended.

        A greenlet that is killed meanwhile tells the server, counts the session as cut off, and
        lets the exception go on.
        """
        recorder = self._setting.recorder
        self._greenlet = gevent.getcurrent()
        recorder.session_started()
        ending: Ending | None = Ending.CUT_OFF
        try:
            self._started = self._frames.since = perf_counter()
            try:
                self._entry = enter(self._setting, due, self._ask, self._plan)
                self._asked = None
                redaction.hold(self._entry.token)
                self._refresh_at = self._entry.refresh_at(self._setting.persona.refresh)
                self._correlation_id = self._entry.correlation_id
            except RemoteError as refusal:
                self._not_given(lost=True)
                self._correlation_id = refusal.correlation_id
                recorder.fail(refusal.kind, refusal.detail, self._origin())
                ending = Ending.FAILED
                return Finish(ending)
            finish = self._live()
            ending = None
            recorder.session_ended(finish.ending)
            if finish.ending is Ending.ABANDONED and (away := self._acts.person.away_s) is not None:
                gevent.sleep(away)
                cursor = self._session.connection.journal.cursor
                query = self._entry.query(cursor, self._setting.cursor)
                recorder.count_named("came_back", revisit(self._setting, query))
            return finish
        except gevent.GreenletExit:
            ending = ending and self._cut()
            raise
        except LocalError:
            ending = ending and Ending.FAILED
            raise
        finally:
            if ending is not None:  # before anything that waits: it may be killed once more
                recorder.session_ended(ending)
            if self._link is not None:
                self._link.drop()
            for tab in self._tabs:
                journal = self._session.connection.journal
                tab.finish(journal.cursor, ended=self._session.ending is not None)
            self._faults.close_half_open()
            if self._entry is not None:
                redaction.release(self._entry.token)

    def _live(self) -> Finish:
        acts = self._acts.due
        self._feed(perf_counter(), inputs.START)
        while self._finish is None:
            if self._to is not None:
                self._connect(self._to)
                continue
            struck_at = self._faults.due(self._started)
            until = min(self._session.deadline, struck_at, self._refresh_at)
            if promptly := bool(acts) and acts[0].due < until:
                until = acts[0].due
            link = self._link
            if link is None:
                gevent.sleep(max(0.0, until - perf_counter()))
            else:
                for frame in link.receive(None if until == NEVER else until, promptly=promptly):
                    if self._link is not link:
                        break  # broken on purpose, or the process shut down, in between
                    self._take(link, frame)
                if link.closed is not None and self._link is link and self._finish is None:
                    self._link = None
                    link.drop()
                    self._count_flood(link)
                    self._frames.closed(perf_counter(), link.closed.code)
                    self._feed(perf_counter(), inputs.Closed(link.closed.code, link.flooded))
            now = perf_counter()
            if now >= self._refresh_at and self._finish is None:
                self._refresh()
            if now >= struck_at and self._finish is None:
                self._strike(self._faults.take(now))
            if now >= self._session.deadline and self._finish is None:
                self._feed(now, inputs.ELAPSED)
            while acts and acts[0].due <= now and self._finish is None:
                act, at = acts.pop(0), perf_counter()  # when it is really done
                if act.kind is ActionKind.VANISH:
                    self._vanish(silent=act.text == "silent")
                else:
                    self._feed(at, self._acts.done(at, act))
        return self._finish

    def _connect(self, effect: Connect) -> None:
        self._to, setting, entry, began = None, self._setting, self._entry, perf_counter()
        assert entry is not None
        self._asked = Wait(Phase.CONNECT, None, began)
        try:
            link = Link.open(
                setting.target,
                entry.query(effect.cursor, setting.cursor),
                setting.traffic,
                timeout=setting.policy.handshake,
                allowance=self._allowance,
                compression=setting.compression,
            )
        except RemoteError as error:
            self._not_given(lost=True)
            count_status(setting.recorder, error)
            self._correlation_id = error.correlation_id or self._correlation_id
            # The session is bound to this token, so that a fresh one would not open it either.
            is_old = error.status == 401 and expired(entry.token, time())
            kind = Failure.TOKEN_EXPIRED if is_old else error.kind
            self._feed(perf_counter(), Refused(kind, error.detail, error.status, error.wait_s))
            return
        self._link, self._asked = link, None
        fault, self._broken_next = self._broken_next, None
        if fault is not None:
            self._break(link, fault)
            return
        for key, holds in ((Count.PASSED_OVER, link.lost_s), (Count.COMPRESSED, link.compressed)):
            if holds:
                setting.recorder.count(key)
        self._acts.reach(1)
        setting.recorder.sample(Phase.CONNECT, None, began + link.lost_s, link.opened_at)
        self._feed(link.opened_at, Opened())
        for number in range(len(self._tabs), self._plan.tabs):
            tab = Tab(setting, entry.query, number, self._origin(), self._frames)
            self._tabs.append(tab)

    def _refresh(self) -> None:
        """The token nears its end: take a new one, and open the session's socket anew with it."""
        assert self._entry is not None
        self._refresh_at = NEVER
        try:
            entry = refreshed(self._setting, self._entry, self._ask)
        except RemoteError as error:  # the old one is as good as it was
            self._not_given(lost=True)
            self._setting.recorder.fail(error.kind, error.detail, self._origin())
            return
        self._entry, self._asked = entry, None
        for tab in self._tabs:
            tab.query = entry.query
        self._refresh_at = entry.refresh_at(self._setting.persona.refresh)
        self._feed(perf_counter(), inputs.REPLACED)

    def _take(self, link: Link, frame: bytes | Flaw) -> None:
        stamp, frames = link.stamp, self._frames
        frames.came(stamp, frame)
        for event in link.events(frame):
            if self._finish is not None or self._link is not link:
                break
            self._feed(stamp, event)
            frames.had(event)
        frames.read()

    def _feed(self, now: float, happening: _Happening) -> None:
        session = self._session
        owed = iter(session.step(now, happening))
        try:
            for effect in owed:
                self._perform(now, effect, happening)
        except gevent.GreenletExit:  # while it wrote; the session counts on the rest all the same
            self._acts.hushed = True
            for effect in (Drop(), *owed):  # half a frame cannot be gone on with
                self._perform(now, effect, happening)
            raise
        if self._plan.faults is not None and session is self._session and self._finish is None:
            fault = self._faults.at(session.moment)
            if fault is not None:
                self._strike(fault)

    def _perform(self, now: float, effect: Effect, happening: _Happening) -> None:
        recorder = self._setting.recorder
        # The most frequent first: this runs for every frame.
        if isinstance(effect, Sample):
            if effect.end >= self._faults.deaf[0] and effect.sent < self._faults.deaf[1]:
                recorder.count("events.left_out_by_stall")
            elif effect[0] is _RESPONSE:
                told = self._session.answers.told(self._started, self._origin, self._plan.person)
                recorder.sample(*effect, told)
            else:
                recorder.sample(*effect)
        elif isinstance(effect, Send):
            if self._link is not None:
                self._frames.sent(now, effect.frame)
                self._link.send(effect.frame, more=self._acts.more)
        elif isinstance(effect, Counted):
            recorder.count(effect.key, effect.n, effect.since)
        elif isinstance(effect, Unfinished):
            if not self._faults.was_deaf(effect.sent, effect.until):
                recorder.unfinished(*effect)
        else:
            self._perform_rare(now, effect, happening)

    def _perform_rare(self, now: float, effect: Effect, happening: _Happening) -> None:
        match effect:
            case effects.YourTurn():
                if self._acts.hear(now, effect):
                    self._restart()
            case effects.Named(family=family, word=word):
                self._setting.recorder.count_named(family, word)
            case Connect():
                self._to = effect
            case Drop():
                if self._link is not None:
                    self._link.drop()
                    self._link = None
            case effects.Hangup(code=code):
                self._hang_up(code)
            case effects.Failed(kind=kind, detail=detail):
                self._setting.recorder.fail(kind, detail, self._origin())
            case effects.Violation():
                self._frames.violated(self._setting.recorder, effect, self._origin(), happening)
            case effects.Keep():
                self._frames.keep()
            case Finish():
                self._finish = effect  # first: the closing handshake may be interrupted
                if effect.close is not None:
                    self._hang_up(effect.close)

    def _restart(self) -> None:
        """The app is shut down: close 1000 without USER_END_SESSION; a new process goes on."""
        self._setting.recorder.count("sessions.cold_resumes")
        self._hang_up(1000)
        self._session = self._session.again()
        self._feed(perf_counter(), inputs.START)

    def _strike(self, fault: SocketFault) -> None:
        if not self._session.breakable:
            return
        if self._to is not None:
            self._broken_next = fault
        elif self._link is not None:
            self._break(self._link, fault)

    def _break(self, link: Link, fault: SocketFault) -> None:
        self._setting.recorder.count(f"chaos.{fault.kind}")
        if fault.kind == "stall":
            if self._to is None and self._session.moment == "connect":
                self._feed(link.opened_at, Opened())
            self._faults.stall(fault.seconds)
            return
        self._link = None
        self._faults.end(link, fault.kind, fault.code)
        self._feed(perf_counter(), inputs.FORCED)

    def _vanish(self, *, silent: bool) -> None:
        if self._link is not None:
            self._faults.end(self._link, "half_open" if silent else "fin")
            self._link = None
        self._setting.recorder.count("vanished.silent" if silent else "vanished.fin")
        self._feed(perf_counter(), inputs.VANISHED)

    def _ask(self, wait: Wait) -> None:
        self._asked = wait

    def _not_given(self, *, lost: bool) -> None:
        wait, self._asked = self._asked, None
        if wait is not None:
            self._setting.recorder.unfinished(*wait, perf_counter(), lost)

    def _hang_up(self, code: int) -> None:
        """Close the socket in order. Whoever is killed in the closing handshake has none left."""
        link, self._link = self._link, None
        if link is not None:
            self._frames.closed(perf_counter(), code, "→")
            link.close(code)
            self._count_flood(link)

    def _count_flood(self, link: Link) -> None:
        if link.flooded:
            self._setting.recorder.fail(Failure.FRAME_FLOOD, FLOODED, self._origin())

    def _origin(self) -> Origin:
        session, setting = "" if self._entry is None else self._entry.session_id, self._setting
        return Origin(setting.user_class, session, self._correlation_id, setting.client)

    def _cut(self) -> Ending:
        """The greenlet is being killed: end the session on the server, if it knows one."""
        if self._finish is not None:
            return self._finish.ending
        self._not_given(lost=False)
        if self._entry is not None:
            self._feed(perf_counter(), inputs.CUT)
        return Ending.CUT_OFF if self._finish is None else self._finish.ending
