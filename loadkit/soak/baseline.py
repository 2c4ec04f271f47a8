"""What is usual for a run: how often something happens, and how surprising another number is."""

from math import log
from typing import Final

SURE: Final = 18.0
"""Nats from which on a number counts as surprising: by chance alone, one look in 65 million. With a
row a second, each looked at over the five windows of `loadkit.soak.incidents`, that is a false
alarm in at most one day of 150, as long as what is counted is Poisson or its dispersion known."""

_KEEP: Final = 0.5 ** (1 / 600)  # of what is known, row by row: half of it is forgotten in 600 rows
_DOUBT: Final = 5.0  # counts with a dispersion of 1 that are taken for known at the beginning


class Baseline:
    """A rate that is learnt while a run goes on: counts per unit of exposure. Constant in size.

    What is older than some ten minutes of rows a second hardly counts any more, so that a slow
    drift surprises nobody; `loadkit.soak.drift` is there for that.
    """

    def __init__(self) -> None:
        self.exposure = self._count = 0.0
        self._squares = self._expected = _DOUBT

    def learn(self, count: float, exposure: float) -> None:
        """Take a row for usual."""
        known = self.expected(exposure) if self.exposure else count
        self._squares = _KEEP * self._squares + (count - known) ** 2
        self._expected = _KEEP * self._expected + known
        self._count = _KEEP * self._count + count
        self.exposure = _KEEP * self.exposure + exposure

    def expected(self, exposure: float) -> float:
        """The usual number in so much exposure; 0 while nothing was learnt."""
        return self._count / self.exposure * exposure if self.exposure else 0.0

    @property
    def dispersion(self) -> float:
        """Variance over mean from row to row: 1 for Poisson, more where events come in groups.

        Pearson's estimate for a quasi-Poisson model (P. McCullagh and J. A. Nelder, "Generalized
        Linear Models", 1989, section 4.5), as a ratio of sums, so that one group among very rare
        events does not blow it up; and never less than 1.
        """
        return max(1.0, self._squares / self._expected)

    def surprise(self, count: float, exposure: float) -> float:
        """How unlikely a number in so much exposure is, above or below what is usual, in nats.

        Given their sum, two Poisson counts of one rate are binomial (J. Przyborowski and
        H. Wilenski, "Homogeneity of results in testing samples from Poisson series", 1940);
        Chernoff's bound on its tail is exp(-surprise). That takes into account how little may be
        known yet. Divided by the dispersion, as quasi-likelihood does.
        """
        every = count + self._count
        if not every or not self.exposure or not exposure:
            return 0.0
        share = exposure / (exposure + self.exposure)
        nats = _times_log(count, every * share) + _times_log(self._count, every * (1 - share))
        return nats / self.dispersion


def unlikely(count: float, expected: float) -> float:
    """How unlikely a Poisson count is whose mean is known, in nats: Chernoff's bound as above."""
    return _times_log(count, expected) - count + expected


def _times_log(count: float, expected: float) -> float:
    return count * log(count / expected) if count else 0.0
