"""What a run measured, stretch by stretch: a percentile's noise is seen in nothing else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadkit.stats.censored import Survival
from loadkit.stats.distribution import Distribution
from loadkit.stats.two_samples import Curve

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


@dataclass(slots=True)
class PhaseCourse:
    """The waits of one phase.

    Attributes:
        whole: all of them.
        at, values, many: of each stretch and value that was hit, the stretch, the value, and how
            many waits of its own lasted so long, whether their end was seen or they were given up.
    """

    whole: Distribution
    at: Whole
    values: Whole
    many: Whole
    _curve: Curve | None = field(default=None, init=False)

    @property
    def curve(self) -> Curve:
        """The share that has ended by each moment; any must have."""
        if self._curve is None:
            whole = self.whole
            unseen = Counter(whole.lost) + Counter(whole.open)
            found = Survival(dict(whole.counts.items()), unseen, whole.entered)
            self._curve = Curve(found.values, found.left.astype(np.float64), whole.count)
        return self._curve

    def per_stretch(self, stretches: int) -> Floats:
        """How many waits there were in each."""
        return np.bincount(self.at, self.many, stretches).astype(np.float64)

    def unlike(self, value: int, share: float, stretches: int) -> Floats:
        """How far each stretch is from having a share of its waits at or below a value.

        Each adds to the sum what it makes the share of the whole run differ by.
        """
        away = np.bincount(self.at, self.many * ((self.values <= value) - share), stretches)
        found: Floats = away / max(1, int(self.many.sum()))
        return found


@dataclass(frozen=True, slots=True)
class Course:
    """All that is compared of one run.

    Attributes:
        phases: by name.
        counts: how often something was counted in each stretch, by the keys of
            `loadkit.figures.Count`, `ended`, `failed` and `violations`.
        stretches: how many there are.
        begin: the first of them after the warm-up.
    """

    phases: Mapping[str, PhaseCourse]
    counts: Mapping[str, Floats]
    stretches: int
    begin: int

    def counted(self, what: str) -> Floats:
        """How often something was counted, stretch by stretch."""
        found = self.counts.get(what)
        return np.zeros(self.stretches) if found is None else found
