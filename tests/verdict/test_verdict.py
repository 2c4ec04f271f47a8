"""What a run comes to."""

import json
from typing import Any

import pytest

from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.slo import SloLine
from loadkit.verdict.validity import Validity
from loadkit.verdict.verdict import Verdict, decide

VALID = Validity("valid", ())
GONE = Reason(ReasonKind.WORKERS_LOST, "a worker went away", "look in its log")
LATE = Reason(ReasonKind.LOOP_LAG, "the generator was the limit", "use more workers")
SUSPECT = Validity("suspect", (GONE,))
INVALID = Validity("invalid", (LATE, GONE))
HELD = SloLine("response.p95", 2500.0, 812.0, "pass", 500, 90, (790.0, 840.0))
BROKEN = SloLine("violations", 0, 3, "fail")
OPEN = SloLine("response.p99", 3000.0, None, "undecided", 353, 459)
NOTHING = {"error": 0, "lost turn": 0}
SOMETHING = {"error": 3, "lost turn": 1}


@pytest.mark.parametrize("validity", [VALID, SUSPECT, INVALID])
@pytest.mark.parametrize(
    ("lines", "failed", "options", "slo", "code"),
    [
        ([], NOTHING, {}, "none", 0),
        ([], SOMETHING, {}, "none", 1),
        ([HELD], NOTHING, {}, "pass", 0),
        ([HELD], SOMETHING, {}, "pass", 0),  # the objectives are the user's word on what counts
        ([HELD, BROKEN], NOTHING, {}, "fail", 1),
        ([HELD, OPEN], NOTHING, {}, "pass", 0),
        ([OPEN], NOTHING, {}, "pass", 0),
        ([OPEN, BROKEN], NOTHING, {}, "fail", 1),
        ([HELD, OPEN], NOTHING, {"strict": True}, "fail", 1),
        ([HELD], NOTHING, {"strict": True}, "pass", 0),
        ([], NOTHING, {"strict": True}, "none", 0),
        ([HELD], NOTHING, {"aborted": "broken for 30 s"}, "fail", 1),
    ],
)
def test_the_outcome_by_objectives_and_the_exit_code_by_validity_first(
    lines: Any, failed: Any, options: Any, slo: str, code: int, validity: Validity
) -> None:
    """An invalid run exits with 3 whatever its objectives say, and they are told all the same."""
    verdict = decide(lines, validity, failed, **options)
    assert (verdict.slo, verdict.validity) == (slo, validity.level)
    assert verdict.exit_code == (3 if validity is INVALID else code)
    assert verdict.reasons[: len(validity.reasons)] == validity.reasons


def test_every_exit_code_but_0_has_its_reason() -> None:
    """Doubts, the early end, the objectives in their order; what held is no reason."""
    verdict = decide([OPEN, HELD, BROKEN], SUSPECT, SOMETHING, aborted="broken for 30 s")
    assert [(reason.kind.value, str(reason)) for reason in verdict.reasons] == [
        ("workers_lost", "a worker went away; look in its log"),
        ("aborted", "stopped early: broken for 30 s"),
        ("slo_undecided", "SLO undecided: response p99: too few samples (353 of 459)"),
        ("slo_broken", "SLO broken: violations 3 > 0"),
    ]
    (reason,) = decide([], VALID, SOMETHING).reasons
    assert reason == Reason(ReasonKind.FAILED, "3 errors, 1 lost turn")
    assert str(reason) == "no SLO, and something failed: 3 errors, 1 lost turn"


@pytest.mark.parametrize("strict", [False, True])
def test_what_an_undecided_objective_would_take_is_its_remedy(strict: bool) -> None:
    """As far as it was foreseen, and of what is undecided alone."""
    foreseen = {"response.p99": "have 90 users", "violations": "never mind"}
    undecided, broken = decide([OPEN, BROKEN], VALID, {}, strict=strict, foreseen=foreseen).reasons
    assert undecided.remedy == "have 90 users"
    assert ("--strict" in undecided.text) == strict
    assert str(undecided).endswith(", as foreseen; have 90 users")
    assert broken.remedy == ""


def test_doubts_are_the_reasons_about_the_run_itself() -> None:
    """A report sets them apart from what the target did."""
    for lines, failed in (([BROKEN, OPEN], NOTHING), ([], SOMETHING)):
        assert decide(lines, INVALID, failed, aborted="x").doubts == INVALID.reasons
        stopped = Validity("invalid", (Reason(ReasonKind.STOPPED, "after 3 s"), *INVALID.reasons))
        assert decide(lines, stopped, failed).doubts == INVALID.reasons
        assert decide(lines, VALID, failed, strict=True).doubts == ()


def test_what_is_written_is_read_again() -> None:
    """Each reason as a sentence, and by its parts."""
    verdict = decide([BROKEN], SUSPECT, {}, strict=True)
    data = json.loads(json.dumps(verdict.to_dict()))
    assert data["reasons"][0] == "a worker went away; look in its log"
    assert data["reasons_detail"] == [
        {"kind": "workers_lost", "text": "a worker went away", "remedy": "look in its log"},
        {"kind": "slo_broken", "text": "violations 3 > 0", "remedy": ""},
    ]
    assert Verdict.from_dict(data) == verdict


def test_reasons_without_kinds_are_those_of_an_earlier_version() -> None:
    """Which told them by how they begin; what is a doubt stays one, and reads as it did."""
    stop = Reason(ReasonKind.STOPPED, "after 3 s", "run it to its end")
    verdict = decide([OPEN, BROKEN], Validity("invalid", (stop, LATE)), {}, aborted="x")
    data = verdict.to_dict()
    del data["reasons_detail"]
    read = Verdict.from_dict(data)
    assert list(map(str, read.reasons)) == data["reasons"]
    assert [reason.is_doubt for reason in read.reasons] == [False, True, False, False, False]
    assert read.reasons[0] == stop
    assert read.doubts == (Reason(ReasonKind.UNKNOWN, LATE.text, LATE.remedy),)
    assert [reason.kind for reason in read.reasons[3:]] == ["slo_undecided", "slo_broken"]
