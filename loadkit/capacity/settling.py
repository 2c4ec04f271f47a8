"""When a load step has come to rest, and how sure a figure is whose samples hang together."""

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import fmean, median, stdev
from typing import Final

WINDOW: Final = 12
"""Values that are looked at. The normal approximation of the test is good beyond ten (Gilbert)."""

BATCHES: Final = 10
"""Parts that a hold is cut into. From 10 to 30 are advised: fewer and longer ones depend less on
each other, and beyond 30 the interval hardly narrows (B. Schmeiser, "Batch size effects in the
analysis of simulation output", Operations Research 30, 1982)."""

_TWO_SIDED_5_PERCENT: Final = 1.959964  # of the standard normal
_STUDENT_9: Final = 2.262157  # the 97.5 % point of Student's t with BATCHES - 1 degrees of freedom


def settled(values: Sequence[float], tolerance: float = 0.05) -> bool:
    """Tell whether a series has come to rest: no trend in its last values, or one too small.

    The trend test of Mann and Kendall, two-sided at 5 %, with the correction for ties and for
    continuity (H. B. Mann, "Nonparametric tests against trend", Econometrica 13, 1945; R. O.
    Gilbert, "Statistical Methods for Environmental Pollution Monitoring", 1987, pages 209-213). It
    assumes nothing of the values' distribution. Of a series that is at rest and whose values do
    not depend on each other it calls 5 % moving at each look; dependent values are called moving
    more often, which costs time and not truth.

    Where there is a trend, its size is Sen's slope: the median of all pairs' slopes.

    Args:
        values: one figure for each interval in order, such as the p95 or the rate of answers; fewer
            than `WINDOW` are not at rest.
        tolerance: the change over the window, as a share of its median, that does not matter.
    """
    if len(values) < WINDOW:
        return False
    last = [float(value) for value in values[-WINDOW:]]
    pairs = list(combinations(enumerate(last), 2))
    score = sum((b > a) - (b < a) for (_, a), (_, b) in pairs)
    ties = [last.count(value) for value in set(last)]
    spread = (_spread(WINDOW) - sum(map(_spread, ties))) / 18
    if abs(score) - 1 <= _TWO_SIDED_5_PERCENT * sqrt(spread):
        return True
    slope = median((b - a) / (j - i) for (i, a), (j, b) in pairs)
    return abs(slope) * (WINDOW - 1) <= tolerance * abs(median(last))


def _spread(n: int) -> int:
    """18 times the variance of the score of n values, and what n equal ones take from it."""
    return n * (n - 1) * (2 * n + 5)


def batch_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a figure by batch means: one value for each of `BATCHES` equal parts.

    Latencies of one hold hang together, as a queue that is long now is long a moment later; an
    interval that takes them as independent is far too narrow near saturation. Batches that are
    long against that memory are nearly independent (A. M. Law, "Simulation Modeling and
    Analysis", chapter 9; for percentiles A. F. Seila, "A batching approach to quantile
    estimation", Management Science 28, 1982).

    Raises:
        ValueError: it is another number of values.
    """
    if len(values) != BATCHES:
        raise ValueError(f"should be the values of {BATCHES} batches, not of {len(values)}")
    half = _STUDENT_9 * stdev(values) / sqrt(BATCHES)
    return fmean(values) - half, fmean(values) + half
