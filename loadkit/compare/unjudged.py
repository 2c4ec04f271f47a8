"""A change before it is judged: what it is, and how sure that is on its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from loadkit.compare.comparison import Change, Verdict
from loadkit.compare.stored_run import StoredRun
from loadkit.figures import Phase
from loadkit.stats.two_samples import holm

DOUBT: Final = 0.05
"""The chance of telling of any change, in all figures together, where there is none."""

RESOLUTION_MS: Final = 1.0
"""What a latency has to change by at least to be told as another one: loadkit's own figures are off
by up to as much (docs/benchmarks.md, accuracy)."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """One of many.

    Attributes:
        change: all but the verdict.
        p: the chance of so large a change where there is none; None where that is not known.
        visible: of a doubt gives the least change for the worse that would have been told.
    """

    change: Change
    p: float | None = None
    visible: Callable[[float], float | None] = lambda _: None


def judge(found: Sequence[Unjudged]) -> tuple[tuple[Change, ...], int]:
    """Judge all of them together; returns them, and how many could be judged.

    The headline has half of the doubt for itself, so that it does not see the less the more other
    phases there are; all others share the other half.
    """
    changes = [each.change for each in found]
    judged = [at for at, each in enumerate(found) if each.p is not None]
    mine = [at for at in judged if changes[at].phase == Phase.RESPONSE]
    families = [family for family in (mine, [at for at in judged if at not in mine]) if family]
    for family in families:
        doubt = DOUBT / len(families)
        together = holm([p for at in family if (p := found[at].p) is not None])
        for at, p in zip(family, together, strict=True):
            taken = min(1.0, p * len(families))
            changes[at] = _judged(found[at], taken, doubt / len(family))
    return tuple(changes), len(judged)


def no_noise(base: StoredRun, new: StoredRun) -> str:
    """Why the noise of a figure is not known."""
    if base.course is None or new.course is None:
        return "no figures second by second"
    return "in too few stretches of time"


def _judged(found: Unjudged, p: float, first: float) -> Change:
    """Return a change with its verdict.

    Args:
        found: the change.
        p: as it is with all others.
        first: the doubt that the surest of all is held against; one that any would meet.
    """
    change, why = found.change, ""
    verdict: Verdict = "noise"
    visible = found.visible(first)
    if change.change is None:
        visible = None
    elif change.kind == "latency" and visible is not None and change.base:
        visible = max(visible, RESOLUTION_MS / change.base)
    if p <= DOUBT and change.change:
        verdict = "better" if (change.change > 0) == (change.kind == "rate") else "worse"
        apart = abs((change.new or 0.0) - (change.base or 0.0))
        if change.kind == "latency" and apart < RESOLUTION_MS:
            verdict, why = "noise", "less than 1 ms, by which loadkit itself may be off"
    elif change.change is not None and change.interval == (None, None):
        why = "too few samples to tell what the change lies between"
    return replace(change, p=p, verdict=verdict, why=why, visible=visible)
