"""From the agent to a person: the queue, the live agent's half of the talk, and its failures."""

from collections import deque
from math import ceil
from random import Random
from typing import Any, Final

from loadkit.protocol.types import EventType
from loadkit.simulator.clock import Player, Script
from loadkit.simulator.faults.dice import Faults
from loadkit.simulator.faults.error_texts import About
from loadkit.simulator.limits import Grant
from loadkit.simulator.session import texts, utterances
from loadkit.simulator.session.room import Room, ServerTurn
from loadkit.simulator.shared import SharedState

_PEOPLE: Final = ("Alex", "Robin", "Sam", "Kim")
_FAILED: Final = "NO_AGENTS_AVAILABLE"
_TIMED_OUT: Final = "QUEUE_TIMEOUT"
_DONE: Final = "RESOLVED"
_CLIENT_REASON: Final = "AGENT_DECISION"
_LEFT_FOR_HUMAN: Final = "HANDOFF"
_JUMP: Final = 3  # places that a queue out of order falls back


class LiveHandoff:
    """One request for a person, from the trigger to its end.

    A live agent is held from the wait for LIVE_AGENT_JOINED to the end.

    Args:
        rng: what waits and words are drawn from.
        faults: what goes wrong.
    """

    def __init__(self, room: Room, setting: SharedState, rng: Random, faults: Faults) -> None:
        self._room, self._rng, self._faults = room, rng, faults
        self._dials, self._agent = setting.dials.handoff, setting.dials.agent
        self._clock, self._people = setting.clock, setting.people
        self._player = Player(self._clock)
        self._grant: Grant | None = None
        self._story = ServerTurn("handoff", self._clock.now())
        self._stamps: dict[str, Any] = {"accepted": None, "joined": None, "left": None}
        self._heard: list[dict[str, Any]] = []
        self._waiting: deque[ServerTurn] = deque()
        self._turn: ServerTurn | None = None
        self._left = 0  # messages that the live agent will still answer
        self._transferred = self._between = False  # to another live agent, who is not there yet
        self._upside_down = self._early = False  # the ways to be out of order
        self.took_over = False  # the agent has left; messages are this one's now
        self.over = False  # nothing more will come of it
        self._name = rng.choice(_PEOPLE)

    def begin(self, trigger: ServerTurn, mode: str) -> None:
        """Say that it was triggered by a message, and set it going; see `HandoffDials.mode`."""
        self._stamps["mode"] = mode
        self._story.custom = trigger.custom
        self._stamps["local_id"] = (trigger.custom or {}).get("local_id")
        self._emit(EventType.POLY_AGENT_TRIGGERED_HANDOFF, {})
        trigger.events.append(self._story.events[0])
        match mode:
            case "server":
                self._agent_leaves()
                self._enter_queue()
            case "client":
                route = {"route": self._dials.route} if self._dials.route else {}
                required = {**route, "reason": _CLIENT_REASON, **self._queue_name()}
                self._emit(EventType.CLIENT_HANDOFF_REQUIRED, required)
                self._agent_leaves()
                self._close("client")
            case "timeout":
                self._player.play(self._fail(EventType.HANDOFF_TIMEOUT, _TIMED_OUT))
            case _:
                self._player.play(self._fail(EventType.HANDOFF_FAILED, _FAILED))

    def hear(self, turn: ServerTurn) -> None:
        """A message to whoever is there after the agent: nobody yet, or the live agent."""
        turn.kind = "live_turn"
        self._heard.append(
            {"message_id": turn.message_id, "received": turn.received, "answered": None}
        )
        if self._stamps["joined"] is None or self.over:
            self._room.settled(turn, "unheard")
            return
        if self._room.errs(About.LIVE_MESSAGE, turn):
            return
        self._waiting.append(turn)
        if self._turn is None and not self._between:
            self._player.play(self._converse())

    def stop(self) -> None:
        """The session is over, however that came about."""
        self._player.stop()
        turns = [] if self._turn is None else [self._turn]
        turns += self._waiting
        self._waiting.clear()
        self._turn = None
        for turn in turns:
            self._room.settled(turn, "cut_off")
        self._close("cut_off")
        del self._room  # see Agent.stop

    def _agent_leaves(self) -> None:
        self.took_over = True
        self._emit(EventType.POLY_AGENT_LEFT, {"reason": _LEFT_FOR_HUMAN})
        if self._faults.strikes("bot_after_left"):
            reply, name = texts.greeting(self._faults.rng), self._room.new_message_id()
            late = utterances.single(reply, name, self._agent, streaming=self._room.streaming)
            self._emit(late.kind, late.payload)
            self._faults.note("bot_after_left")

    def _enter_queue(self) -> None:
        if self._faults.strikes("handoff_out_of_order"):
            self._early = self._faults.rng.random() < 0.5
            self._upside_down = not self._early
        if not self._early:
            self._accept()
        self._grant = grant = self._people.request(lambda: self._player.play(self._approach()))
        assert grant is not None, "the line for live agents has no limit"
        if self._people.place(grant):
            self._player.play(self._stand_in_line(grant))

    def _accept(self) -> None:
        self._stamps["accepted"] = self._clock.now()
        self._emit(EventType.HANDOFF_ACCEPTED, self._queue_name())

    def _stand_in_line(self, grant: Grant) -> Script:
        """All live agents are busy."""
        mean = self._dials.wait.sample(self._rng)
        while place := self._people.place(grant):
            self._tell(place, place * mean)
            yield self._dials.queue_interval

    def _approach(self) -> Script:
        """A live agent is free and on the way."""
        dials, rng = self._dials, self._rng
        wait = dials.wait.sample(rng)
        first = rng.randint(dials.queue_position.min, dials.queue_position.max)
        if dials.agents > 0:
            first = 1  # true places; see `_stand_in_line`
        yield from self._count_down(wait, first)
        self._stamps["joined"] = self._clock.now()
        self._person_joins()
        if self._early:
            self._accept()
            self._faults.note("handoff_out_of_order", how="joined before accepted")
        yield from self._converse()

    def _person_joins(self) -> None:
        dials = self._dials
        self._left = self._rng.randint(dials.live_turns.min, dials.live_turns.max)
        person = {"id": self._who, "name": self._name, "avatar_url": self._agent.avatar_url}
        self._emit(EventType.LIVE_AGENT_JOINED, {"agent": person})

    def _count_down(self, wait: float, first: int) -> Script:
        """Tell falling places until the wait is over."""
        interval = self._dials.queue_interval
        if self._early:
            yield wait
            return
        count = max(1, ceil(wait / interval))
        for index in range(count):
            done = index / (count - 1) if count > 1 else 1.0
            place = first - round((first - 1) * done)
            left = wait - index * interval
            self._tell(place, left)
            if self._upside_down:
                self._upside_down = False
                self._tell(place + _JUMP, left)
                self._faults.note("handoff_out_of_order", how="position rises")
            yield min(interval, left)

    def _converse(self) -> Script:
        """Answer what has come, then wait for more."""
        room, dials, who = self._room, self._dials, self._who
        while self._waiting:
            self._turn = turn = self._waiting.popleft()
            started, stopped = (
                {"state": f"TYPING_STATE_{state}", "agent_id": who, "agent_name": self._name}
                for state in ("STARTED", "STOPPED")
            )
            room.emit(EventType.LIVE_AGENT_TYPING, started, turn, lasting=False)
            yield dials.live_response.sample(self._rng)
            message: dict[str, Any] = {
                "message_id": room.new_message_id(),
                "text": self._rng.choice(texts.HUMAN),
                "attachments": [],
                "response_suggestions": [],
                "agent_id": who,
                "agent_name": self._name,
                "avatar_url": self._agent.avatar_url,
            }
            room.emit(EventType.LIVE_AGENT_MESSAGE, message, turn)
            entry = next(e for e in self._heard if e["message_id"] == turn.message_id)
            entry["answered"] = turn.events[-1]["at"]
            room.emit(EventType.LIVE_AGENT_TYPING, stopped, turn, lasting=False)
            self._turn = None
            room.settled(turn, "answered")
            self._left -= 1
            if self._left == 0:
                break
        else:
            yield dials.live_idle
        yield from self._person_leaves()

    def _person_leaves(self) -> Script:
        dials = self._dials
        self._stamps["left"] = self._clock.now()
        gone = {"agent_id": self._who, "agent_name": self._name, "reason": _DONE}
        self._emit(EventType.LIVE_AGENT_LEFT, gone)
        if dials.after == "transfer" and not self._transferred:
            self._transferred = self._between = True
            yield dials.wait.sample(self._rng)
            self._between = False
            self._name = self._rng.choice([name for name in _PEOPLE if name != self._name])
            self._person_joins()
            yield from self._converse()
        elif dials.after == "bot":
            turns = list(self._waiting)
            self._waiting.clear()
            self.took_over = False
            self._close("handed_back")
            self._room.hand_back(turns)
        else:
            self._close("left")
            self._room.finish()

    def _fail(self, kind: EventType, reason: str) -> Script:
        dials, rng = self._dials, self._rng
        wait = dials.wait.sample(rng)
        if dials.queue_before_failure:
            first = rng.randint(dials.queue_position.min, dials.queue_position.max)
            yield from self._count_down(wait, first)
        else:
            yield wait
        if kind is EventType.HANDOFF_FAILED:
            self._room.errs(About.HANDOFF, self._story)
        self._emit(kind, {"reason": reason})
        self._close("timeout" if kind is EventType.HANDOFF_TIMEOUT else "failed")

    def _tell(self, place: int, left: float) -> None:
        status = {
            **self._queue_name(),
            "position_in_queue": place,
            "estimated_wait_seconds": max(0, round(left)),
            "display_message": f"You are number {place} in the queue.",
        }
        self._emit(EventType.HANDOFF_QUEUE_STATUS, status, lasting=False)

    @property
    def _who(self) -> str:
        return f"live-{self._name.lower()}"

    def _queue_name(self) -> dict[str, str]:
        return {"queue_name": self._dials.queue_name} if self._dials.queue_name else {}

    def _emit(self, kind: EventType, payload: dict[str, Any], *, lasting: bool = True) -> None:
        self._room.emit(kind, payload, self._story, lasting=lasting)

    def _close(self, outcome: str) -> None:
        if self.over:
            return
        self.over = True
        if self._grant is not None:
            self._grant.release()
            self._grant = None  # it knows whom to call, which is us: let go
        self._room.handed_off(self._story, outcome, {**self._stamps, "live_turns": self._heard})
