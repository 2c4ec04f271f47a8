"""The tables of a profile as frozen models; each default says where it comes from."""

from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from loadkit.config.mistakes import did_you_mean
from loadkit.config.table import Duration, Table, checked
from loadkit.figures import Client
from loadkit.profile.dialogue import SECTORS
from loadkit.security.hosts import checked_pattern

MAX_CONCURRENT: Final = 10_000
"""Sessions at once in the open model where the profile says nothing: as many open files as Locust
asks the system for, so that a target that stalls does not take the generator with it."""

MOST_USERS: Final = 10_000_000
"""Ours: ten times as many as the largest deployment that a plan begins with."""

MOST_ARRIVALS: Final = 1e6
"""A second, ours: as many upgrades as a hundred front ends of 10,000 a second take in."""

MOST_STAGES: Final = 10_000  # a week, minute by minute
LONGEST_DRAIN: Final = 10.0  # seconds that an answer is waited for once the load is over

Platform = Literal["web", "ios", "android", "ios-web", "android-web", "custom"]


class Stage(Table):
    """One leg of the load; of 0 s it is a jump.

    At its end there are so many virtual users (closed model), or new sessions a second (open
    model), reached in a straight line from the previous one's, or from 0.
    """

    duration: Duration
    users: Annotated[int, Field(ge=0, le=MOST_USERS)] | None = None
    arrivals_per_second: Annotated[float, Field(ge=0, le=MOST_ARRIVALS)] | None = None


_LEVELS: Final = {"closed": "users", "open": "arrivals_per_second"}
"""Model → what its stages give."""


def _level_mistakes(stages: Any, model: str) -> list[InitErrorDetails]:
    """What is wrong with the stages as they were written, as levels of this model."""
    mistakes: list[InitErrorDetails] = []
    right, other = _LEVELS[model], "open" if model == "closed" else "closed"
    wrong = _LEVELS[other]
    for number, stage in enumerate(stages if isinstance(stages, list | tuple) else ()):
        given = stage.model_dump() if isinstance(stage, Stage) else stage
        if not isinstance(given, dict):
            continue  # pydantic says so
        if given.get(wrong) is not None:
            text = f'is for the {other} model; write {right}, or model = "{other}"'
            mistake = InitErrorDetails(type="value_error", loc=(number, wrong), input=given[wrong])
            mistakes.append(mistake | {"ctx": {"error": ValueError(text)}})
        elif given.get(right) is None:
            mistakes.append(InitErrorDetails(type="missing", loc=(number, right), input=given))
    return mistakes


class Load(Table):
    """How much load there is, and when."""

    # `closed`: a fixed number of users, each starts its next session when the last one is over.
    # `open`: sessions begin at a given rate, however slow the target is.
    model: Literal["closed", "open"] = "closed"
    # Not strict, as TOML and JSON have only lists.
    stages: Annotated[tuple[Stage, ...], Field(strict=False, max_length=MOST_STAGES)]
    # open model: `poisson`, as people who do not know of each other come, or `uniform`, evenly
    # spaced. None in the closed one.
    arrivals: Literal["poisson", "uniform"] | None = Field(default=None, validate_default=True)
    # open model: an arrival that finds so many sessions running, over all workers, is refused. None
    # in the closed one.
    max_concurrent: int | None = Field(default=None, ge=1, le=MOST_USERS, validate_default=True)
    # closed model: each user's first session is the rest of one that is found under way
    # (`loadkit.people.steady_state`), so that ages and ends are spread from the start
    stagger: bool = False
    warmup: Duration = 0.0  # seconds from the start that are left out of the figures
    # seconds that those who wait when the stages are over may wait on, while nobody says anything
    # new; None for the greatest limit of an objective in time
    drain: Annotated[Duration, Field(le=LONGEST_DRAIN)] | None = None
    seed: Annotated[int, Field(ge=0)] = 1  # of every random choice

    @property
    def duration_s(self) -> float:
        """Seconds from the first stage's start to the last one's end."""
        return sum(stage.duration for stage in self.stages)

    @property
    def peak_users(self) -> int:
        """The most virtual users that are asked for at once; 0 in the open model."""
        return max(stage.users or 0 for stage in self.stages)

    @property
    def peak_rate(self) -> float:
        """The most new sessions a second that are asked for; 0 in the closed model."""
        return max(stage.arrivals_per_second or 0.0 for stage in self.stages)

    @property
    def expected_arrivals(self) -> float:
        """How many sessions begin on average over all stages; 0 in the closed model."""
        rates = [stage.arrivals_per_second or 0.0 for stage in self.stages]
        means = [(before + after) / 2 for before, after in pairwise([0.0, *rates])]
        return sum(stage.duration * mean for stage, mean in zip(self.stages, means, strict=True))

    @field_validator("stages", mode="wrap")
    @classmethod
    def _fit_the_model(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        # A wrapper, so that a stage of the wrong model is told beside all else that is wrong.
        model = info.data.get("model")  # absent where it is a mistake itself
        mistakes = [] if model is None else _level_mistakes(value, model)
        try:
            stages = handler(value)
        except ValidationError as error:
            told = [
                InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"])
                | ({"ctx": detail["ctx"]} if "ctx" in detail else {})
                for detail in error.errors(include_url=False)
            ]
            mistakes = told + mistakes
        if mistakes:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return stages

    @field_validator("arrivals", "max_concurrent")
    @classmethod
    def _open_only(cls, value: Any, info: ValidationInfo) -> Any:
        model = info.data.get("model")
        if value is None and model == "open":
            return {"arrivals": "poisson", "max_concurrent": MAX_CONCURRENT}[str(info.field_name)]
        if value is not None and model == "closed":
            raise ValueError('is for the open model; leave it out, or write model = "open"')
        return value

    @field_validator("stagger")
    @classmethod
    def _closed_only(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("model") == "open":
            raise ValueError(
                "is for the closed model; leave it out, and give the warm-up a session's length"
            )
        return value

    @model_validator(mode="after")
    def _loads_something(self) -> "Load":
        example = f"{_LEVELS[self.model]} = 1"
        if not self.stages:
            raise ValueError(f'stages is empty; write at least {{ duration = "30s", {example} }}')
        if not self.duration_s:
            raise ValueError("stages last 0 s in all; give one of them a duration")
        if self.model == "closed" and not self.peak_users:
            raise ValueError(f"stages never ask for a user; give one of them {example} or more")
        if self.model == "open" and self.expected_arrivals < 1e-9:
            raise ValueError(
                f"stages never ask for an arrival; give one that lasts {example}, or any other "
                "rate above 0"
            )
        if self.warmup >= self.duration_s:
            raise ValueError(
                f"warmup ({self.warmup:,g} s) leaves nothing to measure of the stages' "
                f"{self.duration_s:,g} s"
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
        raise ValueError("should give at least one a weight above 0")
    return mix


Weight = Annotated[float, Field(ge=0), AfterValidator(checked)]
"""Of one among several: its share is weight ÷ sum of weights."""

Mix = Annotated[
    dict[Annotated[str, AfterValidator(known_class)], Weight],
    AfterValidator(_weighs_something),
]
"""User class → weight: of all virtual users, the share weight ÷ sum of weights is of the class."""


Clients = Annotated[
    dict[Annotated[Client, Field(strict=False)], Annotated[float, Field(ge=0)]],
    AfterValidator(_weighs_something),
]
"""Client → weight: of all sessions, the share weight ÷ sum of weights is of that client."""

AllowHosts = Annotated[
    tuple[Annotated[str, AfterValidator(checked_pattern)], ...], Field(strict=False)
]
"""Hosts by name, address or domain, each perhaps with a port."""


class TurnsRange(Table):
    """How often a person speaks in one session: uniform between the two, both included."""

    min: Annotated[int, Field(ge=1)] = 2
    max: Annotated[int, Field(ge=1, le=10_000)] = 5

    @model_validator(mode="after")
    def _ordered(self) -> "TurnsRange":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) should not be above max ({self.max})")
        return self


def _known_dialogues(text: str) -> str:
    head, colon, sector = text.partition(":")
    if head == "builtin" and colon and sector not in SECTORS:
        raise ValueError(f"no built-in dialogues for {sector!r}{did_you_mean(sector, SECTORS)}")
    return text


class Columns(Table):
    """The headings of a CSV file of dialogues (`loadkit.profile.dialogue_csv`); None is guessed."""

    text: str | None = None
    conversation: str | None = None
    intent: str | None = None
    speaker: str | None = None


class ConversationTable(Table):
    """What a session is made of."""

    turns: TurnsRange = TurnsRange()
    columns: Columns = Columns()
    # what is said: `builtin`, `builtin:<sector>`, or a JSONL, TOML or CSV file
    dialogues: Annotated[str, Field(min_length=1), AfterValidator(_known_dialogues)] = "builtin"
    time_scale: Annotated[float, Field(ge=1e-9)] = 1.0  # 0.1 makes people ten times faster
    # seconds a person waits for an answer before the turn is lost. Not scaled: it is the target's
    # time, not the person's.
    patience: Annotated[Duration, Field(gt=0)] = 60.0
    # what to do about a message whose echo does not come, in place of what the client does.
    # `never`: the turn is lost, when the patience ends. `reference`: send it again after 5 s, at
    # most 3 times, as the vendor's API reference advises.
    resend: Literal["never", "reference"] | None = None
    cursor: Literal["seq", "integer"] = "seq"  # a reconnect sends `seq:<n>`, or `<n>`
    platform: Platform | None = None  # what the session says it runs on; None as the client says
    pause: Duration = 1.0  # between two sessions of one virtual user, scaled by `time_scale`


class ConnectionTable(Table):
    """Limits of one virtual user's connection."""

    handshake: Annotated[Duration, Field(gt=0)] = 10.0  # of each step up to the end of the history
    max_reconnect_attempts: Annotated[int, Field(ge=0)] | None = None  # None: the server's
    # seconds after which an open socket is closed and replaced, as the vendor's SDKs do, and
    # browsers do not; 0 lets it grow as old as it may. Not scaled.
    recycle: Duration = 7200.0
    deflate: bool | None = None  # offer compression (permessage-deflate); None as the client does


class Results(Table):
    """How the course of a run is written down."""

    interval: Annotated[Duration, Field(ge=0.1, le=60)] = 1.0  # of `timeline.csv`, `latency.hlog`
    texts: Literal["shown", "hidden"] = "shown"  # what was said, in examples and transcripts
