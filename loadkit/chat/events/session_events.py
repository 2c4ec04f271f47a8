"""What the events of a session do to its conversation: the start, the join, what needs no answer.

An event does the same whether it arrives live or in a replay, so a reply that lands in a replay
answers its turn like any other.
"""

from typing import Final

from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Sample, Violation
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.violations import Wrong, told
from loadkit.figures import Phase
from loadkit.protocol import Event, EventType
from loadkit.protocol.types import RECEIPTS, SURVEYS

# --- of the socket and the session ----------------------------------------------------------------


def session_start(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """What the server can do."""
    connection = chat.connection
    if not connection.journal.begins(event, connection.state is SocketState.REPLAYING):
        out.append(Violation(Wrong.SESSION_START_REPEATED, f"while {chat.state.name}"))
        return
    connection.capabilities(now, event.payload)


def beat_echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A heartbeat came back."""
    chat.connection.heartbeat.echoed(now, out)


def unknown(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event of a type that this version does not know."""
    out.append(Violation(Wrong.UNKNOWN_TYPE, told(event.payload.get("type"))))


def unexpected(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event that has no place here: it breaks the protocol, and changes nothing."""
    detail = f"{event.type.removeprefix('EVENT_TYPE_')} while {chat.state.name}"
    out.append(Violation(Wrong.UNEXPECTED_EVENT, detail))


def tolerated(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event that needs no answer."""
    name = BESIDE.get(event.type) or event.type.removeprefix("EVENT_TYPE_").lower()
    out.append(Counted(f"events.{name}"))


BESIDE: Final[dict[EventType, str]] = {
    **dict.fromkeys(RECEIPTS, "receipt"),
    **dict.fromkeys(SURVEYS, "survey"),
    EventType.LONE_SURROGATE: "lone_surrogate",
}
"""What belongs to no conversation: who has received or read what, and what is asked about it."""


def survey(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """How was it? May come around the end and after it; the socket stays open for the answer."""
    chat.surveyed = True
    tolerated(chat, now, event, out)


# --- the agent joins ------------------------------------------------------------------------------


def join_echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A join that this process has not asked for: in a cold resume the one before it has."""
    if chat.connection.reach is None:
        unexpected(chat, now, event, out)
    else:
        chat.enter(ChatState.JOINING, now + chat.policy.patience)


def joined(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent is there; its greeting is owed."""
    if chat.turn is not None:
        out.append(Sample(Phase.JOIN, None, chat.turn.sent, now))
        chat.turn.echoed = True  # or at least heard: no need to ask again
    chat.enter(ChatState.GREETING, now + chat.policy.patience)


def joined_again(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """Who has joined joins once more: its greeting will come again as well."""
    out.append(Violation(Wrong.SECOND_GREETING, f"POLY_AGENT_JOINED while {chat.state.name}"))


def heard(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The echo of the join or of the end, or that the agent thinks of a greeting."""
    if chat.turn is not None:
        chat.turn.echoed = True
