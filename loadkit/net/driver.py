"""A session with its socket: performs the effects, feeds back what happened.

One greenlet a session. It keeps reading, and beating, while the person types or thinks: all that
anyone waits for is a deadline of the one `receive`, so every event is stamped when it arrives.
"""

from collections import deque
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Final, Literal, Protocol
from urllib.parse import urlencode

import gevent

from loadkit.chat.effects import (
    Connect,
    Counted,
    Drop,
    Effect,
    Failed,
    Finish,
    Sample,
    Send,
    Violation,
    YourTurn,
)
from loadkit.chat.inputs import (
    CUT,
    ELAPSED,
    START,
    Closed,
    Input,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.session import Policy, Session
from loadkit.credentials import Credentials
from loadkit.errors import Failure, LocalError, RemoteError
from loadkit.figures import Ending, Phase
from loadkit.net.link import Link, Traffic
from loadkit.net.rest import Api
from loadkit.net.target import Target
from loadkit.wire import Event, Flaw, decode

__all__ = ["Driver", "Person", "Recorder", "Setting"]

NEVER: Final = float("inf")
MESSAGE_LIMIT: Final = 1 << 20  # bytes; what a client takes when the server announces nothing

Act = tuple[float, str, str]


class Person(Protocol):
    """Who talks: told what was heard, answers with acts `(due, kind, text)`, `due` rising."""

    def react(self, at: float, heard: str) -> list[Act]:
        """Kinds are `typing_started`, `typing_stopped`, `say` and `leave`."""
        ...


class Recorder(Protocol):
    """Where the figures go; `loadkit.measure.recorder` is the real one."""

    def sample(self, phase: Phase, due: float | None, sent: float, end: float) -> None: ...
    def count(self, key: str, n: int = 1, since: float | None = None) -> None: ...
    def fail(self, kind: Failure, detail: str) -> None: ...
    def violate(self, kind: str, detail: str) -> None: ...
    def session_started(self) -> None: ...
    def session_ended(self, ending: Ending) -> None: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What the sessions of one worker share.

    Attributes:
        cursor: how a resume names its place: `seq` writes `seq:<n>`, `integer` writes `<n>`.
    """

    target: Target
    credentials: Credentials
    recorder: Recorder
    traffic: Traffic
    policy: Policy
    rng: Random
    platform: str = "web"
    cursor: Literal["seq", "integer"] = "seq"


class Driver:
    """One session from its token to its end."""

    __slots__ = ("_acts", "_finish", "_link", "_person", "_query", "_session", "_setting", "_to")

    def __init__(self, setting: Setting, person: Person) -> None:
        self._setting, self._person = setting, person
        self._session = Session(setting.policy, setting.rng)
        self._link: Link | None = None
        self._acts: deque[Act] = deque()
        self._query: dict[str, str] = {}
        self._to: Connect | None = None  # a connect that was asked for
        self._finish: Finish | None = None

    def run(self, due: float, *, streaming: bool) -> Finish:
        """Live the session.

        Args:
            due: when the plan wants it to begin (seconds, monotonic).
            streaming: whether to ask for streamed answers.

        Returns:
            How it ended. A greenlet that is killed meanwhile tells the server, counts the
            session as cut off, and lets the exception go on.
        """
        setting = self._setting
        setting.recorder.session_started()
        ending = Ending.CUT_OFF
        try:
            refusal = self._create(due, streaming)
            if refusal is not None:
                setting.recorder.fail(refusal.kind, refusal.detail)
                ending = Ending.FAILED
                return Finish(ending)
            finish = self._live()
            ending = finish.ending
            return finish
        except gevent.GreenletExit:
            ending = self._cut()
            raise
        except LocalError:
            ending = Ending.FAILED
            raise
        finally:
            if self._link is not None:
                self._link.drop()
            setting.recorder.session_ended(ending)

    def _create(self, due: float, streaming: bool) -> RemoteError | None:
        """Token and session, over one HTTP connection as a client's own."""
        setting = self._setting
        sample = setting.recorder.sample
        api = Api(setting.target, setting.credentials)
        try:
            began = perf_counter()
            token = api.access_token()
            done = perf_counter()
            sample(Phase.TOKEN, due, began, done)
            session_id = api.create_session(token, streaming=streaming, platform=setting.platform)
            sample(Phase.CREATE_SESSION, None, done, perf_counter())
        except RemoteError as error:
            return error
        finally:
            setting.recorder.count("events.rest_retry", api.retries)
            api.close()
        self._query = {"access_token": token, "session_id": session_id}
        return None

    def _live(self) -> Finish:
        session, acts = self._session, self._acts
        self._feed(perf_counter(), START)
        while self._finish is None:
            if self._to is not None:
                self._connect(self._to)
                continue
            until = session.deadline
            if acts and acts[0][0] < until:
                until = acts[0][0]
            link = self._link
            if link is None:
                gevent.sleep(max(0.0, until - perf_counter()))
            else:
                # A clock that reads "not yet" for ever would never let a due act happen.
                for frame in link.receive(None if until == NEVER else until):
                    self._take(link.stamp, frame)
                if link.closed is not None and self._link is link and self._finish is None:
                    self._link = None
                    link.drop()
                    self._feed(perf_counter(), Closed(link.closed.code))
            now = perf_counter()
            if now >= session.deadline and self._finish is None:
                self._feed(now, ELAPSED)
            while acts and acts[0][0] <= now and self._finish is None:
                self._act(*acts.popleft())
        return self._finish

    def _connect(self, effect: Connect) -> None:
        """Open the socket that was asked for, and tell how it went."""
        self._to = None
        setting, query = self._setting, dict(self._query)
        if effect.cursor:
            at = str(effect.cursor)
            query["cursor"] = f"seq:{at}" if setting.cursor == "seq" else at
        began = perf_counter()
        try:
            link = Link.open(
                setting.target,
                urlencode(query),
                setting.traffic,
                timeout=setting.policy.handshake,
                max_size=MESSAGE_LIMIT,
            )
        except RemoteError as error:
            self._feed(perf_counter(), Refused(error.kind, error.detail, error.status))
            return
        self._link = link
        setting.recorder.sample(Phase.CONNECT, None, began, link.opened_at)
        self._feed(link.opened_at, Opened())

    def _take(self, stamp: float, frame: bytes | Flaw) -> None:
        events = [frame] if isinstance(frame, Flaw) else decode(frame)
        for event in events:
            if self._finish is not None:
                return
            self._feed(stamp, event)

    def _act(self, due: float, kind: str, text: str) -> None:
        """What the person does, at the moment at which it is really done."""
        act: Input
        if kind == "say":
            act = Say(text, due)
        elif kind == "leave":
            act = Leave(due)
        else:
            act = Typing(kind == "typing_started")
        self._feed(perf_counter(), act)

    def _feed(self, now: float, happening: Event | Flaw | Input) -> None:
        for effect in self._session.step(now, happening):
            self._perform(now, effect)

    def _perform(self, now: float, effect: Effect) -> None:
        recorder = self._setting.recorder
        # The most frequent first: this runs for every frame.
        if isinstance(effect, Sample):
            recorder.sample(*effect)
        elif isinstance(effect, Send):
            if self._link is not None:
                self._link.send(effect.frame)
        elif isinstance(effect, Counted):
            recorder.count(effect.key, 1, effect.since)
        else:
            self._perform_rare(now, effect)

    def _perform_rare(self, now: float, effect: Effect) -> None:
        match effect:
            case YourTurn(heard=heard):
                self._acts.extend(self._person.react(now, heard))
            case Connect():
                self._to = effect
            case Drop():
                if self._link is not None:
                    self._link.drop()
                    self._link = None
            case Failed(kind=kind, detail=detail):
                self._setting.recorder.fail(kind, detail)
            case Violation(kind=kind, detail=detail):
                self._setting.recorder.violate(kind, detail)
            case Finish():
                self._finish = effect  # first: the closing handshake may be interrupted
                if effect.close is not None and self._link is not None:
                    self._link.close(effect.close)

    def _cut(self) -> Ending:
        """The greenlet is being killed: end the session on the server, if it knows one."""
        if self._finish is not None:
            return self._finish.ending
        self._feed(perf_counter(), CUT)
        return Ending.CUT_OFF if self._finish is None else self._finish.ending
