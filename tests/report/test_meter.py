"""How far a command is that reads for long."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType

from loadkit.report import meter
from loadkit.report.meter import Meter

RUN = Path("results/night")


class Seen:
    """A screen that keeps what was to stand on it."""

    def __init__(self, *, is_live: bool) -> None:
        self.is_live, self.stood = is_live, list[str | None]()

    def stand(self, what: RenderableType | None) -> None:
        self.stood.append(None if what is None else str(what))


def read(screen: Seen, seconds: float, by: float, path: Path = RUN) -> None:
    """Read at a steady pace, telling after each step."""
    at = 0.0
    with Meter(screen, lambda: at) as progress:  # type: ignore[arg-type]
        while at <= seconds:
            progress(path, at / seconds)
            at += by


def test_on_a_terminal_it_is_drawn_anew_and_gone_at_the_end() -> None:
    """With the time that is left, reckoned from what was read."""
    screen = Seen(is_live=True)
    read(screen, 20.0, 0.25)
    assert screen.stood[0] == f"reading {RUN}: 2 %, 00:19 left"
    assert f"reading {RUN}: 50 %, 00:10 left" in screen.stood
    assert screen.stood[-1] is None
    assert len(screen.stood) == 41


def test_elsewhere_a_line_is_told_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Where what a command is asked for does not go."""
    screen = Seen(is_live=False)
    read(screen, 20.0, 0.25)
    assert capsys.readouterr() == (
        "",
        f"reading {RUN}: 25 %, 00:15 left\nreading {RUN}: 75 %, 00:05 left\n",
    )
    assert screen.stood == []


@pytest.mark.parametrize("is_live", [True, False])
def test_what_takes_a_moment_is_not_told(
    is_live: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "share_terminal", lambda: None)
    screen = Seen(is_live=is_live)
    read(screen, 0.4, 0.01)
    assert [what for what in screen.stood if what] == []
    assert capsys.readouterr() == ("", "")


def test_the_next_file_has_a_time_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest of it has nothing to do with how long the first one took."""
    at: Any = 0.0
    with Meter(Seen(is_live=False), lambda: at) as progress:  # type: ignore[arg-type]
        progress(RUN, 0.0)
        at = 100.0
        progress(Path("other"), 0.0)
        at = 110.0
        progress(Path("other"), 0.5)
    assert capsys.readouterr().err.splitlines()[-1] == "reading other: 50 %, 00:10 left"
