"""`journal.jsonl` as it is read again: what each of its lines may be.

A number that says how much there is, or how long, decides how much memory and time it takes to do
again what the journal tells: none may be larger than a run can be.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BeforeValidator, Field

from loadkit.codec import Codec
from loadkit.measure.state import PART, StatePart
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
)
from loadkit.results.journal import NOTED, SCHEMA, Head, NotedLine
from loadkit.results.stored_summary import AbsenceStored, Lost
from loadkit.security.textfile import parse_json
from loadkit.verdict.run_facts import RunFacts, RunSpec

__all__ = ["TAIL", "Record", "Tick", "head", "record"]

LONGEST: Final = 3600.0
"""Seconds of one interval; a worker reports once a second."""

TAIL: Final = ("interval", "tick")
"""What comes line by line once all that was known is written: each can be done without."""

_MOST_LOAD: Final = 1e9  # users, arrivals a second, and seconds of all stages


def _noted(plain: object) -> NotedLine:
    noted = NOTED.decode(plain)
    seconds = noted.of.end - noted.of.start
    if not -1.0 <= seconds <= LONGEST:
        raise ValueError(f"lasts {seconds:,.0f} s")
    return noted


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


def _load(plain: Any) -> Load:
    load = Load.model_validate_json(orjson.dumps(plain))
    if max(load.duration_s, load.peak_users, load.peak_rate) > _MOST_LOAD:
        raise ValueError("asks for more than any run can")
    return load


class Tick(Stored):
    """What is known besides, as far as a line tells of it: what has changed since the one before.

    Attributes:
        at: the second of the run.
        users: how many are at work.
        load: the load that is asked for.
        besides: what became of the run so far; see `facts`.
    """

    at: Seconds | None = None
    users: Count | None = None
    load: Annotated[Load, BeforeValidator(_load)] | None = None
    besides: _Besides | None = None

    @property
    def facts(self) -> RunFacts | None:
        """What became of the run so far."""
        return None if self.besides is None else RunFacts.from_dict(self.besides.plain())


class _What(Stored):
    """As of `loadkit.verdict.run_facts.RunSpec`."""

    profile: Name
    started_at: Moment
    target: Name
    limits: Annotated[
        list[Annotated[tuple[MetricName, Number], Field(strict=False)]],  # JSON has no tuples
        Field(max_length=1_000),
    ]
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


_HEAD: Final = Codec[_Head](_Head)

Record = Tick | StatePart | NotedLine

_LINES: Final[dict[str, Callable[[object], Record]]] = {
    "known": Codec[Tick](Tick).decode,
    "tick": Codec[Tick](Tick).decode,
    "state": PART.decode,
    "interval": _noted,
}


def head(line: bytes) -> Head:
    """Return what a journal begins with.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = parse_json(line.decode())
    content = data.get("head") if isinstance(data, dict) else None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"it does not begin as {SCHEMA}")
    found = _HEAD.decode(content)
    spec = RunSpec.from_dict(found.what.plain())
    return Head(datetime.fromisoformat(found.started), found.interval, spec, found.run)


def record(line: bytes) -> tuple[str, Record]:
    """Return of another line what it is, and what it says.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = orjson.loads(line)
    if not isinstance(data, dict) or len(data) != 1 or not data.keys() <= _LINES.keys():
        raise ValueError(f"should be one of {', '.join(_LINES)}")
    ((kind, content),) = data.items()
    return kind, _LINES[kind](content)


def _bounded(line: bytes) -> None:
    if len(line) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES // 1024**2} MB")
