"""What tables are laid out on."""

import pytest

from loadkit.report.screen import Screen


def test_what_others_have_written_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A path with brackets, say: taken for a tag that was never opened, it would be an error."""
    Screen().print("results: /tmp/a[/b] :smile:", soft_wrap=True)
    assert capsys.readouterr().out == "results: /tmp/a[/b] :smile:\n"
