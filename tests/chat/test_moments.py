"""The moments at which a forced disconnect may be planned, and the states that a chart shows."""

from collections.abc import Callable

import pytest

from loadkit.chat.inputs import ELAPSED, FORCED, START, Closed, Leave, Opened, Say
from loadkit.chat.session import Session
from loadkit.figures import State

from .helpers import (
    DUE,
    asking_session,
    batch,
    chunk,
    ended,
    feed,
    human_session,
    joined,
    joining_session,
    live_session,
    new_session,
    opened_session,
    queued_session,
    waiting_session,
)


def connecting_session() -> Session:
    session = new_session()
    feed(session, (0.0, START))
    return session


def greeting_session() -> Session:
    session = joining_session()
    feed(session, (0.3, joined(2)))
    return session


def streaming_session() -> Session:
    session = waiting_session()
    feed(session, (11.0, chunk(1, "Ye", sequence=6)))
    return session


def leaving_session() -> Session:
    session = live_session()
    feed(session, (10.0, Leave(10.0)))
    return session


def ended_session() -> Session:
    session = live_session()
    feed(session, (10.0, ended()))
    return session


MOMENTS: list[tuple[Callable[[], Session], str | None]] = [
    (new_session, None),
    (connecting_session, "connect"),
    (opened_session, "replay"),
    (joining_session, "join"),
    (greeting_session, "join"),
    (live_session, "between_turns"),
    (lambda: waiting_session(echoed=False), "before_echo"),
    (waiting_session, None),
    (streaming_session, "mid_stream"),
    (queued_session, "queue"),
    (human_session, "human"),
    (lambda: asking_session(echoed=False), "human"),
    (asking_session, "human"),
    (leaving_session, None),
    (ended_session, None),
]


@pytest.mark.parametrize(("make", "moment"), MOMENTS)
def test_a_moment_bears_the_name_that_a_profile_gives_it(
    make: Callable[[], Session], moment: str | None
) -> None:
    assert make().moment == moment


@pytest.mark.parametrize("make", [make for make, moment in MOMENTS if moment not in (None, "")])
def test_at_each_moment_the_socket_can_be_broken_once(make: Callable[[], Session]) -> None:
    session = make()
    assert session.breakable
    feed(session, (20.0, FORCED))
    assert (session.breakable, session.moment) == (False, None)
    feed(session, (DUE, ELAPSED))
    assert (session.breakable, session.moment) == (True, "connect")


def test_after_the_end_there_is_nothing_left_to_break() -> None:
    session = ended_session()
    assert not session.breakable
    feed(session, (11.0, Closed(1000)))
    assert not session.breakable


def test_the_first_message_after_a_resume_is_a_moment_like_any_other() -> None:
    session = live_session()
    feed(session, (20.0, FORCED), (DUE, ELAPSED), (22.0, Opened()))
    assert session.moment == "replay"
    feed(session, (22.1, batch(0)), (23.0, Say("hi", 23.0)))
    assert session.moment == "before_echo"


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (new_session, State.STARTING),
        (connecting_session, State.STARTING),
        (opened_session, State.STARTING),
        (joining_session, State.JOINING),
        (greeting_session, State.JOINING),
        (live_session, State.READY),
        (waiting_session, State.WAITING),
        (streaming_session, State.WAITING),
        (queued_session, State.QUEUED),
        (human_session, State.WITH_HUMAN),
        (asking_session, State.WITH_HUMAN),
        (leaving_session, State.ENDING),
        (ended_session, State.ENDING),
    ],
)
def test_a_chart_shows_where_the_conversation_stands(
    make: Callable[[], Session], state: State
) -> None:
    assert make().charted is state


def test_a_session_whose_socket_is_gone_is_reconnecting_until_it_has_caught_up() -> None:
    session = waiting_session()
    for at, happening in ((20.0, FORCED), (DUE, ELAPSED), (22.0, Opened())):
        feed(session, (at, happening))
        assert session.charted is State.RECONNECTING
    feed(session, (22.1, batch(0)))
    assert session.charted is State.WAITING
