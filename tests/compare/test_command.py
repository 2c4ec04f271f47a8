"""What is found out before a run that is to be compared at its end."""

from pathlib import Path

import pytest

from loadkit.compare.command import check_baseline, compared
from loadkit.compare.words import first_line
from loadkit.errors import UsageError
from tests.compare.folders import lived


def test_a_run_and_limits_that_make_sense_are_let_through(tmp_path: Path) -> None:
    """So is a run that is compared with none."""
    lived(tmp_path / "before", seconds=20)
    check_baseline(str(tmp_path / "before"), ["response.p95 > 10%"])
    check_baseline(None, [])


@pytest.mark.parametrize(
    ("baseline", "fail_on", "told"),
    [
        ("nowhere", [], "summary.json"),
        (None, ["response.p95 > 10%"], "add --baseline DIR"),
        ("nowhere", ["response.p95"], "as in 'response.p95 > 10%'"),
    ],
)
def test_a_mistake_is_told_before_the_load(
    baseline: str | None, fail_on: list[str], told: str
) -> None:
    """Not after it, when it is too late."""
    with pytest.raises(UsageError, match=told):
        check_baseline(baseline, fail_on)


def test_that_a_run_is_compared_with_itself_is_said(tmp_path: Path) -> None:
    """However it is named: that it has not changed is no news, and no failure."""
    lived(tmp_path / "before", seconds=20)
    (tmp_path / "again").symlink_to(tmp_path / "before")
    for other in (tmp_path / "before" / "summary.json", tmp_path / "again"):
        found = compared([tmp_path / "before", other])
        assert first_line(found) == "NOT TO BE TRUSTED  BASE and NEW are one and the same run"
        assert found.exit_code == 0


def test_of_a_run_that_was_killed_it_is_said_how_to_get_its_result(tmp_path: Path) -> None:
    """All that it measured is there, but for the sum."""
    lived(tmp_path / "before", seconds=20)
    lived(tmp_path / "killed", seconds=20)
    (tmp_path / "killed" / "summary.json").unlink()
    (tmp_path / "killed" / "journal.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"`loadkit report .*killed` makes that"):
        compared([tmp_path / "before", tmp_path / "killed"])
