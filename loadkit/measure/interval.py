"""What one worker measured in a second or so, as it goes from there to all who make use of it.

It is put into plain types at two edges alone: by the worker for its master, and by whoever leads
for the journal. There it is checked as it is read; within a process nobody looks at it twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from loadkit.codec import OPTIONAL, Amount, Count, Line, Name, Stamp, known
from loadkit.measure.occurrence import Occurrence
from loadkit.measure.open_waits import Awaited, PhaseName
from loadkit.measure.slow_turns import SlowTurn
from loadkit.measure.turn_times import MOST, TurnTime
from loadkit.stats.histogram import Measured

_FIRST_AGE: Final = 15  # seconds; a first answer comes about then
AGES: Final = (0, *(_FIRST_AGE << number for number in range(11)))
"""Seconds at which each class of sessions' ages begins, from the second on reaching twice as far:
0, 15, 30, 60, … 15,360 (some four hours and older)."""

GAUGES: Final = (
    "loop_lag_ms",
    "schedule_delay_ms",
    "cpu_percent",
    "rss_mb",
    "machine_cpu_percent",
    "gc_pause_ms",
    "files_percent",
    "ports_percent",
    "ending_lag_ms",
)
"""The generator's own figures, by the names under which they are shown, in the order of
`summary.json`. `ending_lag_ms` is the event loop's lag once the load was over, while its sessions
were ended: it bends no figure."""

_GAUGES: Final = frozenset({*GAUGES, "master_rss_mb"})
_AGES: Final = {str(number): number for number in range(len(AGES))}


def age_class(seconds: float) -> int:
    """Return the number of the class that an age lies in, from 0 on."""
    return min(int(seconds / _FIRST_AGE).bit_length(), len(AGES) - 1)


def _age(key: Any) -> int:
    """The number of an age class; the keys of a map are text on their way."""
    if key not in _AGES:
        raise ValueError("no class of ages is called so")
    return _AGES[key]


LAST_TURN: Final = 20
"""Turns of a session that are told apart by their number; what comes later counts with this one."""

_TURNS: Final = {str(number): number for number in range(1, LAST_TURN + 1)}


def _turn(key: Any) -> int:
    """The number of a turn; the keys of a map are text on their way."""
    if key not in _TURNS:
        raise ValueError("no turn has that number")
    return _TURNS[key]


Counts = Mapping[Name, Count]
Latencies = Mapping[PhaseName, Measured]
Gauges = Mapping[Annotated[Name, known(_GAUGES, "figure")], Measured]
Ages = Mapping[Annotated[int, BeforeValidator(_age)], Measured]
ByTurn = Mapping[Annotated[int, BeforeValidator(_turn)], Measured]

_FRAMES: Final = frozenset({"sent", "received", "bytes_sent", "bytes_received"})
Frames = Mapping[Annotated[Name, known(_FRAMES, "count of frames")], Count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Histograms by name."""

    # by phase: end - sent, and end - due for what had a due time
    latency: Latencies
    from_schedule: Latencies
    generator: Gauges  # by the names of `GAUGES`, and `master_rss_mb`
    # response times by the class of the session's age when the message was sent (see `AGES`)
    ages: Ages


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFigures:
    """The same of one user class, or one kind of client."""

    latency: Latencies  # by phase, end - sent
    counts: Counts  # by the keys of an interval's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeInterval(ScopeFigures):
    """Of one interval."""

    waiting: Awaited  # what its sessions wait for at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Tables):
    """What one worker measured between two stamps on its clock."""

    # the stamps; the same one in the first interval of a recorder without a clock
    start: Annotated[Stamp, Field(alias="from")]
    end: Annotated[Stamp, Field(alias="to")]
    measure_from: Stamp  # the stamp at which the warm-up ends
    # by key: those of `loadkit.figures.Count`, and `ended.*`, `errors.*`, `violations.*`
    counts: Counts
    scopes: Mapping[Name, ScopeInterval]  # by user class or client, for those that are kept apart
    # one text for each `errors.<kind>` and `violations.<kind>` that was new
    examples: Mapping[Name, Line]
    # the first errors and violations of each kind
    evidence: Annotated[tuple[Occurrence, ...], Field(max_length=10_000)]
    live: Count  # sessions at the end
    peak: Count  # the most at once
    session_seconds: Amount  # the integral of live sessions
    states: Counts  # how many sessions are in which state at the end
    waiting: Awaited  # what they wait for then
    # `sent`, `received`, `bytes_sent`, `bytes_received`: totals since the worker began
    frames: Frames
    # response times by which of its session's messages it was, from 1 on
    by_turn: Annotated[ByTurn, OPTIONAL] = field(default_factory=dict)
    # those that were answered, one by one, until there are as many as are kept
    turns: Annotated[tuple[TurnTime, ...], Field(max_length=MOST), OPTIONAL] = ()
    # the slowest turns that were answered
    slow: Annotated[tuple[SlowTurn, ...], Field(max_length=1_000), OPTIONAL] = ()
