"""How long waits last when the end of some was never seen: right-censored samples.

A wait that is still open, or was given up, after 14 s says "at least 14 s". To leave it out makes
a target that never answers look fast. Only whoever leads loads this module: numpy takes 10 MB.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Whole = NDArray[np.int64]

ROUNDING: Final = 1e-9
"""What a share made of many may be off by: one of exactly 5 % that is left is 5 % left."""


class Survival:
    """The share of waits that last longer than any given time.

    The estimate is that of E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete
    observations", JASA 53, 1958: of those who had waited for t, what share ended then? A wait whose
    end was not seen counts among those who waited for as long as it was seen. Waits that were under
    way before the time that is looked at count from the age on that they had then ("delayed
    entry": D. R. Cox and D. Oakes, "Analysis of Survival Data", 1984, section 11.2).

    Args:
        ended: values and how many waits ended then; at least one.
        unseen: values and how many waits were last seen then, their end unknown.
        entered: values and how many waits were already so old when the time looked at began.
    """

    def __init__(
        self,
        ended: Mapping[int, int],
        unseen: Mapping[int, int],
        entered: Mapping[int, int],
    ) -> None:
        at, self._ends = _sorted(ended.items())
        out_at, out = _sorted(unseen.items())
        in_at, came = _sorted(entered.items())
        self.values = at  # those at which waits ended, in order
        # Those whose end was seen at the same value waited for it: they are at risk as well.
        risk = _from(at, self._ends, at) + _from(out_at, out, at) - _after(in_at, came, at)
        self._risk = np.maximum(risk, self._ends)
        # the share of all waits that last longer, value by value
        self.left: Floats = np.cumprod(1 - self._ends / self._risk)
        beyond = _after(at, self._ends, at) + _after(out_at, out, at) - _after(in_at, came, at)
        self._beyond = np.maximum(beyond, 0)
        # the longest that any wait was seen to last
        self.longest = int(max([*at[-1:], *out_at[-1:]]))

    @property
    def ends(self) -> bool:
        """Whether the longest of all waits was seen to end."""
        return bool(self.left[-1] <= ROUNDING)

    def quantile(self, share: float) -> int | None:
        """Return the smallest value by which that share of the waits have ended.

        None where so many were never seen to end: the quantile is `longest` or more.
        """
        reached = np.flatnonzero(self.left <= 1 - share + ROUNDING)
        return int(self.values[reached[0]]) if len(reached) else None

    def interval(self, share: float, confidence: float = 0.95) -> tuple[int, int] | None:
        """Return what a quantile lies between, or None where that has no upper end.

        By beta products (M. P. Fay, E. H. Brittain and M. A. Proschan, "Pointwise confidence
        intervals for a survival distribution with small samples or heavy censoring", Biostatistics
        14, 2013, with the method of moments). Where every end was seen it is the interval by
        order statistics (`loadkit.stats.order_statistics.ranks`), exactly.
        """
        from scipy.special import betainc  # a worker never asks and should not pay for it

        doubt = (1 - confidence) / 2
        # The share left is a product of betas, one for each value at which waits ended.
        a, b = self._risk - self._ends + 1.0, self._ends.astype(float)
        first, second = _moments(a, b)
        upper = _below(np.cumprod(first), np.cumprod(second), 1 - share, betainc)
        # The next end might have come at once: one more factor, beta(waits left, 1).
        rest = self._beyond.astype(float)
        with np.errstate(invalid="ignore"):
            one, two = _moments(rest, np.ones_like(rest))
        lower = _below(np.cumprod(first) * one, np.cumprod(second) * two, 1 - share, betainc)
        if (1 - share) ** float(self._risk[0]) >= doubt - ROUNDING:
            return None  # it may lie below the first value
        low = np.flatnonzero(lower >= doubt - ROUNDING)
        high = np.flatnonzero(upper >= 1 - doubt - ROUNDING)
        if not len(low) or not len(high):
            return None
        return int(self.values[low[0]]), int(self.values[high[0]])

    def mean(self, total: float) -> float:
        """Return the mean wait: the area under the curve, up to the longest that was seen.

        Where the longest wait has no end this is a lower bound. `total` is the exact sum of the
        waits whose end was seen, by which the rounding of values is undone.
        """
        edges = np.concatenate([[0], self.values, [self.longest]])
        area = float(np.diff(edges) @ np.concatenate([[1.0], self.left]))
        rounded = float(self.values @ self._ends)
        return area * (total / rounded if rounded else 1.0)


def _sorted(pairs: Iterable[tuple[int, int]]) -> tuple[Whole, Whole]:
    ordered = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return ordered[:, 0], ordered[:, 1]


def _from(at: Whole, counts: Whole, values: Whole) -> Whole:
    rest = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
    found: Whole = rest[np.searchsorted(at, values, "left")]
    return found


def _after(at: Whole, counts: Whole, values: Whole) -> Whole:
    rest = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
    found: Whole = rest[np.searchsorted(at, values, "right")]
    return found


def _moments(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The first and the second moment of beta(a, b)."""
    whole = a + b
    return a / whole, a * (a + 1) / (whole * (whole + 1))


def _below(first: Floats, second: Floats, share: float, betainc: Any) -> Floats:
    """The chance that each of some products, known by their moments, is at most `share`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (first - second) / (second - first * first)
        found: Floats = betainc(first * spread, (1 - first) * spread, share)
    return np.where(first <= 0, 1.0, np.nan_to_num(found))
