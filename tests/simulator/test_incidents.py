"""What befalls the server as a whole: when it begins, when it ends, and what is refused."""

from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadkit.errors import UsageError
from loadkit.simulator import load_dials
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.faults.incidents import IncidentSchedule, ServerIncident

from .doubles import END, JOIN, HandClock, World, says


class House:
    """Writes down what befalls it."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.diary: list[tuple[float, str, str]] = []

    def befall(self, incident: ServerIncident) -> None:
        self.diary.append((self._clock.now() - 100, "begins", incident.kind))

    def recover(self, incident: ServerIncident) -> None:
        self.diary.append((self._clock.now() - 100, "ends", incident.kind))


def plan(text: str) -> tuple[ServerIncident, ...]:
    return load_dials(None, [f"incidents={text}"]).incidents


TWO = plan(
    '[{ at = "1m", duration = "20s", kind = "rate_limit" },'
    ' { at = "30s", duration = "10s", kind = "restart", forget = true }]'
)


def test_each_begins_and_ends_in_its_own_time_whatever_their_order() -> None:
    """The list may be in any order; time is what counts."""
    clock = HandClock()
    house = House(clock)
    IncidentSchedule(TWO, clock, TruthLog(None)).start(house)
    clock.advance(200)
    assert house.diary == [
        (30, "begins", "restart"),
        (40, "ends", "restart"),
        (60, "begins", "rate_limit"),
        (80, "ends", "rate_limit"),
    ]


def test_whoever_asks_is_told_what_is_under_way_and_for_how_long() -> None:
    """Nothing, mostly."""
    clock = HandClock()
    incidents = IncidentSchedule(TWO, clock, TruthLog(None))
    incidents.start(House(clock))
    assert (incidents.now, incidents.left) == (None, 0.0)
    clock.advance(65)
    assert incidents.now is TWO[1]
    assert incidents.left == pytest.approx(15)
    clock.advance(15)
    assert (incidents.now, incidents.left) == (None, 0.0)


def test_the_truth_has_both_ends(tmp_path: Path) -> None:
    """For a report's windows to be held against."""
    path, clock = tmp_path / "truth", HandClock()
    with closing(TruthLog(path)) as truth:
        IncidentSchedule(TWO, clock, truth).start(House(clock))
        clock.advance(200)
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(one["kind"], one["incident"], one["at"] - 100) for one in records] == [
        ("incident_begin", "restart", 30),
        ("incident_end", "restart", 40),
        ("incident_begin", "rate_limit", 60),
        ("incident_end", "rate_limit", 80),
    ]


def test_once_stopped_nothing_more_happens() -> None:
    """Not even the end of what is under way: the server is gone."""
    clock = HandClock()
    house = House(clock)
    incidents = IncidentSchedule(TWO, clock, TruthLog(None))
    incidents.start(house)
    clock.advance(35)
    incidents.stop()
    clock.advance(100)
    assert house.diary == [(30, "begins", "restart")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[{at=0, duration=10, kind="freeze"}, {at="5s", duration=1, kind="restart"}]',
            "the freeze at 0 s is not over when the restart at 5 s begins",
        ),
        ('[{at=0, duration=0, kind="freeze"}]', "greater than 0"),
        ('[{at=0, duration=1, kind="flood"}]', "'refuse_upgrades', 'rate_limit'"),
        ('[{at=0, duration=1, kind="freeze", forget=true}]', "forget is for a restart"),
        ('[{duration=1, kind="freeze"}]', "incidents.0.at: is missing"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, told: str) -> None:
    """No server starts with a plan that it would not keep."""
    with pytest.raises(UsageError) as refused:
        plan(text)
    assert told in str(refused.value)


def severed() -> tuple[World, Any, Any]:
    """A session whose socket an incident took while an answer was in the making."""
    world = World("idle_timeout_seconds=60")
    session, ear = world.greeted()
    session.hear(ear, says("end the convo"))
    session.sever(ear)
    world.clock.advance(10)
    return world, session, ear


def test_what_is_said_after_a_socket_was_taken_comes_with_the_replay() -> None:
    """The end included: the session is kept for whoever comes back."""
    world, session, ear = severed()
    assert ear.types[-1] == "USER_MESSAGE"
    assert world.registry.find(session.id) is session
    again = world.connect(session, cursor=5)
    assert again.types == ["POLY_AGENT_MESSAGE", "SESSION_END"]
    assert again.closed == 1000


def test_a_session_that_nobody_comes_back_to_is_forgotten_in_the_end() -> None:
    """After the idle limit, as an abandoned one."""
    world, session, _ = severed()
    world.clock.advance(60)
    assert world.registry.find(session.id) is None


def test_a_session_that_was_forgotten_hears_nothing_more() -> None:
    """What was on its way when the server went down leads to nothing, and breaks nothing."""
    world = World()
    session, ear = world.greeted()
    world.registry.cut()
    before = ear.types
    for said in (says("hello"), JOIN, END):
        session.hear(ear, said)
    world.clock.advance(100)
    assert ear.types == before
    assert world.clock.pending == 0
