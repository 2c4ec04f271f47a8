"""What the master knows: every interval of every worker, each taken once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any, Final, TypeVar

from loadkit.figures import VIOLATED, Count, Phase
from loadkit.measure.age_bands import AGES
from loadkit.measure.concurrency import Concurrency
from loadkit.measure.open_waits import NOTHING, Waiting
from loadkit.measure.scope import Scope
from loadkit.measure.timeline import Timeline
from loadkit.measure.word_counts import folded, merge
from loadkit.stats.distribution import Distribution

__all__ = ["SATURATED_CPU_PERCENT", "Ledger"]

Key = TypeVar("Key", str, int)

SATURATED_CPU_PERCENT: Final = 90.0
"""From here on an interval's mean CPU counts as a saturated core (one core is 100)."""

MOST_EVIDENCE: Final = 30
"""Examples of each kind of error or violation, with where it happened, of all workers together."""

_IN_SUMMARY: Final = frozenset(
    {
        Count.SESSIONS_STARTED,
        Count.TURNS_SENT,
        Count.TURNS_ANSWERED,
        Count.TURNS_LOST,
        Count.TURNS_OPEN,
        Count.TURNS_RESENT,
        Count.TURNS_ANSWERED_TWICE,
    }
)


class _Arrivals:
    """Which numbers of one worker's intervals have come. Constant in size unless some are lost."""

    __slots__ = ("_after", "_before", "last")

    def __init__(self) -> None:
        self._before = 1  # every number below this one is here
        self._after: set[int] = set()
        self.last = 0

    def __contains__(self, seq: int) -> bool:
        return 0 < seq < self._before or seq in self._after

    def add(self, seq: int) -> None:
        self._after.add(seq)
        self.last = max(self.last, seq)
        while self._before in self._after:
            self._after.remove(self._before)
            self._before += 1

    def state(self) -> list[Any]:
        return [self._before, sorted(self._after), self.last]

    def restore(self, state: list[Any]) -> None:
        self._before, self._after, self.last = state[0], set(state[1]), state[2]

    def missing(self) -> int:
        return max(0, self.last - self._before + 1 - len(self._after))


class Ledger:
    """Everything all workers measured, whatever the order in which it arrived.

    Args:
        timeline: gets every interval too, to cut the run into rows.

    Attributes:
        latency: by phase, end - sent; in microseconds. What workers said last of the waits that
            are open is among it.
        from_schedule: by phase, end - due, for what had a due time.
        generator: by the names of `loadkit.measure.recorder.GAUGES`, and `master_rss_mb`.
        ages: response times by the session's age when the message was sent, by the class' number
            (`loadkit.measure.age_bands`); all classes, or none.
        scopes: by user class, for those that the workers watch.
        session_seconds: the integral of live sessions over the run.
        counts: by key: those of `loadkit.figures.Count`, and `ended.*`, `errors.*`,
            `violations.*`.
        evidence: the first errors and violations of each kind, at most `MOST_EVIDENCE` of it:
            where and when they happened, and the frames that led to a violation.
    """

    def __init__(self, timeline: Timeline | None = None) -> None:
        self.latency: dict[str, Distribution] = {}
        self.from_schedule: dict[str, Distribution] = {}
        self.generator: dict[str, Distribution] = {}
        self.ages: dict[int, Distribution] = {}
        self.scopes: dict[str, Scope] = {}
        self.counts: Counter[str] = Counter()
        self.session_seconds = 0.0
        self._timeline = timeline
        self._offsets: dict[str, float] = {}
        self._arrivals: defaultdict[str, _Arrivals] = defaultdict(_Arrivals)
        self._examples: dict[str, tuple[int, str, str]] = {}
        self.evidence: list[dict[str, Any]] = []
        self._concurrency = Concurrency()
        self._frames: dict[str, Counter[str]] = {}
        self._live: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, dict[str, Waiting]] = {}  # by worker; "" is of all its sessions
        self._busy: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(
        self, worker: str, seq: int, interval: Mapping[str, Any], at: float | None = None
    ) -> bool:
        """Take one interval.

        Args:
            worker: who measured it.
            seq: its number within that worker, counting up from 1 (a first 0 is taken too, but
                its loss cannot be seen).
            interval: what `Recorder.take` returned.
            at: when it arrived, in seconds of the run on the master's clock; None takes the run
                to begin when the worker's warm-up ends, and the way here to take no time.

        Returns:
            False if that interval is here already; nothing has changed then.
        """
        arrivals = self._arrivals[worker]
        if seq in arrivals:
            return False
        self._merge(interval)
        self.session_seconds += interval["session_seconds"]
        merge(self.counts, interval["counts"])
        for key, text in interval["examples"].items():
            # The earliest interval's text, not the first to arrive: the order must not matter.
            self._examples[key] = min(
                self._examples.get(key, (seq, worker, text)), (seq, worker, text)
            )
        for found in interval["evidence"]:
            self._keep({**found, "worker": worker})
        start, end = self._in_run(worker, interval, at)
        self._concurrency.add(worker, start, end, interval["peak"])
        if self._timeline is not None:
            self._timeline.add(worker, interval, start, end)
        self._frames.setdefault(worker, Counter())
        self._frames[worker] |= Counter(interval["frames"])  # totals: the latest is the largest
        if seq >= self._live.get(worker, (-1, 0))[0]:
            self._live[worker] = seq, interval["live"]
            self._look_again(worker, interval)
        self._weigh_cpu(worker, interval["generator"].get("cpu_percent"))
        arrivals.add(seq)
        return True

    def lead(self, rss_mb: float) -> None:
        """Take the memory of the process that leads, in megabytes, where it does not load too."""
        _at(self.generator, "master_rss_mb").record_whole(round(rss_mb * 1000))
        if self._timeline is not None:
            self._timeline.master_rss_mb = rss_mb

    def expect(self, worker: str, last: int) -> None:
        """Take note that `worker` has sent intervals up to `last`, whether they came or not."""
        self._arrivals[worker].last = max(self._arrivals[worker].last, last)

    def missing(self) -> dict[str, int]:
        """Return how many intervals never came, by worker; empty when nothing is missing."""
        gaps = {worker: arrivals.missing() for worker, arrivals in self._arrivals.items()}
        return {worker: many for worker, many in gaps.items() if many}

    def state(self) -> Iterator[dict[str, Any]]:
        """Return all that is known now, for `restore`: parts of plain types, which JSON carries.

        They are of this moment, however late they are asked for: the copies are made at once (some
        10 µs for each thousand buckets), each part is put into plain types when its turn comes.
        """
        tables = [
            (name, key, one.copy()) for name, mine in self._tables() for key, one in mine.items()
        ]
        tables += [("ages", str(age), one.copy()) for age, one in self.ages.items() if one]
        scopes = [(name, scope.copy()) for name, scope in self.scopes.items()]
        books = {
            "counts": dict(self.counts),
            "session_seconds": self.session_seconds,
            "offsets": dict(self._offsets),
            "arrivals": {worker: each.state() for worker, each in self._arrivals.items()},
            "examples": dict(self._examples),
            "evidence": list(self.evidence),
            "concurrency": self._concurrency.state(),
            "frames": {worker: dict(each) for worker, each in self._frames.items()},
            "live": dict(self._live),
            "waiting": {
                worker: {name: one.to_wire() for name, one in scopes.items()}
                for worker, scopes in self._waiting.items()
            },
            "busy": {worker: list(each) for worker, each in self._busy.items()},
        }
        rows = iter(()) if self._timeline is None else self._timeline.state()

        def parts() -> Iterator[dict[str, Any]]:
            yield {"books": books}
            yield from ({name: {key: one.to_wire()}} for name, key, one in tables)
            yield from ({"scopes": {name: scope.to_wire()}} for name, scope in scopes)
            yield from ({"timeline": part} for part in rows)

        return parts()

    def restore(self, state: Iterable[Mapping[str, Any]]) -> None:
        """Go on from what `state` gave; this ledger and its timeline are to be empty.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        for part in state:
            self._merge(part)
            if (books := part.get("books")) is not None:
                self._restore_books(books)
            if (of_timeline := part.get("timeline")) is not None and self._timeline is not None:
                self._timeline.restore(of_timeline)

    def _restore_books(self, books: Mapping[str, Any]) -> None:
        self.counts.update(books["counts"])
        self.session_seconds = books["session_seconds"]
        self._offsets = dict(books["offsets"])
        for worker, arrivals in books["arrivals"].items():
            self._arrivals[worker].restore(arrivals)
        self._examples = {key: (*example,) for key, example in books["examples"].items()}
        self.evidence = list(books["evidence"])
        self._concurrency.restore(books["concurrency"])
        self._frames = {worker: Counter(frames) for worker, frames in books["frames"].items()}
        self._live = {worker: (*live,) for worker, live in books["live"].items()}
        self._waiting = {
            worker: {name: Waiting.from_wire(one) for name, one in scopes.items()}
            for worker, scopes in books["waiting"].items()
        }
        self._busy.update((worker, [*each]) for worker, each in books["busy"].items())

    @property
    def workers(self) -> int:
        """How many workers have been heard of."""
        return len(self._arrivals)

    @property
    def examples(self) -> dict[str, str]:
        """One text for each `errors.<kind>` and `violations.<kind>`."""
        return {key: text for key, (_, _, text) in sorted(self._examples.items())}

    @property
    def peak_concurrent(self) -> int:
        """The most sessions at once; see `Concurrency` for how it is put together."""
        return self._concurrency.peak

    @property
    def live(self) -> int:
        """Sessions running now, by the latest interval of each worker."""
        return sum(live for _, live in self._live.values())

    @property
    def waiting(self) -> Waiting:
        """What is waited for now, by the latest interval of each worker."""
        return Waiting.of_all(scopes[""] for scopes in self._waiting.values())

    @property
    def frames(self) -> dict[str, int]:
        """`sent`, `received`, `bytes_sent` and `bytes_received`, over all workers."""
        totals: Counter[str] = Counter()
        for frames in self._frames.values():
            totals.update(frames)
        return {key: totals[key] for key in ("sent", "received", "bytes_sent", "bytes_received")}

    @property
    def saturated_share(self) -> float:
        """The share of intervals spent on a full core, of the worker that had the most of them."""
        return max((full / every for full, every in self._busy.values()), default=0.0)

    @property
    def left_out(self) -> tuple[int, int]:
        """Durations that were no samples, over all phases: negative ones, and too long ones."""
        every = [*self.latency.values(), *self.from_schedule.values()]
        return sum(one.negative for one in every), sum(one.overflow for one in every)

    @property
    def others(self) -> dict[str, int]:
        """What was counted that no other property tells: hand-offs, system messages, chaos."""
        told = ("ended", "errors", "violations", VIOLATED, "disconnects")
        return {
            key: count
            for key, count in sorted(folded(self.counts).items())
            if key.partition(".")[0] not in told and key not in _IN_SUMMARY and count
        }

    def under(self, prefix: str) -> dict[str, int]:
        """Return the counts below `prefix`, by the rest of their key: `under("errors")`."""
        start = f"{prefix}."
        return {
            key.removeprefix(start): count
            for key, count in sorted(self.counts.items())
            if key.startswith(start)
        }

    def stats(self) -> dict[str, dict[str, float]]:
        """Return the latency figures in milliseconds by phase, in the order of a report."""
        return _in_order(self.latency)

    def stats_from_schedule(self) -> dict[str, dict[str, float]]:
        """Return the same figures counted from the due time."""
        return _in_order(self.from_schedule)

    def waits(self) -> dict[str, dict[str, float]]:
        """Return what is known of waits that nobody saw the end of, by phase; see `Summary`."""
        found = {
            phase.value: self.latency[phase].unfinished_stats()
            for phase in Phase
            if phase in self.latency
        }
        return {phase: stats for phase, stats in found.items() if stats}

    def _tables(self) -> tuple[tuple[str, dict[str, Distribution]], ...]:
        return (
            ("latency", self.latency),
            ("from_schedule", self.from_schedule),
            ("generator", self.generator),
        )

    def _merge(self, taken: Mapping[str, Any]) -> None:
        """Add the distributions of an interval, or of a part of a state."""
        for name, mine in self._tables():
            for key, wire in taken.get(name, {}).items():
                _at(mine, key).add(wire)
        for age, wire in taken.get("ages", {}).items():
            if not self.ages:  # all at once: sessions of a class may first be there after hours
                self.ages = {number: Distribution.lasting() for number in range(len(AGES))}
            self.ages[int(age)].add(wire)
        for name, scope in taken.get("scopes", {}).items():
            if name not in self.scopes:
                self.scopes[name] = Scope(Distribution.lasting)
            self.scopes[name].add(scope)

    def _keep(self, found: dict[str, Any]) -> None:
        """Keep an example with where it happened, unless there are enough earlier ones."""
        same = [one for one in self.evidence if _kind(one) == _kind(found)]
        self.evidence.append(found)
        if len(same) >= MOST_EVIDENCE:
            # By time and not by arrival: the order must not matter.
            self.evidence.remove(max([*same, found], key=_order))

    def _look_again(self, worker: str, interval: Mapping[str, Any]) -> None:
        """Take what a worker's sessions wait for now in the place of what it said last."""
        before = self._waiting.get(worker, {})
        now = {"": Waiting.from_wire(interval["waiting"])} | {
            name: Waiting.from_wire(scope["waiting"]) for name, scope in interval["scopes"].items()
        }
        self._waiting[worker] = now
        was, is_now = before.get("", NOTHING), now[""]
        self.counts[Count.TURNS_OPEN.value] += is_now.turns - was.turns
        for mine, old, new in (
            (self.latency, was.latency, is_now.latency),
            (self.from_schedule, was.from_schedule, is_now.from_schedule),
        ):
            for phase in {**old, **new}:
                _at(mine, phase).look_again(old.get(phase, {}), new.get(phase, {}))
        for name, waiting in now.items():
            if name:
                self.scopes[name].look_again(before.get(name, NOTHING), waiting)

    def _in_run(
        self, worker: str, interval: Mapping[str, Any], at: float | None
    ) -> tuple[float, float]:
        """Return an interval's stamps in seconds of the run on the master's clock.

        The monotonic clocks of two machines share no zero. A report is on its way for a time
        that is never negative, so the smallest difference between arrival and closing stamp is
        the one nearest to that of the two clocks.
        """
        if at is None:
            at = interval["to"] - interval["measure_from"]
        offset = min(at - interval["to"], self._offsets.get(worker, inf))
        self._offsets[worker] = offset
        return interval["from"] + offset, interval["to"] + offset

    def _weigh_cpu(self, worker: str, wire: dict[str, Any] | None) -> None:
        samples = sum(wire["counts"][1::2]) if wire else 0
        if wire and samples:
            mean_percent = wire["total"] / samples / 1000
            self._busy[worker][0] += mean_percent >= SATURATED_CPU_PERCENT
            self._busy[worker][1] += 1


def _kind(found: Mapping[str, Any]) -> tuple[Any, Any]:
    return found.get("of"), found.get("kind")


def _order(found: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(found.get(key)) for key in ("at", "worker", "session", "detail"))


def _at(mine: dict[Key, Distribution], key: Key) -> Distribution:
    """The distribution of a table under a key, made when it is first asked for."""
    if key not in mine:
        mine[key] = Distribution.lasting()
    return mine[key]


def _in_order(distributions: Mapping[str, Distribution]) -> dict[str, dict[str, float]]:
    figures = {
        phase.value: distributions[phase].stats() for phase in Phase if phase in distributions
    }
    return {phase: stats for phase, stats in figures.items() if stats}
