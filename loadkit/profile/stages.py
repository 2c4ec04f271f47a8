"""How much load there should be at a given moment: pure functions of elapsed time."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from loadkit.profile.tables import Stage


def users_at(stages: Sequence[Stage], elapsed_s: float) -> int | None:
    """The number of users that the stages of a closed model ask for; None once they are over.

    Piecewise linear, from 0. Rounded to the nearest whole user, halves up, so that the average over
    a ramp is the ramp's average. A stage of 0 s is a jump. Where two stages meet the later one
    counts, and before the start the start does.
    """
    begin, users = 0.0, 0
    elapsed_s = max(elapsed_s, 0.0)
    for stage in stages:
        end, target = begin + stage.duration, stage.users or 0
        if elapsed_s < end:
            share = (elapsed_s - begin) / stage.duration
            return math.floor(users + (target - users) * share + 0.5)
        begin, users = end, target
    return None


class _Leg(NamedTuple):
    """A stage that lasts."""

    begin: float
    duration: float
    low: float  # the rate at its begin
    high: float  # and at its end
    before: float  # the arrivals expected up to its begin
    after: float  # and up to its end


class ArrivalRate:
    """The rate of new sessions that the stages of an open model ask for.

    Piecewise linear, as the stages are; so the arrivals expected up to a moment, its integral, are
    piecewise quadratic, and both directions have a closed form.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._legs: list[_Leg] = []
        begin = rate = before = 0.0
        for stage in stages:
            target = stage.arrivals_per_second or 0.0
            if stage.duration:
                after = before + stage.duration * (rate + target) / 2
                self._legs.append(_Leg(begin, stage.duration, rate, target, before, after))
                begin, before = begin + stage.duration, after
            rate = target
        self._begins = [leg.begin for leg in self._legs]
        self._afters = [leg.after for leg in self._legs]
        self.total = before

    def at(self, elapsed_s: float) -> float:
        """Arrivals a second at a moment; 0 before the start and from the end on."""
        number = bisect_right(self._begins, elapsed_s) - 1
        if number < 0:
            return 0.0
        leg = self._legs[number]
        if elapsed_s >= leg.begin + leg.duration:
            return 0.0
        return leg.low + (leg.high - leg.low) * (elapsed_s - leg.begin) / leg.duration

    def expected(self, elapsed_s: float) -> float:
        """How many arrivals there are on average from the start up to a moment."""
        number = bisect_right(self._begins, elapsed_s) - 1
        if number < 0:
            return 0.0
        leg = self._legs[number]
        since = elapsed_s - leg.begin
        if since >= leg.duration:
            return leg.after
        slope = (leg.high - leg.low) / leg.duration
        return min(leg.before + since * (leg.low + slope * since / 2), leg.after)

    def moment(self, arrivals: float) -> float | None:
        """When so many arrivals are expected: the inverse of `expected`; None from the end on."""
        number = bisect_right(self._afters, arrivals)
        if number == len(self._legs):
            return None
        leg = self._legs[number]
        missing = arrivals - leg.before
        # low·t + slope·t²/2 = missing, by the form of the root that loses no digits where the
        # slope is small and that holds for none; the leg adds arrivals, so it divides by no 0
        # unless nothing is missing.
        slope = (leg.high - leg.low) / leg.duration
        root = leg.low + math.sqrt(max(0.0, leg.low * leg.low + 2 * slope * missing))
        since = 2 * missing / root if missing > 0 else 0.0
        return leg.begin + min(since, leg.duration)


def changed_from(
    current: Sequence[Stage], planned: Sequence[Stage], at_s: float, factor: float
) -> tuple[Stage, ...]:
    """Return stages that are the current ones up to a moment, and `factor` times the planned ones
    from then on. Both have the same lengths.
    """
    before, after = _cut(current, at_s)[0], _cut(planned, at_s)[1]
    if not after:
        return tuple(current)
    return (*before, *(_times(stage, factor) for stage in after))


def scaled(stages: Sequence[Stage], factor: float) -> tuple[Stage, ...]:
    """Return the stages of `factor` times the load."""
    return tuple(_times(stage, factor) for stage in stages)


def _times(stage: Stage, factor: float) -> Stage:
    users, rate = stage.users, stage.arrivals_per_second
    return stage.model_copy(
        update={
            "users": None if users is None else math.floor(users * factor + 0.5),
            "arrivals_per_second": None if rate is None else rate * factor,
        }
    )


def _cut(stages: Sequence[Stage], at_s: float) -> tuple[list[Stage], list[Stage]]:
    """The stages up to a moment, and those from then on, which begin with a jump to their level."""
    before: list[Stage] = []
    begin = 0.0
    levels: tuple[float, float] = 0.0, 0.0
    for number, stage in enumerate(stages):
        targets = float(stage.users or 0), stage.arrivals_per_second or 0.0
        if begin + stage.duration > at_s:
            share = (at_s - begin) / stage.duration
            users, rate = (
                low + (high - low) * share for low, high in zip(levels, targets, strict=True)
            )
            level = {
                "users": None if stage.users is None else math.floor(users + 0.5),
                "arrivals_per_second": None if stage.arrivals_per_second is None else rate,
            }
            head = stage.model_copy(update={"duration": at_s - begin, **level})
            jump = stage.model_copy(update={"duration": 0.0, **level})
            rest = stage.model_copy(update={"duration": begin + stage.duration - at_s})
            return [*before, head], [jump, rest, *stages[number + 1 :]]
        before.append(stage)
        begin, levels = begin + stage.duration, targets
    return before, []
