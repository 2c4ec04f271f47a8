"""What the far side owes: the join, an answer, or the end of the session."""

from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final

from loadkit.chat.states import NEVER

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
    again_at: float = NEVER  # when it is to be sent again unless it was echoed
    resends: int = 0  # how often it was
    echoed: bool = False  # the server has it
    thought: bool = False  # who is to answer was seen to think, or to type, of it
    outcome: Outcome | None = None  # None while the answer may come

    @property
    def is_open(self) -> bool:
        """Whether it is a message that was neither answered nor given up."""
        return self.local_id is not None and self.outcome is None
