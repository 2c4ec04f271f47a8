"""What is found out before a run that is to be compared at its end."""

from pathlib import Path

import pytest

from loadkit.compare.command import check_baseline
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
