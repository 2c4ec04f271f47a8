"""Capacity searches, as `capacity.json` holds them."""

from dataclasses import asdict
from typing import Any

from loadkit.capacity.evidence import StepOutcome, Verdict
from loadkit.capacity.stored import SCHEMA

LIMITS = [("response.p95", 2500.0)]


def step(number: int, at: float, verdict: Verdict = "held", **other: Any) -> dict[str, Any]:
    rate = at / (1 + 0.02 * (at - 1) + 0.0001 * at * (at - 1))
    return {
        "number": number,
        "kind": "probe",
        "load": at,
        "outcome": asdict(StepOutcome(at, verdict, why=other.pop("why", "response p95 812 ms"))),
        "delivered": {
            "concurrent": other.pop("concurrent", at),
            "sessions_per_second": 1.0,
            "turns_per_second": round(other.pop("turns", rate), 3),
        },
        "latency_ms": {
            "response": {"count": 900, "mean": 320.0, "p50": 300.0 + at, "p95": 812.0 + at}
        },
        "measured_from_s": 100.0,
        "measured_to_s": 130.0,
        "slo": [],
        **other,
    }


STEPS = [
    step(1, 100),
    step(2, 200),
    step(3, 400),
    step(4, 800, "broken", why="response p95 3,000 ms > 2,500 ms"),
    step(5, 412),
    step(6, 421, "broken"),
    step(7, 412, kind="confirm"),
]


def found(
    model: str = "closed", steps: Any = None, time_scale: float = 1.0, **result: Any
) -> dict[str, Any]:
    capacity: dict[str, Any] | None = {
        "verdict": "found",
        "load": 412.0,
        "low": 398.0,
        "high": 421.0,
        "confirmed": True,
        "limit": "slo",
        "flips": None,
        "steps": 7,
        "seconds": 900.0,
        "notes": [],
    } | result
    if result.get("verdict") == "interrupted":
        capacity = None
    return {
        "schema": SCHEMA,
        "profile": "shop",
        "model": model,
        "own_load": 100,
        "slo": [{"metric": metric, "limit": limit} for metric, limit in LIMITS],
        "settings": {},
        "subject": {"profile": {"conversation": {"time_scale": time_scale}}},
        "capacity": capacity,
        "steps": STEPS if steps is None else steps,
    }
