"""One stretch of a run: rows of its timeline added up, to be judged like a run of its own."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from loadkit.figures import Count
from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.measure.scope import Scope
from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution

__all__ = ["Stretch"]


class Stretch:
    """What was measured in some closed rows: what `loadkit.verdict.slo.judge` asks for, and more.

    Attributes:
        rows: in order.
        latency, from_schedule, generator, counts, scopes: as in the ledger, of these rows alone.
            Waits that were under way when they began count from the age on that they had then.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = []
        self.latency: dict[str, Distribution] = {}
        self.from_schedule: dict[str, Distribution] = {}
        self.generator: dict[str, Distribution] = {}
        self.scopes: dict[str, Scope] = {}
        self.counts: Counter[str] = Counter()
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        _merge(self.latency, row.latency)
        _merge(self.from_schedule, row.from_schedule)
        _merge(self.generator, row.generator)
        for name, scope in row.scopes.items():
            mine = self.scopes.setdefault(name, Scope())
            _merge(mine.latency, scope.latency)
            mine.counts.update(scope.counts)
        self.counts.update(row.counts)

    @property
    def start(self) -> float:
        """Second of the run at which it begins; 0 where there are no rows."""
        return self.rows[0].start if self.rows else 0.0

    @property
    def end(self) -> float:
        return self.rows[-1].start + self.rows[-1].length if self.rows else 0.0

    @property
    def seconds(self) -> float:
        return sum(row.length for row in self.rows)

    @property
    def peak_concurrent(self) -> int:
        return max((row.live for row in self.rows), default=0)

    @property
    def concurrent(self) -> float:
        return sum(row.session_seconds for row in self.rows) / self.seconds if self.rows else 0.0

    @property
    def throughput(self) -> float:
        return self.counts[Count.TURNS_ANSWERED] / self.seconds if self.rows else 0.0

    @property
    def saturated_share(self) -> float:
        """As the ledger's, of these rows alone: the worst worker's share on a full core."""
        every: dict[str, list[float]] = {}
        for row in self.rows:
            for worker, percents in row.cpu.items():
                every.setdefault(worker, []).extend(percents)
        return max(
            (
                sum(percent >= SATURATED_CPU_PERCENT for percent in percents) / len(percents)
                for percents in every.values()
            ),
            default=0.0,
        )

    @property
    def left_out(self) -> tuple[int, int]:
        """As the ledger's: durations below zero, and above ten minutes."""
        every = [*self.latency.values(), *self.from_schedule.values()]
        return sum(one.negative for one in every), sum(one.overflow for one in every)

    @property
    def workers(self) -> int:
        return len(set[str]().union(*(row.standing for row in self.rows)))

    def missing(self) -> Mapping[str, int]:
        """None: a report that has not come may be late, and only the end of the run tells."""
        return {}

    def parts(self, number: int) -> "list[Stretch]":
        """Cut it into so many parts of as equal a number of rows as can be; empty if too short."""
        if len(self.rows) < number:
            return []
        cuts = [len(self.rows) * part // number for part in range(number + 1)]
        return [Stretch(self.rows[a:b]) for a, b in pairwise(cuts)]


def _merge(mine: dict[str, Distribution], theirs: Mapping[str, Distribution]) -> None:
    for key, found in theirs.items():
        mine.setdefault(key, Distribution()).merge(found)
