"""The agent of one session: hears messages one after the other and answers in its own time."""

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Final

from loadkit.protocol.types import EventType
from loadkit.simulator.clock import Player, Script
from loadkit.simulator.faults.dice import Faults
from loadkit.simulator.faults.error_texts import BROKEN_OFF, HIGH_LOAD, UNABLE_TO_START
from loadkit.simulator.limits import Grant
from loadkit.simulator.session import texts, utterances
from loadkit.simulator.session.habits import Habits
from loadkit.simulator.session.room import Room, ServerTurn
from loadkit.simulator.shared import SharedState

LONGEST_LINE: Final = 1000
"""Messages of one session that may wait to be answered."""

_GREETS_AGAIN: Final = 0.7  # share of returns with a word of greeting; it may and need not


class Agent:
    """Answers one turn at a time, in the order in which they came.

    Args:
        rng: what its words and waits are drawn from.
        faults: what goes wrong with its answers.
        habits: what it does now and then.
    """

    __slots__ = (
        *("_clock", "_dials", "_faults", "_grant", "_habits", "_player", "_pool", "_previous"),
        *("_rng", "_room", "_slowness", "_stream_error", "_turn", "_waiting"),
    )

    def __init__(
        self, room: Room, setting: SharedState, rng: Random, faults: Faults, habits: Habits
    ) -> None:
        self._room, self._dials, self._rng = room, setting.dials.agent, rng
        self._clock, self._pool, self._faults = setting.clock, setting.agents, faults
        self._habits, self._stream_error = habits, setting.dials.stream_error
        self._player = Player(self._clock)
        self._waiting: deque[ServerTurn] = deque()
        self._turn: ServerTurn | None = None
        self._grant: Grant | None = None
        self._slowness = 1.0
        self._previous: str | None = None

    def take(self, turn: ServerTurn) -> None:
        """Put a turn in line; when that or the pool is full the user is told at once."""
        if len(self._waiting) >= LONGEST_LINE:
            self._refuse(turn)
            return
        self._waiting.append(turn)
        self._next()

    def hush(self) -> None:
        """Add nothing more to what was said; what is being said is said to its end."""
        if self._turn is None:
            self._player.stop()

    def come_back(self, turns: Iterable[ServerTurn]) -> None:
        """A live agent hands the user back, with messages that it did not get to."""
        self._waiting.extend(turns)
        self._slowness = self._room.slowness()
        self._player.play(self._return())

    def stop(self) -> None:
        """Fall silent for good; turns that are open are settled as `cut_off`."""
        self._player.stop()
        if self._grant is not None:
            self._grant.release()
        turns = [] if self._turn is None else [self._turn]
        turns += self._waiting
        self._waiting.clear()
        self._turn = self._grant = None
        for turn in turns:
            self._room.settled(turn, "cut_off")
        # Room and agent hold each other: let go, so that an ended session is freed at once and
        # not when the next full collection comes, which is rare on purpose (see `server`).
        del self._room

    def _next(self) -> None:
        """Turn to the next in line, unless there is one in hand."""
        while self._waiting and self._turn is None:
            self.hush()
            turn = self._waiting.popleft()
            self._grant = self._pool.request(self._begin)
            if self._grant is not None:
                self._turn = turn
                continue
            wait = self._dials.start_wait.sample(self._rng)
            if wait > 0:
                self._turn = turn
                self._player.play(self._decline(turn, wait))
            else:
                self._refuse(turn)

    def _decline(self, turn: ServerTurn, wait: float) -> Script:
        yield wait
        self._turn = None
        self._refuse(turn)
        self._next()

    def _refuse(self, turn: ServerTurn) -> None:
        self._room.complain(UNABLE_TO_START if turn.kind == "join" else HIGH_LOAD, turn)
        self._room.settled(turn, "refused")

    def _begin(self) -> None:
        turn = self._turn
        assert turn is not None
        self._slowness = self._room.slowness()
        does = self._answer
        if turn.kind == "join":
            does = self._greet
        elif self._room.refers(turn):
            does = self._refer
        self._player.play(does(turn))

    def _greet(self, turn: ServerTurn) -> Script:
        dials, rng = self._dials, self._rng
        yield dials.join.sample(rng) * self._slowness
        self._room.emit(EventType.POLY_AGENT_JOINED, self._introduction(), turn)
        yield from self._say(
            turn, texts.greeting(rng, rich=dials.rich_greeting), dials.greeting.sample(rng)
        )

    def _answer(self, turn: ServerTurn) -> Script:
        reply = texts.reply(turn.text, self._dials, self._rng)
        yield from self._say(turn, reply, self._dials.first_response.sample(self._rng))

    def _refer(self, turn: ServerTurn) -> Script:
        yield self._dials.thinking.sample(self._rng) * self._slowness
        leaves = self._room.refer(turn)
        self._let_go(turn, "handoff")
        if leaves:
            while self._waiting:
                self._room.leave_to_human(self._waiting.popleft())
        else:
            self._next()

    def _say(self, turn: ServerTurn, reply: texts.Reply, wait: float) -> Script:
        thinking = self._dials.thinking.sample(self._rng)
        yield thinking * self._slowness
        self._room.emit(EventType.POLY_AGENT_THINKING, {}, turn, lasting=False)
        yield (wait - thinking) * self._slowness
        parts = self._parts(turn, reply)
        broken = self._breaks_off(turn, reply, parts)
        if broken:
            parts = parts[: 1 + int(self._habits.share() * (len(parts) - 1))]
        for part in parts:
            yield part.wait * self._slowness
            self._room.emit(part.kind, part.payload, turn)
            if part.fault is not None:
                self._room.struck(part.fault, turn)
        if not parts:
            self._room.struck("missing_answer", turn)
        if broken:
            self._room.complain(BROKEN_OFF, turn)
        self._let_go(turn, "broken_off" if broken else "answered" if parts else "unanswered")
        if reply.ends:
            self._room.finish()
        elif self._waiting:
            self._next()
        elif parts and not broken:
            self._player.play(self._linger())

    def _linger(self) -> Script:
        """Nothing is left to answer: add something perhaps, and see whether the user is there."""
        dials = self._dials
        if self._habits.has(dials.follow_up.share):
            yield dials.follow_up.delay.sample(self._rng) * self._slowness
            yield from self._add("follow_up", texts.FOLLOW_UPS)
        if dials.nudge > 0:
            yield dials.nudge
            yield from self._add("nudge", texts.NUDGES)

    def _return(self) -> Script:
        """The agent is there again, and says so more often than not."""
        dials, rng = self._dials, self._rng
        self._turn = turn = ServerTurn("return", self._clock.now())
        yield dials.join.sample(rng) * self._slowness
        self._room.emit(EventType.POLY_AGENT_JOINED, self._introduction(), turn)
        if self._habits.has(_GREETS_AGAIN):
            yield dials.greeting.sample(rng) * self._slowness
            yield from self._utter(turn, texts.RETURNS)
        self._said(turn)

    def _add(self, kind: str, choices: Sequence[str]) -> Script:
        """Say what nobody has asked for; a message that comes meanwhile waits for its end."""
        self._turn = turn = ServerTurn(kind, self._clock.now())
        yield from self._utter(turn, choices)
        self._said(turn)

    def _utter(self, turn: ServerTurn, choices: Sequence[str]) -> Script:
        room, rng, reply = self._room, self._rng, texts.Reply(self._rng.choice(choices))
        self._previous = name = room.new_message_id()
        for part in utterances.compose(reply, name, self._dials, rng, streaming=room.streaming):
            yield part.wait * self._slowness
            room.emit(part.kind, part.payload, turn)

    def _said(self, turn: ServerTurn) -> None:
        self._turn = None
        self._room.settled(turn, "said")
        self._next()

    def _introduction(self) -> dict[str, Any]:
        return {"agent_name": self._dials.name, "agent_avatar_url": self._dials.avatar_url}

    def _breaks_off(
        self, turn: ServerTurn, reply: texts.Reply, parts: list[utterances.Part]
    ) -> bool:
        """Whether a stream ends in the middle; nothing bears a fault besides."""
        return (
            self._room.streaming
            and turn.kind == "turn"
            and not reply.ends
            and len(parts) > 1
            and not any(part.fault for part in parts)
            and self._habits.has(self._stream_error)
        )

    def _parts(self, turn: ServerTurn, reply: texts.Reply) -> list[utterances.Part]:
        room, dials, name = self._room, self._dials, self._room.new_message_id()
        parts = utterances.compose(reply, name, dials, self._rng, streaming=room.streaming)
        # Of the last words the end would bear it too; a message without a text is made for itself.
        if self._faults.on and reply.text and not reply.ends:
            greets, previous = turn.kind == "join", self._previous
            case = utterances.Case(parts, reply, dials, room, self._faults, greets, previous)
            parts = utterances.flawed(case)
        if parts:
            self._previous = parts[0].payload["message_id"]
        return parts

    def _let_go(self, turn: ServerTurn, outcome: str) -> None:
        assert self._grant is not None
        self._grant.release()
        self._turn = self._grant = None
        self._player.stop()
        self._room.settled(turn, outcome)
