"""A server in slow decline: how much slower, when, and when it lets nobody in any more."""

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.faults.decline import Decline, DriftDials

from .doubles import JOIN, HandClock, World, says


def drift(**dials: float) -> tuple[Decline, HandClock]:
    clock = HandClock()
    return Decline(DriftDials.model_validate(dials), clock, TruthLog(None)), clock


def test_nothing_drifts_unless_it_is_turned_on() -> None:
    """After a day, in an old session, after many sessions: nothing."""
    one, clock = drift()
    born = clock.now()
    clock.advance(86_400)
    for _ in range(1000):
        one.created()
    assert one.slowness(born) == 1.0
    assert not one.spent


def test_waits_grow_evenly_with_the_uptime() -> None:
    """5 % an hour of what they were at first, not of what they have become."""
    one, clock = drift(per_hour=0.05)
    clock.advance(3600)
    assert one.slowness(clock.now()) == pytest.approx(1.05)
    clock.advance(9 * 3600)
    assert one.slowness(clock.now()) == pytest.approx(1.5)


def test_the_decline_may_begin_later() -> None:
    """Up to then the server is as new."""
    one, clock = drift(per_hour=0.2, starts_after=7200)
    clock.advance(7200)
    assert one.slowness(clock.now()) == 1.0
    clock.advance(1800)
    assert one.slowness(clock.now()) == pytest.approx(1.1)


def test_waits_grow_with_the_session_s_own_age() -> None:
    """An old session is slower than one that was born just now."""
    one, clock = drift(per_session_hour=0.6)
    born = clock.now()
    clock.advance(600)
    assert one.slowness(born) == pytest.approx(1.1)
    assert one.slowness(clock.now()) == 1.0


def test_waits_grow_with_the_sessions_ever_created() -> None:
    """Whether they are still there does not matter."""
    one, clock = drift(per_thousand_sessions=0.5)
    for _ in range(300):
        one.created()
    assert one.slowness(clock.now()) == pytest.approx(1.15)


def test_a_restart_makes_the_server_new() -> None:
    """Uptime and leak begin at nought; a session stays as old as it is."""
    one, clock = drift(
        per_hour=1, per_session_hour=1, per_thousand_sessions=1, sessions_until_refusal=2
    )
    born = clock.now()
    one.created()
    one.created()
    clock.advance(3600)
    assert one.spent
    one.restart()
    assert not one.spent
    assert one.slowness(born) == pytest.approx(2.0)


def test_the_leak_ends_in_refusals_and_is_written_down_once(tmp_path: Path) -> None:
    """The record says when, and after how many sessions."""
    path = tmp_path / "truth"
    with closing(TruthLog(path)) as truth:
        clock = HandClock()
        one = Decline(DriftDials(sessions_until_refusal=3), clock, truth)
        for _ in range(5):
            one.created()
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert records == [{"kind": "spent", "at": clock.now(), "sessions": 3}]


@pytest.mark.parametrize(("streaming", "plain"), [(False, 3.0), (True, 5.0)])
def test_every_wait_of_an_answer_is_as_much_longer(streaming: bool, plain: float) -> None:
    """The first response of 3 s, and the two gaps of 1 s in a streamed one."""
    waited = {}
    for share in ("0", "0.5"):
        dials = (
            f"drift.per_session_hour={share}",
            "agent.thinking=0ms",
            "idle_timeout_seconds=1e6",
        )
        world = World(*dials)
        session = world.session(streaming=streaming)
        ear = world.connect(session)
        session.hear(ear, JOIN)
        world.clock.advance(3600)
        session.hear(ear, says("hello"))
        began, count = world.clock.now(), 3 if streaming else 1
        kind = "POLY_AGENT_MESSAGE_CHUNK" if streaming else "POLY_AGENT_MESSAGE"
        while ear.types.count(kind) < 2 * count and world.clock.now() < began + 20:
            world.clock.advance(0.125)
        waited[share] = world.clock.now() - began
    assert waited["0"] == pytest.approx(plain)
    assert waited["0.5"] == pytest.approx(1.5 * plain)
