"""Targets whose capacity is known, as far as a search can see them: a step in, an outcome out."""

from collections.abc import Callable, Iterable
from functools import cache

from numpy.random import Generator

from loadkit.capacity.evidence import StepOutcome, Verdict
from loadkit.capacity.search import CapacityResult, LoadStep, Search
from loadkit.profile.capacity import CapacitySettings
from loadkit.stats.order_statistics import ranks

Target = Callable[[LoadStep], StepOutcome]


def settings(**given: float) -> CapacitySettings:
    """The defaults, with time enough for whatever is tried."""
    return CapacitySettings(**({"budget": 1e6} | given))


def ask(search: Search, target: Target) -> CapacityResult:
    """Do steps until the search is over."""
    for _ in range(200):
        match search.next():
            case LoadStep() as step:
                search.record(target(step))
            case CapacityResult() as capacity:
                return capacity
    raise AssertionError("the search does not end")


def loads(search: Search) -> list[float]:
    """The loads of all steps so far."""
    return [outcome.load for outcome in search.outcomes]


def threshold(capacity: float, beyond: Verdict = "broken") -> Target:
    """Holds up to its capacity, and never beyond."""
    return lambda step: StepOutcome(step.load, "held" if step.load <= capacity else beyond)


def scripted(verdicts: Iterable[Verdict | StepOutcome]) -> Target:
    """Ends its steps as it is told, whatever the load."""
    each = iter(verdicts)

    def target(step: LoadStep) -> StepOutcome:
        verdict = next(each)
        return verdict if isinstance(verdict, StepOutcome) else StepOutcome(step.load, verdict)

    return target


@cache
def _ranks(samples: int) -> tuple[int, int]:
    found = ranks(samples, 950)
    assert found is not None
    return found


def sampled(capacity: float, steepness: float, rng: Generator, rate: float = 20.0) -> Target:
    """A p95 with its sampling error, judged as `loadkit.verdict.slo` judges it.

    Of the answers a share 5 % × (load ÷ capacity) ^ steepness is over the limit, so the true p95
    meets the limit exactly at the capacity. How many of a step's samples are over it is binomial.
    The limit lies inside the interval of the p95 when it lies between its two order statistics.

    Args:
        capacity: where the true p95 meets the limit.
        steepness: how fast the share rises.
        rng: chance.
        rate: samples a second.
    """

    def target(step: LoadStep) -> StepOutcome:
        samples = int(rate * step.measure_s)
        share = min(1.0, 0.05 * (step.load / capacity) ** steepness)
        within = samples - int(rng.binomial(samples, share))
        lower, upper = _ranks(samples)
        held = within >= 0.95 * samples
        # only the signs matter: of the upper end of the p95's interval, then of the lower one
        margins = (1.0 if within >= upper else -1.0, 1.0 if within >= lower else -1.0)
        return StepOutcome(step.load, "held" if held else "broken", margins=margins)

    return target
