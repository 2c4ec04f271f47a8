"""Whether a series of figures moves: how fast, in which shape, since when, and how sure that is.

Figures of neighbouring windows hang together, as a server that is slow now is slow a moment later,
and a test that takes them as independent finds drift in noise. So every test here counts only as
many values as are worth a fresh look: see `loadkit.stats.effective_sample_size`.

Only whoever analyses loads this module, as scipy takes a worker's memory and time to load.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special, stats

from loadkit.stats.effective_sample_size import (
    BATCHES,
    FEW,
    inflation,
    of_student,
    student,
    walk,
)

LEAST: Final = 20
"""Values below which nothing can be told. Mann and Kendall's normal approximation is good beyond
ten independent ones (Gilbert, see `_mann_kendall`); of 20 there are as many if they hang together
moderately, as at a correlation of neighbours of 0.33."""

POWER: Final = 0.9
"""The chance, at least, that a drift of the size that is called visible is found."""

_TURNS: Final = ("step", "starts", "settles")
_EDGE: Final = 20  # a change nearer to an end than this part of the series is not looked for
_CLIP: Final = 4.0  # spreads from the running median beyond which a value is an outlier
_SPREAD_OF_MAD: Final = 1.4826  # standard deviations of a normal distribution in its MAD
_KNOWN: Final = BATCHES - 3.0  # degrees of freedom with which the means of parts tell noise
_APART: Final = float(special.fdtri(_KNOWN, _KNOWN, 0.975))
"""How many times as many values one run may seem worth as another with the same noise: in a
fortieth of pairs it is more."""
_WALKS: Final = 2.5
"""Times `FEW` that a run is worth if others with the same noise hardly ever seem a walk."""

Floats = NDArray[np.float64]

Shape = Literal["line", "step", "starts", "settles"]
"""How a series moves: all along; at once; from some moment on; up to some moment."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What a series does over time."""

    # Sen's slope and its 95 % interval, per unit of time
    slope: float
    low: float
    high: float
    p_trend: float  # of the test of Mann and Kendall, that the order of the values is mere chance
    p_turn: float  # of the test that no moment at which they step or turn is more than chance
    shape: Shape  # what describes it best, whether or not it is more than chance
    at: float | None  # the moment at which the shape turns; None for a line
    # the medians of the values on either side of that moment, of the halves where there is none;
    # the means of what is counted
    before: float
    after: float
    # where it starts at some moment, the slope from there on, with its interval
    since: tuple[float, float, float] | None
    worth: float  # how many independent values the series is worth
    # standard errors of the slope with their degrees of freedom: of the test that the series was
    # put to, and of a walk where another with the same noise might be taken for one
    errors: tuple[tuple[float, float], ...]

    def visible(self, doubt: float, floor: float = 0.0) -> float:
        """The slope that would be found in a series of such noise, with a chance of `POWER`.

        It is one of another series: how much that one's noise will seem to hang together is as
        little known as how much this one's really does. Both spreads, each of an estimate with
        `_KNOWN` degrees of freedom, are part of the reckoning, by the normal approximation; without
        them three quarters would be found of what is called nine tenths.

        Args:
            doubt: the level of the test, two-sided.
            floor: what a slope has to be besides, as it is measured.
        """
        sizes = [floor]
        for error, freedom in self.errors:
            sizes.append(error * _needed(student(freedom, 1 - doubt / 2), freedom))
            sizes.append(floor + error * student(freedom, POWER))
        if _WALKS * FEW <= self.worth < _APART * FEW:
            # The other may be worth next to nothing. Of so few values ranks are never sure, however
            # they rise, and it is left to the test for a turn.
            free = FEW - len(_TURNS)
            least = student(free, 1 - doubt / 2 / (len(_TURNS) * FEW)) + student(free, POWER)
            sizes.append(self.errors[0][0] * sqrt(self.worth / FEW) * least)
        return float(max(sizes))


def trend_of(times: Sequence[float], values: Sequence[float], *, counted: bool = False) -> Trend:
    """Look at a series.

    Args:
        times: when each value was taken, rising, at least `LEAST` of them.
        values: one for each.
        counted: whether they count rare things. Of values that are mostly zero Sen's slope is
            zero wherever the others lie, so the slope is then that of least squares.

    Raises:
        ValueError: they are too few.
    """
    if len(values) < LEAST:
        raise ValueError(f"a trend takes {LEAST} values, not {len(values)}")
    t, x = np.asarray(times, float), np.asarray(values, float)
    clean = x if counted else _without_outliers(x)
    if np.ptp(x) == 0:
        still, n = float(x[0]), float(len(x))
        return Trend(0.0, 0.0, 0.0, 1.0, 1.0, "line", None, still, still, None, n, ((0.0, n),))
    shape, at, rest = _shape(t, clean)
    worth = len(x) / inflation(rest)
    fit = _least_squares if counted else _sen
    slope, low, high = fit(t, x, worth)
    freedom = max(1.0, worth - 2)
    errors = [((high - low) / 2 / student(freedom, 0.975), freedom)]
    steps = walk(clean) if worth < FEW * _WALKS else None
    if steps is not None:
        pace = (len(t) - 1) / (t[-1] - t[0])
        errors.append((float(steps.error * pace), steps.freedom))
    if worth < FEW:
        del errors[0]
        reach = errors[0][0] * student(errors[0][1], 0.975)
        low, high = slope - reach, slope + reach
    middle = at if at is not None else len(x) // 2
    late = worth * (len(x) - middle) / len(x)
    return Trend(
        slope,
        low,
        high,
        steps.p if steps is not None and worth < FEW else _mann_kendall(x, worth),
        _turning(t, stats.rankdata(x) if counted else clean, worth),
        shape,
        None if at is None else float(t[at]),
        float(_middle(x[:middle], counted)),
        float(_middle(x[middle:], counted)),
        fit(t[middle:], x[middle:], late) if shape == "starts" else None,
        worth,
        tuple(errors),
    )


def _needed(least: float, freedom: float) -> float:
    """Tell how many standard errors a slope has to be, as they are estimated, to be found.

    That is the k with a chance of `POWER` of z + k s > least s': z the error of the slope, s and s'
    two independent estimates of one spread, of which each varies by 1 / (2 known).
    """
    z, known = float(special.ndtri(POWER)), min(_KNOWN, freedom)
    rest = 1 - z * z / (2 * known)
    return (least + sqrt(least * least * (1 - rest * rest) + z * z * rest)) / rest


def shift(before: Sequence[float], after: Sequence[float], worth: float) -> tuple[float, float]:
    """Return the 95 % interval of how far values have moved from one stretch to another.

    Hodges and Lehmann's, from Mann and Whitney's test: the middle one of all differences between a
    value of one and a value of the other ("Estimates of location based on rank tests", Annals of
    Mathematical Statistics 34, 1963). Each counts as the share `worth` of a value, above 0 and at
    most 1. From minus to plus infinity where the values are too few for an interval.
    """
    m, n = len(before), len(after)
    if m < 2 or n < 2:
        return -np.inf, np.inf
    apart = np.sort(np.subtract.outer(np.asarray(after), np.asarray(before)).ravel())
    freedom = max(1.0, (m + n) * worth - 2)
    reach = student(freedom, 0.975) * sqrt(m * n * (m + n + 1) / 12 / worth)
    rank = int(m * n / 2 - reach)
    if rank < 1:
        return -np.inf, np.inf
    return float(apart[rank - 1]), float(apart[m * n - rank])


def rising(values: Sequence[float]) -> float:
    """Return the p of the mean of at least `LEAST` values being zero: Student's test, two-sided."""
    x = np.asarray(values, float)
    if np.ptp(x) == 0:
        return 1.0
    worth = len(x) / inflation(x - x.mean(), fitted=1)
    return of_student(abs(x.mean()) / (x.std(ddof=1) / sqrt(worth)), worth - 1)


def holm(doubts: Sequence[float], family: float) -> list[bool]:
    """Tell which of many tests find something, so that mere noise rarely makes any of them.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979: whatever the tests have to do with each other. `family` is the chance, at
    most, that noise alone makes one or more find something.
    """
    found = [False] * len(doubts)
    for done, index in enumerate(sorted(range(len(doubts)), key=doubts.__getitem__)):
        if doubts[index] > family / (len(doubts) - done):
            break
        found[index] = True
    return found


def _without_outliers(x: Floats) -> Floats:
    """Bring what lies far off a running median of five back to it: a bad minute is no drift."""
    middle: Floats = ndimage.median_filter(x, size=5, mode="nearest")
    spread = _SPREAD_OF_MAD * float(np.median(np.abs(x - middle)))
    return np.clip(x, middle - _CLIP * spread, middle + _CLIP * spread)


def _fits(t: Floats, x: Floats) -> Iterator[tuple[Shape, int | None, Floats]]:
    """Fit all shapes by least squares: each with the index at which it turns, and what is left."""
    edge = max(3, len(x) // _EDGE)
    turns = np.arange(edge, len(x) - edge + 1)
    late = np.maximum(t[:, None] - t[turns], 0)
    shapes: list[tuple[Shape, Floats]] = [
        ("line", t[:, None]),
        ("step", (t[:, None] >= t[turns]).astype(float)),
        ("starts", late),
        ("settles", t[:, None] - late),
    ]
    centred = x - x.mean()
    for shape, columns in shapes:
        columns = columns - columns.mean(axis=0)
        size = (columns * columns).sum(axis=0)
        along = centred @ columns / size
        best = int((along**2 * size).argmax())
        at = None if shape == "line" else int(turns[best])
        yield shape, at, centred - along[best] * columns[:, best]


def _shape(t: Floats, x: Floats) -> tuple[Shape, int | None, Floats]:
    fits = [(float(rest @ rest), shape, at, rest) for shape, at, rest in _fits(t, x)]
    line, closest = fits[0], min(fits, key=lambda fit: fit[0])
    # Schwarz' criterion; a turn that was searched for costs more than one parameter.
    worth = len(x) / inflation(closest[3])
    gained = worth * log(line[0] / closest[0]) if closest[0] > 0 else np.inf
    _, shape, at, _ = closest if gained > 3 * log(max(worth, 2)) else line
    return shape, at, closest[3]


def _sen(t: Floats, x: Floats, worth: float) -> tuple[float, float, float]:
    """The median of all pairs' slopes, and its interval.

    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968. Its
    ends are two of those slopes, as many places from the middle one as the spread of Kendall's
    score says; that spread is larger where values hang together (K. H. Hamed and A. R. Rao, "A
    modified Mann-Kendall trend test for autocorrelated data", Journal of Hydrology 204, 1998).
    """
    # scipy counts those places by a level: the one that takes it as far as this spread does.
    wide = student(max(1.0, worth - 2), 0.975) * sqrt(len(x) / worth)
    level = max(2 * float(special.ndtr(-wide)), 1e-300)
    found = stats.theilslopes(x, t, level)
    return float(found.slope), float(found.low_slope), float(found.high_slope)


def _least_squares(t: Floats, x: Floats, worth: float) -> tuple[float, float, float]:
    """The ordinary slope; its interval widened as in Santer et al. (see `inflation`)."""
    found = stats.linregress(t, x)
    freedom = max(1.0, worth - 2)
    reach = student(freedom, 0.975) * found.stderr * sqrt((len(x) - 2) / freedom)
    return float(found.slope), float(found.slope - reach), float(found.slope + reach)


def _mann_kendall(x: Floats, worth: float) -> float:
    """The p of Mann and Kendall's test, two-sided, corrected for ties and for continuity.

    H. B. Mann, "Nonparametric tests against trend", Econometrica 13, 1945; R. O. Gilbert,
    "Statistical Methods for Environmental Pollution Monitoring", 1987, pages 209-213. The variance
    of the score is taken as large as values that hang together make it (Hamed and Rao), and the
    score is held against Student's distribution, as that variance is an estimate (Santer et al.).
    """
    n = len(x)
    score = float(np.triu(np.sign(x[None, :] - x[:, None]), 1).sum())
    _, ties = np.unique(x, return_counts=True)
    spread = (_spread(n) - float(_spread(ties).sum())) / 18 * n / worth
    return of_student(max(0.0, abs(score) - 1) / sqrt(spread), worth - 2)


def _spread(n: int | NDArray[np.int64]) -> Floats:
    """18 times the variance of the score of n values, and what n equal ones take from it."""
    return np.asarray(n * (n - 1.0) * (2 * n + 5))


def _turning(t: Floats, x: Floats, worth: float) -> float:
    """The p of the closest of all shapes that turn.

    Student's test of the fit, whose p counts once for each moment and shape that is worth a fresh
    look, as the moment was searched for (Bonferroni). Tests of ranks for a change, such as A. N.
    Pettitt's ("A non-parametric approach to the change-point problem", Applied Statistics 28,
    1979), have the scale of values in any order: they are never very sure of what comes early or
    late, however clear it is against what else the values do.
    """
    centred = x - x.mean()
    left = min(float(rest @ rest) for _, at, rest in _fits(t, x) if at is not None)
    whole, freedom = float(centred @ centred), max(1.0, worth - 3)
    if whole == 0:
        return 1.0
    value = sqrt((whole / max(left, 1e-9 * whole) - 1) * freedom)
    return min(1.0, len(_TURNS) * max(1.0, worth) * of_student(value, freedom))


def _middle(x: Floats, counted: bool) -> float:
    return float(x.mean() if counted else np.median(x))
