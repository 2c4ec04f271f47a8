"""The tables of a profile as frozen models; each default says where it comes from."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from loadkit.plan.dialogue import SECTORS
from loadkit.plan.suggest import did_you_mean
from loadkit.plan.units import Duration

__all__ = [
    "Connection",
    "Conversation",
    "Load",
    "Mix",
    "Platform",
    "Stage",
    "Table",
    "Turns",
    "known_class",
]

Platform = Literal["web", "ios", "android", "ios-web", "android-web", "custom"]


class Table(BaseModel):
    """What every table of a profile has in common: frozen, no unknown key, no coercion.

    Strict because `users = "50"` or `seed = true` is a slip of the pen, not a wish.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Stage(Table):
    """One leg of the load.

    Attributes:
        duration: seconds; 0 is a jump.
        users: virtual users at its end, reached in a straight line from the previous stage's
            (from 0 in the first one).
    """

    duration: Duration
    users: Annotated[int, Field(ge=0)]


class Load(Table):
    """How many virtual users there are, and when.

    Attributes:
        model: `closed`: a fixed number of users, each starts its next session when the last
            one is over.
        stages: the legs of the load, in order.
        warmup: seconds from the start that are left out of the figures.
        seed: start of every random choice; two runs with one seed make the same choices.
    """

    model: Literal["closed"] = "closed"
    stages: Annotated[tuple[Stage, ...], Field(strict=False)]  # TOML and JSON have only lists
    warmup: Duration = 0.0
    seed: Annotated[int, Field(ge=0)] = 1

    @property
    def duration_s(self) -> float:
        """Seconds from the first stage's start to the last one's end."""
        return sum(stage.duration for stage in self.stages)

    @property
    def peak_users(self) -> int:
        """The most virtual users that are asked for at once."""
        return max(stage.users for stage in self.stages)

    @model_validator(mode="after")
    def _loads_something(self) -> "Load":
        if not self.stages:
            raise ValueError('stages is empty; write at least { duration = "30s", users = 1 }')
        if not self.duration_s:
            raise ValueError("stages last 0 s in all; give one of them a duration")
        if not self.peak_users:
            raise ValueError("stages never ask for a user; give one of them users = 1 or more")
        if self.warmup >= self.duration_s:
            raise ValueError(
                f"warmup ({self.warmup:g} s) leaves nothing to measure of the stages' "
                f"{self.duration_s:g} s"
            )
        return self


def known_class(name: str, info: ValidationInfo) -> str:
    """Refuse the name of a user class that does not exist, where the context holds their names."""
    known = (info.context or {}).get("classes")
    if known is not None and name not in known:
        raise ValueError(f"no user class is called {name!r}{did_you_mean(name, known)}")
    return name


def _weighs_something(mix: dict[str, float]) -> dict[str, float]:
    if not any(mix.values()):
        raise ValueError("should give at least one user class a weight above 0")
    return mix


Mix = Annotated[
    dict[Annotated[str, AfterValidator(known_class)], Annotated[float, Field(ge=0)]],
    AfterValidator(_weighs_something),
]
"""User class → weight: of all virtual users, the share weight ÷ sum of weights is of the class."""


class Turns(Table):
    """How often a person speaks in one session: uniform between the two, both included."""

    min: Annotated[int, Field(ge=1)] = 2
    max: Annotated[int, Field(ge=1, le=10_000)] = 5

    @model_validator(mode="after")
    def _ordered(self) -> "Turns":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) should not be above max ({self.max})")
        return self


def _known_dialogues(text: str) -> str:
    head, colon, sector = text.partition(":")
    if head == "builtin" and colon and sector not in SECTORS:
        raise ValueError(f"no built-in dialogues for {sector!r}{did_you_mean(sector, SECTORS)}")
    return text


class Conversation(Table):
    """What a session is made of.

    Attributes:
        turns: how often the person speaks.
        dialogues: what is said: `builtin`, `builtin:<sector>`, or a JSONL or TOML file.
        time_scale: factor on every time a person takes; 0.1 makes people ten times faster.
        patience: seconds a person waits for an answer before the turn is lost. Not scaled: it
            is the target's time, not the person's.
        resend: what to do about a message whose echo does not come. `never`: the turn is lost,
            as the vendor's mobile SDKs have it. `reference`: send it again after 5 s, at most
            3 times, as the vendor's API reference advises.
        cursor: how a reconnect says where it was: `seq` sends `seq:<n>`, `integer` sends `<n>`.
        platform: what the session says it runs on.
        pause: seconds between two sessions of one virtual user, scaled by `time_scale`.
    """

    turns: Turns = Turns()
    dialogues: Annotated[str, Field(min_length=1), AfterValidator(_known_dialogues)] = "builtin"
    time_scale: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[Duration, Field(gt=0)] = 60.0
    resend: Literal["never", "reference"] = "never"
    cursor: Literal["seq", "integer"] = "seq"
    platform: Platform = "web"
    pause: Duration = 1.0


class Connection(Table):
    """Limits of one virtual user's connection.

    Attributes:
        handshake: seconds that each step up to the end of the history may take.
        max_reconnect_attempts: in place of what the server announces; None leaves it to the
            server.
    """

    handshake: Annotated[Duration, Field(gt=0)] = 10.0
    max_reconnect_attempts: Annotated[int, Field(ge=0)] | None = None
