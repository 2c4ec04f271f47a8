"""The run cut into rows: what all workers measured in each second, or in whatever is asked for."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import floor, inf
from typing import Final

from loadkit.measure.interval import Interval
from loadkit.measure.open_waits import Waiting
from loadkit.measure.scope import Totals, copies
from loadkit.measure.state import RowState, Standing, TimelineBooks, TimelineState

PATIENCE: Final = 10.0
"""Seconds for which a worker that is silent is still waited for."""

LASTING: Final = 2.5
"""Seconds for which a worker that is silent counts with the sessions of its last report."""

SETTLE: Final = 1.0
"""Seconds that a row stays open whoever has reported: there may be workers not heard of yet."""

_SAME_ROW: Final = 0.75  # rows; half of one would send jitter at a border to and fro


@dataclass(slots=True)
class Row(Totals):
    """What was measured in one stretch of the run.

    Once it is closed its latencies have the waits that were under way at its begin and at its end.
    """

    start: float  # seconds of the run at which it begins
    length: float  # how long it is, in seconds
    # the load asked for in its middle, as the caller named it
    asked: Mapping[str, float] = field(default_factory=dict)
    # by worker, the mean CPU of each of its intervals, in percent of a core
    cpu: dict[str, list[float]] = field(default_factory=dict)
    # `sent`, `received`, `bytes_sent`, `bytes_received`
    frames: Counter[str] = field(default_factory=Counter)
    # by phase, the waits that were over without what was waited for, once it is closed
    unseen: dict[str, Counter[int]] = field(default_factory=dict)
    # the workers heard of, with where each of them stood at the end
    reported: dict[str, Standing] = field(default_factory=dict)
    # the same once the row is closed, with those workers that are silent for a moment as they last
    # stood
    standing: dict[str, Standing] = field(default_factory=dict)
    # the memory of the process that leads, as the row was closed; None where that one loads too, or
    # the warm-up is not over
    master_rss_mb: float | None = None

    @property
    def live(self) -> int:
        """Sessions at the end of the row."""
        return sum(worker.live for worker in self.standing.values())

    @property
    def mean_live(self) -> float:
        """Sessions over the row on average."""
        return self.session_seconds / self.length

    @property
    def rss_mb(self) -> float | None:
        """The memory of all workers in megabytes; None while none has said."""
        known = [each.rss_mb for each in self.standing.values() if each.rss_mb is not None]
        return sum(known) if known else None

    @property
    def waiting(self) -> Waiting:
        """What is waited for at the end of the row."""
        return self.waiting_in("")

    def waiting_in(self, scope: str) -> Waiting:
        """The same of the sessions of one user class; "" for all."""
        return Waiting.of_all(
            worker.waiting[scope] for worker in self.standing.values() if scope in worker.waiting
        )

    def in_state(self, state: str) -> int:
        """Sessions in a state at the end of the row."""
        return sum(worker.states.get(state, 0) for worker in self.standing.values())

    def take(self, taken: Interval | RowState) -> None:
        """Add the figures of an interval, or of a row that was put away."""
        self.merge(taken, taken.scopes)
        self.counts.update(taken.counts)
        self.session_seconds += taken.session_seconds

    def state(self, number: int) -> RowState:
        """Return what an open row holds now, for `Timeline.restore`."""
        return RowState(
            row=number,
            latency=copies(self.latency),
            from_schedule=copies(self.from_schedule),
            generator=copies(self.generator),
            ages=copies(self.ages),
            asked=self.asked,
            scopes={name: scope.known() for name, scope in self.scopes.items()},
            cpu={worker: tuple(means) for worker, means in self.cpu.items()},
            counts=self.counts.copy(),
            frames=self.frames.copy(),
            session_seconds=self.session_seconds,
            reported=dict(self.reported),
        )


@dataclass(slots=True)
class _Worker:
    """What is known of a worker from one of its reports to the next."""

    row: int | None = None
    until: float = -inf
    frames: Counter[str] = field(default_factory=Counter)


class Timeline:
    """Rows of equal length from the start of the run on, closed one after the other.

    A worker's interval is never cut: it goes into the row that holds its middle, and consecutive
    intervals of a row's length into consecutive rows as long as that is nearly the same. What
    comes for a row that is closed goes into the oldest open one. So the rows add up to the whole
    run, exactly. Only open rows are kept: memory does not grow with the run.

    Args:
        interval: the length of a row in seconds.
        asked: gives the load asked for at a second of the run, by names such as `users`.

    Attributes:
        master_rss_mb: set by whoever leads: its memory now, for the rows closed from now on.
    """

    def __init__(
        self,
        interval: float = 1.0,
        asked: Callable[[float], Mapping[str, float]] = lambda _: {},
    ) -> None:
        self.interval = interval
        self.master_rss_mb: float | None = None
        self._asked = asked
        self._rows: dict[int, Row] = {}
        self._next = 0  # the oldest open row
        self._workers: dict[str, _Worker] = {}
        self._standing: dict[str, Standing] = {}

    def add(self, worker: str, interval: Interval, start: float, end: float) -> None:
        """Take what a worker measured, once, with its stamps in seconds of the run."""
        known = self._workers.setdefault(worker, _Worker())
        known.row = place = max(self._next, self._place(known, start, end))
        known.until = max(known.until, end)
        row = self._row(place)
        row.take(interval)
        cpu = interval.generator.get("cpu_percent")
        if cpu is not None and (percent := cpu.mean) is not None:
            row.cpu.setdefault(worker, []).append(percent)
        totals = Counter(interval.frames)
        row.frames += totals - known.frames  # which leaves out what is not positive
        known.frames |= totals
        memory = interval.generator.get("rss_mb")
        stands = Standing(
            end,
            interval.states,
            interval.live,
            memory.max / 1000 if memory is not None else None,
            {"": interval.waiting}
            | {name: scope.waiting for name, scope in interval.scopes.items()},
        )
        _keep_latest(row.reported, worker, stands)

    def closed(self, now: float) -> list[Row]:
        """Return the rows that are complete by now (seconds of the run), each once, in their order.

        A row is closed when every worker has reported past its end; one that has been silent
        for `PATIENCE` is not waited for.
        """
        rows = []
        while self._is_complete((self._next + 1) * self.interval, now):
            rows.append(self._close())
        return rows

    def finish(self) -> list[Row]:
        """Return all rows that are still open, the last one cut to the last report's end."""
        rows = []
        while self._rows:
            rows.append(self._close())
        if rows:
            until = max(worker.until for worker in self._workers.values())
            rows[-1].length = min(max(until - rows[-1].start, 0.001), self.interval)
        return rows

    def state(self) -> list[TimelineState | RowState]:
        books = TimelineBooks(
            next=self._next,
            workers={
                name: (worker.row, worker.until, dict(worker.frames))
                for name, worker in self._workers.items()
            },
            standing=dict(self._standing),
        )
        rows = (row.state(number) for number, row in self._rows.items())
        return [TimelineState(books), *rows]

    def restore(self, part: TimelineState | RowState) -> None:
        """Take a part of what `state` gave.

        Raises:
            ValueError: it is not the next one.
        """
        if isinstance(part, TimelineState):
            if self._rows or self._next:
                raise ValueError("what all rows have in common comes first, and once")
            books = part.books
            self._next, self._standing = books.next, dict(books.standing)
            for name, (row, until, frames) in books.workers.items():
                self._workers[name] = _Worker(row, until, Counter(frames))
            return
        if part.row < self._next:
            raise ValueError(f"row {part.row} is closed already")
        found = self._row(part.row)
        found.take(part)
        found.asked, found.reported = part.asked, dict(part.reported)
        found.cpu = {worker: list(means) for worker, means in part.cpu.items()}
        found.frames = Counter(part.frames)

    def _place(self, worker: _Worker, start: float, end: float) -> int:
        middle, length = (start + end) / 2 / self.interval, (end - start) / self.interval
        if worker.row is not None and abs(length - 1) < 0.5:
            follows = worker.row + 1
            if abs(middle - (follows + 0.5)) < _SAME_ROW:
                return follows
        return floor(middle)

    def _row(self, number: int) -> Row:
        if number not in self._rows:
            start = number * self.interval
            asked = self._asked(start + self.interval / 2)
            self._rows[number] = Row(start, self.interval, asked)
        return self._rows[number]

    def _is_complete(self, end: float, now: float) -> bool:
        if not self._workers:
            return now >= end + PATIENCE
        return now >= end + SETTLE and not any(
            now - PATIENCE < worker.until < end for worker in self._workers.values()
        )

    def _close(self) -> Row:
        row = self._row(self._next)
        del self._rows[self._next]
        self._next += 1
        before = dict(self._standing)
        for worker, stands in row.reported.items():
            _keep_latest(self._standing, worker, stands)
        gone = row.start + row.length - LASTING
        self._standing = {
            worker: stands for worker, stands in self._standing.items() if stands.until > gone
        }
        row.standing = dict(self._standing)
        # Of a worker that is gone nobody knows what became of its waits: they are over with it.
        _under_way(row, {name: one for name, one in before.items() if name in row.standing})
        row.master_rss_mb = self.master_rss_mb
        return row


def _under_way(row: Row, before: Mapping[str, Standing]) -> None:
    """Tell a row which waits were under way at its begin and at its end."""
    row.unseen = {
        phase: Counter(found.lost) + Counter(found.open)
        for phase, found in row.latency.items()
        if found.lost or found.open
    }
    scopes = {
        name for each in (before, row.standing) for one in each.values() for name in one.waiting
    }
    for scope in sorted(scopes):
        begin = Waiting.of_all(
            one.waiting[scope] for one in before.values() if scope in one.waiting
        )
        of = row.scope(scope) if scope else row
        of.under_way(begin, row.waiting_in(scope))


def _keep_latest(standing: dict[str, Standing], worker: str, stands: Standing) -> None:
    if worker not in standing or stands.until >= standing[worker].until:
        standing[worker] = stands
