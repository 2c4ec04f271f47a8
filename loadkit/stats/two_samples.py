"""Whether a figure of one run differs from that of another by more than their noise.

The samples of a run are not independent: what was slow in one second is slow in the next, and a
session's turns are alike. So each run is cut into stretches of time, and the noise of a figure is
what it does from stretch to stretch, where these hang together as well
(`loadkit.stats.effective_sample_size.inflation`). Stretches of two runs are taken in pairs, by the
time since the begin: what both do because their load rises is no noise.

Only whoever compares loads this module: numpy and scipy take 40 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from loadkit.stats.censored import ROUNDING
from loadkit.stats.effective_sample_size import FEW, inflation, of_student, student

Floats = NDArray[np.float64]

LEAST: Final = 20
"""Stretches in which something was measured that a run has to have: the noise is judged by twelve
means of them, and fewer than two a mean say nothing."""

POWER: Final = 0.8
"""The chance with which a change of the size that is told would have been seen; J. Cohen,
"Statistical Power Analysis for the Behavioral Sciences", 1988, section 2.4."""

_EXACT: Final = 1e6
"""Tables that are summed up; where there are more the normal distribution tells the same."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How sure the sum of a series is."""

    error: float  # its standard error
    freedom: float  # Student's degrees of freedom of that

    def reach(self, doubt: float) -> float:
        """How far the true value is from the sum, but for a chance of `doubt` on either side."""
        return student(self.freedom, 1 - doubt / 2) * self.error

    def seen(self, doubt: float) -> float:
        """How far it has to be off zero to be told from it with a chance of `POWER`."""
        more = student(self.freedom, POWER) * self.error
        return self.reach(doubt) + more


def spread(steps: Floats, weights: Floats) -> Spread | None:
    """Tell how sure the sum of a series is, whose values hang together.

    By its slowest cosines, whose variance is that of the sum, and as many of which are degrees of
    freedom (E. Lazarus, D. J. Lewis, J. H. Stock and M. W. Watson, "HAR inference: recommendations
    for practice", Journal of Business & Economic Statistics 36, 2018; they advise 0.4 n^(2/3) of
    them, here it is 0.6, and never fewer than ten); and no less than by `inflation`, which sees
    with less chance what hangs together for short.

    Args:
        steps: what each stretch of time adds to it.
        weights: how much was measured in each; where nearly all is in a few of them, they are
            worth as many as L. Kish has it ("Survey Sampling", 1965): (Σw)² / Σw².

    Returns:
        None where the stretches are too few to tell.
    """
    total = float(weights.sum())
    if np.count_nonzero(weights) < LEAST or total <= 0:
        return None
    equal = total**2 / float(weights @ weights)
    if equal < FEW:
        return None
    n, deviation = len(steps), float(steps.std(ddof=1))
    cosines = max(10, round(0.6 * n ** (2 / 3)))
    freedom = min(cosines, equal - 1)
    if deviation == 0:
        return Spread(0.0, freedom)
    rest = (steps - steps.mean()) / deviation
    waves = np.cos(np.pi * np.outer(np.arange(1, cosines + 1), np.arange(n) + 0.5) / n)
    slow = 2 * float(((waves @ rest) ** 2).mean()) / n
    return Spread(deviation * sqrt(n * max(slow, inflation(rest, fitted=1))), freedom)


class Curve:
    """The share of waits that have ended by each moment, as a step function.

    Args:
        values: at which waits ended, rising, in whole thousandths of the unit shown.
        left: the share of all that last longer, value by value.
        count: how many waits there were.
    """

    def __init__(self, values: NDArray[np.int64], left: Floats, count: int) -> None:
        self.values, self.count = values, count
        self.shares: Floats = 1 - left

    def quantile(self, share: float) -> int | None:
        """Return the smallest value by which that share has ended; None if never so many did."""
        if not 0 < share < 1:
            return None
        at = int(np.searchsorted(self.shares, share - ROUNDING))
        return int(self.values[at]) if at < len(self.values) else None

    def at(self, value: int) -> float:
        """Return the share that has ended by a value."""
        place = int(np.searchsorted(self.values, value, "right"))
        return float(self.shares[place - 1]) if place else 0.0


class PercentileTest:
    """Whether a percentile of one run differs from that of another.

    The median test, for any percentile (A. M. Mood, "Introduction to the Theory of Statistics",
    1950, section 16.4): below the percentile of both together there should be the same share of
    either. Its interval is of all ratios that the test does not refuse, as R. S. Woodruff has it
    for samples in clusters ("Confidence intervals for medians and other position measures", JASA
    47, 1952). The standard error is that of `spread`, and never less than the binomial's.

    Args:
        base, new: both curves.
        share: of the percentile: 0.95 for p95.
        noise: of the difference of the shares below the percentile, from stretch to stretch.
    """

    def __init__(self, base: Curve, new: Curve, share: float, noise: Spread) -> None:
        self._base, self._new, self._share = base, new, share
        least = sqrt(share * (1 - share) * (1 / base.count + 1 / new.count))
        self._noise = Spread(max(noise.error, least), noise.freedom)
        # The surer of the two decides more on where both together have their percentile.
        self._of_new = base.count / (base.count + new.count)

    @property
    def values(self) -> tuple[int, int] | None:
        """The percentile of either, in whole thousandths; None where one is not known."""
        found = self._base.quantile(self._share), self._new.quantile(self._share)
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    @property
    def p(self) -> float:
        """The chance of so large a difference, either way, where there is none."""
        both = np.union1d(self._base.values, self._new.values)
        low, high = 0, len(both) - 1
        while low < high:
            middle = (low + high) // 2
            if self._below(int(both[middle])) >= self._share - ROUNDING:
                high = middle
            else:
                low = middle + 1
        at = int(both[low])
        value = abs(self._base.at(at) - self._new.at(at)) / self._noise.error
        return of_student(value, self._noise.freedom)

    def interval(self, doubt: float = 0.05) -> tuple[float | None, float | None]:
        """Return what the ratio new / base lies between; None for an end that is not known."""
        reach = self._noise.reach(doubt)
        return self._ratio(-reach), self._ratio(reach)

    def seen(self, doubt: float) -> float | None:
        """Return the ratio, above 1, that would have been told with a chance of `POWER`.

        Args:
            doubt: at which the test is held, with all others together.

        Returns:
            None where none would, however large.
        """
        reach = self._noise.seen(doubt)
        now, least = self._ratio(0.0), self._ratio(-reach)
        return None if now is None or not least else max(1.0, now / least)

    def _below(self, value: int) -> float:
        """The share of both together, each as sure as it is."""
        of_new = 1 - self._of_new
        return of_new * self._new.at(value) + (1 - of_new) * self._base.at(value)

    def _ratio(self, apart: float) -> float | None:
        """The ratio at which the shares would lie so far apart."""
        above = self._new.quantile(self._share + self._of_new * apart)
        below = self._base.quantile(self._share - (1 - self._of_new) * apart)
        return None if above is None or not below else above / below


def rate_between(ratio: float, noise: Spread, doubt: float = 0.05) -> tuple[float, float]:
    """Return what the ratio of two rates lies between.

    Args:
        ratio: new / base.
        noise: of its logarithm (the delta method).
        doubt: the chance that it does not.
    """
    reach = exp(min(noise.reach(doubt), 50.0))
    return ratio / reach, ratio * reach


def rate_p(ratio: float, noise: Spread) -> float:
    """The chance of so large a ratio of rates, either way, where there is no difference."""
    away = abs(log(ratio))
    return of_student(away / noise.error if noise.error else inf, noise.freedom) if away else 1.0


def design_effect(hits: Floats, of: Floats) -> float:
    """Tell how many hits are worth one independent hit, as they come in clusters of time.

    The variance of the share by its course over the variance of the binomial (J. N. K. Rao and
    A. J. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992:
    divide hits and tries by it, and go on as if they were independent).

    Args:
        hits, of: stretch by stretch.

    Returns:
        1 or more.
    """
    whole, hit = float(of.sum()), float(hits.sum())
    if not 0 < hit < whole:
        return 1.0
    share = hit / whole
    noise = spread((hits - share * of) / whole, of)
    return 1.0 if noise is None else max(1.0, noise.error**2 / (share * (1 - share) / whole))


def fisher(hits: int, of: int, other_hits: int, other_of: int) -> float:
    """The chance of shares that differ so much, either way, where there is no difference.

    The exact test (R. A. Fisher, "Statistical Methods for Research Workers", 5th edition, 1934,
    section 21.02), two-sided by the sum of all tables that are no more likely.
    """
    both, every = hits + other_hits, of + other_of
    middle, wide = both * of / every, 40 * sqrt(both * of * other_of) / every + 40
    if abs(hits - middle) > wide:
        return 0.0
    if wide > _EXACT:
        return 2 * float(special.ndtr(-40 * abs(hits - middle) / wide))
    # What is further away than 40 standard deviations adds nothing that a float could hold.
    x = np.arange(
        max(0, both - other_of, int(middle - wide)), min(of, both, int(middle + wide)) + 1
    )
    chance = _log_choose(of, x) + _log_choose(other_of, both - x) - _log_choose(every, both)
    mine = chance[hits - x[0]]
    return min(1.0, float(np.exp(chance[chance <= mine + 1e-7]).sum()))


def share_seen(hits: int, of: int, other_of: int, doubt: float) -> float | None:
    """Return the share that would have been told from `hits` of `of` with a chance of `POWER`.

    None where none would.
    """
    low, high = 0, other_of
    if fisher(hits, of, high, other_of) > doubt:
        return None
    low = min(high, -(-hits * other_of // of))
    while low < high:
        middle = (low + high) // 2
        if fisher(hits, of, middle, other_of) <= doubt:
            high = middle
        else:
            low = middle + 1
    return float(special.betaincinv(low, other_of - low + 1, POWER)) if low else None


def newcombe(
    hits: float, of: float, other_hits: float, other_of: float, doubt: float = 0.05
) -> tuple[float, float]:
    """Return what the difference of two shares, other - one, lies between.

    By score intervals of both (R. G. Newcombe, "Interval estimation for the difference between
    independent proportions: comparison of eleven methods", Statistics in Medicine 17, 1998,
    method 10).
    """
    one, other = hits / of, other_hits / other_of
    (low, high), (other_low, other_high) = _wilson(one, of, doubt), _wilson(other, other_of, doubt)
    below = sqrt((other - other_low) ** 2 + (high - one) ** 2)
    above = sqrt((other_high - other) ** 2 + (one - low) ** 2)
    return other - one - below, other - one + above


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p as it is once all are taken together.

    Who tells those of at most 0.05 tells of no difference where there is none in at most 5 % of
    all cases, however the tests hang together (S. Holm, "A simple sequentially rejective multiple
    test procedure", Scandinavian Journal of Statistics 6, 1979).
    """
    found, highest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, ps[at] * (len(ps) - rank)))
        found[at] = highest
    return found


def _wilson(share: float, of: float, doubt: float) -> tuple[float, float]:
    z = float(special.ndtri(1 - doubt / 2))
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return min(share, middle - reach), max(share, middle + reach)


def _log_choose(n: int, k: NDArray[np.int64] | int) -> Floats:
    found: Floats = special.gammaln(n + 1) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
    return found
