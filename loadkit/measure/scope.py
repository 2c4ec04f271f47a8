"""The figures of one user class, or one client: kept by a worker beside those of all, merged by the
master."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from loadkit.errors import Failure
from loadkit.figures import (
    NOWHERE,
    Answered,
    Count,
    Ending,
    Origin,
    Phase,
    RecorderLike,
    Transcript,
    Wait,
)
from loadkit.measure.interval import ScopeFigures, ScopeInterval, Tables
from loadkit.measure.open_waits import Waiting
from loadkit.measure.word_counts import merge
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram

Key = TypeVar("Key", str, int)
_Take = Callable[[Distribution, Mapping[int, int], Mapping[int, int]], None]


Table = dict[str, Distribution]
Unseen = Mapping[str, Mapping[int, int]]


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """What the master knows of one user class, or one kind of client."""

    latency: Table = field(default_factory=dict)  # by phase, end - sent
    counts: Counter[str] = field(default_factory=Counter)  # by the keys of the ledger's own counts
    new: Callable[[], Distribution] = Distribution  # lasting ones, where it lives as long as a run

    def at(self, table: dict[Key, Distribution], key: Key) -> Distribution:
        """Return the distribution of a table under a key, made when it is first asked for."""
        if key not in table:
            table[key] = self.new()
        return table[key]

    def include(self, more: "ScopeFigures | Scope") -> None:
        """Merge what a worker kept, or what was known before."""
        for phase, found in more.latency.items():
            self.at(self.latency, phase).merge(found)
        merge(self.counts, more.counts)

    def look_again(self, before: Waiting, now: Waiting) -> None:
        """What some sessions waited for is looked at again; see `Distribution.look_again`."""
        self.counts[Count.TURNS_OPEN.value] += now.turns - before.turns
        self._take_waits(Distribution.look_again, before, now)

    def under_way(self, at_begin: Waiting, at_end: Waiting) -> None:
        """Say what was waited for at the begin and at the end of a stretch."""
        self._take_waits(Distribution.under_way, at_begin, at_end)

    def _take_waits(self, take: _Take, first: Waiting, then: Waiting) -> None:
        for table, old, new in self._waits(first, then):
            for phase in {**old, **new}:
                take(self.at(table, phase), old.get(phase, {}), new.get(phase, {}))

    def _waits(self, first: Waiting, then: Waiting) -> list[tuple[Table, Unseen, Unseen]]:
        return [(self.latency, first.latency, then.latency)]

    def known(self) -> ScopeFigures:
        """Return it as it is now: what is added later does not change that."""
        return ScopeFigures(latency=copies(self.latency), counts=self.counts.copy())


@dataclass(slots=True, kw_only=True, eq=False)
class Totals(Scope):
    """The same of all sessions: of the whole run, or of a stretch of it."""

    from_schedule: Table = field(default_factory=dict)  # by phase, end - due
    generator: Table = field(default_factory=dict)  # by the names of `interval.GAUGES`
    ages: dict[int, Distribution] = field(default_factory=dict)  # by the number of the age's class
    scopes: dict[str, Scope] = field(default_factory=dict)  # by user class, for those watched
    session_seconds: float = 0.0  # the integral of live sessions

    def merge(self, more: "Tables | Totals", scopes: Mapping[str, ScopeFigures | Scope]) -> None:
        """Add the histograms of an interval, or of another stretch, and its scopes."""
        for mine, theirs in (
            (self.latency, more.latency),
            (self.from_schedule, more.from_schedule),
            (self.generator, more.generator),
        ):
            for key, found in theirs.items():
                self.at(mine, key).merge(found)
        for age, found in more.ages.items():
            self.at(self.ages, age).merge(found)
        for name, scope in scopes.items():
            self.scope(name).include(scope)

    def scope(self, name: str) -> Scope:
        """Return the figures of a user class or client, made when they are first asked for."""
        if name not in self.scopes:
            self.scopes[name] = Scope(new=self.new)
        return self.scopes[name]

    @property
    def left_out(self) -> tuple[int, int]:
        """Durations that were no samples, over all phases: negative ones, and too long ones."""
        every = [*self.latency.values(), *self.from_schedule.values()]
        return sum(one.negative for one in every), sum(one.overflow for one in every)

    def _waits(self, first: Waiting, then: Waiting) -> list[tuple[Table, Unseen, Unseen]]:
        every = Scope._waits(self, first, then)
        return [*every, (self.from_schedule, first.from_schedule, then.from_schedule)]


def copies(table: Mapping[Key, Distribution]) -> dict[Key, Distribution]:
    """Return distributions as they are now."""
    return {key: one.copy() for key, one in table.items()}


class Apart:
    """What a worker keeps apart for one user class, or one kind of client.

    Args:
        whole: whether every phase is kept, and not responses alone.
    """

    __slots__ = ("_whole", "counts", "latency", "waiting")

    def __init__(self, whole: bool = True) -> None:
        self._whole = whole
        self._open()

    def _open(self) -> None:
        self.latency: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.waiting = Waiting()

    def keeps(self, phase: Phase) -> bool:
        return self._whole or phase is Phase.RESPONSE

    def see_waiting(self, now: float, waits: Sequence[Wait], turns: int) -> None:
        self.waiting.see(now, [wait for wait in waits if self.keeps(wait.phase)], turns)

    def take(self) -> ScopeInterval:
        """Return what was recorded since the last call, and start afresh."""
        taken = ScopeInterval(
            latency={str(phase): found for phase, found in self.latency.items()},
            counts={str(key): count for key, count in self.counts.items()},
            waiting=self.waiting,
        )
        self._open()
        return taken


class Measuring(RecorderLike, Protocol):
    """A worker's recorder, which leaves the warm-up out."""

    measure_from: float


class Scoped:
    """Records for a worker's recorder, and apart for whom a session belongs to.

    The methods are those of `Recorder`, which see.

    Args:
        every: the worker's recorder.
        parts: of its user class, and of its client.
    """

    __slots__ = ("_every", "_parts")

    def __init__(self, every: Measuring, parts: Sequence[Apart]) -> None:
        self._every, self._parts = every, tuple(parts)

    def sample(
        self, phase: Phase, due: float | None, sent: float, end: float, turn: Answered | None = None
    ) -> None:
        self._every.sample(phase, due, sent, end, turn)
        if sent >= self._every.measure_from:
            for part in self._parts:
                if part.keeps(phase):
                    part.latency[phase].record(end - sent)

    def unfinished(
        self, phase: Phase, due: float | None, sent: float, until: float, lost: bool
    ) -> None:
        self._every.unfinished(phase, due, sent, until, lost)
        if sent >= self._every.measure_from:
            for part in self._parts:
                if part.keeps(phase):
                    part.latency[phase].unfinished(until - sent, lost=lost)

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        self._every.count(key, n, since)
        if since is None or since >= self._every.measure_from:
            self._count(key, n)

    def count_named(self, family: str, word: str) -> str:
        key = self._every.count_named(family, word)
        self._count(key)
        return key

    def fail(self, kind: Failure, detail: str, origin: Origin = NOWHERE) -> None:
        self._every.fail(kind, detail, origin)
        self._count(f"errors.{kind}")

    def violate(
        self, kind: str, detail: str, origin: Origin = NOWHERE, transcript: Transcript = tuple
    ) -> None:
        self._every.violate(kind, detail, origin, transcript)
        self._count(f"violations.{kind}")

    def session_started(self) -> None:
        self._every.session_started()
        self._count(Count.SESSIONS_STARTED)

    def session_ended(self, ending: Ending) -> None:
        self._every.session_ended(ending)
        self._count(f"ended.{ending}")

    def _count(self, key: str, n: int = 1) -> None:
        for part in self._parts:
            part.counts[key] += n
