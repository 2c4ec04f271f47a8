"""The figures of one user class: kept by a worker beside those of all, merged by the master."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadkit.errors import Failure
from loadkit.figures import NOWHERE, Count, Ending, Origin, Phase, Wait
from loadkit.measure.distribution import Distribution
from loadkit.measure.histogram import Tally
from loadkit.measure.names import merge
from loadkit.measure.waiting import Waiting

if TYPE_CHECKING:
    from loadkit.measure.recorder import Recorder

__all__ = ["Scope", "Scoped"]


class Scope:
    """What the master knows of one user class.

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

    def add(self, taken: Mapping[str, Any]) -> None:
        """Merge what `Scoped.take` gave."""
        for phase, wire in taken["latency"].items():
            self._at(phase).add(wire)
        merge(self.counts, taken["counts"])

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

    def copy(self) -> "Scope":
        """Return it as it is now: what is added later changes one of the two alone."""
        twin = Scope()
        twin.latency = {phase: one.copy() for phase, one in self.latency.items()}
        twin.counts = self.counts.copy()
        return twin

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types, for `add`."""
        latency = {phase: one.to_wire() for phase, one in self.latency.items()}
        return {"latency": latency, "counts": dict(self.counts)}


class Scoped:
    """Records for a worker's recorder, and for one user class apart.

    The methods are those of `Recorder`, which see.

    Args:
        every: the worker's recorder.
        whole: whether every phase is kept apart, and not responses alone.
    """

    __slots__ = ("_counts", "_every", "_latency", "_waiting", "_whole")

    def __init__(self, every: "Recorder", whole: bool = True) -> None:
        self._every, self._whole = every, whole
        self._waiting = Waiting()
        self._open()

    def _open(self) -> None:
        self._latency: defaultdict[str, Tally] = defaultdict(Tally)
        self._counts: defaultdict[str, int] = defaultdict(int)

    def sample(
        self,
        phase: Phase,
        due: float | None,
        sent: float,
        end: float,
        since: float | None = None,
    ) -> None:
        self._every.sample(phase, due, sent, end, since)
        if sent >= self._every.measure_from and (self._whole or phase is Phase.RESPONSE):
            self._latency[phase].record(end - sent)

    def unfinished(
        self, phase: Phase, due: float | None, sent: float, until: float, lost: bool
    ) -> None:
        self._every.unfinished(phase, due, sent, until, lost)
        if sent >= self._every.measure_from and (self._whole or phase is Phase.RESPONSE):
            self._latency[phase].unfinished(until - sent, lost=lost)

    def see_waiting(self, now: float, waits: Sequence[Wait], turns: int) -> None:
        own = [wait for wait in waits if self._whole or wait.phase is Phase.RESPONSE]
        self._waiting.see(now, own, turns)

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        self._every.count(key, n, since)
        if since is None or since >= self._every.measure_from:
            self._counts[key] += n

    def count_named(self, family: str, word: str) -> str:
        key = self._every.count_named(family, word)
        self._counts[key] += 1
        return key

    def fail(self, kind: Failure, detail: str, origin: Origin = NOWHERE) -> None:
        self._every.fail(kind, detail, origin)
        self._counts[f"errors.{kind}"] += 1

    def violate(
        self,
        kind: str,
        detail: str,
        origin: Origin = NOWHERE,
        transcript: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._every.violate(kind, detail, origin, transcript)
        self._counts[f"violations.{kind}"] += 1

    def session_started(self) -> None:
        self._every.session_started()
        self._counts[Count.SESSIONS_STARTED] += 1

    def session_ended(self, ending: Ending) -> None:
        self._every.session_ended(ending)
        self._counts[f"ended.{ending}"] += 1

    def take(self) -> dict[str, Any]:
        """Return what was recorded since the last call, as plain types, and start afresh."""
        taken = {
            "latency": {str(phase): tally.to_wire() for phase, tally in self._latency.items()},
            "counts": {str(key): count for key, count in self._counts.items()},
            "waiting": self._waiting.to_wire(),
        }
        self._waiting = Waiting()
        self._open()
        return taken
