"""What is known of a run besides what its workers measured.

Whoever leads the run writes it to the journal as it goes, so that it can be read again from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from loadkit.codec import (
    OPTIONAL,
    Amount,
    Codec,
    Count,
    Flag,
    Line,
    Moment,
    Name,
    Number,
    Seconds,
    Text,
)
from loadkit.profile.metrics import MetricName

_FEW: Final = Field(max_length=1_000)
_MANY: Final = Field(max_length=10_000)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What was asked for. It stays the same from the beginning of the run to its end."""

    profile: Name  # the profile's name
    started_at: Moment  # UTC, as in `2026-11-22T15:06:54Z`
    target: Name  # the address under test, without secrets
    # the objectives, as pairs of a metric and the most it may be
    limits: Annotated[tuple[tuple[MetricName, Number], ...], _FEW] = ()
    strict: Flag = False  # whether an objective with too few samples to judge it counts as broken
    warmup_s: Seconds = 0.0  # seconds at its beginning that latencies and turns leave out
    # what a reader must know of the way to the target, a phrase each
    notes: Annotated[tuple[Line, ...], _FEW] = ()
    # by metric, what it would take to decide the objective, as was foreseen
    foreseen: Annotated[Mapping[Name, Line], _FEW] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """A worker that went away during the run."""

    worker: Name  # its name
    at_s: Seconds  # when that was noticed, in seconds of the run
    sessions_live: Count  # sessions that it had by its last report


@dataclass(slots=True)
class Absence:
    """A time without any worker."""

    from_s: Seconds  # when the last of them was last heard of, in seconds of the run
    to_s: Seconds | None = None  # when there was one again; None if there never was
    # how many were started again by the master; None as long as that is undecided
    started: Count | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a run was cut that did not end in order."""

    at_s: Seconds  # the second of the run up to which its results go
    asked_s: Seconds  # seconds that it should have lasted
    reason: Line  # why it was
    sessions_live: Count  # sessions that were under way then
    half_written_lines: Count  # left out, as they had not been written to their end
    left_out: Annotated[tuple[Line, ...], _FEW, OPTIONAL] = ()  # what was damaged, a line each


MOST_BY_HAND: Final = 500
"""Of all that is done by hand to one run."""

_IF_TOLD: Any = Field(exclude_if=lambda value: value is None)


@dataclass(frozen=True, slots=True)
class DoneByHand:
    """What somebody did to a run that went on, or pinned to it."""

    kind: Literal["storm", "load", "mark"]
    at_s: Seconds  # the second of the run from which on it holds
    text: Name  # what it was, in words
    share: Annotated[Amount | None, _IF_TOLD] = None  # of the sessions that a storm was to hit
    times: Annotated[Amount | None, _IF_TOLD] = None  # the planned load that there was to be


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What became of a run up to some moment.

    The journal tells the time and the load asked for otherwise, and who is cut writes no more.
    """

    duration_s: Annotated[Seconds, Field(exclude=True)] = 0.0  # seconds since it began
    # the most users that were asked for at once; None leaves it unjudged
    asked_users: Amount | None = None
    peak_users: Amount | None = None  # the most there were; the most live sessions at once if None
    # how many sessions the arrival rate asked for; None in the closed model
    asked_sessions: Annotated[Count | None, Field(exclude=True)] = None
    undelivered_s: Seconds = 0.0  # seconds during which clearly fewer users ran than were asked for
    workers_lost: Annotated[tuple[Loss, ...], _MANY] = ()  # the workers that went away
    without_workers: Annotated[tuple[Absence, ...], _MANY] = ()  # the times in which there was none
    # names of those that were not let in (another version, another profile)
    workers_refused: Annotated[tuple[Line, ...], _MANY] = ()
    heartbeats_lost: Count = 0  # heartbeats between workers and master that did not come in time
    aborted: Line | None = None  # for which broken objective `[abort]` ended it, and when
    stopped: Line | None = None  # when and by what it was ended otherwise before its time
    # how the user's own code failed, in a line each, with the traceback of the first
    own_code: Annotated[Mapping[Line, Text], Field(max_length=100)] = field(default_factory=dict)
    fault: Text | None = None  # how this tool itself failed
    # where it was cut; None if it ended in order, or goes on
    cut: Annotated[Cut | None, Field(exclude=True)] = None
    # what was done to it by hand so far, in the order in which that was asked for
    by_hand: Annotated[tuple[DoneByHand, ...], Field(exclude=True)] = ()


CUT: Final = Codec[Cut](Cut)
BY_HAND: Final = Codec[DoneByHand](DoneByHand)
FACTS: Final = Codec[RunFacts](RunFacts)
