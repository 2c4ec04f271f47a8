"""What goes wrong on purpose: when it is due, and to which socket it is done."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from loadkit.chat.states import NEVER
from loadkit.net.fault_injector import FaultInjector
from loadkit.net.interfaces import SessionPlan
from loadkit.profile.chaos import ChaosFault

CUT, STORM = ChaosFault("reset"), ChaosFault("fin")


@dataclass
class Planned:
    """One strike at a second, and one at a moment."""

    at: float = NEVER
    moment: str = ""
    turns: list[tuple[float, float]] = field(default_factory=list)

    def due(self, started: float) -> float:
        return started + self.at

    def turn(self, begins: float, ends: float) -> None:
        self.turns.append((begins, ends))

    def strike(self, now: float) -> ChaosFault:
        self.at = NEVER
        return CUT

    def at_moment(self, moment: str) -> ChaosFault | None:
        return CUT if moment == self.moment else None


class Socket:
    """A link, as far as it can be ended."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.closed = False

    def drop(self, *, reset: bool = False) -> None:
        self.done.append("reset" if reset else "fin")

    def close(self, code: int) -> None:
        if code:
            self.done.append(code)

    def abandon(self) -> "Grave":
        self.done.append("abandoned")
        return Grave(self)


class Grave:
    def __init__(self, link: Socket) -> None:
        self._link = link

    def close(self) -> None:
        self._link.closed = True


class TestWhatIsDue:
    def test_is_nothing_where_nothing_is_planned(self) -> None:
        injector = FaultInjector(SessionPlan())
        assert (injector.due(5.0), injector.at("echo")) == (NEVER, None)
        injector.turn(1.0, 2.0)

    def test_is_whatever_comes_first(self) -> None:
        """The session's own fault or a storm that hits many."""
        injector = FaultInjector(
            SessionPlan(faults=Planned(at=10.0), storms=((12.0, STORM), (40.0, STORM)))
        )
        assert injector.due(5.0) == 12.0
        assert injector.take(12.0) is STORM
        assert injector.due(5.0) == 15.0
        assert injector.take(15.0) is CUT
        assert injector.due(5.0) == 40.0

    def test_is_told_when_turns_begin(self) -> None:
        planned = Planned()
        FaultInjector(SessionPlan(faults=planned)).turn(1.0, 2.0)
        assert planned.turns == [(1.0, 2.0)]


class TestAMoment:
    def test_strikes_when_it_is_reached_and_not_while_it_lasts(self) -> None:
        injector = FaultInjector(SessionPlan(faults=Planned(moment="echo")))
        assert [injector.at(m) for m in ("connect", "echo", "echo", None, "echo")] == [
            *(None, CUT, None),
            *(None, CUT),
        ]


@pytest.mark.parametrize(
    ("kind", "code", "done"),
    [
        ("close", 4000, [4000]),
        ("close", None, ["fin"]),
        ("reset", None, ["reset"]),
        ("fin", None, ["fin"]),
        ("half_open", None, ["abandoned"]),
    ],
)
def test_a_socket_ends_as_the_plan_says(kind: str, code: int | None, done: list[Any]) -> None:
    link: Any = Socket()
    injector = FaultInjector(SessionPlan())
    injector.end(link, kind, code)
    assert link.done == done
    injector.close_half_open()
    assert link.closed is (kind == "half_open")  # the server was to find out, and had its time
