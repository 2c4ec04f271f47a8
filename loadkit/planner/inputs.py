"""What a plan reckons with: each figure with its unit and with how it is known."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from loadkit.capacity.document import load
from loadkit.capacity.pace import held_step, time_scale
from loadkit.chat.personas import PERSONAS, offered
from loadkit.config.table import checked, parse_duration, parse_ratio
from loadkit.errors import UsageError
from loadkit.figures import Client
from loadkit.profile.metrics import Metric, MetricError
from loadkit.readiness.doctor import SESSIONS_A_CORE
from loadkit.readiness.room import SESSION_BYTES
from loadkit.security.textfile import clipped
from loadkit.stats.number_format import number
from loadkit.stats.queueing import Objective

Origin = Literal["given", "measured", "assumed"]

SCALE: Final = 1_000_000
"""Sessions at once that are sized when nobody says how many: the scale of the internet."""


@dataclass(frozen=True, slots=True)
class PlanInput:
    """One input."""

    value: Any  # in seconds, bytes, sessions, or as a share: see `text`
    text: str  # as a reader knows it, with its unit
    origin: Origin  # `given` by whoever plans, `measured` by this tool, or `assumed`
    source: str = ""  # where a figure that was not given is from


@dataclass(frozen=True, slots=True)
class Carried:
    """What one deployment carries: turns a second, and the sessions at once meanwhile.

    The former are None where only its sessions are known.
    """

    turns_per_second: float | None
    sessions: float

    @property
    def text(self) -> str:
        """What is divided by, with its unit."""
        if self.turns_per_second is None:
            return f"{self.sessions:,.6g} sessions at once"
        return f"{number(self.turns_per_second)} turns/s"


def _float(text: str) -> float:
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ValueError(f"should be a number, not {clipped(text)!r}") from None


def _number(text: str) -> float:
    value = _float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError("should be above 0")
    return float(checked(value))


def _years(text: str) -> float:
    if (years := _number(text)) > 100:
        raise ValueError("should be 100 or less")
    return years


def _duration(text: str) -> float:
    if not (seconds := parse_duration(text)) > 0:
        raise ValueError("should be above 0 s")
    return seconds


def _ratio(text: str) -> float:
    return parse_ratio(text if text.endswith("%") else _float(text))


def _at_least_one(text: str) -> float:
    if (value := _number(text)) < 1:
        raise ValueError("should be 1 or more: a peak is no lower than the mean")
    return value


def _growth(text: str) -> float:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*%(?:/(year|month))?", text.strip())
    if not found or not -100 < float(found[1]) <= 10_000:
        raise ValueError('should be such as "20%/year" or "2%/month", above -100 %')
    factor = 1 + float(found[1]) / 100
    return factor**12 if found[2] == "month" else factor


def _capacity(text: str) -> Carried:
    return Carried(None, _number(text))


def _objective(phase: str, kind: Literal["wait", "response"]) -> Callable[[str], Objective]:
    def parse(text: str) -> Objective:
        name, _, limit = text.partition("=")
        metric = Metric.parse(name.strip())
        if metric.phase != phase or metric.per_mille is None or metric.scope or not limit:
            raise ValueError(f'should be a percentile of it, such as "{phase}.p95=2.5s"')
        return Objective(kind, metric.per_mille, parse_duration(limit.strip()))

    return parse


INPUTS: Final[dict[str, tuple[Callable[[str], Any], str | None, Origin, str]]] = {
    "sessions_per_hour": (_number, None, "assumed", ""),
    "concurrent": (_number, None, "assumed", "the scale of the internet"),
    "mean_session": (_duration, "3m", "assumed", ""),
    "turns": (_number, "5", "assumed", ""),
    "peak_to_mean": (_at_least_one, "3", "assumed", ""),
    "growth": (_growth, "0%/year", "assumed", ""),
    "years": (_years, "3", "assumed", ""),
    "service": (_duration, "700ms", "assumed", "exponential, one turn at a time"),
    "slo": (_objective("response", "response"), "response.p95=2.5s", "assumed", ""),
    "handoffs": (_ratio, "0%", "assumed", ""),
    "live_service": (_duration, "5m", "assumed", "exponential, one chat at a time"),
    "live_slo": (_objective("handoff_wait", "wait"), "handoff_wait.p90=1m", "assumed", ""),
    "heartbeat": (_duration, "30s", "assumed", "the protocol's default"),
    "sessions_per_core": (
        _number,
        f"{SESSIONS_A_CORE:,}",
        "measured",
        "docs/doctor.md: half a core, a turn every 26 s",
    ),
    "session_kb": (
        _number,
        f"{SESSION_BYTES / 1000:g}",
        "measured",
        "docs/doctor.md: twice what an idle one took",
    ),
    "compressed": (_ratio, "0%", "assumed", "only android and web clients offer it"),
    "upgrades_per_second": (_number, None, "assumed", "all who were cut off, in a minute"),
    "capacity": (_capacity, None, "assumed", ""),
}
"""Name → how it is read, the default as one would write it, and where that is from."""


def read_inputs(
    given: Mapping[str, str | None], capacity: Path | None = None
) -> dict[str, PlanInput]:
    """Read the flags that were given, by their names in `INPUTS`, and add what was not.

    Raises:
        UsageError: every mistake, each with its flag.
    """
    figures, mistakes = {}, []
    for name, (parse, default, origin, source) in INPUTS.items():
        text = given.get(name)
        try:
            if text is not None:
                figures[name] = PlanInput(parse(text), text, "given")
            elif default is not None:
                figures[name] = PlanInput(parse(default), default, origin, source)
        except (ValueError, MetricError) as error:
            mistakes.append(f"{_flag(name)} {clipped(text or '')}: {error}")
    if "sessions_per_hour" in figures and "concurrent" in figures:
        mistakes.append("--sessions-per-hour and --concurrent are two ways to say one: give one")
    if capacity is not None and "capacity" in figures:
        mistakes.append(f"--capacity and {capacity} are two ways to say one: give one")
    if given.get("concurrent") and given.get("peak_to_mean"):
        mistakes.append("--peak-to-mean changes nothing: --concurrent is the peak; leave it out")
    if given.get("years") and not given.get("growth"):
        mistakes.append("--years without --growth changes nothing: add --growth 20%/year")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    if "sessions_per_hour" not in figures and "concurrent" not in figures:
        why = INPUTS["concurrent"][3]
        figures["concurrent"] = PlanInput(float(SCALE), f"{SCALE:,}", "assumed", why)
    if capacity is not None:
        figures["capacity"] = read_capacity(capacity)
        if given.get("compressed") is None:
            figures["compressed"] = _compressed(capacity) or figures["compressed"]
    return {name: figures[name] for name in INPUTS if name in figures}


def read_capacity(path: Path) -> PlanInput:
    """Read what a deployment carries from the result of a capacity search, or its folder.

    That is turns a second: how many people it takes to say as much depends on how busy they are,
    and those of a search may be ten times as busy as people.

    Raises:
        UsageError: it cannot be read, or names no capacity.
    """
    document = load(path)
    result = document["capacity"] or {"verdict": "interrupted", "load": None}
    verdict, step = str(result["verdict"]), held_step(document)
    if result["load"] is None or step is None:
        raise UsageError(f"{path}: names no capacity ({verdict}); give one by --capacity N")
    delivered = step["delivered"]
    carried = Carried(delivered["turns_per_second"], delivered["concurrent"])
    if not carried.turns_per_second:
        raise UsageError(f"{path}: had no turn in its capacity; give one by --capacity N")
    source = path.name if verdict == "found" else f"{path.name}, {verdict.replace('_', ' ')}"
    scale = time_scale(document)
    pace = "" if scale == 1 else f" at time scale {scale:g}"
    held = f"{number(round(carried.sessions))} sessions at once{pace}"
    return PlanInput(carried, carried.text, "measured", f"{source}: {held}")


def _compressed(path: Path) -> PlanInput | None:
    """The share of a search's sessions that offered compression; None where it does not say."""
    profile = (load(path).get("subject") or {}).get("profile") or {}
    clients, connection = profile.get("clients"), profile.get("connection")
    if not isinstance(clients, dict) or not isinstance(connection, dict):
        return None
    try:
        weights = {Client(name): _number(f"{weight}") for name, weight in clients.items() if weight}
    except (ValueError, UsageError):
        return None
    deflate = connection.get("deflate")
    asked = deflate if isinstance(deflate, bool) else None
    offering = sum(w for client, w in weights.items() if offered(PERSONAS[client], asked))
    share = offering / sum(weights.values()) if weights else 0.0
    return PlanInput(share, f"{100 * share:.3g}%", "measured", f"{path.name}: its clients")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
