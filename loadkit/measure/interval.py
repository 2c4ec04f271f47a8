"""What one worker measured in a second or so, as it goes from there to all who make use of it.

It is put into plain types at two edges alone: by the worker for its master, and by whoever leads
for the journal. There it is checked as it is read; within a process nobody looks at it twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from loadkit.codec import Amount, Count, Line, Name, Stamp, known
from loadkit.measure.age_bands import AGES
from loadkit.measure.occurrence import Occurrence
from loadkit.measure.open_waits import Awaited, PhaseName
from loadkit.stats.histogram import Measured

__all__ = [
    "GAUGES",
    "Ages",
    "Counts",
    "Frames",
    "Gauges",
    "Interval",
    "Latencies",
    "ScopeFigures",
    "ScopeInterval",
    "Tables",
]

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


def _age(key: Any) -> int:
    """The number of an age class; the keys of a map are text on their way."""
    if key not in _AGES:
        raise ValueError("no class of ages is called so")
    return _AGES[key]


Counts = Mapping[Name, Count]
Latencies = Mapping[PhaseName, Measured]
Gauges = Mapping[Annotated[Name, known(_GAUGES, "figure")], Measured]
Ages = Mapping[Annotated[int, BeforeValidator(_age)], Measured]

_FRAMES: Final = frozenset({"sent", "received", "bytes_sent", "bytes_received"})
Frames = Mapping[Annotated[Name, known(_FRAMES, "count of frames")], Count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Histograms by name.

    Attributes:
        latency, from_schedule: by phase: end - sent, and end - due for what had a due time.
        generator: by the names of `GAUGES`, and `master_rss_mb`.
        ages: response times by the session's age when the message was sent, by the class' number
            (`loadkit.measure.age_bands`).
    """

    latency: Latencies
    from_schedule: Latencies
    generator: Gauges
    ages: Ages


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFigures:
    """The same of one user class, or one kind of client.

    Attributes:
        latency: by phase, end - sent.
        counts: by the keys of an interval's own.
    """

    latency: Latencies
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeInterval(ScopeFigures):
    """Of one interval.

    Attributes:
        waiting: what its sessions wait for at the end.
    """

    waiting: Awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Tables):
    """What one worker measured between two stamps on its clock.

    Attributes:
        start, end: the stamps; the same one in the first interval of a recorder without a clock.
        measure_from: the stamp at which the warm-up ends.
        counts: by key: those of `loadkit.figures.Count`, and `ended.*`, `errors.*`,
            `violations.*`.
        scopes: by user class or client, for those that are kept apart.
        examples: one text for each `errors.<kind>` and `violations.<kind>` that was new.
        evidence: the first errors and violations of each kind.
        live: sessions at the end.
        peak: the most at once.
        session_seconds: the integral of live sessions.
        states: how many sessions are in which state at the end.
        waiting: what they wait for then.
        frames: `sent`, `received`, `bytes_sent`, `bytes_received`: totals since the worker began.
    """

    start: Annotated[Stamp, Field(alias="from")]
    end: Annotated[Stamp, Field(alias="to")]
    measure_from: Stamp
    counts: Counts
    scopes: Mapping[Name, ScopeInterval]
    examples: Mapping[Name, Line]
    evidence: Annotated[tuple[Occurrence, ...], Field(max_length=10_000)]
    live: Count
    peak: Count
    session_seconds: Amount
    states: Counts
    waiting: Awaited
    frames: Frames
