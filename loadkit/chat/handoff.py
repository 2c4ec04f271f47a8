"""A hand-off to a human: its steps, and whether the server takes them in order."""

from bisect import bisect_left
from enum import Enum, auto
from typing import Any

from loadkit.chat.effects import Counted, Effect, Named, Violation
from loadkit.chat.violations import Wrong
from loadkit.figures import PLACE, PLACE_CLASSES, PLACES, Count
from loadkit.protocol import Event, EventType


class HandoffStep(Enum):
    """How far a hand-off has come."""

    TRIGGERED = auto()
    ACCEPTED = auto()  # or queued, which says as much: not every server tells both
    JOINED_UNACCEPTED = auto()  # a human came ahead of that
    JOINED = auto()


class Handoff:
    """One hand-off, from its trigger on."""

    __slots__ = ("_position", "_step", "agent_left", "at")

    def __init__(self, at: float) -> None:
        self.at = at  # when it was triggered (seconds, monotonic)
        self.agent_left = False  # the agent said that it is gone: it must not speak again
        self._step = HandoffStep.TRIGGERED
        self._position: int | None = None

    def step(self, event: Event, out: list[Effect]) -> None:
        """POLY_AGENT_LEFT, HANDOFF_ACCEPTED or HANDOFF_QUEUE_STATUS."""
        if event.type is EventType.POLY_AGENT_LEFT:
            self.agent_left = True
            return
        if self._step is HandoffStep.TRIGGERED:
            self._step = HandoffStep.ACCEPTED
        elif self._step is HandoffStep.JOINED_UNACCEPTED:
            self._step = HandoffStep.JOINED
        elif self._step is HandoffStep.JOINED and event.type is EventType.HANDOFF_ACCEPTED:
            self._out_of_order(out, "HANDOFF_ACCEPTED after the human had joined")
        if event.type is EventType.HANDOFF_QUEUE_STATUS:
            self._queue(event.payload, out)

    def _queue(self, payload: dict[str, Any], out: list[Effect]) -> None:
        """Nobody is sent back in a queue."""
        position = payload.get("position_in_queue", payload.get("position"))  # the older key
        if type(position) is not int:
            return
        if self._position is not None and position > self._position:
            text = f"from {self._position} to {position}"
            out.append(Violation(Wrong.QUEUE_POSITION_ROSE, text))
        self._position = position
        out.append(Counted(f"{PLACE}.{PLACE_CLASSES[bisect_left(PLACES, position)]}"))

    def human_joined(self, out: list[Effect]) -> None:
        """LIVE_AGENT_JOINED."""
        if self._step is HandoffStep.TRIGGERED or self._step is HandoffStep.JOINED_UNACCEPTED:
            self._out_of_order(out, "a human before HANDOFF_ACCEPTED")
            self._step = HandoffStep.JOINED_UNACCEPTED
        else:
            self._step = HandoffStep.JOINED
        out.append(Counted(Count.HANDOFFS_JOINED))

    def _out_of_order(self, out: list[Effect], text: str) -> None:
        out.append(Violation(Wrong.HANDOFF_OUT_OF_ORDER, text))

    def to_client(self, payload: dict[str, Any], out: list[Effect]) -> None:
        """CLIENT_HANDOFF_REQUIRED: counted by reason and queue."""
        out.append(Counted(Count.HANDOFFS_CLIENT))
        for name in ("reason", "queue_name"):
            value = payload.get(name)
            if isinstance(value, str) and value:
                out.append(Named(f"handoffs.client.{name}", value))
