"""Erlang's formulas, against published figures, other formulas and simulated queues."""

import heapq
import math
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, expon, lognorm

from loadkit.stats.order_statistics import ranks
from loadkit.stats.queueing import (
    Objective,
    Queue,
    Service,
    agents_needed,
    erlang_b,
    erlang_c,
    load_held,
)

SHAPES = [
    Service(1.0),
    Service(1.0, "constant"),
    Service(1.0, "lognormal", 0.5),
    Service(1.0, "lognormal", 1.0),
]


def _mean_wait(queue: Queue) -> float:
    """Those who need not wait counted as 0."""
    return queue.waits * queue.mean


def simulated(
    arrivals: float, service: Service, agents: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Waits and responses of a queue, one turn after the other; seeded, the start left out."""
    rng = np.random.default_rng(11)
    if service.shape == "exponential":
        served = rng.exponential(service.mean, count)
    elif service.shape == "constant":
        served = np.full(count, service.mean)
    else:
        median = service.mean / math.exp(service.sigma**2 / 2)
        served = median * np.exp(service.sigma * rng.standard_normal(count))
    arrived = np.cumsum(rng.exponential(1 / arrivals, count))
    free = [0.0] * agents  # when each agent is next free
    waits = np.empty(count)
    for number, (at, busy) in enumerate(zip(arrived.tolist(), served.tolist(), strict=True)):
        begins = max(at, free[0])
        waits[number] = begins - at
        heapq.heapreplace(free, begins + busy)
    settled = count // 20
    return waits[settled:], (waits + served)[settled:]


@pytest.mark.parametrize(
    ("agents", "erlangs", "blocked"),
    [
        # Tables of Erlang B as the telephone trade prints them: the load at 1 %, and at 2 %.
        (5, 1.361, 0.01),
        (10, 4.461, 0.01),
        (20, 12.03, 0.01),
        (50, 37.90, 0.01),
        (100, 84.06, 0.01),
        (10, 5.084, 0.02),
        (50, 40.26, 0.02),
        (0, 3.0, 1.0),
        (3, 0.0, 0.0),
    ],
)
def test_erlang_b_is_that_of_the_tables(agents: int, erlangs: float, blocked: float) -> None:
    """To the digits that the tables have."""
    assert erlang_b(agents, erlangs) == pytest.approx(blocked, rel=2e-3)


def test_erlang_c_is_that_of_a_published_example() -> None:
    """T. B. Mitan's: 360 calls in half an hour, 4 minutes each, 55 agents."""
    queue = Queue.of(360 / 1800, Service(240.0), 55)
    assert queue.waits == pytest.approx(0.239, abs=5e-4)
    assert _mean_wait(queue) == pytest.approx(8.2, abs=0.05)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 99))
def test_erlang_c_is_the_sum_over_the_states_of_the_queue(agents: int, percent: int) -> None:
    """In exact arithmetic, by the textbook's sum with powers and factorials."""
    load = Fraction(agents * percent, 100)
    last = load**agents / factorial(agents) / (1 - load / agents)
    exact = last / (sum(load**k / factorial(k) for k in range(agents)) + last)
    assert erlang_c(agents, float(load)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("agents", [10**5, 10**6])
def test_many_agents_are_no_trouble(agents: int) -> None:
    """Halfin and Whitt's limit for a square root of spare agents: no overflow, no cancellation."""
    spare = 1.0
    erlangs = agents - spare * math.sqrt(agents)
    density = math.exp(-(spare**2) / 2) / math.sqrt(2 * math.pi)
    below = 0.5 * math.erfc(-spare / math.sqrt(2))
    limit = 1 / (1 + spare * below / density)
    assert erlang_c(agents, erlangs) == pytest.approx(limit, rel=5e-3)


def test_one_agent_is_the_queue_of_every_textbook() -> None:
    """M/M/1: the response is exponential with mean s ÷ (1 - ρ)."""
    queue = Queue.of(0.8, Service(1.0), 1)
    assert queue.waits == pytest.approx(0.8)
    assert _mean_wait(queue) == pytest.approx(4.0)
    for share in (500, 900, 999):
        known = expon.ppf(share / 1000, scale=5.0)
        assert queue.percentile("response", share) == pytest.approx(known)


@pytest.mark.parametrize(("agents", "utilisation"), [(1, 0.7), (4, 0.75), (16, 0.8)])
def test_exponential_service_is_exact(agents: int, utilisation: float) -> None:
    """Response and wait percentiles lie in a simulated queue's own intervals, thinned out."""
    arrivals, service = agents * utilisation * 2, Service(0.5)
    queue = Queue.of(arrivals, service, agents)
    assert service.exact
    # Neighbours in a queue are alike: one in two hundred and fifty is nearly independent.
    waits, responses = (figures[::250] for figures in simulated(arrivals, service, agents, 200_000))
    for figures, kind in ((waits, "wait"), (responses, "response")):
        figures.sort()
        for per_mille in (500, 900, 950):
            bounds = ranks(figures.size, per_mille, 0.999)
            assert bounds is not None
            low, high = figures[bounds[0] - 1], figures[bounds[1] - 1]
            assert low <= queue.percentile(kind, per_mille) <= high
    low, high = binom.interval(0.999, waits.size, queue.waits)
    assert low <= (waits > 0).sum() <= high


@pytest.mark.parametrize("service", SHAPES[1:], ids=lambda s: f"{s.shape} {s.sigma}")
@pytest.mark.parametrize(
    ("agents", "utilisation", "count"), [(1, 0.8, 100_000), (4, 0.7, 100_000), (16, 0.9, 300_000)]
)
def test_other_service_is_approximated_as_well_as_is_said(
    service: Service, agents: int, utilisation: float, count: int
) -> None:
    """The errors of docs/planning.md, where waits matter, and up to 5 % of the simulation's own."""
    queue = Queue.of(agents * utilisation, service, agents)
    assert not service.exact
    waits, responses = simulated(agents * utilisation, service, agents, count)
    assert _mean_wait(queue) == pytest.approx(waits.mean(), rel=0.15)
    assert queue.percentile("wait", 950) == pytest.approx(np.quantile(waits, 0.95), rel=0.2)
    assert queue.percentile("response", 950) == pytest.approx(
        np.quantile(responses, 0.95), rel=0.14
    )


@pytest.mark.parametrize("service", SHAPES, ids=lambda s: f"{s.shape} {s.sigma}")
def test_one_agent_has_the_mean_wait_of_pollaczek_and_khinchine(service: Service) -> None:
    """λ·E[S²] ÷ (2(1 - ρ)), the moment taken from scipy's distributions."""
    moment = {
        "exponential": 2.0,
        "constant": 1.0,
        "lognormal": lognorm(service.sigma or 1, scale=math.exp(-(service.sigma**2) / 2)).moment(2),
    }[service.shape]
    assert _mean_wait(Queue.of(0.6, service, 1)) == pytest.approx(0.6 * moment / (2 * 0.4))


@pytest.mark.parametrize("mean", [0.999999999, 1.0, 1.000000001])
def test_a_wait_as_long_as_the_service_is_no_special_case(mean: float) -> None:
    """With cμ - λ = μ the two exponentials of the response have one mean."""
    queue = Queue.of(1.0, Service(mean), 2)
    plain = math.exp(-3) * (1 + queue.waits * 3)
    assert queue.tail("response", 3.0) == pytest.approx(plain, rel=1e-6)


@settings(max_examples=40)
@given(
    st.integers(1, 200),
    st.floats(0.01, 0.99),
    st.sampled_from(SHAPES[:2]),
    st.integers(1, 999),
)
def test_a_percentile_is_where_its_tail_is(
    agents: int, utilisation: float, service: Service, per_mille: int
) -> None:
    """The share above a percentile is no greater than what it leaves, and just above it just so."""
    queue, late = Queue.of(agents * utilisation, service, agents), 1 - per_mille / 1000
    wait, response = queue.percentile("wait", per_mille), queue.percentile("response", per_mille)
    assert queue.tail("wait", wait) <= late + 1e-9
    assert wait == 0 or queue.tail("wait", wait * 0.999) > late
    assert queue.tail("response", response + 1e-6) <= late + 1e-9
    assert queue.tail("response", response - 1e-6) >= late - 1e-9


@settings(max_examples=40)
@given(
    st.floats(0.0, 500.0),
    st.sampled_from(SHAPES[:3]),
    st.sampled_from(["wait", "response"]),
    st.integers(500, 999),
    st.floats(0.0, 8.0),
)
def test_one_agent_fewer_would_not_do(
    arrivals: float, service: Service, kind: str, per_mille: int, limit: float
) -> None:
    """The number found keeps the objective and the next lower one breaks it."""
    objective = Objective(kind, per_mille, limit)  # type: ignore[arg-type]
    agents = agents_needed(arrivals, service, objective)
    if agents is None:
        assert kind == "response"
        assert service.tail(limit) > objective.late
        return

    def late(number: int) -> float:
        return Queue.of(arrivals, service, number).late(objective)

    # Where nobody waits any more what is left is the service itself, to the last bit.
    assert late(agents) <= objective.late + 1e-12
    assert agents == 1 or late(agents - 1) > objective.late - 1e-12


@pytest.mark.parametrize("service", SHAPES, ids=lambda s: f"{s.shape} {s.sigma}")
@pytest.mark.parametrize("objective", [Objective("wait", 900, 1.0), Objective("response", 950, 6)])
@pytest.mark.parametrize("agents", [1, 8, 50])
def test_the_load_held_is_the_one_at_which_the_percentile_meets_its_limit(
    service: Service, objective: Objective, agents: int
) -> None:
    """Back through the percentile, the limit comes out; and so many agents are needed."""
    load = load_held(agents, service, objective)
    percentile = Queue.of(load, service, agents).percentile(objective.kind, objective.per_mille)
    assert percentile == pytest.approx(objective.limit, rel=1e-6)
    assert agents_needed(load * 0.999, service, objective) == agents


def test_what_the_service_alone_breaks_no_agents_mend() -> None:
    """p95 of an exponential second is 3 s."""
    hopeless = Objective("response", 950, 2.9)
    assert agents_needed(1.0, Service(1.0), hopeless) is None
    assert load_held(100, Service(1.0), hopeless) == 0.0


@pytest.mark.parametrize("arrivals", [2.0, 3.0])
def test_a_queue_that_is_full_has_no_end(arrivals: float) -> None:
    """From ρ = 1 on everybody waits, for ever."""
    queue = Queue.of(arrivals, Service(1.0), 2)
    assert queue.waits == 1.0
    assert _mean_wait(queue) == math.inf
    assert queue.percentile("wait", 500) == queue.percentile("response", 500) == math.inf
    assert queue.tail("wait", 1e9) == queue.tail("response", 1e9) == 1.0


@pytest.mark.parametrize(
    "build",
    [
        lambda: Service(0.0),
        lambda: Service(math.inf),
        lambda: Service(1.0, "lognormal", -1.0),
        lambda: Queue.of(-1.0, Service(1.0), 1),
        lambda: Queue.of(math.nan, Service(1.0), 1),
        lambda: Queue.of(1.0, Service(1.0), 0),
        lambda: Objective("wait", 1000, 1.0),
        lambda: Objective("wait", 950, -1.0),
        lambda: erlang_c(2, -1.0),
        lambda: agents_needed(1e9, Service(1.0), Objective("wait", 950, 1.0)),
    ],
)
def test_what_is_no_queue_is_refused(build: object) -> None:
    """Before any figure is made of it."""
    with pytest.raises(ValueError, match=r"should be|erlangs|thousandths"):
        build()  # type: ignore[operator]
