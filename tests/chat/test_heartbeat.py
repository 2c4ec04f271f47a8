"""The keep-alive, and how a half-open socket is found out."""

from typing import Any

import pytest

from loadkit.chat.effects import Drop, Sample
from loadkit.chat.inputs import ELAPSED, Closed, Opened
from loadkit.chat.session import Session
from loadkit.chat.socket.heartbeat import Open
from loadkit.chat.states import SocketState
from loadkit.errors import Failure
from loadkit.figures import Phase

from .helpers import (
    DUE,
    batch,
    beat,
    counts,
    durations,
    event,
    failures,
    feed,
    joining_session,
    live_session,
    only,
    opened_session,
    samples,
    sent,
    start,
    thinking,
    violations,
)

EVERY_15 = {"heartbeat_interval_seconds": 15}
NEVER = float("inf")


def beats(session: Session, *times: float) -> list[Any]:
    return feed(session, *((at, ELAPSED) for at in times))


@pytest.mark.parametrize(("capabilities", "first"), [({}, 30.0), (EVERY_15, 15.0)])
def test_the_first_heartbeat_is_a_full_interval_after_the_socket_opened(
    capabilities: dict[str, Any], first: float
) -> None:
    session = live_session(capabilities)
    assert session.deadline == first
    assert sent(feed(session, (first, ELAPSED))) == ["HEARTBEAT"]
    assert session.deadline == 2 * first


def test_an_interval_of_nought_switches_heartbeats_off() -> None:
    session = live_session({"heartbeat_interval_seconds": 0})
    assert session.deadline == NEVER
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    feed(session, (22.1, batch(0)))
    assert session.deadline == NEVER


def test_a_resume_keeps_the_interval_and_starts_it_anew() -> None:
    session = live_session(EVERY_15)
    feed(session, (14.0, Closed(1006)), (DUE, ELAPSED), (16.0, Opened()))
    feed(session, (16.1, batch(0)))
    assert session.deadline == 31.0


def test_heartbeats_go_on_while_an_answer_is_waited_for() -> None:
    session = joining_session(EVERY_15)
    assert sent(feed(session, (15.0, ELAPSED))) == ["HEARTBEAT"]


def test_a_heartbeat_is_timed_to_its_echo() -> None:
    session = live_session(EVERY_15)
    out = feed(session, (15.0, ELAPSED), (15.25, beat()))
    assert samples(out, Phase.HEARTBEAT) == [Sample(Phase.HEARTBEAT, None, 15.0, 15.25)]


def test_a_heartbeat_s_lateness_is_from_its_schedule_and_does_not_shift_the_next() -> None:
    session = live_session(EVERY_15)
    out = feed(session, (15.5, ELAPSED))
    assert samples(out, Phase.HEARTBEAT_LATENESS) == [
        Sample(Phase.HEARTBEAT_LATENESS, None, 15.0, 15.5)
    ]
    assert session.deadline == 30.0


def test_missed_beats_are_not_made_up_for() -> None:
    session = live_session(EVERY_15)
    assert sent(feed(session, (100.0, ELAPSED))) == ["HEARTBEAT"]
    assert session.deadline == 115.0


def test_a_heartbeat_that_nobody_sent_is_no_sample() -> None:
    assert feed(live_session(), (5.0, beat())) == []


def test_after_a_lost_echo_the_later_round_trips_are_not_an_interval_too_long() -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED))  # its echo never comes
    out = feed(session, (30.0, ELAPSED), (30.1, beat()), (45.0, ELAPSED), (45.1, beat()))
    out += feed(session, (60.0, ELAPSED), (60.1, beat()))
    assert durations(out, Phase.HEARTBEAT) == [0.1, 0.1]


def test_an_echo_on_a_new_socket_is_not_of_a_heartbeat_on_the_old_one() -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED), (15.1, Closed(1006)), (DUE, ELAPSED))
    out = feed(session, (17.0, Opened()), (17.1, batch(0)), (17.2, beat()))
    assert samples(out, Phase.HEARTBEAT) == []


def test_two_intervals_without_any_sign_of_life_give_the_socket_up() -> None:
    session = live_session(EVERY_15)
    beats(session, 15.0, 30.0)
    out = feed(session, (45.0, ELAPSED))
    assert failures(out) == [Failure.HEARTBEAT_UNANSWERED]
    assert only(out, Drop) == [Drop()]
    assert counts(out) == {"disconnects.unexpected": 1}
    assert session.connection.state is SocketState.BACKOFF


def test_one_unanswered_heartbeat_is_not_enough() -> None:
    session = live_session(EVERY_15)
    out = beats(session, 15.0, 30.0)
    assert (failures(out), session.connection.state) == ([], SocketState.LIVE)


def test_an_answered_heartbeat_begins_the_count_anew() -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED), (30.0, ELAPSED), (30.1, beat()), (45.0, ELAPSED))
    out = feed(session, (60.0, ELAPSED))
    assert (failures(out), session.connection.state) == ([], SocketState.LIVE)


@pytest.mark.parametrize("sign", [thinking(), event("SESSION_IDLE_WARNING")])
def test_a_socket_that_speaks_is_not_half_open_though_its_heartbeats_are_unanswered(
    sign: Any,
) -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED), (20.0, sign), (30.0, ELAPSED))
    out = feed(session, (45.0, ELAPSED))
    assert (failures(out), violations(out)) == ([], ["heartbeat_not_echoed"])
    assert (sent(out), session.connection.state) == (["HEARTBEAT"], SocketState.LIVE)


# --- a heartbeat without an echo ------------------------------------------------------------------


def test_each_heartbeat_without_an_echo_is_one_violation_as_long_as_anything_else_comes() -> None:
    session = live_session(EVERY_15)
    found = []
    for beat_number in range(1, 11):
        at = 15.0 * beat_number
        out = feed(session, (at, ELAPSED), (at + 1.0, event("SESSION_IDLE_WARNING")))
        found.append(violations(out))
    assert found == [[], []] + [["heartbeat_not_echoed"]] * 8, "two intervals after it was sent"
    assert session.connection.state is SocketState.LIVE
    assert session.connection.heartbeat.open is Open.TWO


def test_one_lost_echo_in_a_silent_session_is_one_violation() -> None:
    session = live_session(EVERY_15)
    out = feed(session, (15.0, ELAPSED))  # its echo never comes
    for at in (30.0, 45.0, 60.0):
        out += feed(session, (at, ELAPSED), (at + 0.1, beat()))
    assert violations(out) == ["heartbeat_not_echoed"]
    assert durations(out, Phase.HEARTBEAT) == [0.1, 0.1], "whose the first echo was, nobody knows"


def test_echoes_that_are_slower_than_an_interval_are_no_violation() -> None:
    session = live_session(EVERY_15)
    out = feed(session, (15.0, ELAPSED), (30.0, ELAPSED), (40.0, beat()), (40.1, beat()))
    for at in (45.0, 60.0, 75.0):
        out += feed(session, (at, ELAPSED), (at + 0.1, beat()))
    assert (violations(out), failures(out)) == ([], [])


def test_an_echo_that_was_in_doubt_when_the_socket_was_lost_is_no_violation_of_the_next() -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED), (30.0, ELAPSED), (30.1, beat()), (31.0, Closed(1006)))
    out = feed(session, (DUE, ELAPSED), (33.0, Opened()), (33.1, batch(0)), (48.0, ELAPSED))
    assert violations(out) == []


def test_session_start_said_again_does_not_disturb_the_beat() -> None:
    session = live_session(EVERY_15)
    feed(session, (15.0, ELAPSED), (15.1, beat()), (20.0, start(5, **EVERY_15)))
    assert session.deadline == 30.0


def test_a_new_interval_makes_no_heartbeat_late() -> None:
    session = opened_session()
    feed(session, (20.0, start(1, **EVERY_15)), (20.0, batch()))
    out = feed(session, (20.1, ELAPSED))
    assert sent(out) == ["HEARTBEAT"]
    assert durations(out, Phase.HEARTBEAT_LATENESS) == [0.1]


def test_a_heartbeat_that_a_long_replay_held_up_is_not_late() -> None:
    session = opened_session()
    feed(session, (0.1, start(1, heartbeat_interval_seconds=2)), (9.0, batch()))
    out = feed(session, (9.1, ELAPSED))
    assert durations(out, Phase.HEARTBEAT_LATENESS) == [0.1]
