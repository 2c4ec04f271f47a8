"""How many independent values a series is worth, and what its steps say where hardly any.

Only whoever analyses loads this module: see `loadkit.stats.trend`.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

BATCHES: Final = 12
"""Parts of the series whose means tell how slow its noise is: 10 to 30 are advised (B. Schmeiser,
"Batch size effects in the analysis of simulation output", Operations Research 30, 1982). What
swings to and fro within the third of a series spans four of them, and is seen as noise."""

FEW: Final = 8.0
"""Independent values that a series has to be worth, or how many it is worth is hardly known: then
the steps from one value to the next are looked at instead (see `walk`)."""

Floats = NDArray[np.float64]


def inflation(rest: Floats, fitted: int = 3) -> float:
    """Tell how many values of a series are worth one independent value, 1 or more.

    That is by how much its noise makes the variance of a mean, or of a slope, larger than
    independent noise would. It is estimated in two ways, and the larger one counts.

    By the correlation of neighbours, (1 + r) / (1 - r), as of a first-order autoregression (G. V.
    Bayley and J. M. Hammersley, "The 'effective' number of independent observations in an
    autocorrelated time series", 1946; for trends B. D. Santer et al., "Statistical significance of
    trends and trend differences", Journal of Geophysical Research 105, 2000). The estimate of r
    from what a fit of k parameters leaves over is too small, by (k + (k + 2) r) / n (P. Shaman and
    R. A. Stine, "The bias of autoregressive coefficient estimators", JASA 83, 1988, for a mean and
    a line). That is undone, and 1 / n more, as the moment of a turn is searched for. To be sure, r
    is then taken larger by its standard error.

    By the variance of `BATCHES` means, which sees what is slower: a swing by the hour, too.

    Args:
        rest: what is left of the series without its drift.
        fitted: how many parameters were fitted to take that out.
    """
    n, rest = len(rest), rest - rest.mean()
    variance = float(rest @ rest) / max(1, n - fitted)
    if variance <= 1e-24 * max(1.0, float(np.abs(rest).max())):
        return 1.0
    r = float(rest[1:] @ rest[:-1]) / float(rest @ rest)
    r = (n * r + 1 + fitted) / (n - 2 - fitted)
    r = min(r + sqrt(max(0.0, 1 - r * r) / n), 0.99)
    means = np.array([part.mean() for part in np.array_split(rest, BATCHES)])
    slow = float(means @ means) / (BATCHES - fitted) * (n / BATCHES) / variance
    return max(1.0, (1 + r) / (1 - r), slow)


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """What the steps of a series, from one value to the next, say of its trend."""

    error: float  # the standard error of the mean step
    p: float  # of the mean step being zero, two-sided
    freedom: float  # Student's degrees of freedom of both


def walk(x: Floats) -> RandomWalk:
    """Look at a series as at a random walk with drift.

    Noise that hangs together so much that a series is worth a few values of it cannot be told from
    a walk of `len(x) - 1` independent steps, the most that it could do; and the steps can be
    counted. Where the noise is less than a walk they fall back on each other, and their spread is
    larger than what they add up to: the test errs to silence. (W. A. Fuller, "Introduction to
    Statistical Time Series", 1976, chapter 8, has the two as the ends of one family.)
    """
    steps = np.diff(x)
    worth = len(steps) / inflation(steps, fitted=1)
    freedom = max(1.0, worth - 1)
    error = float(steps.std(ddof=1)) / sqrt(worth)
    if error == 0:
        return RandomWalk(0.0, 0.0 if steps[0] else 1.0, freedom)
    value = abs(float(steps.mean())) / error
    return RandomWalk(error, of_student(value, freedom), freedom)


def of_student(value: float, freedom: float) -> float:
    """The p, two-sided, of a value under Student's distribution."""
    return min(1.0, 2 * float(special.stdtr(max(1.0, freedom), -value)))


def student(freedom: float, p: float) -> float:
    """The value below which a share p lies; a hundred times as fast as `scipy.stats.t.ppf`."""
    return float(special.stdtrit(freedom, p))
