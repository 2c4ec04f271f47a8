"""What capacity searches leave."""

from typing import Any


def result(model: str = "closed", time_scale: float = 1.0, **capacity: Any) -> dict[str, Any]:
    """What a search leaves."""
    found = {"verdict": "found", "load": 412.0, "low": None, "high": None} | capacity
    found = {"confirmed": True, "limit": "slo", "flips": None} | found
    return {
        "schema": "loadkit.capacity/1",
        "profile": "shop",
        "slo": [{"metric": "response.p95", "limit": 2500.0}],
        "model": model,
        "subject": {"profile": {"conversation": {"time_scale": time_scale}}},
        "capacity": found,
        "steps": [
            {
                "number": 1,
                "kind": "probe",
                "load": load,
                "outcome": {"load": load, "verdict": verdict, "settled": True, "why": ""},
                "measured_from_s": 0.0,
                "measured_to_s": 30.0,
                "latency_ms": {},
                "slo": [],
                "delivered": {"concurrent": 60.4, "turns_per_second": turns},
            }
            for load, verdict, turns in (
                (100.0, "held", 5.0),
                (found["load"] or 412.0, "held", 19.0),
                (found["load"] or 412.0, "held", 20.5),  # the confirmation
                (900.0, "broken", 30.0),
            )
        ],
    }
