"""What a run comes to."""

from typing import Any

import pytest

from loadkit.verdict.slo import SloLine
from loadkit.verdict.validity import Validity
from loadkit.verdict.verdict import decide

VALID = Validity("valid", ())
SUSPECT = Validity("suspect", ("a worker went away",))
INVALID = Validity("invalid", ("the generator was the limit", "a worker went away"))
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
    assert verdict.reasons == (
        "a worker went away",
        "stopped early: broken for 30 s",
        "SLO undecided: response p99: too few samples (353 of 459)",
        "SLO broken: violations 3 > 0",
    )
    assert decide([], VALID, SOMETHING).reasons == (
        "no SLO, and something failed: 3 errors, 1 lost turn",
    )


def test_doubts_are_the_reasons_about_the_run_itself() -> None:
    """A report sets them apart from what the target did."""
    for lines, failed in (([BROKEN, OPEN], NOTHING), ([], SOMETHING)):
        assert decide(lines, INVALID, failed, aborted="x").doubts == INVALID.reasons
        stopped = Validity("invalid", ("stopped early: after 3 s", *INVALID.reasons))
        assert decide(lines, stopped, failed).doubts == INVALID.reasons
        assert decide(lines, VALID, failed, strict=True).doubts == ()
