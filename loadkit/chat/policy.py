"""Where a conversation can stand, and how a client behaves where the protocol leaves a choice."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

__all__ = ["Policy", "Talk"]


class Talk(Enum):
    """Where the conversation stands."""

    NEW = auto()  # no join was asked for
    JOINING = auto()  # asked for, the agent has not joined
    GREETING = auto()  # joined, the greeting is owed
    READY = auto()  # the person's turn
    WAITING = auto()  # the agent's turn
    QUEUED = auto()  # handed over, a human is owed
    WITH_HUMAN = auto()  # the person's turn, a human listens
    WAITING_HUMAN = auto()  # the human's turn
    LEFT = auto()  # the human has left, SESSION_END is owed
    LEAVING = auto()  # the person clicked "leave", SESSION_END is owed
    ENDED = auto()  # SESSION_END came, the server's close is owed
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Policy:
    """How this client behaves; times in seconds.

    Attributes:
        patience: how long an answer, the join or the greeting is waited for.
        queue_patience: how long a human is waited for.
        handshake: how long the first history batch and SESSION_END are waited for.
        resend: what to do about a message without an echo: `never` gives it up when the patience
            ends or a resume shows that it was lost; `reference` sends it again after 5, 10, 20 s.
        max_reconnect_attempts: in a row; None takes the server's figure (10 when it gives none).
        reconnect: the back-off; `reference` doubles from 1 s to 30 s, `sdk` polls every 10 s
            after a first second.
        recycle: how old a socket gets before it is closed with 4002 and replaced; 0 for any age.
    """

    patience: float = 60.0
    queue_patience: float = 600.0
    handshake: float = 10.0
    resend: Literal["never", "reference"] = "never"
    max_reconnect_attempts: int | None = None
    reconnect: Literal["reference", "sdk"] = "reference"
    recycle: float = 0.0
