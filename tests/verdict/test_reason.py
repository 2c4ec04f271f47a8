"""A reason by its parts."""

import re
from pathlib import Path

import pytest

from loadkit.verdict.reason import Reason, ReasonKind

DOCUMENT = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.mark.parametrize(
    ("reason", "statement", "sentence"),
    [
        (Reason(ReasonKind.PORTS, "ports were at 97 %"), "ports were at 97 %", ""),
        (
            Reason(ReasonKind.PORTS, "ports; all of them", "raise the limit"),
            "ports; all of them",
            "ports; all of them; raise the limit",
        ),
        (
            Reason(ReasonKind.SLO_BROKEN, "violations 3 > 0"),
            "SLO broken: violations 3 > 0",
            "",
        ),
    ],
)
def test_a_reason_is_told_with_and_without_what_to_do(
    reason: Reason, statement: str, sentence: str
) -> None:
    """What it is called by its kind comes first; nothing follows where there is no remedy."""
    assert reason.statement == statement
    assert str(reason) == (sentence or statement)
    assert Reason.from_dict(reason.to_dict()) == reason


def test_the_document_lists_every_kind() -> None:
    """And none that there is not."""
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## Reasons\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| (`.+?) \|", section, re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(table))) == sorted(ReasonKind)
