"""The line that says how a run is going."""

from typing import Any

import pytest

from loadkit.profile.tables import Stage
from loadkit.report.live import LiveFigures, line


def lasting(seconds: float) -> tuple[Stage, ...]:
    return (Stage(duration=f"{seconds}s", users=50),)


NOW: dict[str, Any] = {
    "elapsed_s": 12.7,
    "stages": lasting(30),
    "users": 50,
    "turns": 1204,
    "response_ms": {"count": 1204, "p50": 410.2, "p95": 812.3},
    "errors": 0,
    "disconnects": 1,
}


def test_the_line_tells_how_far_how_much_and_how_fast() -> None:
    """All of it within 80 columns."""
    text = line(LiveFigures(**NOW))
    assert text == (
        "00:12/00:30  50 users  1,204 turns  response p50/p95 410/812 ms  0 errors  1 drop"
    )
    assert len(text) <= 82


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"response_ms": {}}, "response p50/p95 –  "),
        ({"response_ms": {"count": 6, "p50": 1.0, "p95": 2.0}}, "response p50/p95 –  "),
        ({"response_ms": {"count": 89, "p50": 1.0, "p95": 2.0}}, "response p50/p95 1/– ms  "),
        ({"stages": ()}, "00:12  50"),
        ({"elapsed_s": 3725.0, "stages": lasting(86_400)}, "1:02:05/24:00:00"),
        ({"violations": 2}, "  2 violations"),
    ],
)
def test_the_line_copes_with_what_is_not_there_yet(changed: Any, part: str) -> None:
    """Before the first answer, without an end, over hours, and with rare news."""
    assert part in line(LiveFigures(**(NOW | changed)))


@pytest.mark.parametrize(
    ("due", "part"),
    [(850.0, "response p50/p95 410/812 ms"), (1300.0, "p95 812 ms, 1,300 from planned time")],
)
def test_a_late_generator_shows_in_the_line(due: float, part: str) -> None:
    """Where counting from the schedule changes p95 by more than 5 %, both stand side by side."""
    text = line(LiveFigures(**NOW, from_schedule_ms={"count": 1204, "p50": 420.0, "p95": due}))
    assert part in text
    assert len(text) <= 90
