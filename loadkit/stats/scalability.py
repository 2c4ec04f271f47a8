"""How throughput grows with load: the Universal Scalability Law, and the knee of a curve.

The law (N. J. Gunther, "Guerrilla Capacity Planning", 2007, chapters 4 to 6):

    X(N) = λN ÷ (1 + σ(N - 1) + κN(N - 1))

λ is the throughput of one session alone, σ what has to wait its turn (contention), κ what has to
be agreed between all (coherency). With κ above 0 throughput has a peak, at N* = √((1 - σ) ÷ κ).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loadkit.stats.number_format import percent

if TYPE_CHECKING:  # numpy and scipy are for who analyses: a worker should not pay for loading them
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_LOADS: Final = 4
"""Different loads without which nothing is fitted: three unknowns, and one to be wrong by."""

ENOUGH_LOADS: Final = 6
"""Different loads that Gunther asks for at least, in his chapter 5."""

GOOD_FIT: Final = 0.95
"""R² below which the law does not describe what was measured. Ours: a curve that only rises is
met by almost any formula at 0.9."""

REACHED: Final = 0.75
"""Of the throughput that so many sessions would have if none hindered the other: a curve that is
still above it at its greatest load has hardly bent, so what lies beyond is a guess. Ours."""

CLEAR: Final = 0.01
"""Of the throughput at the greatest load, what a coefficient has to cost at the lower end of its
band, for it to be told from none at all. Ours."""

KNOWN: Final = 2.0
"""Times its lower end that the upper end of λ's band may be: where no load was light, what one
session would do alone is anybody's guess, and so is what the others cost it. Ours."""

REACH: Final = 2.0
"""Times the greatest load that was measured, up to which a peak is told. Ours."""

_RESAMPLES: Final = 300
_CONFIDENCE: Final = 0.95
_SEED: Final = 7

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """The law, fitted."""

    rate: float  # λ, the throughput of one session alone, a second
    contention: float  # σ, from 0 to 1
    coherency: float  # κ, 0 or more
    r_squared: float  # the share of the variance that the law explains
    loads: Interval  # the least and the greatest load measured
    # 95 % bands, by bootstrap
    rate_interval: Interval
    contention_interval: Interval
    coherency_interval: Interval
    peak_interval: Interval  # of N*; an end that is infinite means that perhaps there is no peak
    warnings: tuple[str, ...]  # what stands against believing it, in words; empty when nothing does

    @property
    def identified(self) -> tuple[str, ...]:
        """Which of `rate`, `contention`, `coherency` and `peak` the figures tell anything of.

        None where the law does not describe them. The rest of what was fitted is what a formula
        happens to have there: 4e-23, or a peak at more sessions than there are people.
        """
        known: list[str] = []
        if self.r_squared < GOOD_FIT or self.rate_interval[1] > KNOWN * self.rate_interval[0]:
            return ()
        known.append("rate")
        most = self.loads[1]
        if self.contention_interval[0] * (most - 1) >= CLEAR:
            known.append("contention")
        if self.coherency_interval[0] * most * (most - 1) >= CLEAR:
            known.append("coherency")
            peak = _peak(self.contention, self.coherency)
            if self.loads[0] <= peak <= REACH * most and self.peak_interval[1] < float("inf"):
                known.append("peak")
        return tuple(known)

    @property
    def peak(self) -> float | None:
        """N*: the load of the greatest throughput; None where the figures do not tell of one."""
        return _peak(self.contention, self.coherency) if "peak" in self.identified else None


def fit(loads: Sequence[float], throughputs: Sequence[float]) -> Fit:
    """Fit the law to what was measured, by least squares with λ > 0, 0 ≤ σ ≤ 1 and κ ≥ 0.

    The bands come from a seeded bootstrap of the residuals (B. Efron and R. J. Tibshirani, "An
    Introduction to the Bootstrap", 1993, chapter 9), because at a bound, where σ or κ is 0, the
    covariance of the fit says nothing. The residuals are centred, and widened by √(n ÷ (n - 3)) for
    the three coefficients that they were fitted with.

    Args:
        loads: concurrent sessions, 1 or more; the same load may come more than once.
        throughputs: turns (or sessions) a second at each, 0 or more.

    Raises:
        ValueError: the lists differ in length, hold what is no load or no throughput, or have
            fewer than `LEAST_LOADS` different loads.
    """
    import numpy as np

    x, y = _checked(loads, throughputs)
    if np.unique(x).size < LEAST_LOADS:
        raise ValueError(f"a fit needs {LEAST_LOADS} different loads or more")
    best = _least_squares(x, y)
    fitted = np.array([_law(load, *best) for load in x])
    residuals = y - fitted
    spread = float(((y - y.mean()) ** 2).sum())
    r_squared = 1 - float((residuals**2).sum()) / spread if spread else 0.0

    rng = np.random.default_rng(_SEED)
    pool = (residuals - residuals.mean()) * np.sqrt(x.size / (x.size - 3))
    resampled = tuple(
        _least_squares(x, fitted + rng.choice(pool, x.size), best) for _ in range(_RESAMPLES)
    )
    rates, contentions, coherencies = zip(*resampled, strict=True)
    least, most = float(x.min()), float(x.max())
    peaks = _interval([_peak(sigma, kappa) for _, sigma, kappa in resampled])
    return Fit(
        *best,
        r_squared,
        (least, most),
        _interval(rates),
        _interval(contentions),
        _interval(coherencies),
        peaks,
        tuple(_warnings(x, best, r_squared)),
    )


def knee(loads: Sequence[float], throughputs: Sequence[float]) -> float | None:
    """Return the load at which a rising curve bends most, by Kneedle; None if there is none.

    V. Satopää, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'Kneedle' in a Haystack", 2011: both
    axes are scaled to 0 … 1, and the knee is the greatest height above the diagonal, if from there
    the height falls by more than one mean step of the load (the paper's S is 1) before it rises
    anew. A straight line has none. The paper smooths first; measured steps are few, and are taken
    as they are. A knee is relative to the loads measured: more of the flat part moves it.

    Raises:
        ValueError: there are not three loads, each once, or what goes with them is no throughput.
    """
    import numpy as np

    x, y = _checked(loads, throughputs)
    order = np.argsort(x)
    x, y = x[order], y[order]
    if x.size < 3 or np.unique(x).size < x.size:
        raise ValueError("a knee needs three loads or more, each once")
    if y.max() == y.min():
        return None
    across = (x - x[0]) / (x[-1] - x[0])
    up = (y - y.min()) / (y.max() - y.min())
    height = up - across
    step = float(np.diff(across).mean())
    found: tuple[float, float] | None = None
    for here in range(1, x.size - 1):
        if not height[here - 1] < height[here] >= height[here + 1]:
            continue
        bar = height[here] - step
        for later in range(here + 1, x.size):
            if height[later] < bar:
                if found is None or height[here] > found[0]:
                    found = float(height[here]), float(x[here])
                break
            if height[later] > height[here]:
                break
    return found[1] if found and found[0] > 0 else None


def _checked(loads: Sequence[float], values: Sequence[float]) -> "tuple[Floats, Floats]":
    import numpy as np

    x, y = np.asarray(loads, dtype=float), np.asarray(values, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{x.size} loads cannot have {y.size} values")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y >= 0).all()):
        raise ValueError("loads should be above 0, values 0 or more, and all of them finite")
    return x, y


def _law(load: Any, rate: Any, contention: Any, coherency: Any) -> Any:
    return rate * load / (1 + contention * (load - 1) + coherency * load * (load - 1))


def _peak(contention: float, coherency: float) -> float:
    return float(((1 - contention) / coherency) ** 0.5) if coherency > 0 else float("inf")


def _least_squares(
    x: "Floats", y: "Floats", start: tuple[float, float, float] | None = None
) -> tuple[float, float, float]:
    import numpy as np
    from scipy.optimize import curve_fit, leastsq

    # In units of the greatest load and of the steepest slope, so that all three unknowns are of
    # the order of 1, whether a deployment holds ten sessions or a million.
    load, slope = float(x.max()), float((y / x).max()) or 1.0

    def scaled(n: "Floats", rate: float, contention: float, coherency: float) -> Any:
        return _law(n, rate * slope, contention / load, coherency / load**2)

    def guess() -> tuple[float, float, float]:
        """N ÷ X is a parabola in N: its coefficients, pressed into the bounds."""
        held = y > 0
        if held.sum() < 3:
            return 1.0, 0.1, 0.1
        c, b, a = np.polynomial.polynomial.polyfit(x[held], x[held] / y[held], 2)
        rate = 1 / max(a + b + c, 1 / (4 * slope))
        return rate / slope, min(max((a + b) * rate, 0), 1) * load, max(a * rate, 0) * load**2

    first = guess() if start is None else (start[0] / slope, start[1] * load, start[2] * load**2)
    waits, agrees = (x - 1) / load, x * (x - 1) / load**2

    def missed(p: "Floats") -> Any:
        return p[0] * slope * x / (1 + p[1] * waits + p[2] * agrees) - y

    def steepness(p: "Floats") -> "Floats":
        """The derivatives of what is missed, a row for each coefficient."""
        each = slope * x / (1 + p[1] * waits + p[2] * agrees)
        bent = -p[0] * each**2 / (slope * x)
        return np.array([each, bent * waits, bent * agrees])

    # Levenberg and Marquardt know no bounds, and take a tenth of the time of the one who does:
    # where they end within them, it is there that he would have ended.
    with np.errstate(all="ignore"):
        found, *_, ended = leastsq(missed, first, Dfun=steepness, col_deriv=True, full_output=True)
    least, most = [1e-9, 0.0, 0.0], [np.inf, load, np.inf]
    if ended not in (1, 2, 3, 4) or not ((found >= least) & (found <= most)).all():
        found, _ = curve_fit(scaled, x, y, p0=first, bounds=(least, most), maxfev=10_000)
    return float(found[0] * slope), float(found[1] / load), float(found[2] / load**2)


def _interval(values: Sequence[float]) -> Interval:
    import numpy as np

    half = (1 - _CONFIDENCE) / 2
    # Of a sample that may hold infinities, so nothing is interpolated.
    low, high = np.quantile(values, [half, 1 - half], method="closest_observation")
    return float(low), float(high)


def _warnings(x: "Floats", best: tuple[float, float, float], r_squared: float) -> list[str]:
    import numpy as np

    rate, contention, coherency = best
    most, different, said = float(x.max()), int(np.unique(x).size), []
    if r_squared < GOOD_FIT:
        said.append(
            f"the law does not describe these figures: R² is {r_squared:.3f}, below {GOOD_FIT}; "
            "use the measured curve alone"
        )
    if different < ENOUGH_LOADS:
        said.append(f"only {different} different loads: {ENOUGH_LOADS} or more make a fit")
    if _law(most, *best) > REACHED * rate * most:
        said.append(
            f"the figures do not reach the knee: at {most:,.0f} throughput is still "
            f"{percent(_law(most, *best) / (rate * most))} of linear; measure at higher loads"
        )
    elif _peak(contention, coherency) < float(x.min()):
        said.append(
            f"the peak lies below the least load measured, {x.min():,.0f}: it is extrapolated"
        )
    elif _peak(contention, coherency) > REACH * most:
        said.append(f"a peak, if there is one, lies far beyond the greatest load, {most:,.0f}")
    elif _peak(contention, coherency) > most:
        said.append(
            f"the peak lies beyond the greatest load measured, {most:,.0f}: it is extrapolated"
        )
    return said
