"""The figures of one user class, or one client: kept by a worker beside those of all, merged by the
master."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

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
from loadkit.measure.interval import ScopeFigures, ScopeInterval
from loadkit.measure.open_waits import Waiting
from loadkit.measure.word_counts import merge
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram

__all__ = ["Apart", "Scope", "Scoped"]


class Scope:
    """What the master knows of one user class, or one kind of client.

    Args:
        new: makes the distributions: lasting ones, where it lives as long as the run.

    Attributes:
        latency: by phase, end - sent.
        counts: by the keys of the ledger's own counts.
    """

    __slots__ = ("_new", "counts", "latency")

    def __init__(self, new: Callable[[], Distribution] = Distribution) -> None:
        self._new = new
        self.latency: dict[str, Distribution] = {}
        self.counts: Counter[str] = Counter()

    def add(self, more: ScopeFigures) -> None:
        """Merge what a worker kept, or what was known before."""
        for phase, found in more.latency.items():
            self._at(phase).merge(found)
        merge(self.counts, more.counts)

    def look_again(self, before: Waiting, now: Waiting) -> None:
        """What some sessions waited for is looked at again; see `Distribution.look_again`."""
        self.counts[Count.TURNS_OPEN.value] += now.turns - before.turns
        for phase in {**before.latency, **now.latency}:
            self._at(phase).look_again(before.latency.get(phase, {}), now.latency.get(phase, {}))

    def under_way(self, at_begin: Waiting, at_end: Waiting) -> None:
        """Say what was waited for at the begin and at the end of a stretch."""
        for phase in {**at_begin.latency, **at_end.latency}:
            self._at(phase).under_way(
                at_begin.latency.get(phase, {}), at_end.latency.get(phase, {})
            )

    def _at(self, phase: str) -> Distribution:
        if phase not in self.latency:
            self.latency[phase] = self._new()
        return self.latency[phase]

    def known(self) -> ScopeFigures:
        """Return it as it is now: what is added later does not change that."""
        latency = {phase: one.copy() for phase, one in self.latency.items()}
        return ScopeFigures(latency=latency, counts=self.counts.copy())


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
        """Whether a phase is kept."""
        return self._whole or phase is Phase.RESPONSE

    def see_waiting(self, now: float, waits: Sequence[Wait], turns: int) -> None:
        """See `Recorder.see_waiting`."""
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
        self,
        phase: Phase,
        due: float | None,
        sent: float,
        end: float,
        turn: Answered | None = None,
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
        self,
        kind: str,
        detail: str,
        origin: Origin = NOWHERE,
        transcript: Transcript = tuple,
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
