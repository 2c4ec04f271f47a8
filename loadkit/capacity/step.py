"""One stretch of a run: rows of its timeline added up, to be judged like a run of its own."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from loadkit.figures import Count
from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.measure.scope import Totals
from loadkit.measure.timeline import Row


class Stretch(Totals):
    """What was measured in some closed rows: what `loadkit.verdict.slo.judge` asks for, and more.

    Waits that were under way when they began count from the age on that they had then.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        super().__init__()
        self.rows: list[Row] = []
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.merge(row, row.scopes)
        self.counts.update(row.counts)
        self.session_seconds += row.session_seconds

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
        return self.session_seconds / self.seconds if self.rows else 0.0

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
