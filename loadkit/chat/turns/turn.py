"""What the far side owes: the join, an answer, or the end of the session."""

from enum import Enum, auto
from random import Random
from typing import Final

from loadkit.chat.states import NEVER

__all__ = ["Outcome", "Turn", "new_id"]

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


class Turn:
    """One thing asked of the far side, and what was seen of the answer so far.

    Attributes:
        frame: what was sent; kept so that it can be sent again.
        text: of a message, to hold the echo to; "" for anything else.
        local_id: ties the echo to it; None for what carries no metadata.
        due, sent: when the plan wanted it and when it went out (seconds, monotonic).
        again_at: when it is to be sent again unless it was echoed.
        resends: how often it was.
        echoed: the server has it.
        thought: who is to answer was seen to think, or to type, of it.
        outcome: None while the answer may come.
    """

    __slots__ = (
        "again_at",
        "due",
        "echoed",
        "frame",
        "local_id",
        "outcome",
        "resends",
        "sent",
        "text",
        "thought",
    )

    def __init__(
        self,
        frame: bytes,
        sent: float,
        due: float | None = None,
        text: str = "",
        local_id: str | None = None,
    ) -> None:
        self.frame, self.text, self.local_id = frame, text, local_id
        self.due, self.sent = due, sent
        self.echoed = self.thought = False
        self.outcome: Outcome | None = None
        self.resends, self.again_at = 0, NEVER

    @property
    def is_open(self) -> bool:
        """Whether it is a message that was neither answered nor given up."""
        return self.local_id is not None and self.outcome is None
