"""The table of checks: what each row is, and which outcome it keeps."""

from pathlib import Path

import pytest
from rich.console import Console

from loadkit.check_server.table import CHECKS, CheckVerdict, Findings
from loadkit.check_server.terminal import render
from loadkit.report.screen import Screen

PAGE = Path(__file__).parents[2] / "docs" / "check-server.md"


@pytest.mark.parametrize("key", CHECKS)
def test_a_check_is_told_in_the_documentation(key: str) -> None:
    """In the words of the table."""
    check = CHECKS[key]
    assert f"| {check.part} | {check.tried} | {check.expected} |" in PAGE.read_text()


def test_of_a_check_made_twice_the_graver_outcome_stays() -> None:
    found = Findings()
    for verdict in (
        CheckVerdict.OK,
        CheckVerdict.WRONG,
        CheckVerdict.DIFFERS,
        CheckVerdict.NOT_SEEN,
    ):
        found.add("echo", verdict, f"it was {verdict}")
    found.add("answer", CheckVerdict.NOT_SEEN, "busy")
    found.add("answer", CheckVerdict.OK, "at the second")
    came = {row.key: (row.verdict, row.came) for row in found.rows()}
    assert came["echo"] == (CheckVerdict.WRONG, "it was wrong")
    assert came["answer"] == (CheckVerdict.OK, "at the second")


def test_what_was_not_come_to_says_why() -> None:
    found = Findings()
    found.stopped("the connection ended")
    assert {(row.verdict, row.came) for row in found.rows()} == {
        (CheckVerdict.NOT_SEEN, "the connection ended")
    }


def test_the_words_of_a_server_are_shown_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    """No escape of theirs reaches a terminal, and no markup is read."""
    found = Findings()
    found.add("echo", CheckVerdict.WRONG, "[red]\x1b[2J")
    screen: Console = Screen()
    render(found.rows(), screen)
    told = capsys.readouterr().out
    assert "[red]" in told
    assert "\x1b" not in told
    assert told.splitlines()[-1] == f"1 wrong · {len(CHECKS) - 1} not seen"
