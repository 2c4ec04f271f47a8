"""The same people say the same things in two runs of one seed: each turn against itself."""

from collections.abc import Sequence
from math import exp, log
from typing import Final, NamedTuple

import numpy as np

from loadkit.compare.comparison import Change
from loadkit.compare.course import MOST as MOST_STRETCHES
from loadkit.compare.stored_run import StoredRun
from loadkit.compare.unjudged import DOUBT, Unjudged
from loadkit.measure.turn_times import MOST, TurnTime
from loadkit.security.escaping import one_line
from loadkit.stats.number_format import plural
from loadkit.stats.two_samples import rate_between, rate_p, spread

PAIRED: Final = "response.paired"
"""The metric of the change turn by turn."""

_FEW: Final = 0.5
"""The share of the turns of the run with fewer that have to be in both. Where it is less, the same
people did not say the same things."""

_PEOPLE: Final = (
    *("mix.", "clients.", "conversation.", "human.", "own_dialogues.", "idle.", "abandon."),
    *("handoff.", "load.model", "load.stagger"),
)
"""How the keys of the profile begin that make people what they are."""


class _Pair(NamedTuple):
    person: str
    at_s: float  # when it was said in the one run
    base: float  # the logarithm of how long it took, in microseconds
    new: float


def pair(base: StoredRun, new: StoredRun, stretch: float) -> tuple[Unjudged | None, str]:
    """Hold the turns of two runs against each other, one by one.

    The figure is the geometric mean of how much longer each took. What is noise is seen from
    stretch to stretch of the run, as with all others: a session, whose turns are alike, is in the
    stretch in which it began.

    Args:
        stretch: seconds of a stretch.

    Returns:
        The change, and of how many turns it is; or None, and why turns are not paired.
    """
    if (why := _other_people(base, new)) is not None:
        return None, why
    pairs = _pairs(base.turns, new.turns)
    least = min(len(base.turns), len(new.turns))
    if not least:
        return None, "there is no turns.csv, with turns in it, in both folders"
    if len(pairs) < _FEW * least:
        return None, f"only {len(pairs):,} of {least:,} turns are in both runs"
    begins: dict[str, float] = {}
    for each in pairs:
        begins[each.person] = min(each.at_s, begins.get(each.person, each.at_s))
    at = np.array([int(begins[each.person] / stretch) for each in pairs])
    at -= at.min()
    if at.max() > 4 * MOST_STRETCHES:
        return None, "there are turns long after the run's end"
    logs = np.array([each.new - each.base for each in pairs])
    ratio = exp(float(logs.mean()))
    steps = np.bincount(at, logs - logs.mean()) / len(logs)
    noise = spread(steps, np.bincount(at).astype(np.float64))
    if noise is None:
        return None, "sessions that are in both runs begin in too few stretches of time"
    before = exp(float(np.mean([each.base for each in pairs]))) / 1000
    low, high = rate_between(ratio, noise, DOUBT)
    change = Change(
        PAIRED, "latency", before, before * ratio, ratio - 1, interval=(low - 1, high - 1)
    )
    told = f"{plural(len(pairs), 'turn')} of {plural(len(begins), 'session')}"
    if MOST in (len(base.turns), len(new.turns)):
        told += f"; of each run the first {MOST:,} are kept"
    return Unjudged(change, rate_p(ratio, noise), lambda doubt: exp(noise.seen(doubt)) - 1), told


def _other_people(base: StoredRun, new: StoredRun) -> str | None:
    if not base.settings or not new.settings:
        return "the profile of one is not known"
    if base.settings.get("load.seed") != new.settings.get("load.seed"):
        return "they have another seed: other people came"
    for key in {**base.settings, **new.settings}:
        if key.startswith(_PEOPLE) and base.settings.get(key) != new.settings.get(key):
            return f"they differ in {one_line(key)}: the same people do other things"
    return None


def _pairs(base: Sequence[TurnTime], new: Sequence[TurnTime]) -> list[_Pair]:
    others = {(turn.person, turn.number): turn.took_us for turn in new}
    return [
        _Pair(turn.person, turn.at_s, log(1 + turn.took_us), log(1 + others[key]))
        for turn in base
        if (key := (turn.person, turn.number)) in others
    ]
