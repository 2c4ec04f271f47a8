"""Who is told where a run stands, and when."""

from typing import Any

import pytest
from rich.console import RenderableType

from loadkit.profile.tables import Stage
from loadkit.report.live import LiveFigures
from loadkit.swarm.progress import Progress


class Screen:
    """Keeps what is printed, and what is to stand below that."""

    def __init__(self, *, is_live: bool) -> None:
        self.is_live, self.printed, self.stood = is_live, list[str](), list[bool]()

    def print(self, text: str, **_: Any) -> None:
        self.printed.append(text)

    def stand(self, what: RenderableType | None) -> None:
        self.stood.append(what is not None)


class Run:
    """One that has lasted for as long as it is asked about."""

    target = "here"

    def __init__(self, adapter: "Search | None" = None) -> None:
        self.adapter = adapter

    def figures(self, now: float, users: int, _: Any) -> LiveFigures:
        stages = (Stage(duration="60s", users=5),)
        return LiveFigures(
            elapsed_s=now, users=users, turns=0, errors=0, disconnects=0, stages=stages
        )


class Search:
    """One whose step changes every thirty seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    @property
    def state(self) -> str:
        return f"step {1 + int(self.now // 30)}"

    known = "nothing yet"

    def time_left(self, now: float) -> str:
        return f"{100 - now:g} s"


def follow(screen: Screen, seconds: int, *, quiet: bool = False, search: bool = False) -> Screen:
    """Tell it each second, a bit late as a busy machine is."""
    told: Any = Progress(screen, quiet=quiet)  # type: ignore[arg-type]
    of = Search()
    for second in range(1, seconds + 1):
        of.now = float(second)
        told.say(second + 0.02, Run(of if search else None), 5, None)
    told.clear()
    return screen


def test_a_terminal_is_drawn_anew_each_second_and_cleared_at_the_end() -> None:
    screen = follow(Screen(is_live=True), 25)
    assert screen.stood == [True] * 25 + [False]
    assert screen.printed == []


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    screen = follow(Screen(is_live=False), 25)
    assert [line.partition("  ")[0] for line in screen.printed] == ["00:10/01:00", "00:20/01:00"]
    assert not any(screen.stood)


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("search", [True, False])
def test_who_is_to_be_quiet_says_nothing(is_live: bool, search: bool) -> None:
    """Neither by line nor by drawing."""
    screen = follow(Screen(is_live=is_live), 25, quiet=True, search=search)
    assert (screen.printed, any(screen.stood)) == ([], False)


def test_a_searchs_step_is_told_once_to_a_log() -> None:
    """With what is known, and the time left."""
    screen = follow(Screen(is_live=False), 60, search=True)
    assert screen.printed == [
        "10 s  step 1; nothing yet; 89.98 s",
        "30 s  step 2; nothing yet; 69.98 s",
        "60 s  step 3; nothing yet; 39.98 s",
    ]


def test_a_search_is_drawn_anew_too() -> None:
    assert follow(Screen(is_live=True), 5, search=True).stood == [True] * 5 + [False]
