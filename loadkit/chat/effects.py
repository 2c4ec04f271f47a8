"""What a session asks of its driver, in the order in which it is to be done."""

from typing import NamedTuple

from loadkit.actions import Cue
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase

# Named tuples: immutable, and cheaper to make than a frozen dataclass on the path of every frame.


class Connect(NamedTuple):
    """Open a socket; replay what came after `cursor` (0: everything)."""

    cursor: int


class Send(NamedTuple):
    """Send one text frame."""

    frame: bytes


class Drop(NamedTuple):
    """Let go of a socket that is believed dead: no handshake would be answered."""


class Hangup(NamedTuple):
    """Close the socket with this code; the session goes on over the next one."""

    code: int


class Sample(NamedTuple):
    """A phase was timed; all stamps in seconds on the monotonic clock."""

    phase: Phase
    due: float | None  # when the plan wanted it to begin; None for what no plan schedules
    sent: float
    end: float


class Unfinished(NamedTuple):
    """A wait is over without what was waited for; stamps as of `Sample`."""

    phase: Phase
    due: float | None
    sent: float
    until: float  # when it was over: it lasted at least from `sent` until then
    lost: bool  # whether it was given up; else who waited went away, or the run was over


class Counted(NamedTuple):
    """Something happened, `n` times; `since` is when it began, for what the warm-up leaves out."""

    key: str
    since: float | None = None
    n: int = 1


class Named(NamedTuple):
    """Something happened that is counted by a word of the server's, below `family`."""

    family: str
    word: str


class Failed(NamedTuple):
    """Something that was asked of the server did not happen."""

    kind: Failure
    detail: str = ""


class Violation(NamedTuple):
    """The server broke the protocol."""

    kind: str
    detail: str = ""
    sent: tuple[float, bytes] | None = None  # when this side had said what it is about, and how


class Keep(NamedTuple):
    """What came last may turn out to show a violation."""


class YourTurn(NamedTuple):
    """The far side is done: the person may read `heard` ("" when no answer came) and go on."""

    heard: str
    cue: Cue = Cue.ANSWERED
    suggestions: tuple[str, ...] = ()  # the answers that the agent offers to be tapped


class Finish(NamedTuple):
    """The session is over; nothing follows."""

    ending: Ending
    renew: bool = False  # the server does not know the session (any more): a client opens a new one
    close: int | None = None  # the code to close the socket with; None where there is no socket


Effect = (
    Connect
    | Send
    | Drop
    | Hangup
    | Keep
    | Sample
    | Unfinished
    | Counted
    | Named
    | Failed
    | Violation
    | YourTurn
    | Finish
)
