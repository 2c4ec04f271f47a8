"""What tables are laid out on."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from loadkit.report.screen import Screen
from tests.terminals import terminals


def test_what_others_have_written_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A path with brackets, say: taken for a tag that was never opened, it would be an error."""
    Screen().print("results: /tmp/a[/b] :smile:", soft_wrap=True)
    assert capsys.readouterr().out == "results: /tmp/a[/b] :smile:\n"


def printed(code: str, environment: dict[str, str], *, on_terminal: bool = False) -> str:
    """What a process says of a screen of its own: on standard error, else where it printed."""
    clean = {name: text for name, text in os.environ.items() if name not in ("CI", "COLUMNS")}
    setting = "from loadkit.output import guard; guard(); import sys\n"
    setting += "from loadkit.report.screen import Screen; screen = Screen()\n"
    with ExitStack() as stack:
        where = stack.enter_context(terminals()).descriptor if on_terminal else subprocess.PIPE
        ended = subprocess.run(
            [sys.executable, "-c", setting + code],
            env={**clean, "TERM": "xterm", **environment},
            stdout=where,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
    return str(ended.stderr if on_terminal else ended.stdout)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1"}, False),
    ],
)
def test_colours_come_where_they_are_asked_for(environment: dict[str, str], coloured: bool) -> None:
    """A pipe has none by itself; NO_COLOR is stronger than all."""
    told = printed("from rich.text import Text; screen.print(Text('x', 'red'))", environment)
    assert told == ("\x1b[31mx\x1b[0m\n" if coloured else "x\n")


@pytest.mark.parametrize(
    ("environment", "on_terminal", "is_live"),
    [
        ({}, True, True),
        ({"CI": "0"}, True, True),
        ({"CI": "true"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_lines_are_drawn_anew_on_a_terminal_with_somebody_before_it(
    environment: dict[str, str], on_terminal: bool, is_live: bool
) -> None:
    """Colours that are forced make no terminal of a pipe."""
    stream = "sys.stderr" if on_terminal else "sys.stdout"
    told = printed(f"{stream}.write(str(screen.is_live))", environment, on_terminal=on_terminal)
    assert told == str(is_live)
