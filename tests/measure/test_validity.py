"""Whether a run may be believed, row by row."""

from typing import Any

import pytest

from loadkit.measure.validity import assess

CALM = {"loop_lag_ms": {"p99": 3.0}, "schedule_delay_ms": {"p99": 2.0}}


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({}, "valid", ""),
        ({"loop_lag_ms": {}, "schedule_delay_ms": {}}, "valid", ""),
        ({"loop_lag_ms": {"p99": 25.0}}, "valid", ""),
        ({"loop_lag_ms": {"p99": 25.1}}, "suspect", "event-loop lag p99 was 25.1 ms"),
        ({"loop_lag_ms": {"p99": 100.0}}, "suspect", "adds to the latencies"),
        ({"loop_lag_ms": {"p99": 130.0}}, "invalid", "event-loop lag p99 was 130 ms"),
        ({"schedule_delay_ms": {"p99": 10.0}}, "valid", ""),
        ({"schedule_delay_ms": {"p99": 10.1}}, "suspect", "schedule delay p99 was 10.1 ms"),
        ({"schedule_delay_ms": {"p99": 101.5}}, "invalid", "more workers"),
        ({"saturated_share": 0.10}, "valid", ""),
        ({"saturated_share": 0.25}, "invalid", "in 25% of the intervals"),
        ({"asked_users": 100, "peak_users": 95}, "valid", ""),
        ({"asked_users": 100, "peak_users": 94}, "invalid", "only 94 of 100 concurrent users"),
        ({"asked_users": None, "peak_users": 0}, "valid", ""),
        ({"asked_sessions": 200.0, "sessions_started": 150}, "invalid", "150 of 200 sessions"),
        ({"intervals_missing": 1}, "suspect", "1 report of workers never arrived"),
        ({"workers_lost": 2}, "suspect", "2 workers went away"),
        ({"internal": 1}, "invalid", "1 fault of this tool itself"),
        ({"negative": 1}, "suspect", "below zero"),
        ({"overflow": 3}, "suspect", "3 durations lasted over ten minutes"),
    ],
)
def test_a_run_is_judged_by_the_thresholds(changed: Any, level: str, said: str) -> None:
    """One row a threshold, at it and beyond it; a threshold itself is still allowed."""
    verdict = assess(**(CALM | changed))
    assert verdict.level == level
    assert len(verdict.reasons) == (level != "valid")
    assert said in " ".join(verdict.reasons)


def test_the_gravest_reason_comes_first_and_sets_the_level() -> None:
    """Whoever reads one line reads the one that matters."""
    verdict = assess(
        loop_lag_ms={"p99": 30.0}, schedule_delay_ms={"p99": 200.0}, intervals_missing=4
    )
    assert verdict.level == "invalid"
    assert verdict.reasons[0].startswith("schedule delay")
    assert len(verdict.reasons) == 3
