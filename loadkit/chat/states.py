"""Where a session can stand: its conversation, and the socket that carries it."""

from enum import Enum, auto
from typing import Final

NEVER: Final = float("inf")
"""The deadline of a state in which nothing is owed."""


class ChatState(Enum):
    """Where the conversation stands."""

    NEW = auto()  # no join was asked for
    JOINING = auto()  # asked for, the agent has not joined
    GREETING = auto()  # joined, the greeting is owed
    READY = auto()  # the person's turn
    WAITING = auto()  # the agent's turn
    QUEUED = auto()  # handed over, a human is owed
    WITH_HUMAN = auto()  # the person's turn, a human listens
    WAITING_HUMAN = auto()  # the human's turn
    LEFT = auto()  # the human has left: SESSION_END is owed, or the agent, or another human
    AGENT_BACK = auto()  # the human has left and the agent is there again: it may greet
    LEAVING = auto()  # the person clicked "leave", SESSION_END is owed
    ELSEWHERE = auto()  # CLIENT_HANDOFF_REQUIRED: this client leaves once the agent has
    ENDED = auto()  # SESSION_END came, the server's close is owed
    OVER = auto()

    __hash__ = object.__hash__  # a row is looked up for each event; an enum's own takes longer


class SocketState(Enum):
    """Where the socket stands."""

    CONNECTING = auto()
    REPLAYING = auto()  # open, the history is not complete
    LIVE = auto()
    BACKOFF = auto()
    GONE = auto()

    __hash__ = object.__hash__


UNDER_WAY: Final = frozenset(ChatState) - {ChatState.ELSEWHERE, ChatState.ENDED, ChatState.OVER}
"""Where a conversation goes on, and the loss of its socket means something."""
