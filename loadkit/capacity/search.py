"""The search for the highest load that keeps the service level: which step comes next.

Pure: a step is asked for with `Search.next`, done by others, and its outcome handed to
`Search.record`. Nothing but the settings and the outcomes decides what comes next, so an
interrupted search goes on where it was once its outcomes are recorded again.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

from loadkit.capacity.evidence import Evidence, LoadStep, StepLoad, StepOutcome, Verdict
from loadkit.codec import Amount, Count, Flag, Line, Number
from loadkit.errors import UsageError
from loadkit.profile.capacity import CapacitySettings

_STRETCHES: Final = (1, 2, 4)
"""How long a step is measured, in turn, while there are too few samples or it does not settle."""

_LONGER_REST: Final = 4
"""Times the cool-down that a target gets which did not come back after the first overload."""

_ROUNDS: Final = 3
"""How often a bracket is narrowed anew when a second look at its ends moves them."""

_SECOND_LOOK: Final = 4
"""How much longer the ends of the bracket are measured when they are looked at again: four times
the samples halve the sampling error, and with it the part of the interval that is due to it."""

_STEPS_DOWN: Final = (1, 1, 2, 4, 8)
"""Brackets to go down by each time a confirmation breaks; the last one from there on."""


Answer = Literal[
    "found", "policy", "at_least", "unstable", "below_start", "undecided", "out_of_budget"
]
Ceiling = Literal["slo", "policy", "generator", "ceiling", "undecided", "budget"]


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """What a search came to."""

    # `found`: it breaks above. `policy`: as found, but it is a rule of the target that ends it.
    # `at_least`: what is above could not be measured, or is above the ceiling. `unstable`: loads in
    # `flips` held and broke, beyond sampling error. `below_start`: nothing held down to the floor.
    # `undecided`: no load that could be judged held. `out_of_budget`: time was up; the figures are
    # the best so far.
    verdict: Answer
    load: StepLoad | None  # the highest load that may be called the capacity; None if there is none
    # the 95 % interval; None where nothing bounds it on that side
    low: Number | None
    high: Number | None
    confirmed: Flag  # whether the long hold at `load` held
    limit: Ceiling  # what was met above `load`; `undecided` are too few samples, or no rest
    # the lowest load that broke and the highest that held, where it is unstable
    flips: tuple[Number, Number] | None
    steps: Count = 0  # how many there were
    seconds: Amount = 0.0  # what they took
    notes: tuple[Line, ...] = ()  # what else a reader has to know, a sentence each


class _SaturatedError(Exception):
    """The generator was the limit: nothing beyond can be measured."""


class _OutOfTimeError(Exception):
    """The budget has no room for the next step."""


_Course = Generator[LoadStep, StepOutcome, Verdict]
"""A part of the search that ends with a verdict on one load."""

_Part = Generator[LoadStep, StepOutcome, None]


class Search:
    """One search; `whole` loads are users of the closed model.

    The budget is part of the settings: a search that ran out of it and is resumed with a larger one
    takes the recorded steps up to its confirmation, which came before its turn.
    """

    def __init__(self, settings: CapacitySettings, *, whole: bool) -> None:
        self._settings, self._whole = settings, whole
        self._floor = self._at(settings.floor)
        # As written in the open model: only loads that are worked out are rounded there.
        self._start = self._at(settings.start) if whole else settings.start
        self._ceiling = self._at(settings.ceiling) if whole else settings.ceiling
        self._evidence = Evidence()
        self._rest = settings.cool_down
        self._low: float | None = None  # ends of the bracket: held,
        self._high: float | None = None  # and not held
        self._notes: list[str] = []
        self._course = self._whole_course()
        self._due: LoadStep | CapacityResult = next(self._course)

    @property
    def outcomes(self) -> tuple[StepOutcome, ...]:
        """What was recorded, in order: all that `record` needs to get here again."""
        return tuple(self._evidence.outcomes)

    @property
    def bracket(self) -> tuple[float | None, float | None]:
        """The highest load that held and the lowest that did not; None where there is none yet."""
        return self._low, self._high

    def next(self) -> LoadStep | CapacityResult:
        return self._due

    def record(self, outcome: StepOutcome) -> None:
        """Take the outcome of the step that was due.

        Raises:
            UsageError: it is of another load: the outcomes are of another search.
        """
        due = self._due
        if isinstance(due, CapacityResult):
            raise UsageError("the capacity search is over; there is no step to record")
        if outcome.load != due.load:
            raise UsageError(
                f"step {due.number} of the earlier search was at {outcome.load:,g}, but [capacity] "
                f"asks for {due.load:,g}; resume with the profile that the search began with"
            )
        self._evidence.outcomes.append(outcome)
        try:
            self._due = self._course.send(outcome)
        except StopIteration as end:
            self._due = end.value

    # The whole course

    def _whole_course(self) -> Generator[LoadStep, StepOutcome, CapacityResult]:
        ended: Ceiling | None = None
        try:
            yield from self._grow()
            yield from self._narrow()
        except _SaturatedError:
            ended = "generator"
        except _OutOfTimeError:
            ended = "budget"
        if ended or self._evidence.inverted:
            self._low = self._evidence.highest_held()
        confirmed = False
        try:
            confirmed = yield from self._confirm()
        except _SaturatedError:
            ended = "generator"
            self._notes.append("the confirmation could not be judged: the generator was saturated")
        except _OutOfTimeError:
            ended = "budget"
            self._notes.append("there was no time left for the confirmation")
        return self._result(ended, confirmed)

    def _grow(self) -> _Part:
        """Go up from the start until it breaks, or down until it holds."""
        load = self._start
        while True:
            verdict = yield from self._probe(load)
            if verdict == "held":
                self._low = load
            elif verdict != "undecided":  # which more load may cure: it brings more samples
                self._high = load
                break
            if load >= self._ceiling:
                self._high = None if verdict == "held" else load
                return
            load = self._above(load, self._settings.growth)
        if self._low is None:
            yield from self._descend()
        elif not (yield from self._recovered(self._low)):
            self._low, self._high = None, self._low
            yield from self._descend()

    def _descend(self) -> _Part:
        """Go down from the lowest load that broke until one holds."""
        while self._high is not None and self._high > self._floor:
            load = max(self._floor, self._at(self._high / self._settings.growth))
            verdict = yield from self._probe(load)
            if verdict == "held":
                self._low = load
                return
            self._high = load
            if verdict == "undecided":  # lower still, there are even fewer samples
                return

    def _recovered(self, load: float) -> Generator[LoadStep, StepOutcome, bool]:
        """Whether a load that held before the overload holds after it, given rest enough."""
        if (yield from self._probe(load)) == "held":
            return True
        self._rest *= _LONGER_REST
        for _ in range(2):  # once could be the luck of an unstable target
            if (yield from self._probe(load)) != "held":
                self._notes.append(f"{load:,g} had held, and did not any more after the overload")
                return False
        self._evidence.excuse(load)
        self._notes.append(
            f"after the overload, {load:,g} did not hold after a rest of "
            f"{self._settings.cool_down:,g} s and did after {self._rest:,g} s: the target recovers "
            "slowly"
        )
        return True

    def _narrow(self) -> _Part:
        """Halve the bracket until it is narrow, and look at its ends a second time."""
        for _ in range(_ROUNDS):
            yield from self._bisect()
            if self._low is None or self._high is None:
                return
            if (yield from self._probe(self._high, _SECOND_LOOK)) == "held":
                if self._evidence.inverted:
                    return
                yield from self._climb(self._high)
            elif (yield from self._probe(self._low, _SECOND_LOOK)) != "held":
                if self._evidence.inverted:
                    return
                self._low, self._high = self._evidence.highest_held(below=self._low), self._low
                if self._low is None:
                    yield from self._descend()
            else:
                return
        yield from self._bisect()

    def _bisect(self) -> _Part:
        while self._low is not None and self._high is not None:
            middle = self._at(sqrt(self._low * self._high))
            if self._high <= self._low * (1 + self._settings.bracket) or not (
                self._low < middle < self._high
            ):
                return
            if (yield from self._probe(middle)) == "held":
                self._low = middle
            else:
                self._high = middle

    def _climb(self, load: float) -> _Part:
        """Go up from a load that broke and then held, in widening steps, until it breaks."""
        factor = 1 + self._settings.bracket
        self._low, self._high = load, None
        while load < self._ceiling:
            load = self._above(load, factor)
            if (yield from self._probe(load)) != "held":
                self._high = load
                return
            self._low, factor = load, min(factor * factor, self._settings.growth)

    def _confirm(self) -> Generator[LoadStep, StepOutcome, bool]:
        """Hold the answer for long; where it breaks, go down and hold again."""
        jumps, length = 0, False
        while self._low is not None:
            load = self._low
            verdict = yield from self._step(load, "confirm", self._settings.hold)
            if verdict == "held":
                return True
            if verdict == "undecided":
                self._notes.append(f"the confirmation at {load:,g} had too few samples")
                return False
            self._high = load
            if not jumps:  # is it the length that breaks it, or is the target unstable?
                length = (yield from self._probe(load, _SECOND_LOOK)) == "held"
            if length:
                self._evidence.overrule(load)
            than = ", where short ones held" if length and not jumps else ""
            self._notes.append(f"the long hold broke at {load:,g}{than}")
            if load <= self._floor:
                self._low = None
                break
            brackets = _STEPS_DOWN[min(jumps, len(_STEPS_DOWN) - 1)]
            lower = self._at(load / (1 + self._settings.bracket) ** brackets)
            if self._whole:
                lower = min(lower, load - 1)
            self._low, jumps = max(self._floor, lower), jumps + 1
        return False

    # One step

    def _probe(self, load: float, times: int = 1) -> _Course:
        return (yield from self._step(load, "probe", times * self._settings.measure))

    def _step(self, load: float, kind: Literal["probe", "confirm"], least: float) -> _Course:
        """Do a step of at least so many seconds, longer each time it cannot be judged."""
        settings = self._settings
        for stretch in _STRETCHES:
            outcomes = self._evidence.outcomes
            rest = self._rest if outcomes and outcomes[-1].strained else 0.0
            step = LoadStep(load, kind, len(outcomes) + 1, rest, stretch * least)
            needs = rest + settings.ramp + step.measure_s
            if kind == "probe":  # what was found is worth little without its confirmation
                needs += self._rest + settings.ramp + settings.hold
            if self._seconds + needs > settings.budget and outcomes:
                raise _OutOfTimeError
            outcome = yield step
            if outcome.verdict == "generator":
                raise _SaturatedError
            if outcome.held or outcome.broken:
                break
        return "held" if outcome.held else outcome.verdict if outcome.broken else "undecided"

    @property
    def _seconds(self) -> float:
        return sum(outcome.seconds for outcome in self._evidence.outcomes)

    def _at(self, load: float) -> float:
        """The nearest load that can be put on: a whole number of users, or four digits."""
        return float(max(1, round(load))) if self._whole else float(f"{load:.4g}")

    def _above(self, load: float, factor: float) -> float:
        higher = self._at(load * factor)
        return min(self._ceiling, max(higher, load + 1) if self._whole else higher)

    # The result

    def _result(self, ended: Ceiling | None, confirmed: bool) -> CapacityResult:
        low, high = self._evidence.interval
        load, limit = self._low, ended or self._limit()
        if load is not None:
            low = None if low is None else min(low, load)
            high = None if high is None else max(high, load)
        return CapacityResult(
            self._verdict(load, limit),
            load,
            low,
            high,
            confirmed,
            limit,
            self._evidence.flips,
            len(self._evidence.outcomes),
            self._seconds,
            tuple(self._notes),
        )

    def _limit(self) -> Ceiling:
        at = [each for each in self._evidence.outcomes if each.load == self._high]
        broke = [each.verdict for each in at if each.broken]
        if broke:
            return "policy" if broke[-1] == "policy" else "slo"
        return "ceiling" if self._high is None else "undecided"

    def _verdict(self, load: float | None, limit: Ceiling) -> Answer:
        if self._evidence.inverted:
            return "unstable"
        match limit:
            case "budget":
                return "out_of_budget"
            case "policy":
                return "policy"
            case "slo":
                return "found" if load is not None else "below_start"
            case "undecided" if load is None:
                return "undecided"
        return "at_least"
