"""How right a found capacity is: `loadkit capacity` against a queue whose capacity is known.

The simulator with `agent.slots` is a queue before c agents, served in order of arrival. Sessions of
one turn begin by a Poisson process, and as people take time to type, each its own, the turns
arrive by one as well (a Poisson process whose points are moved independently stays one; J. L. Doob,
"Stochastic Processes", 1953, chapter VIII). So exponential service makes it M/M/c, and Erlang C
says how long turns wait and what load keeps an SLO. For constant and log-normal service no formula
is exact: there the truth is a long simulation of the queue alone, of a few lines and without a
socket, and the formula of `loadkit plan` (Allen and Cunneen) is shown beside it.

THINKING is sent when an agent begins, so its latency is the wait.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq

from bench.figures import Figure
from bench.processes import ROOT, BenchError, Lab
from loadkit.stats.queueing import Objective, Queue, Service, load_held

BUSY_AT_LIMIT: Final = 0.92
"""Utilisation at which the response's p95 is to meet its limit. There the p95 rises by 6 to 10 %
for a percent of load, and some 150 turns a second make 80 s worth 1.5 to 2 % of load (the standard
deviation of simulated holds). At 0.85 and 85 turns a second they would be worth 5 %: no search,
however good, could show an error of less."""

SEARCH: Final = 1200.0  # seconds that one may take
WAIT: Final = 60.0  # seconds that waits are measured
WARM_UP: Final = 8.0  # seconds before
UTILISATIONS: Final = (0.5, 0.7, 0.9)
TARGET_PERCENT: Final = 5
LONG: Final = 400_000  # turns of the simulated truth
TRIP_MS: Final = 1.5  # from one process to the other, and a timer of whole milliseconds
REPLICAS: Final = 200  # simulated runs that show what sampling error is

PEOPLE: Final = """
[mix]
CompleteChat = 1
[conversation]
turns = { min = 1, max = 1 }
time_scale = 0.1 # a second or so to type: it undoes what order the joins brought in
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A queue: its agents, their service, and the dial that makes the simulator have it."""

    name: str
    agents: int
    service: Service
    dial: str

    @property
    def limit(self) -> float:
        """Of the response's p95, in seconds: what the formula gives at `BUSY_AT_LIMIT`."""
        rate = BUSY_AT_LIMIT * self.agents / self.service.mean
        return round(Queue.of(rate, self.service, self.agents).percentile("response", 950), 3)

    @property
    def formula(self) -> float:
        """Turns a second that keep the limit, by `loadkit.stats.queueing`."""
        return load_held(self.agents, self.service, Objective("response", 950, self.limit))

    @property
    def dials(self) -> tuple[str, ...]:
        """All of the simulator's that it takes."""
        return (
            f"agent.slots={self.agents}",
            "agent.queue_limit=1000000",
            "agent.join=0",
            "agent.greeting=0",
            "agent.thinking=0",
            "agent.suggestion_rate=0",
            f"agent.first_response={self.dial}",
        )


_MEDIAN, _SIGMA = 0.05, 0.6
SETTINGS: Final = (
    Setting("M/M/8", 8, Service(0.05), "{ kind = 'exponential', mean = '50ms' }"),
    Setting("M/D/6", 6, Service(0.04, "constant"), "{ kind = 'constant', value = '40ms' }"),
    Setting(
        "M/LN/10",
        10,
        Service(_MEDIAN * float(np.exp(_SIGMA**2 / 2)), "lognormal", _SIGMA),
        f"{{ kind = 'lognormal', median = '{_MEDIAN * 1000:g}ms', sigma = {_SIGMA} }}",
    ),
)
WAITING: Final = Setting("M/M/4", 4, Service(0.04), "{ kind = 'exponential', mean = '40ms' }")
"""The queue whose waits are measured: fewer agents, so that two turns of five wait at 70 %."""


def run(lab: Lab, repeat: int) -> list[Figure]:
    """Search the capacity of each setting, then measure waits at three utilisations."""
    errors, unconfirmed, outside = [], [], []
    for number in range(1, repeat + 1):
        print(f"capacity {number}/{repeat}", flush=True)
        worst, vague = 0.0, 0
        for setting in SETTINGS:
            truth = _truth(setting)
            found = _search(lab, setting)
            result = found["capacity"]
            if result is None or result["load"] is None:
                raise BenchError(f"{setting.name}: {found.get('sentence')}")
            off = 100 * (result["load"] / truth - 1)
            worst, vague = max(worst, abs(off)), vague + (found["exit_code"] != 0)
            print(
                f"  {setting.name}: p95 ≤ {setting.limit * 1000:.0f} ms: found "
                f"{result['load']:g} ({_end(result['low'])}–{_end(result['high'])}), true "
                f"{truth:.1f}, formula {setting.formula:.1f}: {off:+.1f} % "
                f"({result['verdict']}, {result['steps']} steps, {result['seconds']:.0f} s)",
                flush=True,
            )
        errors.append(worst)
        unconfirmed.append(vague)
        outside.append(sum(_waits(lab, WAITING, share) for share in UTILISATIONS))
    return [
        Figure("greatest error of a found capacity, %", errors, TARGET_PERCENT),
        # Not left out and not tried again: picking the searches that went well would flatter.
        Figure("  of them without a confirmed answer", unconfirmed, at_most=0),
        Figure("waits (p50, p95) outside of sampling error, of 6", outside, at_most=0),
    ]


def _truth(setting: Setting) -> float:
    """The load at which the p95 of the response meets the limit."""
    if setting.service.exact:
        return setting.formula

    def over(rate: float) -> float:
        # The same random numbers at every rate, so that the difference is smooth enough to solve.
        _, responses = simulated(setting, rate, LONG, seed=7)
        return float(np.percentile(responses, 95)) - setting.limit

    return float(brentq(over, 0.5 * setting.formula, 1.1 * setting.formula, xtol=0.05))


def simulated(
    setting: Setting, rate: float, turns: int, seed: int
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Waits and responses of a queue in order of arrival, the first tenth left out.

    A turn begins when it has come and the first of the agents is free (J. Kiefer and
    J. Wolfowitz, "On the theory of queues with many servers", 1955).
    """
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / rate, turns))
    services = _services(setting.service, turns, rng)
    free, begins = [0.0] * setting.agents, np.empty(turns)
    for number, (arrival, service) in enumerate(zip(arrivals, services, strict=True)):
        begin = max(arrival, free[0])
        heapreplace(free, begin + service)
        begins[number] = begin
    waits = (begins - arrivals)[turns // 10 :]
    return waits, waits + services[turns // 10 :]


def _services(service: Service, turns: int, rng: np.random.Generator) -> "np.ndarray[Any, Any]":
    if service.shape == "exponential":
        return rng.exponential(service.mean, turns)
    if service.shape == "constant":
        return np.full(turns, service.mean)
    median = service.mean / float(np.exp(service.sigma**2 / 2))
    return median * np.exp(rng.normal(0.0, service.sigma, turns))


def _search(lab: Lab, setting: Setting) -> dict[str, Any]:
    start = 0.6 * setting.formula
    profile = lab.profile(
        "capacity.toml",
        f"""
# What load does this queue hold?
[load]
model = "open"
max_concurrent = 20000
stages = [{{ duration = "1s", arrivals_per_second = 1 }}]
{PEOPLE}
[results]
interval = "250ms"
[slo]
"response.p95" = "{setting.limit * 1000:g}ms"
[capacity]
start = {start:.2f}
ceiling = {2 * setting.formula:.2f}
growth = 1.5
ramp = "2s"
settle = "15s"
bracket = 0.03
measure = "20s"
hold = "80s"
cool_down = "4s"
budget = "{SEARCH:g}s"
""",
    )
    options = ["--profile", str(profile), "--capacity"]
    return _loadkit(lab, setting, options, "capacity.json", SEARCH + 60)


def _waits(lab: Lab, setting: Setting, utilisation: float) -> int:
    """How many of p50 and p95 lie where sampling error does not put them."""
    rate = utilisation * setting.agents / setting.service.mean
    profile = lab.profile(
        "waits.toml",
        f"""
# How long do turns wait?
[load]
model = "open"
max_concurrent = 20000
stages = [
    {{ duration = "0s", arrivals_per_second = {rate} }},
    {{ duration = "{WARM_UP + WAIT}s", arrivals_per_second = {rate} }},
]
warmup = "{WARM_UP}s"
{PEOPLE}
""",
    )
    options = ["--profile", str(profile)]
    summary = _loadkit(lab, setting, options, "summary.json", WARM_UP + WAIT + 60)
    found, missed = summary["latency_ms"]["thinking"], 0
    queue = Queue.of(rate, setting.service, setting.agents)
    runs = [simulated(setting, rate, int(rate * WAIT / 0.9), seed)[0] for seed in range(REPLICAS)]
    for name, per_mille in (("p50", 500), ("p95", 950)):
        true = queue.percentile("wait", per_mille) * 1000
        every = [float(np.percentile(waits, per_mille / 10)) * 1000 for waits in runs]
        low, high = np.percentile(every, [2.5, 97.5])
        inside = low <= found[name] <= high + TRIP_MS
        missed += not inside
        print(
            f"  {setting.name} at {utilisation:.0%}: wait {name} {found[name]:.1f} ms, Erlang C "
            f"{true:.1f} ms, 95 % of such runs {low:.1f}–{high:.1f} ms"
            f"{'' if inside else ': OUTSIDE'}",
            flush=True,
        )
    return missed


def _loadkit(
    lab: Lab, setting: Setting, options: Sequence[str], result: str, limit: float
) -> dict[str, Any]:
    """Run loadkit, its worker alone on a core; returns the JSON that it wrote."""
    with lab.server(setting.dials) as server:
        out = server.truth.with_suffix("")
        words = [*options, "--out", str(out)]
        with lab.generator(server, ROOT / "locustfile.py", words) as generator:
            code = generator.finish(limit)
            found = sorted(out.glob(f"*/{result}"))
            if len(found) != 1:
                raise BenchError(f"{setting.name}: no {result} (exit code {code})\n{generator}")
        document: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
    return document


def _end(load: float | None) -> str:
    return "?" if load is None else f"{load:g}"
