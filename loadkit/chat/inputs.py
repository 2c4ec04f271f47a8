"""What can happen to a session besides a server event: the socket, the clock, the person."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from loadkit.errors import Failure
from loadkit.protocol import EventType


class Signal(Enum):
    """A happening without a content of its own."""

    START = "start"  # the session exists on the server: connect
    ELAPSED = "elapsed"  # the session's deadline has come
    CUT = "cut"  # the run was told to stop
    FORCED = "forced"  # we broke the socket ourselves, as the plan has it
    REPLACED = "replaced"  # the socket is to be opened anew, with another token
    VANISHED = "vanished"  # the person's browser is gone without a word
    # of a session to itself:
    CAUGHT_UP = "caught_up"  # the history is complete
    OVERDUE = "overdue"  # what is owed has not come


START: Final = Signal.START
ELAPSED: Final = Signal.ELAPSED
CUT: Final = Signal.CUT
FORCED: Final = Signal.FORCED
REPLACED: Final = Signal.REPLACED
VANISHED: Final = Signal.VANISHED
CAUGHT_UP: Final = Signal.CAUGHT_UP
OVERDUE: Final = Signal.OVERDUE


@dataclass(frozen=True, slots=True)
class Opened:
    """The upgrade was answered with 101."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The socket could not be opened."""

    kind: Failure
    detail: str = ""
    status: int | None = None  # the HTTP status of the refusal; None when no answer came
    wait_s: float | None = None  # the least number of seconds to wait, where the server asks for it


@dataclass(frozen=True, slots=True)
class Closed:
    """The open socket is gone."""

    code: int  # 1006 when no close frame came
    flooded: bool = False  # given up for too much that came, which has been counted as a failure


@dataclass(frozen=True, slots=True)
class Say:
    """The person sends a message that was due at `due` (seconds, monotonic)."""

    text: str
    due: float


@dataclass(frozen=True, slots=True)
class Typing:
    """The person starts, or stops, pressing keys."""

    started: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """The person clicks "leave" at `due` (seconds, monotonic)."""

    due: float


Input = Signal | Opened | Refused | Closed | Say | Typing | Leave

Happening = EventType | Signal | type[Input]
"""What a row is found by: the kind of an event, the signal itself, or the kind of another input."""


def kind_of(happening: Input) -> Happening:
    """What the row of an input is found by."""
    return happening if isinstance(happening, Signal) else type(happening)
