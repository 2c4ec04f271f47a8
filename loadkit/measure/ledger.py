"""What the master knows: every interval of every worker, each taken once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf
from typing import Final

from loadkit.figures import VIOLATED, Count, Phase
from loadkit.measure.concurrency import Concurrency
from loadkit.measure.interval import AGES, Interval
from loadkit.measure.occurrence import Occurrences
from loadkit.measure.open_waits import NOTHING, Waiting
from loadkit.measure.scope import Totals
from loadkit.measure.slow_turns import SlowTurns
from loadkit.measure.state import LedgerBooks, StatePart
from loadkit.measure.timeline import Timeline
from loadkit.measure.word_counts import folded
from loadkit.measure.word_counts import merge as merge_counts
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram

SATURATED_CPU_PERCENT: Final = 90.0
"""From here on an interval's mean CPU counts as a saturated core (one core is 100)."""

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

    def state(self) -> tuple[int, tuple[int, ...], int]:
        return self._before, tuple(sorted(self._after)), self.last

    def restore(self, state: tuple[int, tuple[int, ...], int]) -> None:
        self._before, self._after, self.last = state[0], set(state[1]), state[2]

    def missing(self) -> int:
        return max(0, self.last - self._before + 1 - len(self._after))


class Ledger(Totals):
    """Everything all workers measured, whatever the order in which it arrived.

    What workers said last of the waits that are open is among its latencies. Its ages have all
    classes, or none; its generator has `master_rss_mb` too.

    Args:
        timeline: gets every interval too, to cut the run into rows.

    Attributes:
        by_turn: response times by which of its session's messages it was, as of `Interval`.
        slow: the slowest turns that were answered.
        evidence: the first errors and violations of each kind.
    """

    def __init__(self, timeline: Timeline | None = None) -> None:
        super().__init__(new=Distribution.lasting)
        self.by_turn: dict[int, Distribution] = {}
        self.slow = SlowTurns()
        self.evidence = Occurrences()
        self._timeline = timeline
        self._offsets: dict[str, float] = {}
        self._arrivals: defaultdict[str, _Arrivals] = defaultdict(_Arrivals)
        self._examples: dict[str, tuple[int, str, str]] = {}
        self._concurrency = Concurrency()
        self._frames: dict[str, Counter[str]] = {}
        self._live: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, Mapping[str, Waiting]] = {}  # by worker; "" is of all its sessions
        self._busy: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, worker: str, seq: int, interval: Interval, at: float | None = None) -> bool:
        """Take one interval; False if it is here already, and nothing has changed then.

        Args:
            worker: who measured it.
            seq: its number within that worker, counting up from 1 (a first 0 is taken too, but
                its loss cannot be seen).
            interval: what it measured.
            at: when it arrived, in seconds of the run on the master's clock; None takes the run
                to begin when the worker's warm-up ends, and the way here to take no time.
        """
        arrivals = self._arrivals[worker]
        if seq in arrivals:
            return False
        self._take(interval)
        self.session_seconds += interval.session_seconds
        merge_counts(self.counts, interval.counts)
        for key, text in interval.examples.items():
            # The earliest interval's text, not the first to arrive: the order must not matter.
            self._examples[key] = min(
                self._examples.get(key, (seq, worker, text)), (seq, worker, text)
            )
        for found in interval.evidence:
            self.evidence.add(replace(found, worker=worker))
        start, end = self._in_run(worker, interval, at)
        for turn in interval.slow:
            at_s = round(turn.at_s - interval.start + start, 6)
            self.slow.add(replace(turn, at_s=at_s, worker=worker))
        self._concurrency.add(worker, start, end, interval.peak)
        if self._timeline is not None:
            self._timeline.add(worker, interval, start, end)
        self._frames.setdefault(worker, Counter())
        self._frames[worker] |= Counter(interval.frames)  # totals: the latest is the largest
        if seq >= self._live.get(worker, (-1, 0))[0]:
            self._live[worker] = seq, interval.live
            self._look_again(worker, interval)
        self._weigh_cpu(worker, interval.generator.get("cpu_percent"))
        arrivals.add(seq)
        return True

    def lead(self, rss_mb: float) -> None:
        """Take the memory of the process that leads, in megabytes, where it does not load too."""
        self.at(self.generator, "master_rss_mb").record_whole(round(rss_mb * 1000))
        if self._timeline is not None:
            self._timeline.master_rss_mb = rss_mb

    def expect(self, worker: str, last: int) -> None:
        """Take note that `worker` has sent intervals up to `last`, whether they came or not."""
        self._arrivals[worker].last = max(self._arrivals[worker].last, last)

    def missing(self) -> dict[str, int]:
        """Return how many intervals never came, by worker; empty when nothing is missing."""
        gaps = {worker: arrivals.missing() for worker, arrivals in self._arrivals.items()}
        return {worker: many for worker, many in gaps.items() if many}

    def state(self) -> Iterator[StatePart]:
        """Return all that is known now, for `restore`.

        It is of this moment, however late it is asked for: the copies are made at once.
        """
        books = LedgerBooks(
            counts=self.counts.copy(),
            session_seconds=self.session_seconds,
            offsets=dict(self._offsets),
            arrivals={worker: each.state() for worker, each in self._arrivals.items()},
            examples=dict(self._examples),
            evidence=tuple(self.evidence),
            concurrency=self._concurrency.state(),
            frames={worker: dict(each) for worker, each in self._frames.items()},
            live=dict(self._live),
            waiting=dict(self._waiting),
            busy={worker: (full, every) for worker, (full, every) in self._busy.items()},
            slow=tuple(self.slow),
        )
        parts = [StatePart(books=books)]
        parts += (StatePart(latency={key: one.copy()}) for key, one in self.latency.items())
        parts += (StatePart(from_schedule={k: one.copy()}) for k, one in self.from_schedule.items())
        parts += (StatePart(generator={key: one.copy()}) for key, one in self.generator.items())
        parts += (StatePart(ages={age: one.copy()}) for age, one in self.ages.items() if one)
        parts += (StatePart(by_turn={turn: one.copy()}) for turn, one in self.by_turn.items())
        parts += (StatePart(scopes={name: one.known()}) for name, one in self.scopes.items())
        if self._timeline is not None:
            parts += (StatePart(timeline=part) for part in self._timeline.state())
        return iter(parts)

    def restore(self, part: StatePart) -> None:
        """Take a part of what `state` gave; this ledger and its timeline are to begin empty.

        Raises:
            ValueError: it is not the next one.
        """
        self._take(part)
        if part.books is not None:
            self._restore_books(part.books)
        if part.timeline is not None and self._timeline is not None:
            self._timeline.restore(part.timeline)

    def _restore_books(self, books: LedgerBooks) -> None:
        self.counts.update(books.counts)
        self.session_seconds = books.session_seconds
        self._offsets = dict(books.offsets)
        for worker, arrivals in books.arrivals.items():
            self._arrivals[worker].restore(arrivals)
        self._examples = dict(books.examples)
        for found in books.evidence:
            self.evidence.add(found)
        for turn in books.slow:
            self.slow.add(turn)
        self._concurrency.restore(books.concurrency)
        self._frames = {worker: Counter(frames) for worker, frames in books.frames.items()}
        self._live = dict(books.live)
        self._waiting = dict(books.waiting)
        self._busy.update((worker, [*each]) for worker, each in books.busy.items())

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
    def others(self) -> dict[str, int]:
        """What was counted that no other property tells: hand-offs, system messages, chaos."""
        told = ("ended", "errors", "violations", VIOLATED, "disconnects", "reached")
        return {
            key: count
            for key, count in sorted(folded(self.counts).items())
            if key.partition(".")[0] not in told and key not in _IN_SUMMARY and count
        }

    def under(self, prefix: str) -> dict[str, int]:
        """Return the counts below `prefix` by the rest of their key: `under("errors")`."""
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

    def _take(self, more: Interval | StatePart) -> None:
        """Add the histograms of an interval, or of a part of a state."""
        if more.ages and not self.ages:
            # All at once: sessions of a class may first be there after hours.
            self.ages = {number: self.new() for number in range(len(AGES))}
        self.merge(more, more.scopes)
        for turn, found in more.by_turn.items():
            self.at(self.by_turn, turn).merge(found)

    def _look_again(self, worker: str, interval: Interval) -> None:
        """Take what a worker's sessions wait for now in the place of what it said last."""
        before = self._waiting.get(worker, {})
        now = {"": interval.waiting} | {
            name: scope.waiting for name, scope in interval.scopes.items()
        }
        self._waiting[worker] = now
        for name, waiting in now.items():
            of = self.scopes[name] if name else self
            of.look_again(before.get(name, NOTHING), waiting)

    def _in_run(self, worker: str, interval: Interval, at: float | None) -> tuple[float, float]:
        """Return an interval's stamps in seconds of the run on the master's clock.

        The monotonic clocks of two machines share no zero. A report is on its way for a time
        that is never negative, so the smallest difference between arrival and closing stamp is
        the one nearest to that of the two clocks.
        """
        if at is None:
            at = interval.end - interval.measure_from
        offset = min(at - interval.end, self._offsets.get(worker, inf))
        self._offsets[worker] = offset
        return interval.start + offset, interval.end + offset

    def _weigh_cpu(self, worker: str, cpu: Histogram | None) -> None:
        if cpu is not None and (percent := cpu.mean) is not None:
            self._busy[worker][0] += percent >= SATURATED_CPU_PERCENT
            self._busy[worker][1] += 1


def _in_order(distributions: Mapping[str, Distribution]) -> dict[str, dict[str, float]]:
    figures = {
        phase.value: distributions[phase].stats() for phase in Phase if phase in distributions
    }
    return {phase: stats for phase, stats in figures.items() if stats}
