"""One visitor's conversation: every transition of it is in this file.

A server event moves the conversation by the same row whether it arrives live or in a replay, so
a reply that lands in a replay answers its turn like any other. The rows stand in `_ROWS` at the
end of the file; an event without a row is a violation by the server and changes nothing. What
the tool asks of itself at the wrong moment is a `LocalError`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from typing import Final, Literal
from uuid import UUID

from loadkit.chat.connection import NEVER, Connection, Link
from loadkit.chat.effects import (
    Counted,
    Effect,
    Failed,
    Finish,
    Sample,
    Send,
    Violation,
    YourTurn,
)
from loadkit.chat.inputs import Closed, Cue, Input, Leave, Opened, Refused, Say, Typing
from loadkit.chat.late import Late, completes
from loadkit.chat.stream import Stream
from loadkit.chat.turn import Turn
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, Phase
from loadkit.wire import Event, EventType, Flaw
from loadkit.wire.encode import END_SESSION, JOIN, TYPING_STARTED, TYPING_STOPPED, user_message

__all__ = ["Policy", "Session", "Talk"]

RESEND_AFTER: Final = 5.0  # seconds without an echo, doubled each time: the reference's advice
RESEND_LIMIT: Final = 3
RECENT: Final = 128  # ids kept for de-duplication; a server replays from the cursor, not before


class Talk(Enum):
    """Where the conversation stands."""

    NEW = auto()  # no join was asked for
    JOINING = auto()  # asked for, the agent has not joined
    GREETING = auto()  # joined, the greeting is owed
    READY = auto()  # the person's turn
    WAITING = auto()  # the agent's turn
    LEAVING = auto()  # the person clicked "leave", SESSION_END is owed
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Policy:
    """How this client behaves where the protocol leaves a choice; times in seconds.

    Attributes:
        patience: how long an answer, the join or the greeting is waited for.
        handshake: how long the first history batch and SESSION_END are waited for.
        resend: what to do about a message without an echo: `never` gives it up when the patience
            ends or a resume shows that it was lost; `reference` sends it again after 5, 10, 20 s.
        max_reconnect_attempts: in a row; None takes the server's figure (10 when it gives none).
    """

    patience: float = 60.0
    handshake: float = 10.0
    resend: Literal["never", "reference"] = "never"
    max_reconnect_attempts: int | None = None


class Session:
    """A chat session as its client lives it.

    Feed it `START`, then server events (`loadkit.wire.decode`) and the inputs of
    `loadkit.chat.inputs`, each with the time at which it happened; perform the effects in order;
    feed `ELAPSED` when `deadline` has come. After `Finish` nothing more may be fed.
    """

    __slots__ = (
        "connection",
        "late",
        "owed_by",
        "pending",
        "policy",
        "recent",
        "stream",
        "talk",
        "turn",
    )

    def __init__(self, policy: Policy, rng: Random) -> None:
        """
        Args:
            policy: the client's choices.
            rng: for message ids and the jitter of reconnects; may be shared by many sessions.
        """
        limit = policy.max_reconnect_attempts
        self.policy = policy
        self.connection = Connection(policy.handshake, 10 if limit is None else limit, rng)
        self.talk = Talk.NEW
        self.turn: Turn | None = None  # the last thing asked, answered or not
        self.stream: Stream | None = None  # what is being streamed to us
        self.owed_by = NEVER
        self.late = Late()
        self.pending: Say | Leave | None = None  # what the person did while the socket was away
        self.recent: dict[int, None] = {}  # hashes of ids, the oldest first

    @property
    def deadline(self) -> float:
        """When the driver owes us `ELAPSED`; infinity for never."""
        deadline = self.connection.deadline
        if self.connection.link is Link.LIVE and self.owed_by < deadline:
            return self.owed_by
        return deadline

    def step(self, now: float, happening: Event | Flaw | Input) -> list[Effect]:
        """Take one happening; return what the driver must do, in order.

        Raises:
            LocalError: the tool asked for something that makes no sense now. Nothing that a
                server sends raises.
        """
        out: list[Effect] = []
        match happening:
            case Event():
                self._hear(now, happening, out)
            case Flaw():
                self.connection.heard_at = now
                out.append(Violation(happening.kind, happening.detail))
            case Say():
                self._say(now, happening, out)
            case Typing():
                if self.connection.link is Link.LIVE:
                    out.append(Send(TYPING_STARTED if happening.started else TYPING_STOPPED))
            case Leave():
                self._leave(now, happening, out)
            case Cue.ELAPSED:
                self._elapsed(now, out)
            case Opened():
                self.connection.opened(now)
            case Closed(code=code):
                self._gone(self.connection.closed(now, code, out), out)
            case Refused():
                self._gone(self.connection.refused(now, happening, out), out)
            case Cue.START:
                self.connection.expect(Link.GONE)
                self._expect(happening, Talk.NEW)
                self.connection.connect(out)
            case Cue.CUT:
                self._cut(out)
        return out

    # --- the socket and the clock ---------------------------------------------------------------

    def _gone(self, finish: Finish | None, out: list[Effect]) -> None:
        if finish is not None:
            self._abandon_turn(out)
            self._finish(finish, out)

    def _elapsed(self, now: float, out: list[Effect]) -> None:
        result = self.connection.elapsed(now, out)
        if result is True:
            self._caught_up(now, out)
        elif result is not False:
            self._gone(result, out)
        elif self.connection.link is Link.LIVE and now >= self.owed_by:
            self._overdue(now, out)

    def _batch(self, now: float, event: Event, out: list[Effect]) -> None:
        if self.connection.batch(now, event.payload["size"], out):
            self._caught_up(now, out)

    def _caught_up(self, now: float, out: list[Effect]) -> None:
        """The history is complete: what was sent into a lost socket, or held back, goes on."""
        pending, self.pending = self.pending, None
        turn = self.turn
        unheard = turn is not None and not turn.echoed
        if pending is not None:  # due only now: the outage is not a lag of ours
            out.extend(self.step(now, replace(pending, due=now)))
        elif now >= self.owed_by:  # a socket may go again before its ELAPSED comes
            self._overdue(now, out)
        elif self.talk is Talk.NEW:
            self._owe(Talk.JOINING, Turn(JOIN, None, None, now), out)
        elif turn is not None and unheard and self.talk in (Talk.JOINING, Talk.LEAVING):
            out.append(Send(turn.frame))  # a second one is a no-op
        elif turn is not None and unheard and self.talk is Talk.WAITING:
            if self.policy.resend == "never":
                self._lost(Failure.UNACKNOWLEDGED, out)
            else:
                self._resend(now, turn, out)

    def _overdue(self, now: float, out: list[Effect]) -> None:
        turn = self.turn
        if turn is not None and self.talk is Talk.WAITING:
            if now < turn.sent + self.policy.patience:
                self._resend(now, turn, out)
            else:
                self._lost(Failure.UNANSWERED if turn.echoed else Failure.UNACKNOWLEDGED, out)
            return
        out.append(Failed(_MISSING[self.talk]))
        if self.talk is not Talk.LEAVING:
            out.append(Send(END_SESSION))  # or the server keeps the session until its idle limit
        self._finish(Finish(Ending.FAILED, close=1000), out)

    # --- the person ---------------------------------------------------------------------------

    def _say(self, now: float, say: Say, out: list[Effect]) -> None:
        self._expect(say, Talk.READY)
        if self.connection.link is not Link.LIVE:
            self.pending = say
            return
        local_id = str(UUID(int=self.connection.rng.getrandbits(128), version=4))
        out.append(Counted(Count.TURNS_SENT, now))
        turn = Turn(user_message(say.text, local_id), local_id, say.due, now)
        self._owe(Talk.WAITING, turn, out)
        if self.policy.resend == "reference":
            self.owed_by = min(self.owed_by, now + RESEND_AFTER)

    def _leave(self, now: float, leave: Leave, out: list[Effect]) -> None:
        self._expect(leave, Talk.READY, Talk.WAITING)
        if self.connection.link is not Link.LIVE:
            self.pending = leave
            return
        self._abandon_turn(out)
        self._owe(Talk.LEAVING, Turn(END_SESSION, None, leave.due, now), out)

    def _cut(self, out: list[Effect]) -> None:
        self._expect("CUT", *(talk for talk in Talk if talk is not Talk.ENDED))
        if self.connection.link in (Link.LIVE, Link.REPLAYING):
            if self.talk is not Talk.LEAVING:
                out.append(Send(END_SESSION))
            self._finish(Finish(Ending.CUT_OFF, close=1000), out)
        elif self.connection.attempt:  # not a session that was simply still running
            self._abandon_turn(out)
            out.append(Failed(Failure.CONNECTION_LOST, "still disconnected when the run ended"))
            self._finish(Finish(Ending.FAILED), out)
        else:
            self._finish(Finish(Ending.CUT_OFF), out)

    # --- the server ---------------------------------------------------------------------------

    def _hear(self, now: float, event: Event, out: list[Effect]) -> None:
        connection, kind = self.connection, event.type
        connection.heard_at = now
        if event.id is not None and kind is not EventType.HEARTBEAT:
            identity = hash(event.id)
            if identity in self.recent:
                out.append(Counted(Count.EVENTS_DUPLICATED))
                return
            self.recent[identity] = None
            if len(self.recent) > RECENT:
                del self.recent[next(iter(self.recent))]
        if event.sequence is not None:
            connection.sequenced(event.sequence, out)
        row = _ROWS[self.talk].get(kind)
        if row is None:
            detail = f"{kind.removeprefix('EVENT_TYPE_')} while {self.talk.name}"
            out.append(Violation("unexpected_event", detail))
        else:
            row(self, now, event, out)

    def _session_start(self, now: float, event: Event, out: list[Effect]) -> None:
        take_limit = self.policy.max_reconnect_attempts is None
        self.connection.capabilities(now, event.payload, limit=take_limit)

    def _joined(self, now: float, event: Event, out: list[Effect]) -> None:
        if self.turn is not None:
            out.append(Sample(Phase.JOIN, None, self.turn.sent, now))
            self.turn.echoed = True  # or at least heard: no need to ask again
        self.talk, self.owed_by = Talk.GREETING, now + self.policy.patience

    def _heard(self, now: float, event: Event, out: list[Effect]) -> None:
        """The echo of the join or of the end, or that the agent thinks of a greeting."""
        if self.turn is not None:
            self.turn.echoed = True

    def _echo(self, now: float, event: Event, out: list[Effect]) -> None:
        turn = self.turn
        if turn is None or turn.local_id is None or turn.local_id != event.local_id:
            unexpected = Violation("unexpected_echo", f"while {self.talk.name}")
            out.append(Counted("events.late_echo") if self.late.owed else unexpected)
        elif not turn.echoed:
            turn.echoed = True
            out.append(Sample(Phase.ECHO, None, turn.sent, now))
            if self.talk is Talk.WAITING:  # no more need to send it again
                self.owed_by = turn.sent + self.policy.patience

    def _thinking(self, now: float, event: Event, out: list[Effect]) -> None:
        turn = self.turn
        if turn is not None and not turn.thought and not self._is_late(event, out):
            turn.thought = True
            out.append(Sample(Phase.THINKING, None, turn.sent, now))

    def _chunk(self, now: float, event: Event, out: list[Effect]) -> None:
        if self._is_late(event, out):
            return
        turn, stream, message_id = self.turn, self.stream, event.payload.get("message_id")
        if stream is None or stream.message_id != message_id:
            if stream is None and turn is not None and self.talk is Talk.WAITING:
                out.append(Sample(Phase.FIRST_CHUNK, turn.due, turn.sent, now))
            stream = self.stream = Stream(message_id, now)
        elif self.connection.link is Link.LIVE:  # a replay's pace says nothing about the agent's
            out.append(Sample(Phase.CHUNK_GAP, None, stream.last_at, now))
        stream.last_at = now
        violation = stream.add(event.payload)
        if violation is not None:
            out.append(Violation(violation, f"chunk_index {event.payload.get('chunk_index')!r}"))
        if completes(event):
            self._complete(now, stream.text, out)

    def _message(self, now: float, event: Event, out: list[Effect]) -> None:
        if not self._is_late(event, out):
            text = event.payload.get("text")
            self._complete(now, text if type(text) is str else "", out)

    def _complete(self, now: float, heard: str, out: list[Effect]) -> None:
        """The greeting, or the answer to a turn, is there as a whole."""
        turn = self.turn
        if turn is not None and self.talk is Talk.WAITING:
            out.append(Sample(Phase.RESPONSE, turn.due, turn.sent, now))
            out.append(Counted(Count.TURNS_ANSWERED, turn.sent))
            if self.connection.link is Link.REPLAYING:
                out.append(Counted(Count.TURNS_ANSWERED_BY_REPLAY, turn.sent))
            turn.answered = True
            self.late.owed += turn.resends  # each may be answered too
        elif turn is not None:
            out.append(Sample(Phase.GREETING, None, turn.sent, now))
        self.talk, self.owed_by, self.stream = Talk.READY, NEVER, None
        if self.pending is None:  # else the person has left already
            out.append(YourTurn(heard))

    def _is_late(self, event: Event, out: list[Effect]) -> bool:
        """Whether an answer, or a part of one, belongs to an earlier turn; counts it if so."""
        echoed = self.turn is None or self.turn.echoed
        if (self.late.owed and not echoed) or self.late.goes_on(event):
            out.append(Counted("events.late_answer"))
            self.late.take(event)
            return True
        return False

    def _unprompted(self, now: float, event: Event, out: list[Effect]) -> None:
        """The agent speaks, or thinks, although nothing was asked."""
        turn = self.turn
        owed = self.late.owed
        if owed and turn is not None and turn.answered and turn.resends and completes(event):
            out.append(Counted(Count.TURNS_ANSWERED_TWICE, turn.sent))
        elif owed or self.late.goes_on(event):
            out.append(Counted("events.late_answer"))
        else:
            what = event.type.removeprefix("EVENT_TYPE_")
            out.append(Violation("answer_to_nobody", f"{what} while {self.talk.name}"))
        self.late.take(event)  # from now on a stream goes on: it is one violation

    def _beat_echo(self, now: float, event: Event, out: list[Effect]) -> None:
        self.connection.beat_echo(now, out)

    def _session_end(self, now: float, event: Event, out: list[Effect]) -> None:
        reason = str(event.payload.get("reason"))
        ending = _ENDINGS.get(reason, Ending.FAILED)
        if self.talk is Talk.LEAVING and self.turn is not None:
            out.append(Sample(Phase.END, self.turn.due, self.turn.sent, now))
        if self.talk is Talk.WAITING:
            self._abandon_turn(out)
            out.append(Failed(Failure.UNANSWERED, "the session ended before the answer"))
        elif self.talk in (Talk.JOINING, Talk.GREETING):
            out.append(Failed(_MISSING[self.talk], "the session ended before it"))
        if ending is Ending.FAILED:
            out.append(Violation("unknown_reason", reason))
        elif ending is Ending.ABANDONED:
            out.append(Failed(Failure.SESSION_ABANDONED, "while this client was connected"))
        self._finish(Finish(ending, close=1000), out)

    def _unknown(self, now: float, event: Event, out: list[Effect]) -> None:
        out.append(Violation("unknown_type", str(event.payload.get("type"))))

    def _tolerated(self, now: float, event: Event, out: list[Effect]) -> None:
        out.append(Counted(f"events.{event.type.removeprefix('EVENT_TYPE_').lower()}"))

    # --- helpers ------------------------------------------------------------------------------

    def _owe(self, talk: Talk, turn: Turn, out: list[Effect]) -> None:
        """Send what opens a turn; from now on the far side owes its answer."""
        self.talk, self.turn, self.stream = talk, turn, None
        patience = self.policy.handshake if talk is Talk.LEAVING else self.policy.patience
        self.owed_by = turn.sent + patience
        out.append(Send(turn.frame))

    def _resend(self, now: float, turn: Turn, out: list[Effect]) -> None:
        end = turn.sent + self.policy.patience
        if turn.resends < RESEND_LIMIT:
            turn.resends += 1
            end = min(end, now + RESEND_AFTER * 2**turn.resends)
            out.append(Counted(Count.TURNS_RESENT, turn.sent))
            out.append(Send(turn.frame))
        self.owed_by = end

    def _lost(self, kind: Failure, out: list[Effect]) -> None:
        """The turn is given up; the person goes on."""
        self._abandon_turn(out)
        out.append(Failed(kind))
        self.talk, self.owed_by, self.stream = Talk.READY, NEVER, None
        out.append(YourTurn(""))

    def _abandon_turn(self, out: list[Effect]) -> None:
        if self.talk is Talk.WAITING and self.turn is not None:
            out.append(Counted(Count.TURNS_LOST, self.turn.sent))
            self.late.owed += 1 + self.turn.resends
            if self.stream is not None:
                self.late.began(self.stream.message_id)

    def _finish(self, finish: Finish, out: list[Effect]) -> None:
        self.talk, self.owed_by = Talk.ENDED, NEVER
        self.connection.end()
        out.append(finish)

    def _expect(self, happening: object, *talks: Talk) -> None:
        if self.talk not in talks:
            raise LocalError(f"{happening} while {self.talk.name}")


_ENDINGS: Final = {
    "REASON_USER_END": Ending.USER_END,
    "REASON_NATURAL_END": Ending.NATURAL_END,
    "REASON_USER_ABANDONED": Ending.ABANDONED,
}
_MISSING: Final = {
    Talk.JOINING: Failure.JOIN_MISSING,
    Talk.GREETING: Failure.GREETING_MISSING,
    Talk.LEAVING: Failure.END_MISSING,
}

_Row = Callable[[Session, float, Event, list[Effect]], None]
_S, _E = Session, EventType
_ACTS: Final[dict[EventType, _Row]] = {
    _E.POLY_AGENT_THINKING: _S._thinking,
    _E.POLY_AGENT_MESSAGE: _S._message,
    _E.POLY_AGENT_MESSAGE_CHUNK: _S._chunk,
}
_UNASKED: Final[dict[EventType, _Row]] = {
    _E.USER_MESSAGE: _S._echo,
    **dict.fromkeys(_ACTS, _S._unprompted),
}
# Until hand-off is driven, its events are counted and change nothing.
_ANYWHERE: Final[dict[EventType, _Row]] = {
    **{kind: _S._tolerated for kind in EventType if "HANDOFF" in kind or "LIVE_AGENT" in kind},
    _E.POLY_AGENT_LEFT: _S._tolerated,
    _E.SESSION_IDLE_WARNING: _S._tolerated,
    _E.SYSTEM_MESSAGE: _S._tolerated,
    _E.LANGUAGE_CHANGED: _S._tolerated,
    _E.USER_RECEIVED_MESSAGE: _S._tolerated,
    _E.USER_READ_MESSAGE: _S._tolerated,
    _E.SHOW_CSAT_REQUEST: _S._tolerated,
    _E.CSAT_RESPONSE: _S._tolerated,
    _E.UNKNOWN: _S._unknown,
    _E.EVENT_BATCH: _S._batch,
    _E.SESSION_START: _S._session_start,
    _E.SESSION_END: _S._session_end,
    _E.HEARTBEAT: _S._beat_echo,
}
_ROWS: Final[dict[Talk, dict[EventType, _Row]]] = {
    Talk.NEW: _ANYWHERE | {_E.POLY_AGENT_JOINED: _S._joined},
    Talk.JOINING: _ANYWHERE
    | {_E.REQUEST_POLY_AGENT_JOIN: _S._heard, _E.POLY_AGENT_JOINED: _S._joined},
    Talk.GREETING: _ANYWHERE
    | _ACTS
    | {_E.REQUEST_POLY_AGENT_JOIN: _S._heard, _E.POLY_AGENT_THINKING: _S._heard},
    Talk.READY: _ANYWHERE | _UNASKED | {_E.REQUEST_POLY_AGENT_JOIN: _S._heard},
    # A join that was sent again is echoed again, however far the conversation got meanwhile.
    Talk.WAITING: _ANYWHERE
    | _ACTS
    | {_E.USER_MESSAGE: _S._echo, _E.REQUEST_POLY_AGENT_JOIN: _S._tolerated},
    Talk.LEAVING: _ANYWHERE
    | _UNASKED
    | {_E.USER_END_SESSION: _S._heard, _E.REQUEST_POLY_AGENT_JOIN: _S._tolerated},
    Talk.ENDED: {},
}
