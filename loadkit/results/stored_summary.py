"""`summary.json` as it is read again: what each of its values may be."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from loadkit.codec import Amount, Count, Flag, Line, Moment, Name, Number, Seconds, Text, whole
from loadkit.errors import UsageError
from loadkit.exit_codes import OF_A_RUN
from loadkit.profile.metrics import MetricName
from loadkit.results.checked import Counts, Stored, checked, read_json
from loadkit.soak.drift import Drift
from loadkit.verdict.reason import Reason
from loadkit.verdict.run_facts import MOST_BY_HAND, Absence, Cut, DoneByHand, Loss
from loadkit.verdict.summary import SCHEMA

_SPARE: Final = frozenset(
    {
        "arrivals",
        "by_hand",
        "by_turn",
        "counts",
        "drift",
        "frames",
        "from_schedule_ms",
        "incidents",
        "incidents_unlisted",
        "intervals_ms",
        "load",
        "notes",
        "own_code",
        "throughput",
        "user_classes",
        "waits",
        "violations_detail",
    }
)
"""What a report can do without: no verdict hangs on it."""


class StepStatsStored(Stored):
    """Figures of one quantity, as far as a step of a capacity search has to tell them."""

    count: Count
    mean: Number
    p50: Number
    p95: Number
    min: Number = 0
    p90: Number = 0
    p99: Number = 0
    p999: Number = 0
    max: Number = 0
    lost: Count = 0
    open: Count = 0
    observed: Number = 0
    supported: Number = 0


class _StatsStored(StepStatsStored):
    """All of them, as of `loadkit.stats.distribution.Distribution.stats`."""

    min: Number
    p90: Number
    p99: Number
    p999: Number
    max: Number


def _or_nothing(data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """An empty table: nothing was measured."""
    return _StatsStored.model_construct(set()) if data == {} else handler(data)


_Stats = Annotated[_StatsStored, WrapValidator(_or_nothing)]
_UNMEASURED: Final = _StatsStored.model_construct(set())
_Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
_Phases = Annotated[dict[Name, _StatsStored], Field(max_length=100)]


def _of_a_verdict(code: int) -> int:
    if code not in OF_A_RUN:
        raise ValueError(f"should be one of {', '.join(map(str, OF_A_RUN))}")
    return code


class _Verdict(Stored):
    slo: Literal["pass", "fail", "none"]
    validity: Literal["valid", "suspect", "invalid"]
    reasons: list[Line]
    exit_code: Annotated[Count, AfterValidator(_of_a_verdict)]  # a Literal takes true for 1
    strict: Flag = False
    reasons_detail: list[Reason] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        details = self.reasons_detail
        if details is not None and self.reasons != list(map(str, details)):
            raise ValueError("reasons_detail says something else than reasons")
        if not self.exit_code and (self.slo == "fail" or self.validity == "invalid"):
            raise ValueError("exit_code is 0, which does not fit what else it says")
        if not self.reasons and (self.exit_code or self.validity == "invalid"):
            raise ValueError("reasons is empty: there should be one for what is not well")
        return self


class SloLineStored(Stored):
    """An objective, as of `loadkit.verdict.slo.SloLine`."""

    metric: MetricName
    limit: Number
    actual: Number | None
    ok: Flag = Field(alias="pass")
    status: Literal["pass", "fail", "undecided"] = "pass"
    samples: Count | None = None
    needed: Count | None = None
    interval: _Pair | None = None
    at_least: Flag = False
    stale: Count = 0


class _Sessions(Stored):
    started: Count
    completed: Count
    peak_concurrent: Count
    ended: Counts
    reached: Counts = {}


class _Turns(Stored):
    sent: Count
    answered: Count
    lost: Count
    lost_ratio: Number
    resent: Count
    answered_twice: Count
    open: Count = 0


class _Waits(Stored):
    lost: Count
    open: Count
    open_median_ms: Number = 0
    open_oldest_ms: Number = 0


_Absence = Annotated[Absence, whole("from_s", "to_s")]


class _Generator(Stored):
    workers: Count
    loop_lag_ms: _Stats = _UNMEASURED
    schedule_delay_ms: _Stats = _UNMEASURED
    cpu_percent: _Stats = _UNMEASURED
    rss_mb: _Stats = _UNMEASURED
    machine_cpu_percent: _Stats = _UNMEASURED
    gc_pause_ms: _Stats = _UNMEASURED
    files_percent: _Stats = _UNMEASURED
    ports_percent: _Stats = _UNMEASURED
    ending_lag_ms: _Stats = _UNMEASURED
    master_rss_mb: _Stats = _UNMEASURED
    left_out: Counts = {}
    heartbeats_lost: Count = 0
    workers_lost: Annotated[list[Loss], Field(max_length=10_000)] = []
    without_workers: Annotated[list[_Absence], Field(max_length=10_000)] = []
    workers_refused: Annotated[list[Line], Field(max_length=10_000)] = []


class _ClassSessions(Stored):
    started: Count
    failed: Count


class _ClassTurns(Stored):
    sent: Count
    lost: Count
    answered: Count = 0
    open: Count = 0


class _UserClass(Stored):
    sessions: _ClassSessions
    turns: _ClassTurns
    errors: Count
    violations: Count
    latency_ms: _Phases


class _Example(Stored):
    detail: Line = ""
    session: Line = ""
    frames: Annotated[list[Line], Field(max_length=1_000)] = []


class _Violated(Stored):
    count: Count
    sessions: Count
    share: Annotated[Number, Field(ge=0, le=1)]
    expected: Line
    example: _Example = _Example.model_construct(set())


def _fits(drift: Drift) -> Drift:
    for name, figure in drift.figures.items():
        if figure.drifts in ("line", "starts") and figure.moved is None:
            raise ValueError(f'figures.{name}: drifts is "{figure.drifts}", and moved is null')
    if drift.by_age != "no" and all(age.p95 is None for age in drift.ages):
        raise ValueError(f'by_age is "{drift.by_age}", and no age has a p95')
    if any(age.from_s == 0 and age.to_s is None for age in drift.ages):
        raise ValueError("an age has neither a begin nor an end")
    return drift


_Drift = Annotated[Drift, whole(*(each.name for each in fields(Drift))), AfterValidator(_fits)]


class _Fallen(Stored):
    before: Count
    lowest: Count | None
    lost: Count


class _Incident(Stored):
    begin_s: Seconds
    end_s: Seconds | None
    causes: Counts
    refused_with: Counts
    without_answers_s: Seconds
    workers_gone: Annotated[list[Name], Field(max_length=10_000)]
    sessions: _Fallen
    turns_lost: Count
    slow_responses: Count = 0
    slow_over_ms: Number = 0
    shortfall_session_s: Number = 0
    load_back_s: Number | None = None
    response_back_s: Number | None = None
    response_p95_before_ms: Number | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.slow_responses and "slow_over_ms" not in self.model_fields_set:
            raise ValueError("slow_over_ms is missing")
        return self


class _Load(Stored):
    model: Literal["closed", "open"]
    points: Annotated[
        list[Annotated[list[Amount], Field(min_length=4, max_length=4)]], Field(max_length=1_000)
    ]

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        end = 0.0
        for at, (start, length, *_) in enumerate(self.points):
            if start < end - 1 or not 0 < length <= 1e9 or start > 1e9:
                raise ValueError(f"points.{at}: does not follow the one before")
            end = start + length
        return self


class _Summary(Stored):
    """As of `loadkit.verdict.summary.Summary.to_dict`."""

    format: Literal["loadkit.summary/1"] = Field(alias="schema")
    profile: Name
    started_at: Moment
    duration_s: Seconds
    stopped_early: Line | None = None
    cut: Cut | None = None
    own_code: Annotated[dict[Line, Text], Field(max_length=100)] = {}
    target: Name
    verdict: _Verdict
    sessions: _Sessions
    arrivals: Annotated[dict[Name, Amount], Field(max_length=100)] | None = None
    turns: _Turns
    throughput: Annotated[dict[Name, Amount], Field(max_length=100)] = {}
    frames: Counts = {}
    latency_ms: _Phases
    from_schedule_ms: Annotated[dict[Name, _Stats], Field(max_length=100)] = {}
    intervals_ms: dict[Name, dict[Name, _Pair]] = {}
    waits: Annotated[dict[Name, _Waits], Field(max_length=100)] = {}
    disconnects: Counts
    violations: Counts
    violations_detail: Annotated[dict[Name, _Violated], Field(max_length=1_000)] = {}
    errors: Counts
    user_classes: Annotated[dict[Name, _UserClass], Field(max_length=1_000)] = {}
    by_turn: Annotated[dict[Name, dict[Name, Number]], Field(max_length=100)] = {}
    generator: _Generator
    slo: Annotated[list[SloLineStored], Field(max_length=1_000)]
    counts: dict[Name, Number] = {}
    notes: Annotated[list[Line], Field(max_length=1_000)] = []
    drift: _Drift | None = None
    incidents: Annotated[list[_Incident], Field(max_length=10_000)] = []
    incidents_unlisted: Count = 0
    load: _Load = _Load.model_construct(set())
    by_hand: Annotated[list[DoneByHand], Field(max_length=MOST_BY_HAND)] = []


def read(path: Path, left_out: list[str] | None) -> dict[str, Any]:
    """Read a summary; see `loadkit.results.run_folder.load_summary`."""
    data = read_json(path, "the folder of a finished run, as under results/")
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise UsageError(
            f"{path} is not a summary of loadkit: its schema is {ascii(found)[:60]}, not {SCHEMA!r}"
        )
    found = checked(_Summary, data, f"{path} is damaged, or was edited", _SPARE, left_out)
    return {"frames": {}, "from_schedule_ms": {}, "counts": {}, **found}


class _Info(Stored):
    """What is read of `run.json`."""

    examples: Annotated[dict[Name, Line], Field(max_length=1_000)] = {}


def read_examples(path: Path) -> dict[str, str]:
    """Read the examples of a `run.json`; see `loadkit.results.run_folder.load_examples`."""
    data = read_json(path, "a file that `loadkit run` wrote")
    return dict(checked(_Info, data, f"{path} is damaged, or was edited").get("examples", {}))
