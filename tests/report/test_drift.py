"""Drift in words: the sentences that somebody reads after a night."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from loadkit.report.drift import by_age, columns, looked_at, rows, told
from loadkit.report.markdown import document
from loadkit.report.terminal import render
from loadkit.soak.drift import Age, Drift, DriftFigure

HOUR = 3600.0
STILL = DriftFigure(
    unit="ms",
    typical=812.0,
    per_hour=0.4,
    percent_per_hour=0.05,
    interval=(-0.1, 0.2),
    p=0.5,
    drifts="no",
    at_s=None,
    moved=None,
    moved_interval=None,
    before=811.0,
    after=813.0,
    first=811.0,
    last=813.0,
    change=0.25,
    change_interval=(-0.5, 1.0),
    visible=0.44,
    windows=96,
)
LEAK = replace(
    STILL,
    per_hour=25.2,
    percent_per_hour=3.1,
    interval=(2.6, 3.7),
    drifts="line",
    moved=3.1,
    moved_interval=(2.6, 3.7),
    first=760.0,
    last=940.0,
    before=760.0,
    after=940.0,
)
LATE = replace(LEAK, drifts="starts", at_s=2 * HOUR + 600)
STEP = replace(
    LEAK,
    drifts="step",
    at_s=HOUR + 1200,
    moved=40.0,
    moved_interval=(37.6, 42.7),
    before=812.0,
    after=1137.0,
)


def drift(hours: float = 8.0, *, ages: Any = (), by_age: Any = "no", **figures: DriftFigure) -> Any:
    """As `summary.json` has it; `response_p95` stands for `response.p95`."""
    named = {name.replace("_", "."): figure for name, figure in figures.items()}
    return Drift(300.0, 300.0 + hours * HOUR, 300.0, 96, named, ages, by_age).to_dict()


@pytest.mark.parametrize(
    ("name", "figure", "sentence"),
    [
        ("response_p95", LEAK, "response p95 rises 3.1 %/h (2.6–3.7): leak-like"),
        (
            "response_p95",
            LATE,
            "response p95 rises 3.1 %/h (2.6–3.7): leak-like, starts at 02:10",
        ),
        (
            "response_p95",
            STEP,
            "response p95 steps up by 40 % (38–43) at 01:20, from 812 to 1,137 ms",
        ),
        (
            "response_p50",
            replace(STEP, moved=-30.0, moved_interval=(-32.0, -28.0), after=568.0),
            "response p50 steps down by 30 % (28–32) at 01:20, from 812 to 568 ms",
        ),
        (
            "response_p50",
            replace(STEP, drifts="settles"),
            "response p50 rises by 40 % (38–43) until 01:20, from 812 to 1,137 ms, and no "
            "further",
        ),
        (
            "throughput",
            replace(LEAK, unit="/s", moved=-2.0, moved_interval=(-2.5, -1.5)),
            "throughput falls 2 %/h (1.5–2.5)",
        ),
        (
            "throughput",
            replace(LEAK, unit="/s"),
            "throughput rises 3.1 %/h (2.6–3.7)",
        ),
        (
            "memory",
            replace(LEAK, unit="MB"),
            "memory rises 3.1 %/h (2.6–3.7, 25.2 MB/h): leak-like",
        ),
        (
            "errors",
            replace(STEP, unit="/min", moved=None, moved_interval=None, before=0.0, after=4.2),
            "error rate steps up at 01:20, from 0 to 4.20/min",
        ),
        (
            "errors",
            replace(STEP, unit="/min", moved=11000.0, before=0.038, after=4.2),
            "error rate steps up at 01:20, from 0.038 to 4.20/min",
        ),
    ],
)  # fmt: skip
def test_what_drifts_has_a_sentence(name: str, figure: DriftFigure, sentence: str) -> None:
    """What, how fast, how sure, and since when, counted from the start of the run."""
    assert list(told(drift(**{name: figure}))) == [sentence]


def test_no_drift_names_what_would_have_been_seen() -> None:
    """Nothing found is worth only as much as the test could see."""
    found = drift(response_p50=STILL, response_p95=STILL)
    assert list(told(found)) == [
        "no drift found in 2 figures; a rise of response p95 of over 0.44 %/h would have been seen"
    ]
    noisy = drift(response_p95=replace(STILL, visible=20.0))
    assert list(told(noisy)) == [
        "no drift found in 1 figure; response p95 varies too much to see even that it doubles"
    ]


def test_a_run_of_minutes_is_told_in_minutes() -> None:
    """A slope by the hour is what nobody has seen: it is told as what it is."""
    rising = replace(LEAK, moved=20.0, moved_interval=(15, 25))
    assert list(told(drift(0.2, response_p95=rising))) == [
        "response p95 rises by 4 % (3–5, 20 %/h if it went on) in 12 min: leak-like"
    ]
    assert list(told(drift(0.2, response_p95=replace(STILL, visible=20.0)))) == [
        "no drift found in 1 figure in 12 min; a rise of response p95 by over 4 % in that time "
        "would have been seen"
    ]
    (line,) = told(drift(0.2, response_p95=replace(STEP, at_s=500.0)))
    assert line.startswith("response p95 steps up by 40 % (38–43) at 00:08:20")
    assert columns(drift(0.2, memory=LEAK))[4] == "slope, %"
    assert looked_at(drift(0.2, memory=LEAK)).endswith("5 min. The slope is over all of them.")
    assert next(rows(drift(0.2, memory=LEAK)))[4] == "+0.62"


def test_one_cause_does_not_fill_the_page() -> None:
    """A slow target moves every phase: five sentences, and the names of the rest."""
    names = ("response_p50", "response_p95", "thinking_p50", "thinking_p95", "greeting_p50")
    found = drift(**dict.fromkeys((*names, "greeting_p95", "memory"), LEAK))
    sentences = list(told(found))
    assert len(sentences) == 6
    assert sentences[-1] == "2 more figures drift: greeting p95, memory"


def test_the_table_has_the_headlines_and_what_drifts() -> None:
    """First against last, and the slope with its interval."""
    found = drift(response_p95=LEAK, echo_p50=STILL, connect_p50=LATE, memory=STILL)
    assert columns(found) == (
        "figure", "first hour", "last hour", "change, %", "slope, %/h", "95 % CI", "drifts",
    )  # fmt: skip
    assert list(rows(found)) == [
        ("response p95, ms", "760", "940", "+0.25", "+3.1", "2.6–3.7", "yes"),
        ("connect p50, ms", "760", "940", "+0.25", "+3.1", "2.6–3.7", "yes"),
        ("memory, ms", "811", "813", "+0.25", "+0.05", "-0.1 to 0.2", ""),
    ]
    assert looked_at(found) == "Steady load from 00:05 to 08:05: 96 windows of 5 min."


AGES = (
    Age(0, 15, 900, 400.0, 412.0),
    Age(30, 60, 90, 500.0, 600.0),
    Age(60, 120, 20, 800.0, None),
    Age(15_360, None, 120, 1500.0, 1903.0),
)


def test_sessions_that_grow_slower_with_age_are_told() -> None:
    """The youngest and the oldest that have the samples."""
    found = drift(response_p95=LEAK, ages=AGES, by_age="rises")
    assert list(told(found))[-1] == (
        "response p95 grows with the session's age: 412 ms under 15 s, 1,903 ms beyond 256 min"
    )
    assert list(by_age(found)) == [
        ("under 15 s", "900", "400", "412"),
        ("at 30 s–1 min", "90", "500", "600"),
        ("at 1–2 min", "20", "800", "–"),
        ("beyond 256 min", "120", "1,500", "1,903"),
    ]


def test_a_short_run_is_passed_over_in_silence(make: Any) -> None:
    """No sentence, no heading."""
    assert list(told(None)) == []
    assert "drift" not in document(make()).lower()


def test_the_page_and_the_terminal_have_it(make: Any) -> None:
    """Between the latencies and the counts."""
    summary = replace(make(), drift=drift(response_p95=LATE, ages=AGES, memory=STILL))
    page = document(summary)
    assert page.index("## Latency") < page.index("## Drift") < page.index("## Counts")
    assert "- response p95 rises 3.1 %/h (2.6–3.7): leak-like, starts at 02:10\n" in page
    assert "| response by the session's age | count | p50 | p95 |" in page
    stream = StringIO()
    render(summary, Console(file=stream, width=80))
    shown = stream.getvalue()
    assert "response p95 rises 3.1 %/h (2.6–3.7): leak-like, starts at 02:10" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
