"""How much a number of samples can say about a percentile or a share: the binomial, nothing else.

Of `n` independent samples, how many lie at or below the true p-quantile is binomial(n, p),
whatever the shape of the latencies. Everything here follows from that. Latencies of one run are
not quite independent, so take the figures as the least that is needed, not as a guarantee.
"""

from math import ceil, log


def load() -> None:
    """Load now what is loaded when an interval is first asked for: 26 MB, and some 0.3 s.

    For a process that asks in mid-run: a lone one would stand still.
    """
    import scipy.special  # noqa: F401 – a worker never asks and should not pay for it


def needed(per_mille: int, confidence: float = 0.99) -> int:
    """How many samples support a percentile: 7 for p50, 44 for p90, 90 for p95, 459 for p99.

    The smallest n of which the largest is, with the confidence asked for, not below the true
    percentile: 1 - p^n ≥ confidence (S. S. Wilks, "Determination of sample sizes for setting
    tolerance limits", 1941; it is also the least that MLPerf's LoadGen ends a run with, see
    `early_stopping.cc`). With fewer, the slow tail may well not be among the samples at all, and
    the percentile, of 1 to 999 thousandths, would flatter.
    """
    # The difference keeps a quotient that is a whole number (p10: 2) from being rounded up.
    return max(1, ceil(log(1 - confidence) / log(per_mille / 1000) - 1e-9))


def ranks(count: int, per_mille: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the two samples that enclose the true percentile.

    The distribution-free interval by order statistics, the same share of doubt on either side
    (G. J. Hahn and W. Q. Meeker, "Statistical Intervals", 1991, section 5.2; W. J. Conover,
    "Practical Nonparametric Statistics", section 3.2); its confidence is at least that asked for.
    None where the samples are too few to bound it on both sides.
    """
    share, doubt = per_mille / 1000, (1 - confidence) / 2
    if count < 1:
        return None
    lower = _quantile(doubt, count, share)
    upper = _quantile(1 - doubt, count, share) + 1
    return (lower, upper) if lower >= 1 and upper <= count else None


def surely_above(count: int, above: int, per_mille: int, confidence: float = 0.99) -> bool:
    """Tell whether samples prove that a percentile lies above a limit, however few they are.

    The exact binomial test: if the percentile kept to the limit, at most a share 1 - p of the
    samples would be expected above it. It is surely above if as many as `above` or more would
    then come by chance with a probability of at most 1 - confidence.
    """
    if above < 1:
        return False
    # As few as `count - above` at or below, where a share p or more should be.
    return _at_most(count - above, count, per_mille / 1000) <= 1 - confidence


def share_between(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """What the true share lies between where `hits` of `of` were hit.

    The exact interval of the binomial, which is never too narrow (C. J. Clopper and E. S. Pearson,
    "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934).

    Raises:
        ValueError: more hits than tries, or no tries: that is no share.
    """
    from scipy.special import betaincinv  # as below

    if not 0 <= hits <= of or not of:
        raise ValueError(f"{hits} of {of} is no share")
    doubt = (1 - confidence) / 2
    low = float(betaincinv(hits, of - hits + 1, doubt)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - doubt)) if hits < of else 1.0
    return low, high


def _at_most(k: int, n: int, share: float) -> float:
    """P(X ≤ k) of the binomial."""
    # Here, because a worker never asks and should not pay for loading it.
    from scipy.special import bdtr

    return float(bdtr(k, n, share))


def _quantile(probability: float, n: int, share: float) -> int:
    """The smallest k with P(X ≤ k) ≥ probability."""
    from scipy.special import bdtrik  # as above

    # It solves for a real k by continuity, so the whole one may be the next lower or higher.
    k = max(0, ceil(float(bdtrik(probability, n, share))) - 1)
    while _at_most(k, n, share) < probability:
        k += 1
    return k
