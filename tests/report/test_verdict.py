"""The one line a run ends in."""

from typing import Any

import pytest

from loadkit.report.verdict import verdict_line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"limits": [("violations", 0), ("response.p95", 2500)]},
            "PASS  response p95 872 ms ≤ 2,500 ms · 412 sessions, 1,204 turns, 0 lost · valid",
        ),
        (
            {"limits": [("response.p95", 500), ("echo.p50", 1), ("violations", 0)]},
            "FAIL  response p95 872 ms > 500 ms (and 1 more) · 412 sessions, 1,204 turns, "
            "0 lost · valid",
        ),
        ({}, "PASS  no SLO, response p95 872 ms · 412 sessions, 1,204 turns, 0 lost · valid"),
        (
            {"failing": True},
            "FAIL  no SLO, and something failed: 3 errors, 1 violation · 412 sessions, "
            "1,204 turns, 0 lost · valid",
        ),
        (
            {"lag": 0.13, "limits": [("response.p95", 2500)]},
            "INVALID  event-loop lag p99 was 130 ms (limit 100 ms): the generator was the limit · "
            "412 sessions, 1,204 turns, 0 lost",
        ),
        (
            {"lag": 0.03, "limits": [("response.p95", 2500)]},
            "PASS  response p95 872 ms ≤ 2,500 ms · 412 sessions, 1,204 turns, 0 lost · suspect",
        ),
    ],
)
def test_the_line_says_what_carried_the_verdict(make: Any, options: Any, line: str) -> None:
    """The headline objective, the first broken one, or the gravest doubt; then what was done."""
    assert verdict_line(make(**options)) == line
