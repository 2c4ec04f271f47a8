"""How busy the people of a capacity search were: turns a second, and at their own pace."""

from collections.abc import Mapping
from typing import Any, Final

from loadkit.figures import Phase

_WAITS: Final = (
    Phase.TOKEN,
    Phase.CREATE_SESSION,
    Phase.CONNECT,
    Phase.HISTORY,
    Phase.GREETING,  # from the join on
    Phase.RESPONSE,
    Phase.LIVE_RESPONSE,
    Phase.HANDOFF_WAIT,
    Phase.RECONNECT,
    Phase.END,
)
"""The phases in which a person waits for the target, none of them within another."""

_CLEAR: Final = 0.1
"""Of their time, what people have to have spent typing, reading and thinking for it to be known
well enough to be multiplied. Ours."""


def time_scale(found: Mapping[str, Any]) -> float:
    """Return how much time people took compared with their own pace; 1 where nobody says."""
    profile = (found.get("subject") or {}).get("profile", {})
    return float(profile.get("conversation", {}).get("time_scale", 1.0))


def held_step(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the step that its capacity rests on: the last that held at that load."""
    at = (found["capacity"] or {}).get("load")
    held = [
        step
        for step in found.get("steps", ())
        if step["load"] == at and step["outcome"]["verdict"] == "held"
    ]
    return held[-1] if held else None


def own_pace(step: Mapping[str, Any], scale: float) -> float | None:
    """How many people at their own pace would talk as much as those of a step.

    They wait as long for the target, and take 1 ÷ scale of the time for all else:

        N′ = (waits + (N × seconds - waits) ÷ scale) ÷ seconds

    None where nearly all of the time was spent waiting, so that the rest is not known.
    """
    seconds = step["measured_to_s"] - step["measured_from_s"]
    lived = step["delivered"]["concurrent"] * seconds
    latency = step["latency_ms"]
    waits = sum(
        latency[phase]["count"] * latency[phase]["mean"] / 1000
        for phase in _WAITS
        if phase in latency
    )
    busy = lived - waits
    if not lived or busy < _CLEAR * lived:
        return None
    return float((waits + busy / scale) / seconds)
