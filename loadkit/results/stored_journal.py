"""`journal.jsonl` as it is read again: what each of its lines may be.

A number that says how much there is, or how long, decides how much memory and time it takes to do
again what the journal tells: none may be larger than a run can be.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import AfterValidator, Field, ValidationError, model_validator

from loadkit.figures import Phase
from loadkit.measure.age_bands import AGES
from loadkit.measure.recorder import GAUGES
from loadkit.profile.tables import Load
from loadkit.results.checked import (
    MOST_BYTES,
    Amount,
    Count,
    Flag,
    Line,
    MetricName,
    Moment,
    Name,
    Number,
    Seconds,
    Stored,
    Text,
    told,
)
from loadkit.results.journal import SCHEMA
from loadkit.results.stored_summary import AbsenceStored, Lost
from loadkit.security.textfile import parse_json
from loadkit.stats.hdr_codec import MOST_COUNT
from loadkit.stats.histogram import HIGHEST, bucket_of

__all__ = ["TAIL", "Interval", "Standing", "head", "record"]

LONGEST: Final = 3600.0
"""Seconds of one interval; a worker reports once a second."""

TAIL: Final = ("interval", "tick")
"""What comes line by line once all that was known is written: each can be done without."""

_GAUGES: Final = frozenset({*GAUGES, "master_rss_mb"})
_PHASES: Final = frozenset(map(str, Phase))
_MOST_LOAD: Final = 1e9  # users, arrivals a second, and seconds of all stages


def _known(names: Iterable[str], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"no {what} is called so")
        return name

    return AfterValidator(check)


def _pairs(flat: list[int]) -> list[int]:
    """Buckets and how often: lowest value, count, lowest value, count …"""
    if len(flat) % 2:
        raise ValueError("should be pairs of a value and how often it was")
    values, counts = flat[::2], flat[1::2]
    if len(set(values)) != len(values):
        raise ValueError("should have each value once")
    for value in values:
        if not 0 <= value <= HIGHEST or bucket_of(value) != value:
            raise ValueError(f"{value} is the value of no bucket")
    if counts and not 0 <= min(counts) <= max(counts) <= MOST_COUNT:
        raise ValueError(f"how often should be from 0 to {MOST_COUNT}")
    return flat


_Pairs = Annotated[list[int], AfterValidator(_pairs)]
_Phase = Annotated[Name, _known(_PHASES, "phase")]
_Gauge = Annotated[Name, _known(_GAUGES, "figure")]
_Age = Annotated[Name, _known(frozenset(map(str, range(len(AGES)))), "class of ages")]
_Counts = dict[Name, Count]
_Stamp = Annotated[float, Field(ge=-1e12, le=1e12)]
_Value = Annotated[int, Field(ge=-1, le=HIGHEST + 1)]
_Totals = dict[Literal["sent", "received", "bytes_sent", "bytes_received"], Count]
_Change = Annotated[int, Field(ge=-(10**15), le=10**15)]


class _Tally(Stored):
    counts: _Pairs
    total: Annotated[int, Field(ge=0, le=10**18)]
    min: _Value
    max: _Value
    negative: Count
    overflow: Count
    lost: _Pairs = []
    open: _Pairs = []
    entered: _Pairs = []

    @model_validator(mode="after")
    def _spans(self) -> Self:
        if self.counts and not 0 <= self.min <= self.max <= HIGHEST:
            raise ValueError("min and max do not fit its counts")
        return self


class _Waiting(Stored):
    turns: Count
    latency: dict[_Phase, _Pairs]
    from_schedule: dict[_Phase, _Pairs]


class _Scope(Stored):
    latency: dict[_Phase, _Tally]
    counts: _Counts


class _ScopeNow(_Scope):
    waiting: _Waiting


class _Evidence(Stored):
    of: Literal["errors", "violations"]
    kind: Name
    at: Name = ""
    detail: Line = ""
    user_class: Name = ""
    session: Line = ""
    correlation_id: Line = ""
    frames: Annotated[list[Line], Field(max_length=1_000)] = []
    worker: Name = ""


class _Tables(Stored):
    latency: dict[_Phase, _Tally] = {}
    from_schedule: dict[_Phase, _Tally] = {}
    generator: dict[_Gauge, _Tally] = {}
    ages: dict[_Age, _Tally] = {}


class _Of(_Tables):
    """As of `loadkit.measure.recorder.Recorder.take`."""

    begin: _Stamp = Field(alias="from")
    to: _Stamp
    measure_from: _Stamp
    latency: dict[_Phase, _Tally]
    from_schedule: dict[_Phase, _Tally]
    generator: dict[_Gauge, _Tally]
    ages: dict[_Age, _Tally]
    counts: _Counts
    scopes: dict[Name, _ScopeNow]
    examples: dict[Name, Line]
    evidence: Annotated[list[_Evidence], Field(max_length=10_000)]
    live: Count
    peak: Count
    session_seconds: Amount
    states: _Counts
    waiting: _Waiting
    frames: _Totals

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if not -1.0 <= self.to - self.begin <= LONGEST:
            raise ValueError(f"lasts {self.to - self.begin:,.0f} s")
        return self


class Interval(Stored):
    """What a worker measured in a second or so."""

    worker: Name
    seq: Annotated[int, Field(ge=0, le=10**9)]
    at: Seconds
    of: _Of


class _Besides(Stored):
    """As of `loadkit.verdict.run_facts.RunFacts`."""

    aborted: Line | None = None
    stopped: Line | None = None
    own_code: Annotated[dict[Line, Text], Field(max_length=100)] = {}
    fault: Text | None = None
    asked_users: Amount | None = None
    peak_users: Amount | None = None
    undelivered_s: Seconds = 0.0
    workers_lost: Annotated[list[Lost], Field(max_length=10_000)] = []
    without_workers: Annotated[list[AbsenceStored], Field(max_length=10_000)] = []
    workers_refused: Annotated[list[Line], Field(max_length=10_000)] = []
    heartbeats_lost: Count = 0


def _load(value: dict[str, Any]) -> dict[str, Any]:
    load = Load.model_validate_json(orjson.dumps(value))
    if max(load.duration_s, load.peak_users, load.peak_rate) > _MOST_LOAD:
        raise ValueError("asks for more than any run can")
    return value


class Standing(Stored):
    """What is known besides, as far as a line tells of it."""

    at: Seconds = 0.0
    users: Count = 0
    load: Annotated[dict[Name, Any], AfterValidator(_load)] = {}
    besides: _Besides = _Besides()


_List = Field(strict=False)  # JSON has no tuples
_Second = Annotated[int, Field(ge=-(10**10), le=10**10)]


class _Concurrency(Stored):
    highest: Count
    seconds: Annotated[list[Annotated[tuple[_Second, _Counts], _List]], Field(max_length=10_000)]


def _has_all(scopes: dict[str, Any]) -> dict[str, Any]:
    if "" not in scopes:
        raise ValueError('there should be one of all, under ""')
    return scopes


_Waitings = Annotated[dict[Name, _Waiting], AfterValidator(_has_all)]
_Stands = Annotated[tuple[_Stamp, _Counts, Count, Amount | None, dict[Name, _Waiting]], _List]


class _Books(Stored):
    """As of `loadkit.measure.ledger.Ledger.state`."""

    counts: dict[Name, _Change]
    session_seconds: Amount
    offsets: dict[Name, _Stamp]
    arrivals: dict[
        Name,
        Annotated[tuple[Count, Annotated[list[Count], Field(max_length=100_000)], Count], _List],
    ]
    examples: dict[Name, Annotated[tuple[Count, Name, Line], _List]]
    evidence: Annotated[list[_Evidence], Field(max_length=100_000)]
    concurrency: _Concurrency
    frames: dict[Name, _Totals]
    live: dict[Name, Annotated[tuple[Count, Count], _List]]
    waiting: dict[Name, _Waitings]
    busy: dict[Name, Annotated[tuple[Count, Count], _List]]


class _RowBooks(Stored):
    next: Annotated[int, Field(ge=0, le=10**10)]
    workers: dict[Name, Annotated[tuple[Count | None, _Stamp, _Totals], _List]]
    standing: dict[Name, _Stands]


class _Row(_Tables):
    """As of `loadkit.measure.timeline.Row.to_wire`, or what all rows have in common."""

    books: _RowBooks | None = None
    row: Annotated[int, Field(ge=0, le=10**10)] = 0
    scopes: dict[Name, _Scope] = {}
    asked: dict[Name, Number] = {}
    cpu: dict[Name, Annotated[list[Number], Field(max_length=100_000)]] = {}
    counts: _Counts = {}
    frames: _Totals = {}
    session_seconds: Amount = 0.0
    reported: dict[Name, _Stands] = {}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        wanted = {*type(self).model_fields} - {"books"}
        if self.books is None and (missing := wanted - self.model_fields_set):
            raise ValueError(f"{min(missing)} is missing")
        return self


class _State(_Tables):
    books: _Books | None = None
    scopes: dict[Name, _Scope] = {}
    timeline: _Row | None = None


class _What(Stored):
    """As of `loadkit.verdict.run_facts.RunSpec`."""

    profile: Name
    started_at: Moment
    target: Name
    limits: Annotated[list[Annotated[tuple[MetricName, Number], _List]], Field(max_length=1_000)]
    strict: Flag = False
    warmup_s: Seconds = 0.0
    notes: Annotated[list[Line], Field(max_length=1_000)] = []
    foreseen: Annotated[dict[Name, Line], Field(max_length=1_000)] = {}


class _Head(Stored):
    format: Literal["loadkit.journal/2"] = Field(alias="schema")
    started: Moment
    interval: Annotated[float, Field(ge=0.05, le=3600)]
    what: _What
    run: dict[Name, Any]


_LINES: Final[dict[str, type[Stored]]] = {
    "known": Standing,
    "tick": Standing,
    "state": _State,
    "interval": Interval,
}


def head(line: bytes) -> dict[str, Any]:
    """Return what a journal begins with.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = parse_json(line.decode())
    content = data.get("head") if isinstance(data, dict) else None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"it does not begin as {SCHEMA}")
    return _validated(_Head, content).plain()


def record(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return of another line what it is, and what it says.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = orjson.loads(line)
    if not isinstance(data, dict) or len(data) != 1 or not data.keys() <= _LINES.keys():
        raise ValueError(f"should be one of {', '.join(_LINES)}")
    ((kind, content),) = data.items()
    return kind, _validated(_LINES[kind], content).plain()


def _bounded(line: bytes) -> None:
    if len(line) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES // 1024**2} MB")


def _validated(model: type[Stored], content: Any) -> Stored:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(told(wrong[0]) + more) from error
