"""Waiting for one of c agents: Erlang's formulas, and how far they carry.

Turns arrive by a Poisson process, wait in one queue in order of arrival, and nobody leaves it.
With exponential service that is M/M/c, and all figures here are exact. With constant or log-normal
service (M/G/c) no closed form is known; what stands here then is an approximation, and
`Service.exact` says so.

Sources: D. Gross, J. F. Shortle, J. M. Thompson, C. M. Harris, "Fundamentals of Queueing Theory",
4th edition, 2008, chapter 2 (M/M/c: the distribution of the wait and of the response);
L. Kleinrock, "Queueing Systems", volume 1, 1975, chapter 3; A. O. Allen, "Probability, Statistics,
and Queueing Theory", 2nd edition, 1990, chapter 5 (percentiles; the Allen-Cunneen approximation).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Self

Shape = Literal["exponential", "constant", "lognormal"]
Kind = Literal["wait", "response"]
"""Until an agent begins; that and the service."""

_MOST_ERLANGS: Final = 2e7  # a few seconds of the recursion; more agents than anyone has


@dataclass(frozen=True, slots=True)
class Service:
    """How long an agent is busy with one turn."""

    mean: float  # seconds, above 0
    shape: Shape = "exponential"
    # Of a log-normal one the standard deviation of the logarithm, 0 or more; its mean is its median
    # times exp(sigma² / 2).
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

    @property
    def exact(self) -> bool:
        """Whether the figures of a queue with it are exact; else they are approximations.

        The mean wait is Allen and Cunneen's: that of M/M/c times (1 + variability) ÷ 2, which for
        one agent is exact (Pollaczek and Khinchine). The chance to wait is taken from M/M/c, and
        who waits is taken to wait exponentially long. docs/planning.md has the errors that were
        measured.
        """
        return self.shape == "exponential"

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
    """What is asked of a queue: a percentile of the wait or of the response within a limit."""

    kind: Kind
    per_mille: int  # the percentile in thousandths, 1 to 999
    limit: float  # seconds, 0 or more

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
    """One queue before some agents."""

    waits: float  # the chance that a turn has to wait
    mean: float  # seconds, of those who wait; infinite where the queue has no end
    service: Service

    @classmethod
    def of(cls, arrivals: float, service: Service, agents: int) -> Self:
        """Return the queue of so many arrivals a second.

        Raises:
            ValueError: there is no agent, or arrivals are below 0.
        """
        erlangs = arrivals * service.mean
        return cls.known(erlang_c(agents, erlangs), erlangs, service, agents)

    @classmethod
    def known(cls, waits: float, erlangs: float, service: Service, agents: int) -> Self:
        """Return it where the chance to wait is known; who waits, waits 1 ÷ (cμ - λ) s."""
        if erlangs >= agents:
            return cls(1.0, math.inf, service)
        inflated = (1 + service.variability) / 2  # Allen and Cunneen's factor
        return cls(waits, service.mean / (agents - erlangs) * inflated, service)

    def tail(self, kind: Kind, seconds: float) -> float:
        """P(W > t) = C·exp(-(cμ - λ)·t) for t of 0 or more, or P(W + S > t)."""
        if self.mean == math.inf or seconds < 0:
            return 1.0
        if kind == "wait":
            return self.waits * math.exp(-seconds / self.mean)
        # Who need not wait has the service alone, who waits has the sum of the two.
        alone = self.service.tail(seconds)
        return alone + self.waits * (_sum_tail(self.mean, self.service, seconds) - alone)

    def late(self, objective: Objective) -> float:
        """The share that takes longer than the limit."""
        return self.tail(objective.kind, objective.limit)

    def percentile(self, kind: Kind, per_mille: int) -> float:
        """Seconds; 0 where so many need not wait, infinite where the queue has no end."""
        from scipy.optimize import brentq  # a worker never asks and should not pay for loading it

        late = Objective(kind, per_mille, 0).late
        if self.mean == math.inf:
            return math.inf
        if kind == "wait":
            return self.mean * math.log(self.waits / late) if self.waits > late else 0.0
        high = self.service.mean
        while self.tail(kind, high) > late:
            high *= 2
        return float(brentq(lambda t: self.tail(kind, t) - late, 0.0, high, xtol=1e-12))


def erlang_b(agents: int, erlangs: float) -> float:
    """The share of arrivals that find all agents busy where nobody may wait (M/M/c/c).

    By the recursion B(0) = 1, B(k) = a·B(k-1) ÷ (k + a·B(k-1)), which neither overflows nor
    cancels, for any number of agents.

    Raises:
        ValueError: agents or offered load are below 0.
    """
    if agents:
        _check(agents, erlangs)
    blocked = 1.0
    for k in range(1, agents + 1):
        blocked = erlangs * blocked / (k + erlangs * blocked)
    return blocked


def erlang_c(agents: int, erlangs: float) -> float:
    """The chance that an arrival has to wait (M/M/c): C = B ÷ (1 - ρ·(1 - B)); 1 from ρ = 1 on.

    Raises:
        ValueError: there is no agent, or the offered load is below 0.
    """
    _check(agents, erlangs)
    if erlangs >= agents:
        return 1.0
    return _delayed(erlang_b(agents, erlangs), agents, erlangs)


def agents_needed(arrivals: float, service: Service, objective: Objective) -> int | None:
    """Return the fewest agents that keep an objective at so many turns a second.

    None where none would do, because the service alone takes too long.

    Raises:
        ValueError: arrivals are negative, or of more than twenty million agents' work.
    """
    erlangs = arrivals * service.mean
    _check(1, erlangs)
    if erlangs > _MOST_ERLANGS:
        raise ValueError(f"{erlangs:,.6g} erlangs are more than this reckons with")
    if objective.kind == "response" and service.tail(objective.limit) > objective.late:
        return None
    for agents, blocked in _recursion(erlangs):
        if agents > erlangs:
            queue = Queue.known(_delayed(blocked, agents, erlangs), erlangs, service, agents)
            # Where nobody waits any more, more agents change nothing: only rounding is left.
            if queue.waits == 0 or queue.late(objective) <= objective.late:
                return agents
    raise AssertionError("the recursion has no end")


def load_held(agents: int, service: Service, objective: Objective) -> float:
    """Return the most turns a second that so many agents take within an objective.

    0 where that is out of reach whatever the load.
    """
    from scipy.optimize import brentq  # as above

    def excess(erlangs: float) -> float:
        queue = Queue.known(erlang_c(agents, erlangs), erlangs, service, agents)
        return queue.late(objective) - objective.late

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
