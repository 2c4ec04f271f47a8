"""The end of a run on a terminal."""

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from loadkit.report.terminal import fared, render, render_problems
from loadkit.report.verdict import verdict_document, verdict_line
from loadkit.stats.number_format import FROM_DUE
from loadkit.verdict.run_facts import Loss
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Summary

LOST = (Loss("host-a_1f2e3d4c5b6a79881726354453627180", 12.5, 50),)
LIMITS = [("response.p95", 2500.0), ("violations", 0.0), ("first_chunk.p95", 1200.0)]


def shown(summary: Summary, width: int = 80, examples: Mapping[str, str] | None = None) -> str:
    stream = io.StringIO()
    render(summary, Console(file=stream, width=width), examples)
    return stream.getvalue()


def test_the_headline_phase_is_the_first_row_under_a_header_with_its_unit(make: Any) -> None:
    """A reader finds the response time without looking for it."""
    lines = shown(make()).splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("latency, ms"))
    assert lines[header].split()[2:] == ["count", "p50", "p90", "p95", "p99", "max"]
    assert lines[header + 1].split() == ["response", "1,204", "600", "841", "872", "896", "902"]


def test_the_headline_has_its_interval_right_below(make: Any) -> None:
    """A reader sees how far the figure may be off; the ends are those of the summary."""
    summary = make()
    lines = shown(summary).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("response"))
    ends = [summary.intervals_ms["response"][name] for name in ("p50", "p90", "p95", "p99")]
    low, high = lines[at + 1].split(), lines[at + 2].split()
    assert low == ["95", "%", "CI", "from", *(f"{end[0]:.0f}" for end in ends)]
    assert high == ["95", "%", "CI", "to", *(f"{end[1]:.0f}" for end in ends)]


def test_a_percentile_of_too_few_samples_is_a_dash_that_is_explained(make: Any) -> None:
    """One token was had: its time is known, its percentiles are not."""
    lines = shown(make()).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("token"))
    assert lines[at].split() == ["token", "1", "–", "–", "–", "–", "12.3"]
    assert lines[at + 1] == (
        "– too few samples for that percentile (p99 needs 459, p95 90, p90 44, p50 7)"
    )


def test_the_verdict_is_the_last_line_and_whole(make: Any) -> None:
    """A script may take the last line, however narrow the terminal."""
    for summary in (make(limits=LIMITS), make(lag=0.2), make()):
        assert shown(summary).rstrip("\n").splitlines()[-1] == verdict_line(summary)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_but_the_verdict_is_wider_than_the_terminal(
    make: Any, examples: Any, width: int
) -> None:
    """Tables and lists stay within the columns, with no figure cut short."""
    summary = make(failing=True, limits=LIMITS, workers_lost=LOST, lag=0.2, asked_sessions=500)
    lines = shown(summary, width, examples).rstrip("\n").splitlines()
    assert max(len(line.rstrip()) for line in lines[:-1]) <= width
    assert "…" not in "".join(lines)


def test_without_a_terminal_there_are_no_control_codes(make: Any, examples: Any) -> None:
    """A CI log stays plain."""
    assert "\x1b" not in shown(make(failing=True, limits=LIMITS), examples=examples)


def test_colour_only_adds_to_the_text(make: Any) -> None:
    """Whatever is said in colour is said in words as well."""
    summary, stream = make(limits=LIMITS), io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        render(summary, console)
    coloured = capture.get()
    assert "\x1b[" in coloured
    assert "✓" in coloured
    assert "FAIL" in coloured


def test_every_objective_is_ticked_or_crossed(make: Any) -> None:
    """With its limit, its unit and what it was."""
    text = shown(make(limits=LIMITS, failing=True))
    assert "✓  response.p95     872 ms ≤ 2,500 ms (95 % CI 86" in text
    assert "✗  violations       1 > 0" in text
    assert "✗  first_chunk.p95  never measured (limit 1,200 ms)" in text


def test_each_kind_of_trouble_has_its_count_and_an_example(make: Any, examples: Any) -> None:
    """The server's words are shown as they are, brackets included."""
    text = shown(make(failing=True), examples=examples)
    assert "3 × unanswered: no [answer] | in 60 s" in text
    assert "1 × missing_echo in 1 session (0.243 %): no echo of a1" in text


def test_a_violation_is_told_with_what_was_expected(make: Any) -> None:
    found = {"count": 3, "sessions": 2, "share": 0.04, "expected": "It is echoed.", "example": {}}
    detail = {"violations_detail": {"missing_echo": found}}
    text = shown(replace(make(failing=True), **detail))
    assert "1 × missing_echo in 2 sessions (4 %)" in text
    assert "expected: It is echoed." in text


def test_no_trouble_is_said_to_be_none(make: Any) -> None:
    """An absent line would leave it open whether anyone looked."""
    lines = [line.split() for line in shown(make()).splitlines()]
    assert ["errors", "none"] in lines
    assert ["violations", "none"] in lines


def test_figures_from_the_schedule_stand_under_the_plain_ones_where_they_differ(
    make: Any,
) -> None:
    """A generator that sent late cannot hide behind the plain latency."""
    lines = shown(make()).splitlines()
    echo = next(i for i, line in enumerate(lines) if line.startswith("echo"))
    assert lines[echo].split()[-1] == "4"
    assert lines[echo + 1].split() == [*FROM_DUE.split(), "1,204", "4", *["504"] * 4]
    assert sum("from planned time" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (SloLine("violations", 0, 3, "fail"), "3 > 0"),
        (SloLine("turns.lost_ratio", 0.01, 0.005, "pass"), "0.005 ≤ 0.01"),
        (SloLine("echo.p50", 9, None, "fail", 0, 7), "never measured (limit 9 ms)"),
        (
            SloLine("response.p99", 2500, None, "undecided", 353, 459),
            "too few samples (353 of 459), limit 2,500 ms",
        ),
        (
            SloLine("response.p95", 2500, 812.3, "pass", 500, 90, (790.2, 840.4)),
            "812 ms ≤ 2,500 ms (95 % CI 790–840)",
        ),
        (
            SloLine("drift.memory", 1, 0.2, "pass", 96, 20, (-0.1, 0.5)),
            "0.2 %/h ≤ 1 %/h (95 % CI -0.1 to 0.5)",
        ),
    ],
)
def test_an_objective_says_how_it_fared(line: SloLine, text: str) -> None:
    """Its own units, and how sure that is."""
    assert fared(line) == text


def test_an_undecided_objective_has_a_mark_of_its_own(make: Any) -> None:
    """It neither held nor broke."""
    assert "?  token.p50  too few samples (1 of 7), limit 100 ms" in shown(
        make(limits=[("token.p50", 100.0)])
    )


def test_a_worker_that_was_lost_is_named_with_what_it_had(make: Any) -> None:
    """Whoever looks for the log needs the name and the second."""
    assert f"{LOST[0].worker} at 12.5 s with 50 sessions" in shown(make(workers_lost=LOST))


def test_arrivals_are_shown_for_the_open_model_alone(make: Any) -> None:
    """Asked, started and refused; a closed model has none."""
    assert "arrivals     420 asked · 412 started · 0 refused" in shown(make(asked_sessions=420))
    assert "arrivals" not in shown(make())


def test_the_generator_has_a_percentile_only_where_its_samples_support_one(make: Any) -> None:
    """One reading of the CPU is a maximum and nothing else."""
    text = shown(make())
    assert "loop lag max 1 ms" in text
    assert "CPU max 38 %" in text
    assert "memory 85.2 MB" in text


def test_the_masters_memory_stands_beside_the_workers(make: Any) -> None:
    """Where one process leads and loads there is but one figure."""
    data = make().to_dict()
    assert "master" not in shown(make())
    data["generator"]["master_rss_mb"] = data["generator"]["rss_mb"] | {"max": 91.5}
    text = " ".join(shown(Summary.from_dict(data)).split())
    assert "memory 85.2 MB · master's memory 91.5 MB" in text


def test_a_run_that_measured_nothing_still_renders(make: Any) -> None:
    """A target that died at once is when a report is needed most."""
    data = make().to_dict() | {"latency_ms": {}, "from_schedule_ms": {}}
    data["generator"] |= {"loop_lag_ms": {}, "cpu_percent": {}, "rss_mb": {}}
    text = shown(Summary.from_dict(data))
    assert "latency" not in text
    assert "2 workers" in text


def test_sessions_that_the_end_of_the_run_ended_are_said_to_have_been_running(make: Any) -> None:
    """Their key, `cut_off`, is for scripts."""
    text = shown(make())
    assert "398 user end · 14 still running at the end" in text
    assert "cut" not in text


def test_each_user_class_has_a_row_where_there_are_several(make: Any) -> None:
    text = shown(make(mixed=True))
    assert re.search(r"CompleteChat +1 +0 +100 +0 +0 +0 +800 +800", text)
    assert re.search(r"HandoffChat +1 +1 +5 +0 +0 +0 +– +–", text)


def test_what_was_done_a_second_stands_beside_how_much_it_was(make: Any) -> None:
    """Turns over the time behind the warm-up, sessions over all of it."""
    text = shown(make(duration_s=110.0, warmup_s=10.0))
    assert re.search(r"412 started .* · 3.75 sessions/s", text)
    assert re.search(r"1,204 sent .* · 12.0 turns/s", text)


def test_what_few_samples_prove_is_told_without_a_figure_for_it(make: Any) -> None:
    """As in the table above it, where a dash stands."""
    limits = [("HandoffChat.response.p95", 100.0)]
    text = shown(make(mixed=True, limits=limits))
    assert re.search(r"HandoffChat +1 +1 +5 +0 +0 +0 +– +–", text)
    assert re.search(r"response.p95 +> 100 ms \(proved by 5 of 90 samples\)", text)


def quietly(summary: Summary, examples: Mapping[str, str]) -> list[str]:
    stream = io.StringIO()
    render_problems(summary, Console(file=stream, width=200), examples)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_who_wants_no_table_is_told_the_verdict_alone(make: Any) -> None:
    """Of a run in which nothing is wrong that is one line."""
    assert quietly(make(), {}) == [verdict_line(make())]


def test_who_wants_no_table_is_told_what_is_wrong(make: Any) -> None:
    """Each reason, and each kind of error and violation with its example; the verdict last."""
    summary = make(failing=True, limits=LIMITS)
    lines = quietly(summary, {"violations.missing_echo": "no echo of a1"})
    assert lines[-1] == verdict_line(summary)
    told = " ".join(lines)
    assert all(str(reason) in told for reason in summary.verdict.reasons)
    assert "- 1 × missing_echo: no echo of a1" in lines
    assert "- 3 × unanswered" in lines


def test_a_script_gets_the_verdict_as_an_object(make: Any) -> None:
    """Its line, its word, and what the summary holds of it."""
    summary = make(failing=True, limits=LIMITS)
    told = verdict_document(summary)
    assert told["line"] == verdict_line(summary)
    assert told["line"].split()[0] == told["word"]
    assert told["verdict"] == summary.to_dict()["verdict"]


def test_no_figure_is_cut_off_on_a_narrow_terminal(make: Any, examples: Any) -> None:
    """A row is as long as it has to be, and the terminal wraps it."""
    wide = {line.rstrip() for line in shown(make(failing=True), 200, examples).splitlines()}
    narrow = shown(make(failing=True), 40, examples)
    assert "…" not in narrow
    row = next(line for line in wide if line.startswith("response "))
    assert row in {line.rstrip() for line in narrow.splitlines()}
