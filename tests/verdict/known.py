"""What is known of a run that never was."""

from typing import Any

from loadkit.verdict.run_facts import RunFacts, RunSpec

OF_SPEC = ("profile", "limits", "strict", "notes", "warmup_s", "foreseen")


def asked_and_known(**options: Any) -> tuple[RunSpec, RunFacts]:
    """Give each option to what it belongs to."""
    spec = {"profile": "smoke", **{key: options[key] for key in OF_SPEC if key in options}}
    facts = {key: options[key] for key in options if key not in OF_SPEC}
    return (
        RunSpec(started_at="2026-11-22T15:06:54Z", target="http://127.0.0.1:8100", **spec),
        RunFacts(**{"duration_s": 30.1, **facts}),
    )
