"""The gate on a real event loop: visitors come when the plan says, and stay as long as they do.

The seed is fixed, so the plan is the same each time, and what differs is the loop's lateness
alone. It is the one of 1 to 20 whose *plan* lies closest to the exponential, so that there is room
for that lateness; that plans are exponential, whatever the seed, is tested in tests/plan.
"""

import os
from collections.abc import Callable
from itertools import pairwise
from random import Random
from statistics import fmean
from time import perf_counter
from typing import Any
from unittest import mock

import gevent
import pytest
from scipy import stats

with mock.patch.dict(os.environ, LOCUST_SKIP_MONKEY_PATCH="1"):  # spare the tests' own process
    from loadkit.swarm.arrivals import Gate

from loadkit.figures import Count
from loadkit.plan.arrivals import Arrivals
from loadkit.plan.settings import Load

SEED = 3
LEAD = 0.1  # seconds between opening the gate and the first moment of the plan


class Counts(dict[str, int]):
    def count(self, key: str, n: int = 1) -> None:
        self[key] = self.get(key, 0) + n


def steady(rate: float, seconds: float) -> Load:
    stages = [
        {"duration": 0, "arrivals_per_second": rate},
        {"duration": seconds, "arrivals_per_second": rate},
    ]
    return Load.model_validate({"model": "open", "seed": SEED, "stages": stages})


def opened(plan: Load, visit: Callable[[str, int, float], Any]) -> tuple[Gate, Counts]:
    counts = Counts()
    gate = Gate(plan, {"CompleteChat": 1.0}, visit, counts, perf_counter() + LEAD)
    gate.deal(0, 1, 0.0)
    return gate, counts


SECONDS = {50.0: 3.0, 150.0: 2.5}
TRIES = 3  # other processes on the machine can only spoil a try: a late gate fails them all


def came(rate: float, seconds: float) -> list[tuple[float, float]]:
    """When each visitor came, and when each was due."""
    stamps: list[tuple[float, float]] = []
    gate, _ = opened(
        steady(rate, seconds),
        lambda name, number, due: stamps.append((perf_counter(), due)),
    )
    gevent.sleep(LEAD + seconds + 0.1)
    gate.stop()
    return stamps


def likelihood(moments: list[float], rate: float) -> float:
    """The p-value of Kolmogorov-Smirnov: gaps against the exponential."""
    gaps = [after - before for before, after in pairwise(moments)]
    return float(stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue)


@pytest.mark.parametrize("rate", [50.0, 150.0])
def test_measured_gaps_pass_kolmogorov_smirnov(rate: float) -> None:
    """Arrivals are spread inside the second as planned, not sent in bursts; and all come."""
    planned = [at for _, at in Arrivals(steady(rate, SECONDS[rate]))]
    found = []
    for _ in range(TRIES):
        stamps = came(rate, SECONDS[rate])
        assert len(stamps) == len(planned)
        found.append(likelihood([at for at, _ in stamps], rate))
        if found[-1] > 0.01:
            break
    assert found[-1] > 0.01, found


def test_nobody_comes_before_they_are_due() -> None:
    """And `due` is the plan's moment, to the last digit of the differences."""
    plan = steady(50.0, 1.0)
    stamps = came(50.0, 1.0)
    assert all(at >= due for at, due in stamps)
    planned = [at for _, at in Arrivals(plan)]
    first = stamps[0][1]
    assert [due - first for _, due in stamps] == pytest.approx(
        [at - planned[0] for at in planned], abs=1e-6
    )


def test_concurrency_is_arrival_rate_times_stay() -> None:
    """Little's law, within 3 %: the gate's own `live`, integrated until the last has gone.

    From an empty house to an empty house nothing hangs over an edge: the law is then exact, and
    what is left is the time that the loop adds to a stay.
    """
    plan = steady(200.0, 2.5)
    rng = Random(SEED)
    stays = [rng.lognormvariate(-1.0, 0.5) for _ in Arrivals(plan)]  # 0.42 s on average
    gate, counts = opened(plan, lambda name, number, due: gevent.sleep(stays[number]))
    began = last = perf_counter()
    area, live, most = 0.0, 0, 0
    while counts.get(Count.ARRIVALS_DUE, 0) < len(stays) or gate.live:
        assert perf_counter() < began + 10
        gevent.sleep(0.002)
        now = perf_counter()
        area += (now - last) * (live + gate.live) / 2
        last, live = now, gate.live
        most = max(most, live)
    seconds = last - began
    gate.stop()
    assert area / seconds == pytest.approx(len(stays) / seconds * fmean(stays), rel=0.03)
    assert most > 0.75 * 200 * fmean(stays)
    assert Count.ARRIVALS_REFUSED not in counts
