"""The arithmetic of a plan: from sessions an hour to agents, generators and bandwidth."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from loadkit.config.table import MOST
from loadkit.errors import UsageError
from loadkit.planner.inputs import Carried, PlanInput
from loadkit.planner.reconnect_storm import POLICIES, ReconnectStorm, simulate
from loadkit.readiness.room import DEFLATE_BYTES, INFLATE_BYTES
from loadkit.stats.number_format import number
from loadkit.stats.queueing import Objective, Service, agents_needed

PACE: Final = 26.0
"""Seconds from turn to turn of the people a core was measured with; docs/doctor.md."""

PACKED: Final = 1.28
"""What an exchange costs where all messages are compressed, by what it costs otherwise;
docs/benchmarks.md."""

LEAST: Final = 1e-9
"""Sessions at once; fewer are nobody."""

SPARE: Final = 0.05
"""Of the agents' work: where fewer are to spare, a plan says that there is no margin. Ours."""

PORTS: Final = 28_232
"""Connections from one address to another: Linux' default `ip_local_port_range`, 32768 to 60999."""

SENT, RECEIVED = (374, 650), (2_153, 1_538)
"""Bytes of WebSocket frames a session, and on top of it a turn, to and from the target; heartbeats
are not in them. Two runs of `smoke` against the simulator, of one turn and of eight a session,
solved for both; they foretell two other runs of it to 3 %. docs/planning.md."""

BEAT_SENT, BEAT_RECEIVED = 50, 147
"""Bytes of a heartbeat's frame and of its echo's, headers included."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One figure of a plan, with its unit, in each column; other formulas use its symbol."""

    name: str
    symbol: str
    formula: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it."""

    inputs: Mapping[str, PlanInput]
    columns: tuple[str, ...]  # what the values of each row are for
    rows: tuple[PlanRow, ...]
    # Everyone of the last column cut off at once, by each rule of coming back.
    storms: tuple[ReconnectStorm, ...]
    remarks: tuple[str, ...]  # what follows from the figures, a sentence each

    def to_dict(self) -> dict[str, Any]:
        """Return it as `--json` writes it: durations in seconds, shares from 0 up."""
        return {
            "schema": "loadkit.plan/1",
            "inputs": {
                name: asdict(figure) | {"value": _plain(figure.value)}
                for name, figure in self.inputs.items()
            },
            "columns": list(self.columns),
            "rows": [asdict(row) for row in self.rows],
            "storms": [
                {
                    "policy": storm.policy.name,
                    "rule": storm.policy.rule,
                    "sessions": storm.sessions,
                    "upgrades_per_second": storm.upgrades_per_second,
                    "peak_per_second": storm.peak,
                    "attempts_each": storm.attempts_each,
                    "back_after_s": storm.back_after,
                    "gave_up": storm.gave_up,
                    "attempts": list(storm.attempts),
                    "accepted": list(storm.accepted),
                }
                for storm in self.storms
            ],
            "remarks": list(self.remarks),
        }


def make_plan(inputs: Mapping[str, PlanInput]) -> Plan:
    """Reckon a plan; raises UsageError for what no number of agents keeps, and for too much."""
    value = {name: figure.value for name, figure in inputs.items()}
    columns, concurrent = _columns(value)
    arrivals = [sessions / value["mean_session"] for sessions in concurrent]
    rows = [*_demand(inputs, value, arrivals, concurrent)]
    rows += _agents("agents", "c", "service", "slo", inputs, [a * value["turns"] for a in arrivals])
    if value["handoffs"]:
        rate = [a * value["handoffs"] for a in arrivals]
        rows += _agents("humans", "c′", "live_service", "live_slo", inputs, rate)
    rows += [*_traffic(value, arrivals, concurrent), *_generator(inputs, value, concurrent)]
    remarks = [*_margin(rows)]
    if "capacity" in value:
        capacity: Carried = value["capacity"]
        demand = concurrent
        if capacity.turns_per_second is not None:
            demand = [rate * value["turns"] for rate in arrivals]
        rows += _deployments(capacity, demand)
        remarks += _until_full(value, capacity, demand)
        remarks += _untried(capacity, concurrent, rows)
    cut_off = math.ceil(concurrent[-1])
    takes = value.get("upgrades_per_second", cut_off / 60)
    storms = tuple(simulate(policy, cut_off, takes) for policy in POLICIES)
    return Plan(inputs, columns, tuple(rows), storms, tuple(remarks))


def _columns(value: Mapping[str, Any]) -> tuple[tuple[str, ...], list[float]]:
    """What is reckoned for, and how many sessions there are at once in each."""
    if "sessions_per_hour" in value:
        mean = value["sessions_per_hour"] / 3600 * value["mean_session"]
        names, concurrent = ["mean", "peak"], [mean, mean * value["peak_to_mean"]]
    else:
        names, concurrent = ["peak"], [value["concurrent"]]
    if value["growth"] != 1:
        names.append(f"+{value['years']:g} years")
        concurrent.append(_grown(concurrent[-1], value["growth"], value["years"]))
    return tuple(names), concurrent


def _grown(concurrent: float, growth: float, years: float) -> float:
    try:
        grown = float(concurrent * growth**years)
    except OverflowError:
        grown = math.inf
    if not LEAST <= grown <= MOST:
        raise UsageError(
            f"--growth over --years leads to {grown:,.3g} sessions at once: it is reckoned with "
            f"{LEAST:g} to {MOST:,.0f}; look less far ahead"
        )
    return grown


def _demand(
    inputs: Mapping[str, PlanInput],
    value: Mapping[str, Any],
    arrivals: list[float],
    concurrent: list[float],
) -> list[PlanRow]:
    grown = f"; then × {value['growth']:.4g}^{value['years']:g}" if value["growth"] != 1 else ""
    length = inputs["mean_session"].text
    if "sessions_per_hour" in value:
        asked = f"{inputs['sessions_per_hour'].text}, × {inputs['peak_to_mean'].text} at the peak"
        hourly, each, at_once = asked + grown, "S ÷ 3,600 s", f"λ × {length} (Little)"
    else:
        at_once, each = inputs["concurrent"].text + grown, f"L ÷ {length} (Little)"
        hourly = "λ × 3,600 s"
    turns = tuple(rate * value["turns"] for rate in arrivals)
    return [
        PlanRow("sessions an hour", "S", hourly, tuple(rate * 3600 for rate in arrivals)),
        PlanRow("session arrivals, /s", "λ", each, tuple(arrivals)),
        PlanRow("sessions at once", "L", at_once, tuple(concurrent)),
        PlanRow("turns, /s", "τ", f"λ × {inputs['turns'].text} turns", turns),
    ]


def _agents(
    name: str,
    symbol: str,
    service: str,
    slo: str,
    inputs: Mapping[str, PlanInput],
    rates: list[float],
) -> list[PlanRow]:
    objective: Objective = inputs[slo].value
    needed = []
    for rate in rates:
        busy = Service(inputs[service].value)
        try:
            agents = agents_needed(rate, busy, objective)
        except ValueError as error:
            raise UsageError(f"the plan is too large: {error}") from error
        if agents is None:
            longest = -busy.mean * math.log(objective.late)
            raise UsageError(
                f"--slo {inputs[slo].text} is kept by no number of agents: with a mean service of "
                f"{inputs[service].text} that percentile of the service alone is {longest:.3g} s; "
                "raise the limit or shorten --service"
            )
        needed.append(agents)
    loads = [rate * inputs[service].value for rate in rates]
    held = inputs[slo].text.replace("=", " ≤ ")
    source = "τ" if name == "agents" else f"λ × {inputs['handoffs'].text}"
    mark = "a" if name == "agents" else "a′"
    # Rounded down: a queue that is full to 100 % has no end, and this one has.
    used = tuple(
        math.floor(1000 * load / agents) / 10 for load, agents in zip(loads, needed, strict=True)
    )
    return [
        PlanRow(f"busy {name}, erlangs", mark, f"{source} × {inputs[service].text}", tuple(loads)),
        PlanRow(f"{name} needed", symbol, f"fewest with {held} (M/M/c, Erlang C)", tuple(needed)),
        PlanRow("  their utilisation, %", "", f"{mark} ÷ {symbol}", used),
    ]


def _margin(rows: list[PlanRow]) -> list[str]:
    """What Erlang's formula takes for granted: that the rate is known, and does not move."""
    busy = next(row.values for row in rows if row.symbol == "a")
    needed = next(row.values for row in rows if row.symbol == "c")
    spare = min(agents / load - 1 for agents, load in zip(needed, busy, strict=True))
    if spare >= SPARE:
        return []
    return [
        "The fewest agents leave no margin: Erlang C takes the rate of turns for certain, and "
        f"with {100 * spare:.2g} % more than planned their queue grows without bound."
    ]


def _traffic(
    value: Mapping[str, Any], arrivals: list[float], concurrent: list[float]
) -> list[PlanRow]:
    beats = tuple(sessions / value["heartbeat"] for sessions in concurrent)

    def row(name: str, each: tuple[int, int], beat: int) -> PlanRow:
        bare, turn = each
        formula = f"8 × (λ × {bare:,} B + τ × {turn:,} B + h × {beat} B)"
        megabits = tuple(
            8e-6 * (rate * (bare + turn * value["turns"]) + beating * beat)
            for rate, beating in zip(arrivals, beats, strict=True)
        )
        return PlanRow(name, "", formula, megabits)

    echoed = f"L ÷ {value['heartbeat']:g} s; as many echoes"
    formula = f"8 × h × ({BEAT_SENT} + {BEAT_RECEIVED}) B"
    both = tuple(8e-6 * beating * (BEAT_SENT + BEAT_RECEIVED) for beating in beats)
    return [
        PlanRow("heartbeats, /s", "h", echoed, beats),
        row("to the target, Mbit/s", SENT, BEAT_SENT),
        row("from the target, Mbit/s", RECEIVED, BEAT_RECEIVED),
        PlanRow("  heartbeats of both, Mbit/s", "", formula, both),
    ]


def _generator(
    inputs: Mapping[str, PlanInput], value: Mapping[str, Any], concurrent: list[float]
) -> list[PlanRow]:
    # The figure of docs/doctor.md is of people at one pace; one's own figure is of one's own.
    quicker = max(1.0, PACE * value["turns"] / value["mean_session"])
    if inputs["sessions_per_core"].origin == "given":
        quicker = 1.0
    by = f"L ÷ {inputs['sessions_per_core'].text}"
    by += f" × {quicker:.3g} (a turn comes oftener than every {PACE:g} s)" if quicker > 1 else ""
    compressed = value["compressed"]
    if compressed and inputs["sessions_per_core"].origin != "given":
        dearer = 1 + (PACKED - 1) * compressed
        quicker *= dearer
        by += f" × {dearer:.3g} (compression)"
    kb, size = value["session_kb"], f"{inputs['session_kb'].text} KB"
    if compressed and inputs["session_kb"].origin != "given":
        more = (INFLATE_BYTES + DEFLATE_BYTES) / 1000
        kb += compressed * more
        size = f"({size} + {inputs['compressed'].text} × {more:g} KB)"

    per_core = value["sessions_per_core"]
    cores = tuple(math.ceil(sessions / per_core * quicker) for sessions in concurrent)
    memory = tuple(sessions * kb * 1e-6 for sessions in concurrent)
    sources = tuple(math.ceil(sessions / PORTS) for sessions in concurrent)
    return [
        PlanRow("generator cores", "", by, cores),
        PlanRow("generator memory, GB", "", f"L × {size}", memory),
        PlanRow("source IP addresses", "", f"L ÷ {PORTS:,} ports, to one address", sources),
    ]


def _carries(capacity: Carried) -> float:
    turns = capacity.turns_per_second
    return capacity.sessions if turns is None else turns


def _deployments(capacity: Carried, demand: list[float]) -> list[PlanRow]:
    held, what = _carries(capacity), "L" if capacity.turns_per_second is None else "τ"
    needed = tuple(float(math.ceil(asked / held)) for asked in demand)
    carried = tuple(100 * held / asked for asked in demand)
    return [
        PlanRow("deployments needed", "D", f"{what} ÷ {capacity.text}, rounded up", needed),
        PlanRow("one deployment carries, %", "", f"{capacity.text} ÷ {what}", carried),
    ]


def _until_full(value: Mapping[str, Any], capacity: Carried, demand: list[float]) -> list[str]:
    today = demand[-2] if value["growth"] != 1 else demand[-1]
    if _carries(capacity) < today:
        return ["One deployment does not hold today's peak."]
    if value["growth"] <= 1:
        return []
    years = math.log(_carries(capacity) / today) / math.log(value["growth"])
    return [f"At this growth one deployment holds the peak for {years:.1f} years."]


def _untried(capacity: Carried, concurrent: list[float], rows: list[PlanRow]) -> list[str]:
    """Turns are not all: open sockets take memory, and a search may have had few of them."""
    needed = next(row.values for row in rows if row.symbol == "D")
    each = max(sessions / of for sessions, of in zip(concurrent, needed, strict=True))
    if capacity.turns_per_second is None or each <= capacity.sessions:
        return []
    return [
        f"Each deployment has up to {number(round(each))} sessions at once then; the search had "
        f"{number(round(capacity.sessions))}: whether it holds as many sockets is not known."
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Carried):
        return asdict(value)
    if isinstance(value, Objective):
        return {"kind": value.kind, "per_mille": value.per_mille, "limit_s": value.limit}
    return value
