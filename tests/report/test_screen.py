"""What commands print on, once nobody reads it."""

import io

import pytest

from loadkit.report.screen import Screen


class Unread(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_what_prints_goes_on_when_its_reader_has_gone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(file=Unread())
    screen.print("a line")
    screen.out("another one")
    assert screen.quiet
    assert capfd.readouterr() == ("", "")
