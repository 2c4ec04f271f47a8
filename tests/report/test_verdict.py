"""The one line a run ends in."""

from typing import Any

import pytest

from loadkit.report.verdict import verdict_line

LIMIT = [("response.p95", 2500)]
DONE = "412 sessions, 1,204 turns, 0 lost"
HELD = "response p95 872 ms ≤ 2,500 ms (95 % CI 864–879)"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"limits": [("violations", 0), *LIMIT]}, f"PASS  {HELD} · {DONE} · valid"),
        (
            {"limits": [("response.p95", 500), ("echo.p50", 1), ("violations", 0)]},
            f"FAIL  response p95 872 ms > 500 ms (95 % CI 864–879), and 1 more · {DONE} · valid",
        ),
        ({}, f"PASS  no SLO, response p95 872 ms · {DONE} · valid"),
        (
            {"failing": True},
            f"FAIL  no SLO, and something failed: 3 errors, 1 violation · {DONE} · valid",
        ),
        (
            {"lag": 0.13, "limits": LIMIT},
            "INVALID  event-loop lag p99 was 130 ms (limit 100 ms): the generator was the limit · "
            f"{DONE}",
        ),
        ({"lag": 0.03, "limits": LIMIT}, f"PASS  {HELD} · {DONE} · suspect"),
        (
            {"limits": [("token.p50", 100), *LIMIT]},
            f"PASS  {HELD} · 1 undecided · {DONE} · valid",
        ),
        (
            {"limits": [("token.p50", 100)]},
            f"PASS  token p50: too few samples (1 of 7) · 1 undecided · {DONE} · valid",
        ),
        (
            {"limits": [("token.p50", 100), *LIMIT], "strict": True},
            f"FAIL  token p50: too few samples (1 of 7) · 1 undecided · {DONE} · valid",
        ),
        (
            {"limits": [("token.p50", 100), ("violations", 0)], "strict": True, "failing": True},
            f"FAIL  violations 1 > 0, and 1 more · 1 undecided · {DONE} · valid",
        ),
        (
            {"limits": LIMIT, "aborted": "response p95 broken for 30 s"},
            f"FAIL  stopped early: response p95 broken for 30 s · {DONE} · valid",
        ),
        (
            {"limits": LIMIT, "stopped": "after 42 of 190 s, by SIGTERM"},
            "INVALID  stopped early: after 42 of 190 s, by SIGTERM: the rest of the load asked for "
            f"was never run · {DONE}",
        ),
    ],
)
def test_the_line_says_what_carried_the_verdict(make: Any, options: Any, line: str) -> None:
    """The headline objective, the first broken one, or the gravest doubt; then what was done."""
    assert verdict_line(make(**options)) == line
