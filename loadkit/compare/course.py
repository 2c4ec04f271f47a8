"""What a run measured, stretch by stretch: a percentile's noise is seen in nothing else."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadkit.errors import UsageError
from loadkit.figures import Count, Ending
from loadkit.measure.timeline import Row
from loadkit.stats.censored import Survival
from loadkit.stats.distribution import Distribution
from loadkit.stats.two_samples import Curve

__all__ = ["MOST", "Course", "PhaseCourse", "stretch_s"]

MOST: Final = 240
"""Stretches of a run, about: twenty for each of the means by which its noise is judged, and some
100 MB for a day of latencies."""

_LENGTHS: Final = (
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def stretch_s(seconds: float, interval: float) -> float:
    """Return how long the stretches of runs are to be.

    Args:
        seconds: of the longer one.
        interval: of a row, the longer one of both.
    """
    wanted = max(seconds / MOST, interval)
    return next((each for each in _LENGTHS if each >= wanted), wanted)


class PhaseCourse:
    """The waits of one phase.

    Attributes:
        whole: all of them.
    """

    def __init__(self) -> None:
        self.whole = Distribution()
        self._parts: list[tuple[int, Whole, Whole]] = []
        self._open: tuple[int, Counter[int]] | None = None
        self._all: tuple[Whole, Whole, Whole] | None = None
        self._curve: Curve | None = None

    def add(self, at: int, found: Distribution) -> None:
        """Take a row's; `at` is the number of its stretch, and never goes back."""
        self.whole.merge(found)
        if self._open is None or self._open[0] != at:
            self._close()
            self._open = (at, Counter())
        for value, many in found.counts.items():
            self._open[1][value] += many
        self._open[1].update(found.lost)

    def _close(self) -> None:
        if self._open is not None:
            at, counts = self._open
            values = np.fromiter(counts.keys(), np.int64, len(counts))
            self._parts.append((at, values, np.fromiter(counts.values(), np.int64, len(counts))))
            self._open = None

    @property
    def curve(self) -> Curve:
        """The share that has ended by each moment; any must have, and no row comes any more."""
        if self._curve is None:
            whole = self.whole
            unseen = Counter(whole.lost) + Counter(whole.open)
            found = Survival(dict(whole.counts.items()), unseen, whole.entered)
            self._curve = Curve(found.values, found.left.astype(np.float64), whole.count)
        return self._curve

    def per_stretch(self, stretches: int) -> Floats:
        """How many waits there were in each; no row comes any more."""
        at, _, many = self._waits()
        return np.bincount(at, many, stretches).astype(np.float64)

    def unlike(self, value: int, share: float, stretches: int) -> Floats:
        """How far each stretch is from having a share of its waits at or below a value.

        Each adds to the sum what it makes the share of the whole run differ by.
        """
        at, values, many = self._waits()
        away = np.bincount(at, many * ((values <= value) - share), stretches)
        found: Floats = away / max(1, int(many.sum()))
        return found

    def _waits(self) -> tuple[Whole, Whole, Whole]:
        """Of each stretch and value, the stretch, the value, and how many waits there were."""
        if self._all is None:
            self._close()
            at, values, many = zip(*self._parts, strict=True) if self._parts else ((), (), ())
            none = np.zeros(0, np.int64)
            numbers = np.repeat(np.array(at, np.int64), [len(each) for each in values])
            self._all = numbers, np.concatenate([none, *values]), np.concatenate([none, *many])
            self._parts = []
        return self._all


class Course:
    """All that is compared of one run.

    Args:
        rows: of the run, in their order.
        stretch: seconds of a stretch.
        warmup: seconds that are left out of latencies and turns.

    Attributes:
        phases: by name.
        stretches: how many there are.
        begin: the first of them after the warm-up.

    Raises:
        UsageError: the rows are not those of such a run, or cannot be read.
    """

    def __init__(self, rows: Iterable[Row], stretch: float, warmup: float) -> None:
        self.phases: dict[str, PhaseCourse] = {}
        self.stretches = 0
        self.begin = int(warmup / stretch)
        self._counts: dict[int, Counter[str]] = {}
        for row in rows:
            at = int((row.start + row.length / 2) / stretch)
            if at > 4 * MOST:
                raise UsageError("there are rows long after the run's end; was it edited?")
            self.stretches = max(self.stretches, at + 1)
            self._counts.setdefault(at, Counter()).update(_counts(row))
            for phase, found in row.latency.items():
                self.phases.setdefault(phase, PhaseCourse()).add(at, found)

    def counted(self, what: str) -> Floats:
        """How often something was counted, stretch by stretch; `ended` for all endings."""
        found = np.zeros(self.stretches)
        for at, counts in self._counts.items():
            found[at] = counts[what]
        return found


def _counts(row: Row) -> Mapping[str, int]:
    kept = (Count.SESSIONS_STARTED, Count.TURNS_SENT, Count.TURNS_ANSWERED, Count.TURNS_LOST)
    ended = {ending: row.counts[f"ended.{ending}"] for ending in Ending}
    return {
        **{key: row.counts[key] for key in kept},
        "ended": sum(ended.values()),
        "failed": ended[Ending.FAILED],
        "violations": row.counts["violations"],
    }
