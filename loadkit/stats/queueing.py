"""Waiting for one of c agents: Erlang's formulas, and how far they carry.

Turns arrive by a Poisson process, wait in one queue in order of arrival, and nobody leaves it.
With exponential service that is M/M/c, and all figures here are exact. With constant or log-normal
service (M/G/c) no closed form is known; what stands here then is an approximation, and
`Queue.exact` says so.

Sources: D. Gross, J. F. Shortle, J. M. Thompson, C. M. Harris, "Fundamentals of Queueing Theory",
4th edition, 2008, chapter 2 (M/M/c: the distribution of the wait and of the response);
L. Kleinrock, "Queueing Systems", volume 1, 1975, chapter 3; A. O. Allen, "Probability, Statistics,
and Queueing Theory", 2nd edition, 1990, chapter 5 (percentiles; the Allen-Cunneen approximation).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "Objective",
    "Queue",
    "Service",
    "agents_needed",
    "erlang_b",
    "erlang_c",
    "load_held",
]

Shape = Literal["exponential", "constant", "lognormal"]

_MOST_ERLANGS: Final = 2e7  # a few seconds of the recursion; more agents than anyone has


@dataclass(frozen=True, slots=True)
class Service:
    """How long an agent is busy with one turn.

    Attributes:
        mean: seconds, above 0.
        shape: of the distribution.
        sigma: of a log-normal one, the standard deviation of the logarithm, 0 or more; its mean
            is its median times exp(sigma² / 2).
    """

    mean: float
    shape: Shape = "exponential"
    sigma: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean > 0):
            raise ValueError(f"the mean service time should be above 0 s, not {self.mean!r}")
        if not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"sigma should be 0 or more, not {self.sigma!r}")

    @property
    def variability(self) -> float:
        """The squared coefficient of variation: variance ÷ mean²."""
        if self.shape == "lognormal":
            return math.expm1(self.sigma**2)
        return 1.0 if self.shape == "exponential" else 0.0

    def tail(self, seconds: float) -> float:
        """P(S > t): the chance that a service takes longer."""
        if seconds <= 0:
            return 1.0
        if self.shape == "exponential":
            return math.exp(-seconds / self.mean)
        if self.shape == "constant" or self.sigma == 0:
            return 1.0 if self.mean > seconds else 0.0
        centre = math.log(self.mean) - self.sigma**2 / 2
        return 0.5 * math.erfc((math.log(seconds) - centre) / (self.sigma * math.sqrt(2)))


@dataclass(frozen=True, slots=True)
class Objective:
    """What is asked of a queue: a percentile of the wait or of the response within a limit.

    Attributes:
        kind: `wait` until an agent begins, or `response`: that and the service.
        per_mille: the percentile in thousandths, 1 to 999.
        limit: seconds, 0 or more.
    """

    kind: Literal["wait", "response"]
    per_mille: int
    limit: float

    def __post_init__(self) -> None:
        if not 1 <= self.per_mille <= 999:
            raise ValueError(f"a percentile is 1 to 999 thousandths, not {self.per_mille!r}")
        if not (math.isfinite(self.limit) and self.limit >= 0):
            raise ValueError(f"a limit should be 0 s or more, not {self.limit!r}")

    @property
    def late(self) -> float:
        """The share that may take longer than the limit."""
        return 1 - self.per_mille / 1000


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue before c agents.

    Attributes:
        arrivals: turns a second, 0 or more.
        service: how long each takes.
        agents: c, 1 or more.
    """

    arrivals: float
    service: Service
    agents: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.arrivals) and self.arrivals >= 0):
            raise ValueError(f"arrivals should be 0 a second or more, not {self.arrivals!r}")
        _check(self.agents, self.erlangs)

    @property
    def erlangs(self) -> float:
        """The offered load a = λ·s: how many agents are busy on average."""
        return self.arrivals * self.service.mean

    @property
    def utilisation(self) -> float:
        """ρ = a ÷ c. At 1 and above the queue has no end."""
        return self.erlangs / self.agents

    @property
    def exact(self) -> bool:
        """Whether the figures are exact; else they are approximations.

        The mean wait is Allen and Cunneen's: that of M/M/c times (1 + variability) ÷ 2, which for
        one agent is exact (Pollaczek and Khinchine). The chance to wait is taken from M/M/c, and
        who waits is taken to wait exponentially long. docs/planning.md has the errors that were
        measured.
        """
        return self.service.variability == 1.0 and self.service.shape == "exponential"

    @property
    def waits(self) -> float:
        """The chance that a turn has to wait: Erlang C."""
        return erlang_c(self.agents, self.erlangs)

    @property
    def mean_wait(self) -> float:
        """Seconds in the queue, those who need not wait counted as 0: C ÷ (cμ - λ)."""
        return self.waits * self._mean_of_those_who_wait()

    @property
    def mean_response(self) -> float:
        """Seconds in the queue and in service."""
        return self.mean_wait + self.service.mean

    def wait_tail(self, seconds: float) -> float:
        """P(W > t) = C·exp(-(cμ - λ)·t), for t of 0 or more: the chance to wait longer."""
        return _wait_tail(self.waits, self._mean_of_those_who_wait(), seconds)

    def response_tail(self, seconds: float) -> float:
        """P(W + S > t): the chance that wait and service together take longer."""
        mean = self._mean_of_those_who_wait()
        return _response_tail(self.waits, mean, self.service, seconds)

    def wait_percentile(self, per_mille: int) -> float:
        """Seconds; 0 where so many need not wait, infinite where the queue has no end."""
        waits, late = self.waits, Objective("wait", per_mille, 0).late
        if waits <= late:
            return 0.0
        return self._mean_of_those_who_wait() * math.log(waits / late)

    def response_percentile(self, per_mille: int) -> float:
        """Seconds; infinite where the queue has no end."""
        from scipy.optimize import brentq  # a worker never asks and should not pay for loading it

        late = Objective("response", per_mille, 0).late
        if self.utilisation >= 1:
            return math.inf
        high = self.service.mean
        while self.response_tail(high) > late:
            high *= 2
        return float(brentq(lambda t: self.response_tail(t) - late, 0.0, high, xtol=1e-12))

    def _mean_of_those_who_wait(self) -> float:
        return _mean_of_those_who_wait(self.agents, self.erlangs, self.service)


def erlang_b(agents: int, erlangs: float) -> float:
    """The share of arrivals that find all agents busy where nobody may wait (M/M/c/c).

    By the recursion B(0) = 1, B(k) = a·B(k-1) ÷ (k + a·B(k-1)), which neither overflows nor
    cancels, for any number of agents.

    Args:
        agents: c, 0 or more.
        erlangs: the offered load, 0 or more.

    Raises:
        ValueError: one of them is not.
    """
    if agents:
        _check(agents, erlangs)
    blocked = 1.0
    for k in range(1, agents + 1):
        blocked = erlangs * blocked / (k + erlangs * blocked)
    return blocked


def erlang_c(agents: int, erlangs: float) -> float:
    """The chance that an arrival has to wait (M/M/c): C = B ÷ (1 - ρ·(1 - B)); 1 from ρ = 1 on.

    Args:
        agents: c, 1 or more.
        erlangs: the offered load, 0 or more.

    Raises:
        ValueError: one of them is not.
    """
    _check(agents, erlangs)
    if erlangs >= agents:
        return 1.0
    return _delayed(erlang_b(agents, erlangs), agents, erlangs)


def agents_needed(arrivals: float, service: Service, objective: Objective) -> int | None:
    """Return the fewest agents that keep an objective.

    Args:
        arrivals: turns a second.
        service: how long each takes.
        objective: what is to be kept.

    Returns:
        The number; None where none would do, because the service alone takes too long.

    Raises:
        ValueError: arrivals are negative, or of more than twenty million agents' work.
    """
    erlangs = Queue(arrivals, service, 1).erlangs
    if erlangs > _MOST_ERLANGS:
        raise ValueError(f"{erlangs:,.6g} erlangs are more than this reckons with")
    if objective.kind == "response" and service.tail(objective.limit) > objective.late:
        return None
    for agents, blocked in _recursion(erlangs):
        if agents > erlangs:
            waits = _delayed(blocked, agents, erlangs)
            mean = _mean_of_those_who_wait(agents, erlangs, service)
            # Where nobody waits any more, more agents change nothing: only rounding is left.
            if waits == 0 or _late(objective, waits, mean, service) <= objective.late:
                return agents
    raise AssertionError("the recursion has no end")


def load_held(agents: int, service: Service, objective: Objective) -> float:
    """Return the most turns a second that so many agents take within an objective.

    Args:
        agents: c, 1 or more.
        service: how long each turn takes.
        objective: what is to be kept.

    Returns:
        Turns a second; 0 where the objective is out of reach whatever the load.
    """
    from scipy.optimize import brentq  # as above

    def excess(erlangs: float) -> float:
        mean = _mean_of_those_who_wait(agents, erlangs, service)
        waits = erlang_c(agents, erlangs)
        return _late(objective, waits, mean, service) - objective.late

    _check(agents, 0.0)
    if excess(0.0) >= 0:
        return 0.0
    # At c erlangs the wait has no end, so the chance to be late is 1.
    return float(brentq(excess, 0.0, float(agents), xtol=1e-12 * agents, rtol=1e-12)) / service.mean


def _check(agents: int, erlangs: float) -> None:
    if isinstance(agents, bool) or not isinstance(agents, int) or agents < 1:
        raise ValueError(f"agents should be a whole number from 1 up, not {agents!r}")
    if not (math.isfinite(erlangs) and erlangs >= 0):
        raise ValueError(f"the offered load should be 0 erlangs or more, not {erlangs!r}")


def _recursion(erlangs: float) -> Iterator[tuple[int, float]]:
    """Erlang B of 1, 2, 3 … agents."""
    agents, blocked = 0, 1.0
    while True:
        agents += 1
        blocked = erlangs * blocked / (agents + erlangs * blocked)
        yield agents, blocked


def _delayed(blocked: float, agents: int, erlangs: float) -> float:
    return blocked / (1 - erlangs / agents * (1 - blocked))


def _mean_of_those_who_wait(agents: int, erlangs: float, service: Service) -> float:
    """1 ÷ (cμ - λ), times Allen and Cunneen's factor: 1 for exponential service."""
    if erlangs >= agents:
        return math.inf
    return service.mean / (agents - erlangs) * (1 + service.variability) / 2


def _late(objective: Objective, waits: float, mean: float, service: Service) -> float:
    if objective.kind == "wait":
        return _wait_tail(waits, mean, objective.limit)
    return _response_tail(waits, mean, service, objective.limit)


def _wait_tail(waits: float, mean: float, seconds: float) -> float:
    if seconds < 0 or mean == math.inf:
        return 1.0
    return waits * math.exp(-seconds / mean)


def _response_tail(waits: float, mean: float, service: Service, seconds: float) -> float:
    """Who need not wait has the service alone, who waits has the sum of the two."""
    if seconds <= 0 or mean == math.inf:
        return 1.0
    alone = service.tail(seconds)
    return alone + waits * (_sum_tail(mean, service, seconds) - alone)


def _sum_tail(mean: float, service: Service, seconds: float) -> float:
    """P(X + S > t) of an exponential X."""
    if service.shape == "constant" or service.sigma == 0 == service.variability:
        return math.exp(-max(0.0, seconds - service.mean) / mean)
    if service.shape == "exponential":
        # The convolution of two exponentials, written so that equal means are no special case.
        slow, fast = sorted((1 / mean, 1 / service.mean))
        apart = fast - slow
        share = -math.expm1(-apart * seconds) / apart if apart else seconds
        return math.exp(-slow * seconds) * (1 + slow * share)
    from scipy.integrate import quad  # as above

    # P(X > t) + ∫ P(S > t - x) dP(X ≤ x), in x = -mean·ln(1 - u), which has no peak to be missed.
    whole = -math.expm1(-seconds / mean)
    inside, _ = quad(lambda u: service.tail(seconds + mean * math.log1p(-u)), 0.0, whole, limit=200)
    return 1 - whole + float(inside)
