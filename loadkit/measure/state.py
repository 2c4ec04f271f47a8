"""All that a ledger and its timeline know at a moment, in parts: a checkpoint, for the journal.

The parts come in an order: what the whole ledger has in common, its histograms one by one, what
all rows have in common, each row that is open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Discriminator, Field, Tag

from loadkit.codec import AS_LIST, OPTIONAL, Amount, Codec, Count, Line, Name, Number, Stamp
from loadkit.measure.interval import (
    Ages,
    ByTurn,
    Counts,
    Frames,
    Gauges,
    Latencies,
    ScopeFigures,
    Tables,
)
from loadkit.measure.occurrence import Occurrence
from loadkit.measure.open_waits import Awaited, Waiting
from loadkit.measure.slow_turns import SlowTurn

_Change = Annotated[int, Field(strict=True, ge=-(10**15), le=10**15)]
_Second = Annotated[int, Field(strict=True, ge=-(10**10), le=10**10)]
_Place = Annotated[int, Field(strict=True, ge=0, le=10**10)]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a worker last said of the moment."""

    until: Stamp  # when that was, in seconds of the run
    states: Counts  # how many of its sessions were in which state
    live: Count  # how many it had
    rss_mb: Amount | None  # its memory; None where it did not say
    # what its sessions waited for, by user class, and of all of them under ""
    waiting: Mapping[Name, Awaited] = field(default_factory=dict)


_Standing = Mapping[Name, Annotated[Standing, AS_LIST]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyState:
    """As of `loadkit.measure.concurrency.Concurrency`."""

    highest: Count  # the largest sum of the seconds that are not told apart
    # the last ones, each with the peaks in it by worker
    seconds: Annotated[tuple[tuple[_Second, Counts], ...], Field(max_length=10_000)]


def _has_all(scopes: Mapping[str, Waiting]) -> Mapping[str, Waiting]:
    if "" not in scopes:
        raise ValueError('there should be one of all, under ""')
    return scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBooks:
    """What a ledger has besides its histograms; see its attributes."""

    counts: Mapping[Name, _Change]
    session_seconds: Amount
    offsets: Mapping[Name, Stamp]  # by worker, how far its clock is behind the master's, in seconds
    # by worker, the first number that is not here, those beyond that are, and the last
    arrivals: Mapping[
        Name, tuple[Count, Annotated[tuple[Count, ...], Field(max_length=100_000)], Count]
    ]
    # by kind, the text with the number and the worker of its interval
    examples: Mapping[Name, tuple[Count, Name, Line]]
    evidence: Annotated[tuple[Occurrence, ...], Field(max_length=100_000)]
    concurrency: ConcurrencyState
    frames: Mapping[Name, Frames]
    # by worker, the number of its last interval, and the sessions in it
    live: Mapping[Name, tuple[Count, Count]]
    # by worker, what its sessions wait for, by user class, and of all of them under ""
    waiting: Mapping[Name, Annotated[Mapping[Name, Awaited], AfterValidator(_has_all)]]
    # by worker, its intervals on a full core, and all of them
    busy: Mapping[Name, tuple[Count, Count]]
    # the slowest turns
    slow: Annotated[tuple[SlowTurn, ...], Field(max_length=10_000), OPTIONAL] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineBooks:
    """What all rows have in common."""

    next: _Place  # the number of the oldest open row
    # by worker, the row of its last interval, that one's end, and its frames so far
    workers: Mapping[Name, tuple[_Place | None, Stamp, Frames]]
    standing: _Standing  # by worker, where it stood when the last row was closed


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState(Tables):
    """A row that is open; see `loadkit.measure.timeline.Row`."""

    row: _Place  # its number
    asked: Mapping[Name, Number]
    scopes: Mapping[Name, ScopeFigures]
    cpu: Mapping[Name, Annotated[tuple[Number, ...], Field(max_length=100_000)]]
    counts: Counts
    frames: Frames
    session_seconds: Amount
    reported: _Standing


@dataclass(frozen=True, slots=True)
class TimelineState:
    """As it is written: apart from its rows."""

    books: TimelineBooks


def _which(part: Any) -> str:
    is_books = "books" in part if isinstance(part, dict) else isinstance(part, TimelineState)
    return "all rows" if is_books else "a row"


_TimelinePart = Annotated[
    Annotated[TimelineState, Tag("all rows")] | Annotated[RowState, Tag("a row")],
    Discriminator(_which),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePart(Tables):
    """One part of it: a few of these are there, the rest is empty."""

    books: Annotated[LedgerBooks | None, OPTIONAL] = None
    latency: Annotated[Latencies, OPTIONAL] = field(default_factory=dict)
    from_schedule: Annotated[Latencies, OPTIONAL] = field(default_factory=dict)
    generator: Annotated[Gauges, OPTIONAL] = field(default_factory=dict)
    ages: Annotated[Ages, OPTIONAL] = field(default_factory=dict)
    by_turn: Annotated[ByTurn, OPTIONAL] = field(default_factory=dict)
    scopes: Annotated[Mapping[Name, ScopeFigures], OPTIONAL] = field(default_factory=dict)
    timeline: Annotated[_TimelinePart | None, OPTIONAL] = None


PART: Final = Codec[StatePart](StatePart)
