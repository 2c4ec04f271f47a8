"""What a session's agents see of it, and what they answer in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from loadkit.protocol.types import EventType
from loadkit.simulator.faults.error_texts import About

Sent = dict[str, Any]
"""One event as the truth log tells it: `type`, `sequence`, `at`, `sockets`."""


@dataclass(slots=True, eq=False)
class ServerTurn:
    """Something that is owed an answer, and what came of it."""

    kind: str  # as in the truth log: `join`, `turn`, `live_turn` or `handoff`
    received: float  # when it arrived, in monotonic seconds
    text: str = ""  # what the user said
    custom: dict[str, str] | None = None  # the `metadata.custom` it came with
    message_id: str | None = None  # the server's name for the message; None for a join
    events: list[Sent] = field(default_factory=list)  # what was sent because of it, in order


class Room(Protocol):
    """A session, as its agent and its hand-off see it."""

    streaming: bool

    def emit(
        self, kind: EventType, payload: dict[str, Any], turn: ServerTurn, *, lasting: bool = True
    ) -> None:
        """Send an event to every socket and note it on the turn; `lasting` journals it."""

    def complain(self, text: str, turn: ServerTurn) -> None:
        """Send a SYSTEM_MESSAGE about the turn to every socket."""

    def errs(self, about: About, turn: ServerTurn) -> bool:
        """Tell of an error, if there is one. Returns whether; what it was about is settled."""

    def new_message_id(self) -> str:
        """A name for a message, unique within the session."""

    def struck(self, fault: str, turn: ServerTurn) -> None:
        """A fault of an utterance is complete."""

    def slowness(self) -> float:
        """What every wait is multiplied by now."""

    def refers(self, turn: ServerTurn) -> bool:
        """Whether the turn asks for a person, and may: there is one hand-off at a time."""

    def refer(self, turn: ServerTurn) -> bool:
        """Begin the hand-off. Returns whether the agent has to leave."""

    def leave_to_human(self, turn: ServerTurn) -> None:
        """A message that the agent, who left, did not get to."""

    def settled(self, turn: ServerTurn, outcome: str) -> None:
        """The turn is over; docs/simulator.md lists the outcomes."""

    def handed_off(self, story: ServerTurn, outcome: str, stamps: dict[str, Any]) -> None:
        """The hand-off is over."""

    def hand_back(self, turns: Iterable[ServerTurn]) -> None:
        """The agent is to come back, and to see to messages that nobody got to."""

    def finish(self) -> None:
        """End the session naturally."""
