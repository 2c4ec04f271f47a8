"""When the history is complete: the protocol has no end mark, so this is a policy."""

import pytest

from loadkit.chat.effects import Drop
from loadkit.chat.inputs import ELAPSED, Closed, Opened
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState, SocketState
from loadkit.errors import Failure
from loadkit.figures import Phase

from .helpers import (
    DUE,
    batch,
    chunk,
    counts,
    durations,
    event,
    failures,
    feed,
    finish,
    heard,
    joined,
    live_session,
    message,
    opened_session,
    samples,
    sent,
    start,
    thinking,
    violations,
)

FULL = 256


def resumed_session(cursor_at: float = 20.0) -> Session:
    """A live session whose socket was lost at 20 and is open again at 22."""
    session = live_session()
    feed(session, (cursor_at, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    assert session.connection.state is SocketState.REPLAYING
    return session


def test_the_join_goes_out_when_the_first_history_is_complete() -> None:
    session = opened_session()
    assert sent(feed(session, (0.2, start()))) == []
    assert sent(feed(session, (0.2, batch()))) == ["REQUEST_POLY_AGENT_JOIN"]


def test_the_join_is_not_sent_when_the_agent_joined_in_the_history() -> None:
    session = opened_session()
    out = feed(session, (0.2, start()), (0.2, joined(2)), (0.2, batch(2)))
    assert sent(out) == []
    assert session.state is ChatState.GREETING


def test_a_whole_greeting_in_the_first_history_makes_it_the_person_s_turn() -> None:
    session = opened_session()
    out = feed(session, (0.2, start()), (0.2, joined(2)), (0.2, message("Hi!", 3)), (0.2, batch(3)))
    assert (heard(out), sent(out), session.state) == (["Hi!"], [], ChatState.READY)


def test_a_streamed_greeting_in_the_first_history_makes_it_the_person_s_turn() -> None:
    session = opened_session()
    out = feed(
        session,
        (0.2, start()),
        (0.2, joined(2)),
        (0.2, chunk(1, "Hi ", sequence=3)),
        (0.2, chunk(2, "there!", sequence=4, last=True)),
        (0.2, batch(4)),
    )
    assert (heard(out), session.state) == (["Hi there!"], ChatState.READY)


def test_a_greeting_that_was_not_asked_for_is_no_sample() -> None:
    session = opened_session()
    out = feed(session, (0.2, start()), (0.2, joined(2)), (0.2, batch(2)), (1.0, message("Hi!", 3)))
    assert samples(out, Phase.JOIN) == samples(out, Phase.GREETING) == []


def test_the_history_of_a_new_session_is_not_complete_without_session_start() -> None:
    session = opened_session()
    assert sent(feed(session, (0.2, event("LANGUAGE_CHANGED")), (0.2, batch()))) == []
    assert sent(feed(session, (0.3, start()), (0.3, batch()))) == ["REQUEST_POLY_AGENT_JOIN"]


def test_after_a_full_batch_the_next_one_completes_the_history() -> None:
    session = opened_session()
    assert sent(feed(session, (0.2, start()), (0.2, batch(FULL)))) == []
    assert sent(feed(session, (0.3, batch(1)))) == ["REQUEST_POLY_AGENT_JOIN"]


def test_after_a_full_batch_200_ms_of_silence_complete_the_history() -> None:
    session = opened_session()
    feed(session, (0.2, start()), (0.2, batch(FULL)))
    assert session.deadline == pytest.approx(0.4)
    out = feed(session, (0.4, ELAPSED))
    assert sent(out) == ["REQUEST_POLY_AGENT_JOIN"]
    assert durations(out, Phase.HISTORY) == [0.2]  # the silence is ours


def test_a_batch_just_below_full_completes_the_history() -> None:
    session = opened_session()
    out = feed(session, (0.2, start()), (0.2, batch(FULL - 1)))
    assert sent(out) == ["REQUEST_POLY_AGENT_JOIN"]


def test_a_resume_is_complete_after_its_first_batch() -> None:
    session = resumed_session()
    out = feed(session, (22.3, batch(0)))
    assert session.connection.state is SocketState.LIVE
    assert counts(out) == {"disconnects.reconnected": 1}
    assert durations(out, Phase.RECONNECT) == [2.3]


def test_a_resume_is_complete_after_500_ms_without_a_batch() -> None:
    session = resumed_session()
    assert session.deadline == pytest.approx(22.5)
    out = feed(session, (22.5, ELAPSED))
    assert session.connection.state is SocketState.LIVE
    assert durations(out, Phase.RECONNECT) == [2.0]  # the silence is ours
    assert samples(out, Phase.HISTORY) == []


def test_an_event_outside_a_batch_does_not_complete_a_resume() -> None:
    session = resumed_session()
    feed(session, (22.1, thinking()))
    assert session.connection.state is SocketState.REPLAYING


def test_without_a_history_within_the_hand_shake_limit_the_socket_is_given_up() -> None:
    session = opened_session(handshake=10.0)
    assert session.deadline == 10.0
    out = feed(session, (10.0, ELAPSED))
    assert failures(out) == [Failure.HISTORY_MISSING]
    assert [effect for effect in out if isinstance(effect, Drop)]
    assert session.connection.state is SocketState.BACKOFF
    assert finish(out) is None


def test_a_batch_while_live_is_no_history() -> None:
    session = live_session()
    out = feed(session, (5.0, batch(3)))
    assert (samples(out, Phase.HISTORY), violations(out), sent(out)) == ([], [], [])
