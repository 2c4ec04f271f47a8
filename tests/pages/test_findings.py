"""What a newcomer is told to look at first."""

from dataclasses import replace
from typing import Any

import pytest

from loadkit.figures import STEPS
from loadkit.pages.findings import MOST, findings
from loadkit.pages.first_screen import first_screen
from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.summary import Summary
from tests.report.conftest import Make, make

__all__ = ["make"]


@pytest.fixture
def quiet(make: Make) -> Summary:
    """A run in which nothing stands out."""
    summary = make()
    return replace(summary, disconnects=dict.fromkeys(summary.disconnects, 0))


def told(summary: Summary) -> str:
    return " | ".join(f"{each.what} {each.evidence} {each.meaning}" for each in findings(summary))


def test_nothing_is_said_of_a_run_in_which_nothing_stands_out(quiet: Summary) -> None:
    assert findings(quiet) == []


def test_doubts_come_first_and_say_what_to_do(make: Make) -> None:
    """Figures that may be wrong are no findings about the target."""
    first = findings(make(failing=True, lag=0.05))[0]
    assert "load generator was at its limit" in first.what
    assert first.remedy
    assert first.where == "generator"


def test_there_are_three_at_most(make: Make) -> None:
    summary = make(failing=True, mixed=True, lag=0.05)
    assert len(findings(summary)) == MOST


@pytest.mark.parametrize(
    ("later", "says"),
    [
        ({"p50": 900.0, "p50_from": 850.0, "p50_to": 950.0}, "from turn 2 on"),
        ({"p50": 520.0, "p50_from": 510.0, "p50_to": 530.0}, ""),  # surely slower, and not by much
        ({"p50": 900.0, "p50_from": 450.0, "p50_to": 950.0}, ""),  # much slower, and not surely
    ],
)
def test_answers_slow_down_where_every_later_turn_is_surely_slower(
    quiet: Summary, later: dict[str, float], says: str
) -> None:
    first = {"p50": 500.0, "p50_from": 490.0, "p50_to": 505.0}
    found = told(replace(quiet, by_turn={"1": first, "2": later, "3": later}))
    assert ("slow down" in found) is bool(says)
    assert says in found


def test_they_slow_down_from_the_first_turn_on_after_which_all_are(quiet: Summary) -> None:
    """One fast turn in between, and the last slow one is chance."""
    fast = {"p50": 500.0, "p50_from": 490.0, "p50_to": 505.0}
    slow = {"p50": 900.0, "p50_from": 850.0, "p50_to": 950.0}
    turns = {"1": fast, "2": slow, "3": fast, "10": slow, "4": fast}
    assert "from turn 10 on" in told(replace(quiet, by_turn=turns))


@pytest.mark.parametrize(
    ("reconnect", "connect", "says"),
    [
        (4_000.0, 4.0, "client's own back-off"),
        (12_000.0, 4_000.0, "The server itself"),
        (12.0, 4.0, "before they noticed"),  # three times as long, and nothing to mend
        (None, 4.0, "No reconnect was timed"),
    ],
)
def test_it_says_whether_coming_back_took_the_client_or_the_server(
    quiet: Summary, reconnect: float | None, connect: float, says: str
) -> None:
    disconnects = dict(quiet.disconnects) | {"forced": 32, "reconnected": 31, "gave_up": 1}
    latency: dict[str, Any] = dict(quiet.latency_ms)
    latency |= {"reconnect": {"p50": reconnect} if reconnect else {}, "connect": {"p50": connect}}
    found = told(replace(quiet, disconnects=disconnects, latency_ms=latency))
    assert "32 sockets were cut, 31 came back, 1 gave up" in found
    assert says in found
    assert found.count("The server itself") == (says == "The server itself")


def test_it_says_where_those_fell_out_who_failed(quiet: Summary) -> None:
    sessions = dict(quiet.sessions)
    sessions["ended"] = dict(sessions["ended"]) | {"failed": 40}
    sessions["reached"] = dict(zip(STEPS, (412, 410, 372, 372, 370), strict=True))
    found = told(replace(quiet, sessions=sessions, errors={"connect_refused": 40}))
    assert "40 sessions of 412 failed" in found
    assert "before “socket”" in found
    assert "40 × connect_refused" in found


def test_it_does_not_say_where_one_fell_out_from_those_who_had_no_time(quiet: Summary) -> None:
    """At the end of a run many are on their way, and have not failed."""
    sessions = dict(quiet.sessions)
    sessions["ended"] = dict(sessions["ended"]) | {"failed": 1, "cut_off": 50}
    sessions["reached"] = dict(zip(STEPS, (412, 412, 412, 412, 370), strict=True))
    found = told(replace(quiet, sessions=sessions, errors={"join_missing": 1}))
    assert "1 session of 412 failed" in found
    assert "fell out" not in found


def test_what_befell_most_comes_first(quiet: Summary) -> None:
    """One session of hundreds that failed is no headline where every tenth message is lost."""
    sessions = dict(quiet.sessions) | {"started": 412}
    sessions["ended"] = dict(sessions["ended"]) | {"failed": 1}
    turns = dict(quiet.turns) | {"sent": 600, "lost": 60}
    first, second = findings(replace(quiet, sessions=sessions, turns=turns))[:2]
    assert "never answered" in first.what
    assert "failed" in second.what


def test_a_user_class_that_waits_much_longer_is_named(quiet: Summary) -> None:
    """With samples enough for a p95."""

    def fared(p95: float, count: int = 200) -> dict[str, Any]:
        return {"latency_ms": {"response": {"count": count, "p95": p95}}}

    classes = {"Chat": fared(500), "Handoff": fared(1_500), "Rare": fared(9_000, 10)}
    found = told(replace(quiet, user_classes=classes))
    assert "Handoff waits longer than all others." in found
    assert "Rare" not in found


def test_a_run_in_which_nothing_was_answered_says_so(quiet: Summary) -> None:
    """None of them is lost yet, as nobody waited that long."""
    turns = dict(quiet.turns) | {"sent": 4, "answered": 0, "lost": 0, "open": 4}
    found = findings(replace(quiet, turns=turns))
    assert [each.what for each in found] == ["Not one of 4 messages was answered."]
    assert "4 were still waited for" in found[0].evidence


def test_a_run_in_which_nothing_was_said_says_so(quiet: Summary) -> None:
    """That nothing stands out would be read as all is well."""
    silent = replace(quiet, turns=dict.fromkeys(quiet.turns, 0))
    (found,) = findings(silent)
    assert found.what == "Not one message was sent."
    assert "let the run last longer" in found.remedy


def test_who_came_back_is_not_more_than_who_was_away(quiet: Summary) -> None:
    """A socket that is replaced for its age comes back too."""
    disconnects = dict(quiet.disconnects) | {"forced": 32, "recycled": 5, "reconnected": 37}
    found = told(replace(quiet, disconnects=disconnects))
    assert "32 sockets were cut and 5 replaced for their age, 37 came back" in found


def test_a_run_that_was_stopped_says_so_first(quiet: Summary) -> None:
    """It is invalid, with no doubt about what was measured."""
    reason = Reason(ReasonKind.STOPPED, "after 1 of 30 s, by Ctrl-C")
    verdict = replace(quiet.verdict, validity="invalid", reasons=(reason,), exit_code=3)
    lag = Reason(ReasonKind.LOOP_LAG, "event-loop lag p99 was 12 ms (limit 10 ms)")
    for reasons in ((reason,), (reason, lag)):  # nor is a small one what makes it invalid
        stopped = replace(quiet, verdict=replace(verdict, reasons=reasons))
        found = findings(stopped)[0]
        assert "no test of what was asked for" in found.what
        assert "stopped early: after 1 of 30 s" in found.evidence
        assert "the run is invalid: stopped early: after 1 of 30 s" in first_screen(stopped)


def test_a_turn_that_few_came_to_tells_nothing(quiet: Summary) -> None:
    """It has no interval, be the ones behind it as slow as they like."""
    fast = {"p50": 500.0, "p50_from": 490.0, "p50_to": 505.0}
    slow = {"p50": 900.0, "p50_from": 850.0, "p50_to": 950.0}
    turns = {"1": fast, "2": {"p50": 900.0}, "3": slow}
    assert "from turn 3 on" in told(replace(quiet, by_turn=turns))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (ReasonKind.LOOP_LAG, "the load generator was at its limit"),
        (ReasonKind.MACHINE_CPU, "a machine's CPU was full"),
        (ReasonKind.HEARTBEATS_LOST, "with care"),
    ],
)
def test_a_doubt_is_named_for_what_it_is(quiet: Summary, kind: ReasonKind, says: str) -> None:
    """A network that lost heartbeats is no generator at its limit."""
    verdict = replace(quiet.verdict, validity="suspect", reasons=(Reason(kind, "so", "mend"),))
    assert says in findings(replace(quiet, verdict=verdict))[0].what
