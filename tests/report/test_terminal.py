"""The end of a run on a terminal."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from loadkit.measure.summary import Summary
from loadkit.report.terminal import render, shifted
from loadkit.report.verdict import verdict_line

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


def test_the_verdict_is_the_last_line_and_whole(make: Any) -> None:
    """A script may take the last line, however narrow the terminal."""
    for summary in (make(limits=LIMITS), make(lag=0.2), make()):
        assert shown(summary).rstrip("\n").splitlines()[-1] == verdict_line(summary)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_but_the_verdict_is_wider_than_the_terminal(
    make: Any, examples: Any, width: int
) -> None:
    """Tables and lists stay within the columns, with no figure cut short."""
    summary = make(failing=True, limits=LIMITS, workers_lost=1, lag=0.2)
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
    assert "✓  response.p95     872 ms ≤ 2,500 ms" in text
    assert "✗  violations       1 > 0" in text
    assert "✗  first_chunk.p95  never measured (limit 1,200 ms)" in text


def test_each_kind_of_trouble_has_its_count_and_an_example(make: Any, examples: Any) -> None:
    """The server's words are shown as they are, brackets included."""
    text = shown(make(failing=True), examples=examples)
    assert "3 × unanswered: no [answer] | in 60 s" in text
    assert "1 × missing_echo: no echo of a1" in text


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
    assert lines[echo + 1].split() == ["from", "schedule", "1,204", "4", "504", "504", "504", "504"]
    assert sum("from schedule" in line for line in lines) == 1


@pytest.mark.parametrize(("factor", "result"), [(1.0, False), (1.05, False), (1.06, True)])
def test_five_per_cent_is_the_difference_that_counts(factor: float, result: bool) -> None:
    """Less is noise to a reader."""
    plain = dict.fromkeys(("p50", "p90", "p95", "p99", "max"), 100.0)
    assert shifted(plain, plain | {"p95": 100.0 * factor}) is result
    assert shifted(plain, {}) is False


def test_a_run_that_measured_nothing_still_renders(make: Any) -> None:
    """A target that died at once is when a report is needed most."""
    data = make().to_dict() | {"latency_ms": {}, "from_schedule_ms": {}}
    data["generator"] |= {"loop_lag_ms": {}, "cpu_percent": {}, "rss_mb": {}}
    text = shown(Summary.from_dict(data))
    assert "latency" not in text
    assert "2 workers" in text
