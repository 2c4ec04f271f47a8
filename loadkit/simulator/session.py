"""One conversation on the server: what each client event leads to, and who hears of it.

No socket and no loop in here: sockets are `Outlet`s, time is a `Clock`. A session outlives its
sockets. The order of the journal is the order on every socket, because an event is journaled and
written in one step.
"""

from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

from loadkit.simulator.agent import Agent, Sent, Turn
from loadkit.simulator.clock import Clock, Timer
from loadkit.simulator.dials import Dials
from loadkit.simulator.events import ClientEvent, Refusal, batch, decode, encode, local_id
from loadkit.simulator.frames import Frame
from loadkit.simulator.journal import Journal
from loadkit.simulator.pool import Pool
from loadkit.simulator.truth import TruthLog
from loadkit.wire.types import EventType

__all__ = ["NO_CONVERSATION", "Outlet", "Reason", "Session", "Setting"]

NO_CONVERSATION: Final = "Error: Conversation not found"
"""The answer to a message that comes before anyone asked an agent to join."""

_CLEAN: Final = 1000  # any other code after SESSION_END makes clients reconnect


class Reason(StrEnum):
    """Why a session ended."""

    USER_END = "REASON_USER_END"
    USER_ABANDONED = "REASON_USER_ABANDONED"
    NATURAL_END = "REASON_NATURAL_END"


class Outlet(Protocol):
    """One open socket, as the session sees it."""

    number: int

    def deliver(self, frame: Frame) -> None:
        """Hand one event to the socket; nothing is raised when it is gone."""

    def close(self, code: int) -> None:
        """Close from our side, after everything that was delivered."""


class Setting(NamedTuple):
    """What all sessions of a server share."""

    dials: Dials
    clock: Clock
    pool: Pool
    truth: TruthLog


class Session:
    """A conversation from its creation to SESSION_END.

    Args:
        owner: identity of the access token that made it; only that token may connect.
        streaming: whether replies come in chunks.
        rng: what its agent draws from.
        on_end: told once, when the session is over.

    Attributes:
        id: a UUID.
        ended: why it is over, None while it is not.
        connections: sockets that are open or about to be.
    """

    def __init__(
        self,
        owner: str,
        *,
        streaming: bool,
        rng: Random,
        setting: Setting,
        on_end: "Callable[[Session], None]",
    ) -> None:
        self.id = str(uuid4())
        self.owner, self.streaming = owner, streaming
        self.connections = 0
        self._on_end = on_end
        self.ended: Reason | None = None
        self._dials, self._clock, pool, self._truth = setting
        self._journal = Journal()
        self._outlets: list[Outlet] = []
        self._agent = Agent(self, self._dials.agent, rng, self._clock, pool)
        self._joined = False
        self._events = self._messages = 0
        self._heard = self._clock.now()
        self._idle: Timer | None = None
        self._watch()
        self._send(EventType.SESSION_START, {"capabilities": self._capabilities()})
        self._truth.record("session", session_id=self.id, at=self._heard, streaming=streaming)

    # What a socket does.

    def attach(self, outlet: Outlet, cursor: int) -> None:
        """Replay what came after `cursor` to a new socket, then let it hear everything."""
        journal, history = self._journal, self._dials.history
        frames = [
            Frame(batch(events, id=self._event_id(), typed_keys=history.typed_payload_keys))
            for events in journal.after(cursor, history.batch_size)
        ]
        if not frames and history.empty_batch:
            frames = [Frame(batch([], id=self._event_id()))]
        self._truth.record(
            "socket_open",
            session_id=self.id,
            socket=outlet.number,
            at=self._clock.now(),
            cursor=cursor,
            last_sequence=journal.last,
            batches=len(frames),
        )
        for frame in frames:
            outlet.deliver(frame)
        if self.ended is None:
            self._outlets.append(outlet)
        else:
            outlet.close(_CLEAN)

    def detach(self, outlet: Outlet) -> None:
        """The socket is gone. The session goes on."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)

    def hear(self, outlet: Outlet, data: bytes) -> None:
        """Take one text frame from a socket, whatever its bytes are."""
        if self.ended is not None:
            return  # nothing follows SESSION_END, not even an echo
        self._heard = now = self._clock.now()
        event = decode(data)
        if isinstance(event, Refusal):
            self._refuse(outlet, event, now)
            return
        match event.type:
            case EventType.HEARTBEAT:
                self._reply(outlet, EventType.HEARTBEAT, event.payload, event.custom)
            case EventType.USER_MESSAGE:
                self._message(event, now)
            case EventType.REQUEST_POLY_AGENT_JOIN:
                self._join(event, now)
            case EventType.USER_END_SESSION:
                self._send(event.type, event.payload, event.custom)
                self.end(Reason.USER_END)
            case _:
                pass  # typing concerns nobody here and has no echo

    def end(self, reason: Reason) -> None:
        """Say SESSION_END to every socket and close it; harmless the second time."""
        if self.ended is not None:
            return
        self._stop()
        sent = self._send(EventType.SESSION_END, {"reason": reason})
        self.ended = reason
        self._truth.record("session_end", session_id=self.id, reason=reason, **_without_type(sent))
        outlets, self._outlets = self._outlets, []
        for outlet in outlets:
            outlet.close(_CLEAN)
        self._on_end(self)

    def cut(self) -> None:
        """The server goes down: fall silent without an end, so that open turns are recorded."""
        if self.ended is None:
            self._stop()

    # What its agent does (`agent.Room`).

    def emit(
        self, kind: EventType, payload: dict[str, Any], turn: Turn, *, lasting: bool = True
    ) -> None:
        """See `Room.emit`."""
        turn.events.append(self._send(kind, payload, lasting=lasting))

    def complain(self, text: str, turn: Turn) -> None:
        """See `Room.complain`."""
        payload = _system_message(text)
        sent = self._send(EventType.SYSTEM_MESSAGE, payload, turn.custom, lasting=False)
        turn.events.append({**sent, "text": text})

    def new_message_id(self) -> str:
        """See `Room.new_message_id`."""
        self._messages += 1
        return f"{self.id[:24]}{0x800000000000 + self._messages:012x}"

    def settled(self, turn: Turn, outcome: str) -> None:
        """See `Room.settled`."""
        if turn.kind == "join" and outcome == "refused":
            self._joined = False  # the client is asked to try again, so it must be able to
        self._truth.record(
            turn.kind,
            session_id=self.id,
            local_id=local_id(turn.custom),
            message_id=turn.message_id,
            received=turn.received,
            outcome=outcome,
            events=turn.events,
        )

    def finish(self) -> None:
        """See `Room.finish`."""
        self.end(Reason.NATURAL_END)

    # The rest.

    def _join(self, event: ClientEvent, now: float) -> None:
        turn = Turn("join", now, custom=event.custom)
        turn.events.append(self._send(event.type, event.payload, event.custom))
        if self._joined:
            self.settled(turn, "repeated")
        else:
            self._joined = True
            self._agent.take(turn)

    def _message(self, event: ClientEvent, now: float) -> None:
        name = self.new_message_id()
        turn = Turn("turn", now, text=event.payload["text"], custom=event.custom, message_id=name)
        payload = {**event.payload, "message_id": name}
        turn.events.append(self._send(event.type, payload, event.custom))
        if self._joined:
            self._agent.take(turn)
        else:
            self.complain(NO_CONVERSATION, turn)
            self.settled(turn, "refused")

    def _refuse(self, outlet: Outlet, refusal: Refusal, now: float) -> None:
        self._reply(outlet, EventType.SYSTEM_MESSAGE, _system_message(refusal.text), refusal.custom)
        self._truth.record(
            "refusal",
            session_id=self.id,
            socket=outlet.number,
            at=now,
            text=refusal.text,
            local_id=local_id(refusal.custom),
        )

    def _reply(
        self,
        outlet: Outlet,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None,
    ) -> None:
        """Answer one socket alone: a heartbeat or a mistake is no news to the others."""
        event = encode(kind, payload, id=self._event_id(), sequence=None, custom=custom)
        outlet.deliver(Frame(event))

    def _send(
        self,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None = None,
        *,
        lasting: bool = True,
    ) -> Sent:
        sequence = self._journal.last + 1 if lasting else None
        event = encode(kind, payload, id=self._event_id(), sequence=sequence, custom=custom)
        if lasting:
            self._journal.append(event)
        if self._outlets:
            frame = Frame(event)
            for outlet in tuple(self._outlets):  # a delivery may detach its socket
                outlet.deliver(frame)
        return {
            "type": kind.removeprefix("EVENT_TYPE_"),
            "sequence": sequence,
            "at": self._clock.now(),
            "sockets": len(self._outlets),
        }

    def _event_id(self) -> str:
        self._events += 1
        # A UUID made from the session's own by counting: drawing 128 bits for each costs more.
        return f"{self.id[:24]}{self._events:012x}"

    def _capabilities(self) -> dict[str, Any]:
        dials = self._dials
        interval = dials.heartbeat_interval_seconds
        told = {
            "streaming": self.streaming,
            "max_message_size_bytes": dials.max_message_size_bytes,
            "max_reconnect_attempts": dials.max_reconnect_attempts,
            "heartbeat_interval_seconds": int(interval) if interval.is_integer() else interval,
        }
        return {name: told[name] for name in told if name not in dials.capabilities_left_out}

    def _watch(self) -> None:
        """Look again when the silence could be long enough: one timer, armed anew when it rings."""
        left = self._heard + self._dials.idle_timeout_seconds - self._clock.now()
        if left > 0:
            self._idle = self._clock.later(left, self._watch)
        else:
            self.end(Reason.USER_ABANDONED)

    def _stop(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._agent.stop()


def _system_message(text: str) -> dict[str, str]:
    return {"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": text}


def _without_type(sent: Sent) -> Sent:
    return {key: value for key, value in sent.items() if key != "type"}
