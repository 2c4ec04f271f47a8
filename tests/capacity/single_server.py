"""A single server with a queue, simulated wait by wait: M/M/1, whose percentiles are known."""

import math

import numpy as np

from loadkit.capacity.evidence import StepOutcome, margin
from loadkit.capacity.search import LoadStep
from loadkit.capacity.settling import BATCHES, batch_interval

from .systems import Target

PERCENTILE = 0.95
WARM_UP_S = 60.0


def mm1_capacity(service_rate: float, limit_s: float) -> float:
    """The arrival rate at which the p95 of the response time is the limit.

    The response time of M/M/1 is exponential with the rate service - arrivals (D. Gross, C. M.
    Harris, "Fundamentals of Queueing Theory", chapter 2), so its p95 is ln(20) ÷ that.
    """
    return service_rate + math.log(1 - PERCENTILE) / limit_s


def mm1(service_rate: float, limit_s: float, rng: np.random.Generator) -> Target:
    """A target that serves one at a time, first come first served, from an empty queue on."""

    def target(step: LoadStep) -> StepOutcome:
        count = int(step.load * (WARM_UP_S + step.measure_s))
        gaps = rng.exponential(1 / step.load, count)
        service = rng.exponential(1 / service_rate, count)
        # Lindley's recursion W' = max(0, W + S - A), in closed form over its running minimum
        walk = np.concatenate([[0.0], np.cumsum(service[:-1] - gaps[1:])])
        response = walk - np.minimum.accumulate(walk) + service
        arrived = np.cumsum(gaps)
        kept = response[arrived > WARM_UP_S]
        batches = [float(np.quantile(part, PERCENTILE)) for part in np.array_split(kept, BATCHES)]
        low, high = batch_interval(batches)
        actual = float(np.quantile(kept, PERCENTILE))
        margins = (1 - high / limit_s, 1 - low / limit_s)
        verdict = "held" if actual <= limit_s else "broken"
        return StepOutcome(step.load, verdict, margin(actual, limit_s), margins)

    return target
