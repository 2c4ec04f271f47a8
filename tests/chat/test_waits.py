"""What a session waits for, and what is told of waits that nobody saw the end of."""

from collections.abc import Callable
from typing import Any

import pytest

from loadkit.chat.inputs import CUT, ELAPSED, FORCED, START, VANISHED, Closed, Leave, Opened, Say
from loadkit.chat.session import Session
from loadkit.figures import Phase

from .helpers import (
    DUE,
    asking_session,
    batch,
    counts,
    event,
    feed,
    human_session,
    joined,
    joining_session,
    live_session,
    message,
    new_session,
    opened_session,
    queued_session,
    unfinished,
    waiting_session,
)


def waits(session: Session) -> dict[str, float]:
    """By phase, since when."""
    return {str(wait.phase): wait.sent for wait in session.waits()}


def greeting_session() -> Session:
    session = joining_session()
    feed(session, (0.3, joined(2)))
    return session


def leaving_session() -> Session:
    session = live_session()
    feed(session, (10.0, Leave(due=9.5)))
    return session


def unheard_session() -> Session:
    return waiting_session(echoed=False)


def asking_unheard_session() -> Session:
    return asking_session(echoed=False)


def streaming_session() -> Session:
    session = waiting_session()
    chunk = event("POLY_AGENT_MESSAGE_CHUNK", text="a", message_id="m", chunk_index=1)
    feed(session, (11.0, chunk))
    return session


def resuming_session() -> Session:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    return session


@pytest.mark.parametrize(
    ("make", "phases"),
    [
        (new_session, set()),
        (opened_session, {"history"}),
        (joining_session, {"join", "greeting"}),
        (greeting_session, {"greeting"}),
        (live_session, set()),
        (unheard_session, {"response", "echo", "first_chunk"}),
        (waiting_session, {"response", "first_chunk"}),
        (streaming_session, {"response"}),
        (queued_session, {"handoff_wait"}),
        (human_session, set()),
        (asking_unheard_session, {"live_response", "echo"}),
        (leaving_session, {"end"}),
        (resuming_session, {"reconnect", "history"}),
    ],
)
def test_a_state_says_what_is_waited_for(make: Callable[[], Session], phases: set[str]) -> None:
    """And only that: nobody is owed a thought, and a heartbeat is no one's wait."""
    session = make()
    assert set(waits(session)) == phases
    assert (session.rest is None) == (bool(phases) or make is new_session)
    assert session.rest in (None, session.charted)


def test_who_asked_for_no_stream_waits_for_no_chunk() -> None:
    session = live_session()
    session.streaming = False
    feed(session, (10.0, Say("hi", due=10.0)))
    assert set(waits(session)) == {"response", "echo"}


def test_each_message_waits_from_when_it_was_sent() -> None:
    session = live_session()
    feed(session, (10.0, Say("hi", due=9.0)), (14.0, Say("are you there?", due=13.0)))
    every = [wait for wait in session.waits() if wait.phase is Phase.RESPONSE]
    assert [(wait.due, wait.sent) for wait in every] == [(9.0, 10.0), (13.0, 14.0)]


@pytest.mark.parametrize("make", [unheard_session, asking_unheard_session])
def test_a_turn_that_is_given_up_had_lasted_so_long(make: Callable[[], Session]) -> None:
    """An answer that did not come within the patience took at least that."""
    session = make()
    (since,) = {wait.sent for wait in session.waits()}
    phases = {wait.phase for wait in session.waits()}
    out = feed(session, (since + 60.0, ELAPSED))
    assert unfinished(out) == dict.fromkeys(phases, (60.0, True))
    assert counts(out)["turns.lost"] == 1


@pytest.mark.parametrize("signal", [CUT, VANISHED])
def test_what_is_waited_for_when_a_session_is_cut_off_is_open(signal: Any) -> None:
    """Nobody gave it up: it might have come."""
    out = feed(unheard_session(), (17.0, signal))
    assert unfinished(out) == {
        Phase.RESPONSE: (7.0, False),
        Phase.ECHO: (7.0, False),
        Phase.FIRST_CHUNK: (7.0, False),
    }
    assert counts(out)["turns.open"] == 1


@pytest.mark.parametrize(
    ("make", "phase", "patience"),
    [
        (joining_session, Phase.JOIN, 60.0),
        (joining_session, Phase.GREETING, 60.0),
        (leaving_session, Phase.END, 10.0),
    ],
)
def test_what_never_comes_is_lost_when_the_session_fails_for_it(
    make: Callable[[], Session], phase: Phase, patience: float
) -> None:
    session = make()
    (since,) = {wait.sent for wait in session.waits()}
    out = feed(session, (since + patience, ELAPSED))
    assert unfinished(out)[phase] == (patience, True)


def test_who_gives_up_on_a_human_has_waited_so_long() -> None:
    session = queued_session()
    (since,) = waits(session).values()
    out = feed(session, (since + 600.0, ELAPSED))
    assert unfinished(out) == {Phase.HANDOFF_WAIT: (600.0, True)}


@pytest.mark.parametrize("kind", ["HANDOFF_FAILED", "HANDOFF_TIMEOUT"])
def test_a_human_whom_the_server_did_not_find_was_waited_for(kind: str) -> None:
    session = queued_session()
    (since,) = waits(session).values()
    out = feed(session, (since + 9.0, event(kind)))
    assert unfinished(out) == {Phase.HANDOFF_WAIT: (9.0, True)}


def test_who_leaves_gives_up_what_they_waited_for() -> None:
    out = feed(waiting_session(), (12.0, Leave(due=12.0)))
    assert unfinished(out)[Phase.RESPONSE] == (2.0, True)


def test_an_answer_without_its_echo_ends_the_wait_for_that() -> None:
    thinking = event("POLY_AGENT_THINKING")
    out = feed(unheard_session(), (11.0, thinking), (12.0, message("Yes?")))
    assert unfinished(out) == {Phase.ECHO: (2.0, True)}


@pytest.mark.parametrize(("why", "lost"), [(Closed(1006), True), (FORCED, False)])
def test_a_history_that_breaks_off_is_lost_unless_it_was_broken_on_purpose(
    why: Any, lost: bool
) -> None:
    session = opened_session()
    out = feed(session, (0.4, why))
    assert unfinished(out) == {Phase.HISTORY: (0.4, lost)}


def test_a_session_that_never_comes_back_has_waited_for_its_reconnect() -> None:
    session = live_session(max_reconnect_attempts=1)
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    assert unfinished(feed(session, (23.0, Closed(1006))))[Phase.RECONNECT] == (3.0, True)


def test_nothing_is_waited_for_once_it_is_over() -> None:
    session = waiting_session()
    feed(session, (17.0, CUT))
    assert (waits(session), session.open_turns()) == ({}, [])


def test_an_outage_is_one_wait_from_the_drop_to_the_caught_up_history() -> None:
    session = resuming_session()
    assert waits(session)["reconnect"] == 20.0
    feed(session, (22.1, batch(0)))
    assert waits(session) == {}


def test_a_session_that_has_not_begun_waits_for_nothing_of_its_own() -> None:
    session = new_session()
    feed(session, (0.0, START))
    assert waits(session) == {}
