"""How shares and rates changed: what went wrong of how much, and how much was done a second."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import exp
from typing import Final

import numpy as np

from loadkit.compare.comparison import Change
from loadkit.compare.course import Course
from loadkit.compare.stored_run import StoredRun
from loadkit.compare.unjudged import DOUBT, Unjudged, no_noise
from loadkit.figures import Count
from loadkit.stats.two_samples import (
    Spread,
    design_effect,
    fisher,
    newcombe,
    rate_between,
    rate_p,
    share_seen,
    spread,
)

SHARES: Final = {
    "turns.lost_ratio": (Count.TURNS_LOST, Count.TURNS_SENT),
    "sessions.failed_ratio": ("failed", "ended"),
    "sessions.violated_ratio": ("violations", "ended"),
}
"""By name, what is counted in each stretch: hits, and of how many."""

RATES: Final = {
    "throughput.turns_per_second": Count.TURNS_ANSWERED,
    "throughput.sessions_per_second": Count.SESSIONS_STARTED,
}
"""By name, what is counted likewise."""


def shares(base: StoredRun, new: StoredRun) -> Iterator[Unjudged]:
    """Give the change of each share of what went wrong."""
    for name in SHARES:
        hits, of = _hits(base, name)
        other_hits, other_of = _hits(new, name)
        if not of or not other_of:
            why = "there was nothing to take a share of"
            yield Unjudged(Change(name, "share", None, None, why=why))
            continue
        before, after = hits / of, other_hits / other_of
        change = Change(name, "share", before, after, after - before)
        if base.course is None or new.course is None:
            yield Unjudged(replace(change, why=no_noise(base, new)))
            continue
        effect = max(_effect(base.course, name), _effect(new.course, name))
        counts = (hits / effect, of / effect, other_hits / effect, other_of / effect)
        yield _share(replace(change, interval=newcombe(*counts, DOUBT)), counts)


def rates(base: StoredRun, new: StoredRun) -> Iterator[Unjudged]:
    """Give the change of what was done a second."""
    for name, key in RATES.items():
        short = name.partition(".")[2]
        before, after = (run.summary.throughput.get(short) for run in (base, new))
        if not before or not after or not 1e-9 < after / before < 1e9:
            yield Unjudged(Change(name, "rate", before, after, why="it is 0, or not known"))
            continue
        change = Change(name, "rate", before, after, after / before - 1)
        noise = _noise(base.course, new.course, key)
        if noise is None:
            yield Unjudged(replace(change, why=no_noise(base, new)))
        else:
            yield _rate(change, after / before, noise)


def _share(change: Change, counts: Sequence[float]) -> Unjudged:
    """A share by effective counts, as whole ones."""
    hits, of, other_hits, other_of = (max(0, round(value)) for value in counts)
    of, other_of = max(1, of), max(1, other_of)
    hits, other_hits = min(hits, of), min(other_hits, other_of)

    def visible(doubt: float) -> float | None:
        seen = share_seen(hits, of, other_of, doubt)
        return None if seen is None else seen - hits / of

    return Unjudged(change, fisher(hits, of, other_hits, other_of), visible)


def _rate(change: Change, ratio: float, noise: Spread) -> Unjudged:
    low, high = rate_between(ratio, noise, DOUBT)
    return Unjudged(
        replace(change, interval=(low - 1, high - 1)),
        rate_p(ratio, noise),
        lambda doubt: 1 - exp(-noise.seen(doubt)),
    )


def _effect(course: Course, name: str) -> float:
    return design_effect(*(course.counted(key) for key in SHARES[name]))


def _hits(run: StoredRun, name: str) -> tuple[int, int]:
    """How often something went wrong in a run, and of how many."""
    summary = run.summary
    if name == "turns.lost_ratio":
        hits, of = summary.turns["lost"], summary.turns["sent"]
    else:
        of = summary.sessions["started"]
        hits = summary.sessions["ended"].get("failed", 0)
    if name == "sessions.violated_ratio":
        details = summary.violations_detail
        # One session may have several kinds; an older summary does not tell how many were hit.
        hits = sum(
            details.get(kind, {}).get("sessions", n) for kind, n in summary.violations.items()
        )
    return min(int(hits), int(of)), int(of)


def _noise(base: Course | None, new: Course | None, key: str) -> Spread | None:
    """The noise of the logarithm of a rate's ratio."""
    if base is None or new is None:
        return None
    stretches = max(base.stretches, new.stretches)
    begin = 0 if key == Count.SESSIONS_STARTED else min(base.begin, new.begin, stretches)
    steps = np.zeros(stretches - begin)
    for sign, course in ((-1, base), (1, new)):
        counts = course.counted(key)[begin:]
        if not counts.sum():
            return None
        steps[: len(counts)] += sign * (counts - counts.mean()) / counts.sum()
    return spread(steps, np.ones(len(steps)))
