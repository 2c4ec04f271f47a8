"""The page of a reviewer."""

import re
from dataclasses import replace
from typing import Any

from loadkit.report.markdown import document
from loadkit.verdict.run_facts import Loss

LIMITS = [("response.p95", 2500.0), ("violations", 0.0), ("first_chunk.p95", 1200.0)]


def test_the_verdict_comes_first(make: Any) -> None:
    """Ten seconds are enough for the title and the line below it."""
    lines = document(make(limits=LIMITS[:1])).splitlines()
    assert lines[0] == "# PASS: smoke"
    assert lines[2].startswith("response p95 872 ms ≤ 2,500 ms (95 % CI 864–879) · 412 s")
    assert "exit code 0" in lines[4]


def test_the_sections_come_in_the_order_of_their_weight(make: Any, examples: Any) -> None:
    """What broke, objectives, latencies, counts, then the details."""
    page = document(make(failing=True, limits=LIMITS), examples)
    assert re.findall(r"^## (.*)$", page, re.M) == [
        "What broke",
        "Objectives",
        "Latency, ms",
        "Counts",
        "Errors",
        "Violations",
        "Generator",
    ]


def test_a_violation_is_told_with_its_spread_what_was_expected_and_the_transcript(
    make: Any, examples: Any
) -> None:
    """The server's words in it are no markup, and no fence of theirs ends ours."""
    found = {
        "count": 1,
        "sessions": 1,
        "share": 0.0024,
        "expected": "It is echoed.",
        "example": {"detail": "a*1*", "session": "s_1", "frames": ["0.1 ← {}", "```"]},
    }
    summary = replace(make(failing=True), violations_detail={"missing_echo": found})
    page = document(summary, examples)
    table, _, rest = page.partition("## Violations")[2].partition("### ")
    assert "| kind | how many | sessions | of all | for example |" in table
    assert r"| missing_echo | 1 | 1 | 0.24 % | no echo of a1 |" in table
    told, _, _ = rest.partition("## Generator")
    assert (
        r"""missing_echo

Expected: It is echoed.

Came: a\*1\* (session s_1)

````
0.1 ← {}
```
````
"""
        in told
    )


def test_what_broke_comes_before_what_is_only_in_doubt(make: Any) -> None:
    """Whatever the verdict names first."""
    limits = [("violations", 0.0), ("token.p50", 100.0)]
    page = document(make(failing=True, limits=limits, lag=0.02))
    broke, doubt = page.index("## What broke"), page.index("## In doubt")
    assert broke < page.index("violations 1 > 0", broke) < doubt
    assert doubt < page.index("10 ms", doubt) < page.index("SLO undecided")
    assert "1 of 7" not in page[broke:doubt]


def test_what_makes_a_run_invalid_is_what_broke(make: Any) -> None:
    page = document(make(limits=LIMITS[:1], lag=2.0))
    assert "## What broke" in page
    assert "## In doubt" not in page


def test_a_strict_run_breaks_on_what_is_undecided(make: Any) -> None:
    page = document(make(limits=[("token.p50", 100.0)], strict=True))
    assert "SLO undecided" in page[page.index("## What broke") :]
    assert "## In doubt" not in page


def test_each_user_class_has_its_row_where_there_are_several(make: Any) -> None:
    """With a dash where its responses are too few for a percentile."""
    page = document(make(mixed=True))
    assert "| CompleteChat | 1 | 0 | 100 | 0 | 0 | 0 | 800 | 800 |" in page
    assert "| HandoffChat | 1 | 1 | 5 | 0 | 0 | 0 | – | – |" in page
    assert "## User classes" not in document(make())


def test_every_table_has_as_many_cells_in_each_row_as_in_its_header(
    make: Any, examples: Any
) -> None:
    """A bar in the server's words does not break a row."""
    page = document(make(failing=True, mixed=True, limits=LIMITS), examples)
    for table in re.findall(r"(?:^\|.*\n)+", page, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1


def test_objectives_show_limit_and_actual_value(make: Any) -> None:
    """With more digits than the terminal: this is the record."""
    page = document(make(limits=LIMITS, failing=True))
    assert "| violations | 0 | 1 |  |  |  | **✗** |" in page
    assert "| first_chunk.p95, ms | 1,200 | never measured |  | 0 | 90 | **✗** |" in page
    held = r"\| response\.p95, ms \| 2,500 \| 87\d\.\d+ \| 86\d–88?\d+ \| 1,204 \| 90 \| ✓ \|"
    assert re.search(held, page)


def test_an_undecided_objective_is_neither_ticked_nor_crossed(make: Any) -> None:
    """With how many samples there were, and how many it takes."""
    page = document(make(limits=[("token.p50", 100.0)]))
    assert "| token.p50, ms | 100 | too few samples |  | 1 | 7 | ? |" in page


def test_percentiles_of_too_few_samples_are_dashes_with_a_note(make: Any) -> None:
    """Of the 1,204 answers p99.9 is not known, of the one token nothing but the time it took."""
    page = document(make())
    assert re.search(r"^\| response \| 1,204 .* \| – \| 902 \|$", page, re.M)
    assert "| token | 1 | – | – | – | – | – | 12.3 |" in page
    assert "\n– too few samples for that percentile (p999 needs 4,603, p99 459," in page


def test_intervals_and_the_schedule_stand_below_their_phase(make: Any) -> None:
    """Each row says which phase it belongs to."""
    page = document(make())
    phases = re.findall(r"^\| ((?:response|echo)[^|]*) \|", page, re.M)
    assert phases == [
        "response",
        "response, 95 % CI from",
        "response, 95 % CI to",
        "echo",
        "echo, from planned time",
    ]


def test_a_worker_that_was_lost_has_its_row(make: Any) -> None:
    """Name, second and sessions."""
    lost = (Loss("host|1", 12.5, 50),)
    assert r"| host\|1 | 12.5 | 50 |" in document(make(workers_lost=lost))


def test_errors_show_an_escaped_example(make: Any, examples: Any) -> None:
    """The server's words are text, not Markdown."""
    page = document(make(failing=True), examples)
    assert r"| unanswered | 3 | no \[answer\] \| in 60 s |" in page


def test_a_quiet_run_has_no_sections_of_trouble(make: Any) -> None:
    """Nothing to say, nothing said."""
    page = document(make())
    assert "## Errors" not in page
    assert "## Why" not in page
