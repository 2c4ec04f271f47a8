"""What is known of a run besides what its workers measured.

Whoever leads the run writes it to the journal as it goes, so that it can be read again from there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

__all__ = ["Absence", "Cut", "Loss", "RunFacts", "RunSpec"]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What was asked for. It stays the same from the beginning of the run to its end.

    Attributes:
        profile: the profile's name.
        started_at: UTC, as in `2026-11-22T15:06:54Z`.
        target: the address under test, without secrets.
        limits: the objectives, as pairs of a metric and the most it may be.
        strict: whether an objective with too few samples to judge it counts as broken.
        warmup_s: seconds at its beginning that latencies and turns leave out.
        notes: what a reader must know of the way to the target, a phrase each.
        foreseen: by metric, what it would take to decide the objective, as was foreseen.
    """

    profile: str
    started_at: str
    target: str
    limits: tuple[tuple[str, float], ...] = ()
    strict: bool = False
    warmup_s: float = 0.0
    notes: tuple[str, ...] = ()
    foreseen: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as the journal has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; one of an earlier version lacks some.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        limits = tuple((metric, limit) for metric, limit in data["limits"])
        return cls(**{**data, "limits": limits, "notes": tuple(data.get("notes", ()))})


@dataclass(frozen=True, slots=True)
class Loss:
    """A worker that went away during the run.

    Attributes:
        worker: its name.
        at_s: when that was noticed, in seconds of the run.
        sessions_live: sessions that it had by its last report.
    """

    worker: str
    at_s: float
    sessions_live: int


@dataclass(slots=True)
class Absence:
    """A time without any worker.

    Attributes:
        from_s: when the last of them was last heard of, in seconds of the run.
        to_s: when there was one again; None if there never was.
        started: how many were started again by the master; None as long as that is undecided.
    """

    from_s: float
    to_s: float | None = None
    started: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a run was cut that did not end in order.

    Attributes:
        at_s: the second of the run up to which its results go.
        asked_s: seconds that it should have lasted.
        reason: why it was.
        sessions_live: sessions that were under way then.
        half_written_lines: lines that were left out since they had not been written to their end.
        left_out: what was damaged and left out, a line each.
    """

    at_s: float
    asked_s: float
    reason: str
    sessions_live: int
    half_written_lines: int
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `summary.json`, which tells of damage where there is some."""
        data = asdict(self) | {"left_out": list(self.left_out)}
        return data if self.left_out else {key: data[key] for key in data if key != "left_out"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo `to_dict`.

        Raises:
            TypeError: it is none.
        """
        return cls(**{**data, "left_out": tuple(data.get("left_out", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What became of a run up to some moment.

    Attributes:
        duration_s: seconds since it began.
        asked_users: the most users that were asked for at once; None leaves it unjudged.
        peak_users: the most there were; the most live sessions at once if None.
        asked_sessions: how many sessions the arrival rate asked for; None in the closed model.
        undelivered_s: seconds during which clearly fewer users ran than were asked for.
        workers_lost: the workers that went away.
        without_workers: the times in which there was none.
        workers_refused: names of those that were not let in (another version, another profile).
        heartbeats_lost: heartbeats between workers and master that did not come in time.
        aborted: for which broken objective `[abort]` ended it, and when.
        stopped: when and by what it was ended otherwise before its time.
        own_code: how the user's own code failed, in a line each, with the traceback of the first.
        fault: how this tool itself failed.
        cut: where it was cut; None if it ended in order, or goes on.
    """

    duration_s: float = 0.0
    asked_users: float | None = None
    peak_users: float | None = None
    asked_sessions: int | None = None
    undelivered_s: float = 0.0
    workers_lost: tuple[Loss, ...] = ()
    without_workers: tuple[Absence, ...] = ()
    workers_refused: tuple[str, ...] = ()
    heartbeats_lost: int = 0
    aborted: str | None = None
    stopped: str | None = None
    own_code: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    cut: Cut | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as the journal has it, less what that tells otherwise."""
        return {key: value for key, value in asdict(self).items() if key not in _ELSEWHERE}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; one of an earlier version lacks some.

        Raises:
            TypeError: it is none.
        """
        typed = {
            "workers_lost": tuple(Loss(**one) for one in data.get("workers_lost", ())),
            "without_workers": tuple(Absence(**one) for one in data.get("without_workers", ())),
            "workers_refused": tuple(data.get("workers_refused", ())),
        }
        return cls(**{**data, **typed})


_ELSEWHERE: Final = ("duration_s", "asked_sessions", "cut")
"""The time is on each line, the load asked for as well, and who is cut writes no more."""
