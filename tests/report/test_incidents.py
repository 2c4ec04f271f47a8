"""Incidents in words."""

from collections import Counter
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row
from loadkit.report.incidents import told
from loadkit.report.markdown import document
from loadkit.report.terminal import render
from loadkit.soak.incidents import LISTED, Incidents
from loadkit.stats.distribution import Distribution
from loadkit.verdict.summary import Summary


def incident(**other: Any) -> dict[str, Any]:
    """As `summary.json` has it; the run began at 15:06:54."""
    return {
        "begin_s": 60.0,
        "end_s": 125.0,
        "causes": {"upgrade_refused": 412, "connect_refused": 96},
        "refused_with": {"503": 412},
        "without_answers_s": 0.0,
        "slow_responses": 0,
        "slow_over_ms": 1786.4,
        "workers_gone": [],
        "sessions": {"before": 500, "lowest": 312, "lost": 0},
        "turns_lost": 0,
        "shortfall_session_s": 4120.0,
        "load_back_s": 71.0,
        "response_p95_before_ms": 812.0,
        "response_back_s": 78.25,
    } | other


def sentences(make: Any, *incidents: dict[str, Any], unlisted: int = 0) -> list[str]:
    summary: Summary = replace(make(), incidents=incidents, incidents_unlisted=unlisted)
    return list(told(summary))


def test_a_sentence_has_when_why_what_it_cost_and_the_recovery(make: Any) -> None:
    """In that order, with the wall clock's time."""
    assert sentences(make, incident()) == [
        "Incident 1, 15:07:54–15:08:59 (65 s): upgrades refused (503) × 412, "
        "connection refused × 96; sessions fell from 500 to 312; "
        "load back after 71 s, response p95 back after 78.2 s."
    ]


def test_a_run_without_incidents_has_nothing_to_tell(make: Any) -> None:
    """Not a word."""
    assert sentences(make) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"end_s": None}, "Incident 1, 15:07:54 to the end of the run: upgrades"),
        ({"causes": {}, "without_answers_s": 20.0}, ": no answers for 20 s; "),
        (
            {"causes": {}, "slow_responses": 1204},
            ": responses over 1,786 ms × 1,204; ",
        ),
        ({"causes": {"gave_up": 3}, "slow_responses": 4}, ": gave up"),
        ({"causes": {}, "workers_gone": ["box_7f"]}, ": worker box_7f silent or gone; "),
        ({"causes": {"rate_limited": 88}}, ": 429 × 88; "),
        ({"causes": {"disconnected": 1900}}, ": sockets dropped × 1,900; "),
        ({"causes": {"forced": 12}}, ": sockets broken by [chaos] × 12; "),
        ({"causes": {"heartbeat_unanswered": 3}}, "heartbeats unanswered (half-open) × 3"),
        ({"causes": {"end_missing": 3}}, ": end missing × 3; "),
        ({"causes": {}}, ": too little load; "),
        ({"causes": {}, "load_back_s": 0.0}, ": too few answers; "),
        (
            {"causes": dict.fromkeys(("token_malformed", "a", "b", "c", "d", "e", "f"), 2)},
            "d × 2, 4 of 2 other kinds; ",
        ),
        (
            {"sessions": {"before": 500, "lowest": 500, "lost": 1}, "turns_lost": 12},
            "; 1 session lost, 12 turns lost; ",
        ),
        ({"load_back_s": 0.0}, "; sessions fell from 500 to 312; load never short, response"),
        ({"load_back_s": None}, "load not back within the run, response"),
        ({"response_back_s": None}, "response p95 not back within the run."),
    ],
)
def test_each_part_has_its_words(make: Any, other: dict[str, Any], words: str) -> None:
    """Those of a reader who does not know this tool's keys."""
    (sentence,) = sentences(make, incident(**other))
    assert words in sentence


def test_what_is_not_known_is_not_told(make: Any) -> None:
    """Too few answers for a p95 before, too little known of the load."""
    short = incident()
    for key in ("load_back_s", "response_back_s", "response_p95_before_ms"):
        del short[key]
    assert sentences(make, short)[0].endswith("sessions fell from 500 to 312.")


def test_many_incidents_are_told_up_to_a_number(make: Any) -> None:
    """The page stays one that is read; the rest is in the file, or counted."""
    many = sentences(make, *[incident()] * LISTED, unlisted=7)
    assert len(many) == 22
    assert many[-2:] == [
        "80 more incidents in `summary.json`.",
        "7 further incidents not listed one by one.",
    ]


def test_they_stand_on_the_page_before_the_latencies(make: Any) -> None:
    """Who asks why the p95 is what it is reads this first."""
    page = document(replace(make(), incidents=(incident(),)))
    assert page.index("## Incidents\n\n- Incident 1, 15:07:54") < page.index("## Latency")


def test_they_stand_on_the_terminal_within_its_columns(make: Any) -> None:
    """Wrapped, not cut."""
    out = StringIO()
    render(replace(make(), incidents=(incident(),)), Console(file=out, width=80))
    text = " ".join(out.getvalue().split())
    assert "Incident 1, 15:07:54–15:08:59 (65 s): upgrades refused (503) × 412" in text
    assert max(map(len, out.getvalue().splitlines()[:-1])) <= 80


def test_a_summary_with_incidents_survives_its_file(make: Any) -> None:
    """And one without has no key for them."""
    summary = replace(make(), incidents=(incident(),), incidents_unlisted=2)
    assert Summary.from_dict(summary.to_dict()) == summary
    assert "incidents" not in make().to_dict()


def test_what_is_found_has_the_keys_that_are_told(make: Any) -> None:
    """The accumulator and the words agree."""
    incidents, waits = Incidents(), Distribution()
    for _ in range(9):
        waits.record_whole(500)
    for at in range(90):
        down = 60 <= at < 70
        live = 10 if down else 100
        counts = {"turns.answered": live // 2, "errors.connect_refused": 9 * down}
        standing = {"worker": Standing(at + 1.0, {"ready": live}, live, None)}
        asked = {"users": 100.0}
        row = Row(float(at), 1.0, asked, counts=Counter(counts), session_seconds=float(live))
        row.latency, row.standing = {"response": waits}, standing
        incidents.add(row)
    (found,) = incidents.to_dicts()
    assert set(found) == set(incident())
    (sentence,) = sentences(make, found)
    assert "connection refused × 90; sessions fell from 100 to 10" in sentence
    assert "load back after 10 s, response p95 never worse." in sentence
