"""One meaning a code, and what an error or a signal comes to."""

import re
import signal
from pathlib import Path

from loadkit.errors import TargetError, UsageError
from loadkit.exit_codes import OF_A_RUN, ExitCode, of_error, of_signal

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_has_every_code() -> None:
    """And SIGTERM's, which is made of its number."""
    table = README.read_text(encoding="utf-8").split("| exit code | meaning |")[1].split("\n\n")[0]
    codes = [
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for code in row.split(",")
    ]
    assert sorted(codes) == sorted([*ExitCode, of_signal(signal.SIGTERM)])


def test_what_ends_a_command_has_its_code() -> None:
    """The target's fault and the user's are told apart; a shell tells a signal by its number."""
    assert of_error(UsageError("no such profile")) == 2
    assert of_error(TargetError("nobody listens")) == 4
    assert of_signal(signal.SIGTERM) == 143
    assert of_signal(signal.SIGINT) == ExitCode.INTERRUPTED


def test_a_run_is_never_what_is_found_before_it() -> None:
    """Nor what ends a command that has no results."""
    assert set(ExitCode) - set(OF_A_RUN) == {ExitCode.UNREACHABLE, ExitCode.INTERRUPTED}
