"""What a sample is held against; all with fixed seeds, so that a test passes always or never."""

import math
from collections.abc import Callable, Iterable
from statistics import NormalDist

ONE_IN_TWENTY = 1.36
"""sqrt(n) D of Kolmogorov-Smirnov stays below it in 95 of 100 samples (Smirnov 1948)."""


def distance(sample: Iterable[float], cdf: Callable[[float], float]) -> float:
    """sqrt(n) D: how far the sample lies from the distribution, at most."""
    ordered = sorted(sample)
    n = len(ordered)
    gaps = (max((i + 1) / n - cdf(x), cdf(x) - i / n) for i, x in enumerate(ordered))
    return math.sqrt(n) * max(gaps)


def lognormal(median: float, sigma: float) -> Callable[[float], float]:
    normal = NormalDist(math.log(median), sigma)
    return lambda x: normal.cdf(math.log(x))


def exponential(mean: float) -> Callable[[float], float]:
    return lambda x: 1 - math.exp(-x / mean)


def uniform(low: float, high: float) -> Callable[[float], float]:
    return lambda x: (x - low) / (high - low)


def deviations(count: int, trials: int, chance: float) -> float:
    """How many standard deviations a number of successes lies from the expected one."""
    return abs(count - trials * chance) / math.sqrt(trials * chance * (1 - chance))
