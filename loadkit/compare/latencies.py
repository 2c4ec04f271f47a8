"""How latencies changed: percentile by percentile, and along their curves."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp, hypot, log
from typing import Final

import numpy as np

from loadkit.compare.comparison import Change, PhaseCurve, Point
from loadkit.compare.stored_run import StoredRun
from loadkit.compare.unjudged import DOUBT, Unjudged, no_noise
from loadkit.figures import Phase
from loadkit.stats.order_statistics import needed
from loadkit.stats.two_samples import PercentileTest, spread

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Those that are judged."""

_POINTS: Final = (
    *(0.01, 0.05, *(each / 100 for each in range(10, 90, 5)), 0.9, 0.925, 0.95, 0.97, 0.98),
    *(0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999),
)
"""The shares for which a curve has a point, as far as the samples go."""

_OURS: Final = frozenset({Phase.HEARTBEAT_LATENESS})
"""Phases that say nothing of the target."""


def latencies(base: StoredRun, new: StoredRun) -> Iterator[Unjudged]:
    """Give the change of each percentile of each phase that both runs have."""
    for phase, stats in base.summary.latency_ms.items():
        if stats and new.summary.latency_ms.get(phase) and phase not in _OURS:
            for name, share in PERCENTILES.items():
                yield _latency(base, new, phase, name, share)


def _latency(base: StoredRun, new: StoredRun, phase: str, name: str, share: float) -> Unjudged:
    before, after = (run.summary.latency_ms[phase] for run in (base, new))
    least, many = needed(round(1000 * share)), min(before["count"], after["count"])
    metric = f"{phase}.{name}"
    if many < least:
        why = f"too few samples ({many:,.0f} of {least:,})"
        return Unjudged(Change(metric, "latency", None, None, why=why))
    change = Change(metric, "latency", before[name], after[name])
    if any(stats.get("observed", 100) < 100 * share for stats in (before, after)):
        return Unjudged(replace(change, why="too many waits have no end"))
    if before[name] >= 0.001:  # a microsecond: what lies below it, no histogram tells
        change = replace(change, change=after[name] / before[name] - 1)
    test = _test(base, new, phase, share)
    if test is None:
        interval = _of_summaries(base, new, phase, name)
        return Unjudged(replace(change, interval=interval, why=no_noise(base, new)))
    change = replace(change, interval=_less_one(test.interval(DOUBT)))
    return Unjudged(change, test.p, lambda doubt: _less(test.seen(doubt)))


def _of_summaries(
    base: StoredRun, new: StoredRun, phase: str, name: str
) -> tuple[float | None, float | None]:
    """What a change lies between by the intervals of both runs, which take waits for independent.

    By the distances of their ends (G. Y. Zou and A. Donner, "Construction of confidence limits
    about effect measures: a general approach", Statistics in Medicine 27, 2008), of logarithms.
    """
    ends = []
    for run in (base, new):
        low, high = run.summary.intervals_ms.get(phase, {}).get(name, (0.0, 0.0))
        value = run.summary.latency_ms[phase][name]
        if not 0.001 <= low <= value <= high:
            return None, None
        ends.append((log(value / low), log(high / value)))
    (below, above), (new_below, new_above) = ends
    ratio = new.summary.latency_ms[phase][name] / base.summary.latency_ms[phase][name]
    return ratio * exp(-hypot(new_below, above)) - 1, ratio * exp(hypot(new_above, below)) - 1


def curves(base: StoredRun, new: StoredRun) -> Iterator[PhaseCurve]:
    """Give the curves of the phases that both runs have second by second."""
    for phase in base.summary.latency_ms:
        if points := tuple(_points(base, new, phase)):
            yield PhaseCurve(phase, points)


def _points(base: StoredRun, new: StoredRun, phase: str) -> Iterator[Point]:
    for share in _POINTS:
        test = _test(base, new, phase, share)
        values = None if test is None else test.values
        if test is None or values is None or not values[0]:
            continue
        before, after = values[0] / 1000, values[1] / 1000
        interval = _less_one(test.interval(DOUBT))
        if interval != (None, None):  # else the samples do not reach so far
            yield Point(share, before, after, after / before - 1, interval)


def _test(base: StoredRun, new: StoredRun, phase: str, share: float) -> PercentileTest | None:
    """The test of a percentile; None where there is too little to tell its noise."""
    if base.course is None or new.course is None:
        return None
    courses = base.course, new.course
    if not all(phase in each.phases and each.phases[phase].whole.count for each in courses):
        return None
    curves = tuple(each.phases[phase].curve for each in courses)
    stretches = max(each.stretches for each in courses)
    away, weights = np.zeros(stretches), np.zeros(stretches)
    for sign, course, curve in zip((-1, 1), courses, curves, strict=True):
        value = curve.quantile(share)
        if value is None:
            return None
        waits = course.phases[phase]
        away += sign * waits.unlike(value, share, stretches)
        many = waits.per_stretch(stretches)
        weights += many / many.sum()
    begin = min(each.begin for each in courses)
    noise = spread(away[begin:], weights[begin:])
    return None if noise is None else PercentileTest(curves[0], curves[1], share, noise)


def _less(ratio: float | None) -> float | None:
    return None if ratio is None else ratio - 1


def _less_one(
    ends: tuple[float | None, float | None],
) -> tuple[float | None, float | None]:
    return _less(ends[0]), _less(ends[1])
