"""What a person has come for, and the tables that say how they go about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from loadkit.config.table import Duration, Ratio, Table
from loadkit.profile.tables import TurnsRange
from loadkit.profile.user_model import WaitModel


class Errand(StrEnum):
    """What a person has come for."""

    CHAT = "chat"  # says what there is to say and leaves
    HUMAN = "human"  # says it, then asks for a human and talks to them until they leave
    IDLE = "idle"  # opens the chat and says nothing
    ABANDON = "abandon"  # is gone in the middle of a turn without a word


@dataclass(frozen=True, slots=True)
class SessionKind:
    """One session to be lived, as its user class has it."""

    name: str  # the user class
    errand: Errand = Errand.CHAT  # what the person has come for
    streaming: bool = False  # whether streamed answers are asked for
    tabs: int = 0  # further browser tabs on the session
    restarts: int = 0  # how often the app is shut down and started anew


class HandoffTable(Table):
    """What a person does about humans."""

    # from the hand-off on. Not scaled: it is the target's time. Ours.
    patience: Annotated[Duration, Field(gt=0)] = 600.0
    # what follows a hand-off that failed or timed out: `leave`, or `retry`, which asks once more
    # and leaves only then. A wait that was given up counts as failed.
    on_failure: Literal["leave", "retry"] = "leave"
    # how often the person speaks to the human, who as a rule leaves first; then the person waits
    # for them to leave. Ours: the simulated humans answer 2 to 4 times.
    live_turns: Annotated[int, Field(ge=0, le=1000)] = 4


class Idle(Table):
    """How a person idles: for how long from the greeting on, scaled by `time_scale`. Ours."""

    duration: WaitModel = WaitModel(median=300.0)


class After(TurnsRange):
    """How many turns are complete before a person is gone: uniform, both included."""

    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=0, le=1000)] = 2


class Abandon(Table):
    """How a person is gone. All ours: what contact centres call silent abandonment is common
    (3 % to 70 % of those who enter a text chat, 17 companies: Castellanos, Yom-Tov, Goldberg,
    Park, "Silent Abandonment in Text-Based Contact Centers", 2025), but nobody has counted what
    becomes of the sockets.
    """

    after: After = After()
    # share of those whose network is gone without a FIN; the others' browser closes the connection
    silent: Ratio = 0.3
    comes_back: Ratio = 0.0  # share of those who do
    away: WaitModel = WaitModel(median=20.0)  # until then, scaled by `time_scale`
