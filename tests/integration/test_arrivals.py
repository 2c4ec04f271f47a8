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
from typing import Any, NamedTuple
from unittest import mock

import gevent
import pytest
from processes import PATIENCE

from loadkit.figures import Count
from loadkit.profile.arrivals import Arrivals
from loadkit.profile.tables import Load

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


def opened(
    plan: Load, visit: Callable[[str, int, float], Any], origin: float | None = None
) -> tuple[Any, Counts]:
    with mock.patch.dict(os.environ, LOCUST_SKIP_MONKEY_PATCH="1"):  # spare the tests' own process
        from loadkit.swarm.worker.arrival_gate import ArrivalGate  # and those that only collect
    counts = Counts()
    origin = perf_counter() + LEAD if origin is None else origin
    gate = ArrivalGate(plan, {"CompleteChat": 1.0}, visit, counts, origin)
    gate.deal(0, 1, 0.0)
    return gate, counts


SECONDS = {50.0: 3.0, 150.0: 2.5}
TRIES = 3  # whatever comes between the two timers can only spoil a try: a late gate fails them all


class Visit(NamedTuple):
    """When a visitor came, when it was due, and when a bare timer of that moment was heard."""

    at: float
    due: float
    heard: float


def came(rate: float, seconds: float) -> list[Visit]:
    """All visitors, in their order."""
    plan, origin = steady(rate, seconds), perf_counter() + LEAD
    stamps: list[tuple[float, float]] = []
    heard: list[float] = []

    def listen() -> None:
        for _, at in Arrivals(plan):
            gevent.sleep(max(0.0, origin + at - perf_counter()))
            heard.append(perf_counter())

    timers = gevent.spawn(listen)
    gate, counts = opened(
        plan, lambda name, number, due: stamps.append((perf_counter(), due)), origin
    )
    timers.get()
    until = perf_counter() + PATIENCE
    while counts.get(Count.ARRIVALS_DUE, 0) < len(heard) or len(stamps) < len(heard):
        assert perf_counter() < until, "not all have come"
        gevent.sleep(0.01)
    gevent.sleep(0.1)  # nor does one more
    gate.stop()
    return [Visit(*stamp, timer) for stamp, timer in zip(stamps, heard, strict=True)]


def likelihood(moments: list[float], rate: float) -> float:
    """The p-value of Kolmogorov-Smirnov: gaps against the exponential."""
    from scipy import stats  # here: half a second for whoever only collects this file

    gaps = [after - before for before, after in pairwise(moments)]
    return float(stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue)


@pytest.mark.parametrize("rate", [50.0, 150.0])
def test_measured_gaps_pass_kolmogorov_smirnov(rate: float) -> None:
    """Arrivals are spread inside the second as planned, not sent in bursts; and all come.

    A busy machine wakes the whole process late. How late is told by a bare timer in the same loop,
    and taken off: what is left is the gate's own.
    """
    found = []
    for _ in range(TRIES):
        visits = came(rate, SECONDS[rate])
        found.append(likelihood(sorted(v.at - (v.heard - v.due) for v in visits), rate))
        if found[-1] > 0.01:
            break
    assert found[-1] > 0.01, found


def test_nobody_comes_before_they_are_due() -> None:
    """And `due` is the plan's moment, to the last digit of the differences."""
    plan = steady(50.0, 1.0)
    visits = came(50.0, 1.0)
    assert all(visit.at >= visit.due for visit in visits)
    planned = [at for _, at in Arrivals(plan)]
    first = visits[0].due
    assert [visit.due - first for visit in visits] == pytest.approx(
        [at - planned[0] for at in planned], abs=1e-6
    )


def test_concurrency_is_arrival_rate_times_stay() -> None:
    """Little's law, within 3 %: the gate's own `live`, integrated until the last has gone.

    From an empty house to an empty house nothing hangs over an edge, and a stay is as long as it
    was, not as it was meant to be: the law is then exact, but for what changes between two looks.
    """
    plan = steady(200.0, 2.5)
    rng = Random(SEED)
    stays = [rng.lognormvariate(-1.0, 0.5) for _ in Arrivals(plan)]  # 0.42 s on average
    stayed: list[float] = []

    def stay(name: str, number: int, due: float) -> None:
        came = perf_counter()
        gevent.sleep(stays[number])
        stayed.append(perf_counter() - came)

    gate, counts = opened(plan, stay)
    began = last = perf_counter()
    area, live, most = 0.0, 0, 0
    while counts.get(Count.ARRIVALS_DUE, 0) < len(stays) or gate.live:
        assert perf_counter() < began + PATIENCE
        gevent.sleep(0.002)
        now = perf_counter()
        area += (now - last) * (live + gate.live) / 2
        last, live = now, gate.live
        most = max(most, live)
    seconds = last - began
    gate.stop()
    assert len(stayed) == len(stays)
    assert area / seconds == pytest.approx(len(stays) / seconds * fmean(stayed), rel=0.03)
    assert most > 0.75 * 200 * fmean(stays)
    assert Count.ARRIVALS_REFUSED not in counts
