"""The socket's half of a session: open, replay, live, lost, again.

It dies and comes back while the conversation (`loadkit.chat.conversation`) lives on. The table
`SOCKET_ROWS` at the end says what moves it where; what has no row makes no sense there.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from loadkit.chat.effects import (
    Connect,
    Counted,
    Drop,
    Effect,
    Failed,
    Finish,
    Hangup,
    Sample,
    Unfinished,
)
from loadkit.chat.inputs import (
    ELAPSED,
    FORCED,
    REPLACED,
    START,
    Closed,
    Happening,
    Input,
    Opened,
    Refused,
    Signal,
    kind_of,
)
from loadkit.chat.personas import Policy
from loadkit.chat.socket.event_log import EventLog
from loadkit.chat.socket.heartbeat import Heartbeat
from loadkit.chat.socket.reconnect import UNKNOWN, AfterLoss, Attempts, on_close, on_refusal
from loadkit.chat.states import NEVER, SocketState
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, Phase
from loadkit.protocol import Event, EventType

FULL_BATCH: Final = 256  # events; a history batch of this size may be followed by another
SILENCE: Final = 0.2  # seconds without a batch after a full one: the history is complete
NOTHING_NEW: Final = 0.5  # seconds without a batch on a resume: the server has nothing to replay
BEHIND: Final = 2.0  # seconds without a batch although the replay is known to be incomplete
LONGEST_REPLAY: Final = 60.0  # seconds; ours: a history that goes on after it is taken as it comes
GOING_AWAY: Final = 1001  # the close code of a socket that is replaced, by the vendor's iOS SDK

_FINDINGS: Final = {
    1002: Failure.PROTOCOL_ERROR,
    1003: Failure.PROTOCOL_ERROR,
    1007: Failure.PROTOCOL_ERROR,
    1009: Failure.FRAME_TOO_BIG,
}


class ClientSocket:
    """The socket machine: at `state`, where `ELAPSED` has something to do at `deadline`.

    Stamps are seconds on the monotonic clock.
    """

    __slots__ = (
        "age",
        "attempts",
        "deadline",
        "heard_at",
        "heartbeat",
        "journal",
        "lost_at",
        "opened_at",
        "policy",
        "reach",
        "replayed_at",
        "rng",
        "stale_at",
        "state",
    )

    def __init__(self, policy: Policy, rng: Random, *, age: float = 0.0) -> None:
        self.policy, self.rng = policy, rng
        self.age = age  # how old the next socket is to be taken for when it opens, in seconds
        self.stale_at = NEVER  # when the socket is old enough to be replaced
        self.journal = EventLog()  # what came; once it is `known`, the next socket is a resume
        self.heartbeat, self.attempts = Heartbeat(), Attempts(policy, rng)
        self.reach: int | None = None  # in a cold resume: the sequence that the replay must reach
        self.lost_at: float | None = None  # since when the history is behind, unless it is complete
        self.opened_at = self.heard_at = 0.0
        self.replayed_at: float | None = None  # when the last batch of the history came
        self._enter(SocketState.GONE)

    def _enter(self, state: SocketState, until: float = NEVER) -> None:
        """Stand at `state` until then. Nothing else writes either."""
        self.state, self.deadline = state, until

    def step(self, now: float, happening: Event | Input, out: list[Effect]) -> Finish | None:
        """Have the row take what happens. Returns the end of the session, once it has come.

        Raises:
            LocalError: there is no row: it makes no sense here.
        """
        if happening is ELAPSED and now < self.deadline:
            return None
        kind = happening.type if isinstance(happening, Event) else kind_of(happening)
        row = SOCKET_ROWS[self.state].get(kind)
        if row is None:
            raise LocalError(f"{happening} while the socket is {self.state.name}")
        return row[0](self, now, happening, out)

    @property
    def is_open(self) -> bool:
        """Whether something may come over it."""
        return self.state is SocketState.LIVE or self.state is SocketState.REPLAYING

    def capabilities(self, now: float, payload: dict[str, Any]) -> None:
        """Read SESSION_START; whatever is absent or nonsense keeps its default."""
        given = payload.get("capabilities")
        if type(given) is not dict:
            return
        self.attempts.announced(given.get("max_reconnect_attempts"))
        every = given.get("heartbeat_interval_seconds")
        if isinstance(every, (int, float)) and not isinstance(every, bool):
            self.heartbeat.change(every, self.opened_at, now)
            self._go_on()

    def outlasts(self) -> None:
        """The session is about to end: its socket is not replaced any more.

        Else the end could come while there is none, and the next one is refused with 404.
        """
        self.stale_at = NEVER
        self._go_on()

    def _go_on(self) -> None:
        """When something is to be done about a live socket may have changed."""
        if self.state is SocketState.LIVE:
            self._enter(SocketState.LIVE, min(self.heartbeat.due, self.stale_at))

    def end(self) -> None:
        """The session is over."""
        self._enter(SocketState.GONE)

    # --- it opens, and catches up -----------------------------------------------------------------

    def _connect(self, now: float, happening: Input, out: list[Effect]) -> None:
        self._enter(SocketState.CONNECTING)
        out.append(Connect(self.journal.cursor))

    def _opened(self, now: float, happening: Opened, out: list[Effect]) -> None:
        self.opened_at, self.replayed_at = now, None
        nothing_comes = NOTHING_NEW if self.journal.known else self.policy.handshake
        self._enter(SocketState.REPLAYING, now + nothing_comes)
        self.journal.opened()
        self.heartbeat.start(now)
        recycle = self.policy.recycle
        self.stale_at = now + recycle - self.age % recycle if recycle else NEVER
        self.age = 0.0

    def _batch(self, now: float, batch: Event, out: list[Effect]) -> None:
        """A batch ended, and perhaps the history with it.

        There is no end mark: a full batch may have a sequel, and the history of a new session
        holds SESSION_START.
        """
        self.replayed_at = now
        known = self.journal.known
        # However much there is, it does not hold up the session for ever.
        latest = self.opened_at + (LONGEST_REPLAY if known else self.policy.handshake)
        if batch.payload["size"] >= FULL_BATCH:
            self._enter(SocketState.REPLAYING, min(now + SILENCE, latest))
        elif known and self.reach is not None and self.journal.cursor < self.reach:
            self._enter(SocketState.REPLAYING, min(now + BEHIND, latest))
        elif known:
            self._caught_up(now, out)

    def _silent(self, now: float, happening: Signal, out: list[Effect]) -> Finish | None:
        """Nothing more comes of the history."""
        if self.journal.known:
            self._caught_up(now, out)
            return None
        out.append(Failed(Failure.HISTORY_MISSING))
        return self._let_go(now, out)

    def _caught_up(self, now: float, out: list[Effect]) -> None:
        self.attempts.made = 0
        self.heartbeat.due = max(self.heartbeat.due, now)  # one that a long replay held up
        self._enter(SocketState.LIVE, min(self.heartbeat.due, self.stale_at))
        if self.replayed_at is not None:
            out.append(Sample(Phase.HISTORY, None, self.opened_at, self.replayed_at))
        if self.lost_at is not None:
            out.append(Counted(Count.DISCONNECTS_RECONNECTED))
            # Without a batch there was nothing to catch up on.
            caught_up = self.opened_at if self.replayed_at is None else self.replayed_at
            out.append(Sample(Phase.RECONNECT, None, self.lost_at, caught_up))
            self.lost_at = None

    # --- it is live -------------------------------------------------------------------------------

    def _due(self, now: float, happening: Signal, out: list[Effect]) -> Finish | None:
        """The socket is old, and a fresh one is taken as the vendor's SDKs do; or it beats."""
        if now >= self.stale_at:
            code = self.policy.recycled
            out.append(Counted(Count.DISCONNECTS_RECYCLED))
            out.append(Drop() if code is None else Hangup(code))
            return self._lost(now, AfterLoss.RESUME, "recycled", out)
        if not self.heartbeat.beat(now, self.heard_at, out):
            return self._let_go(now, out)
        self._go_on()
        return None

    def _replaced(self, now: float, happening: Signal, out: list[Effect]) -> Finish | None:
        """This side wants another socket, for a token that is new."""
        out.append(Counted(Count.DISCONNECTS_REFRESHED))
        out.append(Hangup(GOING_AWAY))
        return self._lost(now, AfterLoss.RESUME, "a new token", out)

    # --- it is gone -------------------------------------------------------------------------------

    def _let_go(self, now: float, out: list[Effect]) -> Finish | None:
        out.append(Drop())
        return self._closed(now, Closed(1006), out)

    def _closed(self, now: float, closed: Closed, out: list[Effect]) -> Finish | None:
        self._no_history(now, out, lost=True)
        out.append(Counted(Count.DISCONNECTS_UNEXPECTED))
        if closed.flooded:
            return self._give_up()
        why = f"closed with {closed.code}"
        if closed.code in _FINDINGS:
            out.append(Failed(_FINDINGS[closed.code], why))
        return self._lost(now, on_close(closed.code), why, out)

    def _forced(self, now: float, happening: Signal, out: list[Effect]) -> Finish | None:
        """We broke the open socket, or one that was being opened."""
        self._no_history(now, out, lost=False)
        out.append(Counted(Count.DISCONNECTS_FORCED))
        return self._lost(now, AfterLoss.RESUME, "broken on purpose", out)

    def _no_history(self, now: float, out: list[Effect], *, lost: bool) -> None:
        if self.state is SocketState.REPLAYING:
            out.append(Unfinished(Phase.HISTORY, None, self.opened_at, now, lost))

    def _refused(self, now: float, refusal: Refused, out: list[Effect]) -> Finish | None:
        verdict = on_refusal(refusal.status, self.policy.reconnect)
        if verdict is AfterLoss.RENEW:
            lost = refusal.status in UNKNOWN and refusal.kind is not Failure.TOKEN_EXPIRED
            kind = Failure.SESSION_LOST if lost else refusal.kind
            out.append(Failed(kind, refusal.detail))
            return self._give_up(renew=True)
        out.append(Failed(refusal.kind, refusal.detail))
        return self._retry(now, verdict, refusal.detail, out, at_least=refusal.wait_s or 0.0)

    def _lost(self, now: float, verdict: AfterLoss, why: str, out: list[Effect]) -> Finish | None:
        if self.lost_at is None:  # else a resume failed half-way, and the outage goes on
            self.lost_at = now
        self.journal.settle(out)
        if verdict is AfterLoss.STOP or verdict is AfterLoss.RENEW:
            out.append(Failed(Failure.SESSION_LOST, why))
            return self._give_up(renew=verdict is AfterLoss.RENEW)
        return self._retry(now, verdict, why, out)

    def _retry(
        self, now: float, verdict: AfterLoss, why: str, out: list[Effect], *, at_least: float = 0.0
    ) -> Finish | None:
        self.heartbeat.stop()
        wait = self.attempts.wait(verdict)
        if wait is None:
            out.append(Failed(Failure.GAVE_UP, f"after {self.attempts.made} attempts: {why}"))
            out.append(Counted(Count.DISCONNECTS_GAVE_UP))
            return self._give_up()
        self._enter(SocketState.BACKOFF, now + max(wait, at_least))
        return None

    def _give_up(self, *, renew: bool = False) -> Finish:
        self._enter(SocketState.GONE)
        return Finish(Ending.FAILED, renew=renew)


_Row = tuple[
    Callable[[ClientSocket, float, Any, list[Effect]], Finish | None], frozenset[SocketState]
]


def _to(handler: Callable[..., Finish | None], *states: SocketState) -> _Row:
    """What takes a happening, and the states other than the present one to which it may lead."""
    return handler, frozenset(states)


_C = ClientSocket
_CLOSED: Final = _to(_C._closed, SocketState.BACKOFF, SocketState.GONE)
_FORCED: Final = _to(_C._forced, SocketState.BACKOFF, SocketState.GONE)

SOCKET_ROWS: Final[dict[SocketState, dict[Happening, _Row]]] = {
    SocketState.GONE: {START: _to(_C._connect, SocketState.CONNECTING)},
    SocketState.CONNECTING: {
        Opened: _to(_C._opened, SocketState.REPLAYING),
        Refused: _to(_C._refused, SocketState.BACKOFF, SocketState.GONE),
        FORCED: _FORCED,
    },
    SocketState.REPLAYING: {
        EventType.EVENT_BATCH: _to(_C._batch, SocketState.LIVE),
        ELAPSED: _to(_C._silent, SocketState.LIVE, SocketState.BACKOFF, SocketState.GONE),
        Closed: _CLOSED,
        FORCED: _FORCED,
    },
    SocketState.LIVE: {
        ELAPSED: _to(_C._due, SocketState.BACKOFF, SocketState.GONE),
        REPLACED: _to(_C._replaced, SocketState.BACKOFF, SocketState.GONE),
        Closed: _CLOSED,
        FORCED: _FORCED,
    },
    SocketState.BACKOFF: {ELAPSED: _to(_C._connect, SocketState.CONNECTING)},
}
"""`SOCKET_ROWS[state][happening]` → what takes it, and the states to which that may lead."""
