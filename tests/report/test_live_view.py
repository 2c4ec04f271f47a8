"""What a terminal shows of a run while it goes on."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from loadkit.measure.overdue import Overdue
from loadkit.profile.tables import Stage
from loadkit.report.live import LiveFigures
from loadkit.report.live_view import search_view, view
from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.validity import Validity

LAG = Reason(ReasonKind.LOOP_LAG, "event-loop lag p99 was 47.8 ms (limit 10 ms)", "fewer users")
NOW = LiveFigures(
    profile="smoke",
    target="http://127.0.0.1:8100",
    elapsed_s=45.2,
    stages=(
        Stage(duration="0s", users=5),
        Stage(duration="30s", users=50),
        Stage(duration="90s", users=50),
    ),
    users=49,
    asked=50,
    live=48,
    turns=1204,
    response_ms={"count": 1204, "p50": 410.2, "p95": 812.3, "p99": 1290.0},
    recent_ms={"count": 120, "p50": 640.0, "p95": 1702.0, "p99": 1900.0},
    waiting=12,
    oldest_s=3.24,
    errors=0,
    disconnects=1,
    violations=2,
    validity=Validity("valid", ()),
)


def drawn(what: RenderableType, columns: int) -> list[str]:
    """What is seen, line by line."""
    console = Console(record=True, width=columns, file=io.StringIO())
    console.print(what)
    return [line.rstrip() for line in console.export_text().splitlines()]


def changed(**fields: Any) -> LiveFigures:
    kept = {name: getattr(NOW, name) for name in NOW.__slots__}
    return LiveFigures(**(kept | fields))


def test_all_that_is_asked_of_a_run_is_seen_at_80_columns() -> None:
    """How far, how many, how fast, who waits, what is wrong, and whether to believe it."""
    assert drawn(view(NOW), 80) == [
        "",
        "smoke → http://127.0.0.1:8100",
        "━━━━━━━━┼━━━────────────────────  00:45 of 02:00, 01:14 left · stage 2 of 2, 01…",
        "sessions    48 now · 49 users of 50 asked for · 1,204 turns",
        "response    last 10 s  p50     640  p95   1,702  p99       – ms",
        "            overall    p50     410  p95     812  p99   1,290 ms",
        "waiting     12 for an answer, the oldest for 3.20 s",
        "trouble     0 errors · 1 drop · 2 violations",
        "validity    ● valid so far",
    ]


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(columns: int) -> None:
    """For a terminal would break it, and the rest would be drawn in the wrong place."""
    late = changed(
        target="http://" + "long." * 60,
        validity=Validity("invalid", (LAG, LAG)),
        late=Overdue(3, 31.0),
        from_schedule_ms={"count": 1204, "p50": 900.0, "p95": 9812.3},
    )
    lines = drawn(view(late), columns)
    assert len(lines) == 9 if columns > 60 else len(lines) < 36
    assert max(map(len, lines)) <= columns
    assert lines[1].endswith("…")  # what is cut off is seen to be


def test_a_wide_terminal_shows_whole_what_a_narrow_one_cuts_off() -> None:
    """The reason why figures are doubted, and what is counted from the planned time."""
    late = changed(
        validity=Validity("suspect", (LAG,)),
        late=Overdue(3, 31.0),
        from_schedule_ms={"count": 1204, "p50": 900.0, "p95": 9812.3},
    )
    text = "\n".join(drawn(view(late), 200))
    assert f"▲ suspect: {LAG}" in text
    assert "· 3 for longer than they should, the oldest for 31 s" in text
    assert "(p95 9,812 from planned time)" in text


@pytest.mark.parametrize(
    ("elapsed_s", "seen"),
    [
        (0.0, "00:00 of 02:00, 02:00 left · stage 1 of 2, 00:30 left · warm-up until 00:20"),
        (29.9, "00:29 of 02:00, 01:30 left · stage 1 of 2, 00:00 left"),
        (30.0, "00:30 of 02:00, 01:30 left · stage 2 of 2, 01:30 left"),
        (120.5, "02:00 of 02:00, 00:00 left · stage 2 of 2, 00:00 left"),
    ],
)
def test_the_stages_and_their_time_left_are_told(elapsed_s: float, seen: str) -> None:
    """A jump of no seconds is none of them; what drains past the end is not behind it."""
    course = drawn(view(changed(elapsed_s=elapsed_s, warmup_s=20.0)), 120)[2]
    assert course.partition("  ")[2] == seen


def test_before_the_first_answer_and_without_stages_nothing_is_made_up() -> None:
    """A dash is no 0 ms."""
    early = changed(stages=(), response_ms={}, recent_ms={}, waiting=0, validity=None)
    lines = drawn(view(early), 100)
    assert lines[2] == "00:45"
    assert lines[4].split(maxsplit=1)[1] == "last 10 s  p50       –  p95       –  p99       – ms"
    assert "waiting     0 for an answer" in lines
    assert not any("valid" in line for line in lines)


def test_an_open_model_has_sessions_that_begin() -> None:
    """And no users who are asked for."""
    load = (Stage(duration="60s", arrivals_per_second=2.5),)
    assert drawn(view(changed(stages=load, asked=2.5)), 100)[3] == (
        "sessions    48 now · 2.50 sessions/s asked for · 1,204 turns"
    )


def test_a_search_shows_what_it_knows() -> None:
    rows = [("now", "step 3: 80 users (probe), ramping"), ("known", "40 users held")]
    assert drawn(search_view("capacity of http://[::1]:1", 125.0, rows), 80) == [
        "",
        "capacity of http://[::1]:1",
        "02:05 since it began",
        "now         step 3: 80 users (probe), ramping",
        "known       40 users held",
    ]


def test_no_figure_is_cut_off_on_a_narrow_terminal() -> None:
    """A line is wrapped there: half a number is worse than none."""
    lines = drawn(view(NOW), 40)
    assert max(map(len, lines)) <= 40
    said = " ".join(" ".join(lines).split())
    for told in ("p50 640 p95 1,702 p99 – ms", "p95 812 p99 1,290 ms", "01:14 left"):
        assert told in said
    assert "…" not in said
