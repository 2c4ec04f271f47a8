"""When sessions begin in the open model: one process for the whole run, dealt out to its workers.

The process hangs on the profile alone. Every worker looks at the same arrivals, numbered from 0,
and takes those of its slot, so that whatever the number of workers, and however it changes, what
they take together is the process that was asked for: each arrival once, at the same moment, of
the same user class.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from typing import Final, NamedTuple

from loadkit.profile.stages import ArrivalRate
from loadkit.profile.tables import Load, Mix, Stage
from loadkit.stats.random_streams import person_rng, share_of

BLOCK: Final = 1024
"""Arrivals that are drawn at once: 0.12 ms of work, and 0.6 µs to pass over."""


def unit_process(kind: str, seed: int, start: float = 0.0) -> Iterator[tuple[int, float]]:
    """Arrivals at a rate of one, without end, from `start` on: number, from 0, and moment.

    A Poisson process is drawn in blocks, so that a worker that joins after hours need not draw
    all that has been. That is exact: n waits without memory together are gamma-distributed with
    shape n, and given the moments of two arrivals the n - 1 between them lie as so many uniform
    numbers do, in order (Devroye, Non-Uniform Random Variate Generation, 1986, V.2 and VI.1).

    `uniform` ones come in the middle of each unit.
    """
    if kind == "uniform":
        for number in count(max(0, int(start) - 1)):
            if number + 0.5 >= start:
                yield number, number + 0.5
        return
    ends, begin = person_rng(seed, "arrivals"), 0.0
    for block in count():
        end = begin + ends.gammavariate(BLOCK, 1.0)
        if end >= start:
            draw, width = person_rng(seed, "arrivals", block).random, end - begin
            moments = [begin + width * share for share in sorted(draw() for _ in range(BLOCK - 1))]
            moments.append(end)
            first = bisect_left(moments, start)
            yield from enumerate(moments[first:], block * BLOCK + first)
        begin = end


class _Deal(NamedTuple):
    """From `start` on, in arrivals expected up to then, a worker takes every `workers`-th one."""

    start: float
    slot: int
    workers: int


class Arrivals:
    """The arrivals that one worker takes, in order: an iterator of `(number, moment)`.

    Numbers are of all the run's arrivals, from 0; moments are seconds since the start of the run.
    The worker has slot `index` of so many `workers`, and takes part from `start` on.
    """

    def __init__(self, load: Load, index: int = 0, workers: int = 1, start: float = 0.0) -> None:
        assert load.arrivals is not None, "only the open model has arrivals"
        self._kind, self._seed = load.arrivals, load.seed
        self._rate = ArrivalRate(load.stages)
        # Deals are compared by the arrivals expected up to them: these are the same numbers on
        # every worker and rise strictly in order, which moments rounded to floats may not.
        self._deal = _Deal(self._rate.expected(start), index, workers)
        self._coming: list[_Deal] = []
        self._past: list[tuple[_Deal, int]] = []  # each with the last arrival taken by it
        self._taken = self._furthest = -1  # the last arrival taken, by this deal and by any
        self._process = unit_process(self._kind, self._seed, self._deal.start)
        self._next = self._find()

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return self

    def __next__(self) -> tuple[int, float]:
        found = self.peek()
        if found is None:
            raise StopIteration
        self._taken = found[0]
        self._furthest = max(self._furthest, self._taken)
        self._next = self._find()
        return found

    def peek(self) -> tuple[int, float] | None:
        """The next arrival, which stays the next one; None after the last."""
        if self._next is None:
            return None
        number, expected = self._next
        moment = self._rate.moment(expected)
        assert moment is not None
        return number, moment

    def deal(self, index: int, workers: int, start: float) -> None:
        """Give this worker another slot.

        Where every worker knows of it before it holds, nothing is taken twice and nothing is
        lost. A worker that learns of it late takes what its new slot has missed, without what it
        has already taken itself. From `start` on it holds in place of every deal that was to begin
        then or later.
        """
        new = _Deal(self._rate.expected(start), index, workers)
        self._coming = [deal for deal in self._coming if deal.start < new.start] + [new]
        if self._next is None or self._next[1] >= self._coming[0].start:
            self._next = self._find(self._next)

    def follow(self, stages: Sequence[Stage]) -> None:
        """Go on by other stages, which are the same up to a moment that is still to come.

        The process is drawn in arrivals expected, not in seconds, so what lies before that moment
        stays as it was, and what comes after is the same process at another pace. To be followed
        by a `deal` from that moment on, which looks for the next arrival anew.
        """
        self._rate = ArrivalRate(stages)

    def _find(self, found: tuple[int, float] | None = None) -> tuple[int, float] | None:
        """The next arrival of this worker's and when, in arrivals expected up to then."""
        while True:
            if found is None:
                found = next(self._process)
            number, moment = found
            if self._coming and moment >= self._coming[0].start:
                self._past.append((self._deal, self._taken))
                self._deal, self._taken = self._coming.pop(0), -1
                self._process = unit_process(self._kind, self._seed, self._deal.start)
            elif moment >= self._rate.total:
                return None
            elif number % self._deal.workers == self._deal.slot and not self._was_taken(*found):
                return found
            found = None

    def _was_taken(self, number: int, moment: float) -> bool:
        return number <= self._furthest and any(
            number <= last and moment >= deal.start and number % deal.workers == deal.slot
            for deal, last in self._past
        )


class ClassDraw:
    """Which user class an arrival is of: by the weights of the mix, and by its number alone."""

    def __init__(self, mix: Mix, seed: int) -> None:
        # by name: the order in which a mix is written down means nothing
        weighed = sorted((name, weight) for name, weight in mix.items() if weight)
        self._names = [name for name, _ in weighed]
        self._ends = list(accumulate(weight for _, weight in weighed))
        self._seed = seed

    def of(self, number: int) -> str:
        """The class of an arrival."""
        drawn = share_of(self._seed, "class", number) * self._ends[-1]
        return self._names[min(bisect_right(self._ends, drawn), len(self._names) - 1)]
