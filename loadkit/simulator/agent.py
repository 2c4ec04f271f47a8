"""The agent of one session: hears messages one after the other and answers in its own time."""

from collections import deque
from collections.abc import Generator
from random import Random
from typing import Any, Final, Protocol

from loadkit.simulator import talk
from loadkit.simulator.clock import Clock, Timer
from loadkit.simulator.dials import AgentDials
from loadkit.simulator.pool import Grant, Pool
from loadkit.wire.types import EventType

__all__ = ["HIGH_LOAD", "UNABLE_TO_START", "Agent", "Room", "Sent", "Turn"]

HIGH_LOAD: Final = "Our system is experiencing high load. Please try again in a moment."
UNABLE_TO_START: Final = (
    "Sorry, I'm unable to start a conversation right now. Please try again later."
)

Script = Generator[float, None, None]
"""What the agent does, in order; it yields the seconds to wait before the next step."""

Sent = dict[str, Any]
"""One event as the truth log tells it: `type`, `sequence`, `at`, `sockets`."""


class Turn:
    """Something the user did that the agent owes an answer.

    Attributes:
        kind: `join` or `turn`, as in the truth log.
        text: what the user said; empty for a join.
        custom: the `metadata.custom` it came with.
        message_id: the server's name for the message; None for a join.
        received: when it arrived, in monotonic seconds.
        events: what was sent because of it, in order.
    """

    __slots__ = ("custom", "events", "kind", "message_id", "received", "text")

    def __init__(
        self,
        kind: str,
        received: float,
        *,
        text: str = "",
        custom: dict[str, str] | None = None,
        message_id: str | None = None,
    ) -> None:
        self.kind, self.received, self.text = kind, received, text
        self.custom, self.message_id = custom, message_id
        self.events: list[Sent] = []


class Room(Protocol):
    """What an agent sees of its session."""

    streaming: bool

    def emit(
        self, kind: EventType, payload: dict[str, Any], turn: Turn, *, lasting: bool = True
    ) -> None:
        """Send an event to every socket and note it on the turn; `lasting` journals it."""

    def complain(self, text: str, turn: Turn) -> None:
        """Send a SYSTEM_MESSAGE about the turn to every socket."""

    def new_message_id(self) -> str:
        """A name for a message, unique within the session."""

    def settled(self, turn: Turn, outcome: str) -> None:
        """The turn is over: `answered`, `refused`, `cut_off`, or a join that was `repeated`."""

    def finish(self) -> None:
        """End the session naturally."""


class Agent:
    """Answers one turn at a time, in the order in which they came.

    Args:
        room: the session it talks in.
        dials: its pace.
        rng: what its words and waits are drawn from.
        pool: where it asks for leave to work on an answer.
    """

    def __init__(
        self, room: Room, dials: AgentDials, rng: Random, clock: Clock, pool: Pool
    ) -> None:
        self._room, self._dials, self._rng = room, dials, rng
        self._clock, self._pool = clock, pool
        self._waiting: deque[Turn] = deque()
        self._turn: Turn | None = None
        self._grant: Grant | None = None
        self._script: Script | None = None
        self._timer: Timer | None = None

    def take(self, turn: Turn) -> None:
        """Put a turn in line; when the pool is full the user is told at once."""
        self._waiting.append(turn)
        self._next()

    def stop(self) -> None:
        """Fall silent for good; turns that are open are settled as `cut_off`."""
        if self._timer is not None:
            self._timer.cancel()
        if self._grant is not None:
            self._grant.release()
        turns = [] if self._turn is None else [self._turn]
        turns += self._waiting
        self._waiting.clear()
        self._turn = self._grant = self._script = self._timer = None
        for turn in turns:
            self._room.settled(turn, "cut_off")
        # Room and agent hold each other: let go, so that an ended session is freed at once and
        # not when the next full collection comes, which is rare on purpose (see `server`).
        del self._room

    def _next(self) -> None:
        """Turn to the next in line, unless there is one in hand."""
        while self._waiting and self._turn is None:
            turn = self._waiting.popleft()
            self._grant = self._pool.request(self._begin)
            if self._grant is not None:
                self._turn = turn
            else:
                self._room.complain(UNABLE_TO_START if turn.kind == "join" else HIGH_LOAD, turn)
                self._room.settled(turn, "refused")

    def _begin(self) -> None:
        turn = self._turn
        assert turn is not None
        self._script = self._greet(turn) if turn.kind == "join" else self._answer(turn)
        self._step()

    def _step(self) -> None:
        """Go on with the script until it asks for a wait."""
        while self._script is not None:
            delay = next(self._script, None)
            if delay is None:
                break
            if delay > 0:
                self._timer = self._clock.later(delay, self._step)
                break

    def _greet(self, turn: Turn) -> Script:
        dials, rng = self._dials, self._rng
        yield dials.join.sample(rng)
        joined = {"agent_name": dials.name, "agent_avatar_url": dials.avatar_url}
        self._room.emit(EventType.POLY_AGENT_JOINED, joined, turn)
        yield from self._say(turn, talk.greeting(rng), dials.greeting.sample(rng))

    def _answer(self, turn: Turn) -> Script:
        reply = talk.reply(turn.text, self._dials, self._rng)
        yield from self._say(turn, reply, self._dials.first_response.sample(self._rng))

    def _say(self, turn: Turn, reply: talk.Reply, wait: float) -> Script:
        thinking = self._dials.thinking.sample(self._rng)
        yield thinking
        self._room.emit(EventType.POLY_AGENT_THINKING, {}, turn, lasting=False)
        yield wait - thinking
        if self._room.streaming:
            yield from self._stream(turn, reply)
        else:
            payload = self._payload(reply, self._room.new_message_id(), reply.text)
            if reply.ends:
                payload["end_conversation"] = True
            self._room.emit(EventType.POLY_AGENT_MESSAGE, payload, turn)
        self._done(turn, ends=reply.ends)

    def _stream(self, turn: Turn, reply: talk.Reply) -> Script:
        dials, rng = self._dials, self._rng
        parts = talk.split(reply.text, rng.randint(dials.chunks.min, dials.chunks.max))
        if dials.empty_last_chunk:
            parts.append("")
        name = self._room.new_message_id()
        bare = talk.Reply("", [], [])
        for index, text in enumerate(parts, start=1):
            last = index == len(parts)
            payload = self._payload(reply if last else bare, name, text)
            payload["chunk_index"], payload["is_complete"] = index, last
            self._room.emit(EventType.POLY_AGENT_MESSAGE_CHUNK, payload, turn)
            if not last:
                yield dials.gap.sample(rng)

    def _payload(self, reply: talk.Reply, name: str, text: str) -> dict[str, Any]:
        return {
            "message_id": name,
            "text": text,
            "attachments": reply.attachments,
            "response_suggestions": reply.suggestions,
            "agent_name": self._dials.name,
        }

    def _done(self, turn: Turn, *, ends: bool) -> None:
        assert self._grant is not None
        self._grant.release()
        self._turn = self._grant = self._script = self._timer = None
        self._room.settled(turn, "answered")
        if ends:
            self._room.finish()
        else:
            self._next()
