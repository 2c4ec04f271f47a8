"""`capacity.json` as it is read again: what each of its values may be."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from loadkit.capacity.evidence import StepLoad, StepOutcome
from loadkit.capacity.search import CapacityResult
from loadkit.codec import Amount, Count, Line, Name, Number, Seconds, whole
from loadkit.errors import UsageError
from loadkit.profile.metrics import MetricName
from loadkit.results.checked import Stored, checked, read_json
from loadkit.results.stored_summary import SloLineStored, StepStatsStored

SCHEMA: Final = "loadkit.capacity/1"

_Fitted = Annotated[float, Field(strict=True)]  # what a fit finds
_Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
_Band = Annotated[list[_Fitted | None], Field(min_length=2, max_length=2)]
_SPARE: Final = frozenset({"model_fit", "notes", "own_load", "sentence", "exit_code"})
"""What a report can do without."""


class _Objective(Stored):
    metric: MetricName
    limit: Number


class _Delivered(Stored):
    concurrent: Amount
    sessions_per_second: Amount = 0
    turns_per_second: Amount


class _StepLine(SloLineStored):
    status: Literal["pass", "fail", "undecided"]


class _Validity(Stored):
    level: Literal["valid", "suspect", "invalid"]
    reasons: list[Line]


_Quantities = Annotated[dict[Name, StepStatsStored], Field(max_length=100)]


class _Step(Stored):
    """As of `loadkit.capacity.step_verdict.written_down`."""

    number: Count
    kind: Literal["probe", "confirm"]
    load: StepLoad
    outcome: Annotated[StepOutcome, whole("settled", "why")]
    began_s: Seconds = 0
    measured_from_s: Seconds
    measured_to_s: Seconds
    delivered: _Delivered
    latency_ms: _Quantities
    counts: dict[Name, Number] = {}
    slo: Annotated[list[_StepLine], Field(max_length=1_000)]
    validity: _Validity | None = None
    generator: _Quantities = {}


class _Law(Stored):
    """As of `loadkit.stats.scalability.Fit`."""

    rate: _Fitted
    contention: _Fitted
    coherency: _Fitted
    r_squared: Number
    loads: _Pair
    rate_interval: _Band
    contention_interval: _Band
    coherency_interval: _Band
    peak_interval: _Band | None = None
    peak: _Fitted | None = None
    identified: Annotated[list[Name], Field(max_length=10)] = []
    warnings: Annotated[list[Annotated[Line, Field(min_length=1)]], Field(max_length=100)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "peak" in self.identified and self.peak is None:
            raise ValueError("identified has a peak, and peak is null")
        return self


class _Fit(Stored):
    points: list[_Pair] = []
    knee: Number | None = None
    law: _Law | None
    why: Line = ""

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.law is None and not self.why:
            raise ValueError("law is null, and why is missing")
        return self


def _subject(value: Any) -> Any:
    """Of all that a search hangs on, a report reads one number."""
    within = value
    for key in ("profile", "conversation"):
        within = {} if within is None else within.get(key, {})
        if not isinstance(within, dict):
            raise ValueError(f"{key} should be a table")
    scale = within.get("time_scale", 1.0)
    if type(scale) not in (int, float) or not 0 < scale <= 1e6:
        raise ValueError("profile.conversation.time_scale should be a number above 0")
    return value


class _Search(Stored):
    format: Literal["loadkit.capacity/1"] = Field(alias="schema")
    profile: Name
    model: Literal["closed", "open"]
    own_load: Amount | None = None
    slo: Annotated[list[_Objective], Field(min_length=1, max_length=1_000)]
    settings: dict[Name, Any] = {}
    capacity: CapacityResult | None
    steps: Annotated[list[_Step], Field(max_length=1_000)]
    target: Name | None = None
    notes: Annotated[list[Line], Field(max_length=1_000)] = []
    started_at: Name = ""
    duration_s: Amount = 0
    subject: Annotated[dict[Name, Any] | None, AfterValidator(_subject)] = None
    model_fit: _Fit | None = None
    sentence: Line = ""
    exit_code: Count = 0


def read(path: Path, left_out: list[str] | None) -> dict[str, Any]:
    """Read a search's document; see `loadkit.capacity.document.load`.

    Raises:
        UsageError: it is none; the text says what is wrong with it, and what to do.
    """
    data = read_json(path, "the folder of a capacity search")
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise UsageError(f"{path} is no result of a capacity search ({SCHEMA})")
    return checked(_Search, data, f"{path} is damaged, or was edited", _SPARE, left_out)
