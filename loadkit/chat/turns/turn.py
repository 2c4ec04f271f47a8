"""What the far side owes: the join, an answer, or the end of the session."""

from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final

from loadkit.chat.states import NEVER
from loadkit.figures import Origin, TurnSeen

MOST_STAMPS: Final = 64
"""Chunks of an answer whose stamps are kept; five times what an ordinary answer has."""

_OURS: Final = ~(0xF << 76 | 0x3 << 62)  # all but version and variant (RFC 9562, 5.4)
_SET: Final = 0x4 << 76 | 0x2 << 62


def new_id(rng: Random) -> str:
    """As `str(uuid.UUID(int=…, version=4))`, in half the time."""
    text = f"{rng.getrandbits(128) & _OURS | _SET:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Outcome(Enum):
    """What became of a message."""

    ANSWERED = auto()
    LOST = auto()  # given up


@dataclass(slots=True, eq=False)
class Turn:
    """One thing asked of the far side, and what was seen of the answer so far."""

    frame: bytes  # what was sent; kept so that it can be sent again
    sent: float  # when it went out (seconds, monotonic)
    due: float | None = None  # when the plan wanted it to
    text: str = ""  # of a message, to hold the echo to; "" for anything else
    local_id: str | None = None  # ties the echo to it; None for what carries no metadata
    number: int = 0  # which message of the session it is, from 1 on; 0 for anything else
    again_at: float = NEVER  # when it is to be sent again unless it was echoed
    resends: int = 0  # how often it was
    echoed: bool = False  # the server has it
    thought: bool = False  # who is to answer was seen to think, or to type, of it
    echo_at: float | None = None  # when that was seen of it
    thinking_at: float | None = None
    chunks_at: list[float] | None = None  # likewise; the first `MOST_STAMPS`
    outcome: Outcome | None = None  # None while the answer may come

    @property
    def is_open(self) -> bool:
        """Whether it is a message that was neither answered nor given up."""
        return self.local_id is not None and self.outcome is None

    def seen(self, origin: Origin) -> TurnSeen:
        """What was seen of it so far."""
        return TurnSeen(origin, self.echo_at, self.thinking_at, tuple(self.chunks_at or ()))
