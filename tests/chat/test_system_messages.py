"""What the server says in words."""

from collections.abc import Callable
from typing import Any

import pytest

from loadkit.chat.effects import Finish
from loadkit.chat.inputs import CUT, ELAPSED, Closed, Opened, Say
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase

from .helpers import (
    DUE,
    batch,
    chunk,
    counts,
    cues,
    durations,
    echo,
    event,
    failures,
    feed,
    finish,
    heard,
    human_session,
    joined,
    joining_session,
    live_session,
    local_id,
    message,
    queued_session,
    sent,
    system,
    thinking,
    violations,
    waiting_session,
)

HIGH_LOAD = "Our system is experiencing high load. Please try again in a moment."
UNABLE = "Sorry, I'm unable to start a conversation right now. Please try again later."
NOT_FOUND = "Error: Conversation not found"
TROUBLE = "Sorry, I'm having trouble responding right now. Please try again."


# --- a message is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "cue"),
    [
        (HIGH_LOAD, Failure.OVERLOADED, "overloaded"),
        (TROUBLE, Failure.AGENT_ERROR, "silence"),
        ("Error: Session not found", Failure.SESSION_ERROR, "silence"),
        ("Error: Unable to retrieve session", Failure.SESSION_ERROR, "silence"),
        ("Error: Connector not found", Failure.SESSION_ERROR, "silence"),
        ("Sorry, handoff could not be initiated.", Failure.HANDOFF_ERROR, "no_human"),
    ],
)
@pytest.mark.parametrize("tied", [False, True])
def test_a_message_that_is_refused_is_lost_at_once(
    text: str, kind: Failure, cue: str, tied: bool
) -> None:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    refusal = system(text, local_id(said) if tied else None)
    out = feed(session, (10.1, echo(said, 5)), (10.2, refusal))
    assert (failures(out), cues(out), violations(out)) == ([kind], [cue], [])
    assert counts(out)["turns.lost"] == 1
    assert session.state is ChatState.READY


def test_an_error_that_the_end_follows_is_one_failure_and_a_natural_end() -> None:
    session = waiting_session()
    out = feed(
        session,
        (10.2, system("Error: Session not found")),
        (10.3, event("SESSION_END", 6, reason="REASON_NATURAL_END")),
        (10.4, Closed(1000)),
    )
    assert (failures(out), violations(out)) == ([Failure.SESSION_ERROR], [])
    assert finish(out) == Finish(Ending.NATURAL_END)


def test_the_next_message_is_answered_and_timed_as_ever() -> None:
    session = waiting_session()
    feed(session, (10.2, system(HIGH_LOAD)))
    said = feed(session, (13.0, Say("hi", due=13.0)))
    out = feed(session, (13.1, echo(said, 6)), (13.2, thinking()), (15.0, message("Yes?", 7)))
    assert (durations(out, Phase.RESPONSE), violations(out)) == ([2.0], [])


def test_a_refusal_names_the_message_that_is_refused() -> None:
    session = waiting_session()
    said = feed(session, (10.5, Say("and", due=10.5)))
    out = feed(session, (10.6, echo(said, 6)), (10.7, system(HIGH_LOAD, local_id(said))))
    assert (counts(out)["turns.lost"], cues(out), session.state) == (1, [], ChatState.WAITING)
    out = feed(session, (12.0, message("Yes?", 7)))
    assert (durations(out, Phase.RESPONSE), heard(out)) == ([2.0], ["Yes?"])


def test_a_refusal_of_another_s_message_is_none_of_ours() -> None:
    session = waiting_session()
    out = feed(session, (10.2, system(HIGH_LOAD, "another's")))
    assert counts(out) == {"system.high_load": 1}
    assert session.state is ChatState.WAITING


def test_a_refusal_in_mid_stream_does_not_hide_the_first_chunk_of_the_next_answer() -> None:
    session = waiting_session()
    feed(session, (11.0, chunk(1, "We")), (11.5, system(TROUBLE)))
    said = feed(session, (13.0, Say("hi", due=13.0)))
    out = feed(session, (13.1, echo(said)), (14.0, chunk(1, "Yes", of="n", last=True)))
    assert durations(out, Phase.FIRST_CHUNK) == [1.0]


@pytest.mark.parametrize("make", [live_session, queued_session, human_session])
@pytest.mark.parametrize("text", [HIGH_LOAD, NOT_FOUND, TROUBLE, "Maintenance tonight.", None, 5])
def test_words_about_nothing_that_was_asked_are_counted(
    make: Callable[[], Session], text: Any
) -> None:
    session = make()
    talk = session.state
    out = feed(session, (20.0, system(text)))
    assert [key.split(".")[0] for key in counts(out)] == ["system"]
    assert (len(out), session.state) == (1, talk)


# --- the conversation is gone ---------------------------------------------------------------------


def test_without_a_conversation_the_agent_is_asked_for_again_and_the_message_said_again() -> None:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.1, echo(said, 5)), (10.2, system(NOT_FOUND, local_id(said))))
    assert (sent(out), failures(out)) == (["REQUEST_POLY_AGENT_JOIN"], [Failure.NO_CONVERSATION])
    assert (cues(out), counts(out)["turns.lost"]) == ([], 1)
    out = feed(
        session,
        (10.3, event("REQUEST_POLY_AGENT_JOIN", 6)),
        (10.5, joined(7)),
        (10.6, thinking()),
        (11.0, message("Hello again!", 8)),
    )
    assert (cues(out), heard(out), violations(out)) == (["overloaded"], ["Hello again!"], [])
    assert (durations(out, Phase.JOIN), durations(out, Phase.GREETING)) == ([0.3], [0.8])
    said = feed(session, (13.0, Say("hi", due=13.0)))
    out = feed(session, (13.1, echo(said, 9)), (15.0, message("Yes?", 10)))
    assert (durations(out, Phase.RESPONSE), violations(out)) == ([2.0], [])


def test_messages_that_follow_one_without_a_conversation_are_lost_with_it() -> None:
    session = waiting_session()
    said = feed(session, (10.2, Say("and", due=10.2)))
    out = feed(session, (10.3, system(NOT_FOUND)))
    assert (counts(out)["turns.lost"], sent(out)) == (2, ["REQUEST_POLY_AGENT_JOIN"])
    out = feed(session, (10.4, echo(said, 6)), (10.5, system(NOT_FOUND, local_id(said))))
    assert (sent(out), violations(out)) == ([], [])
    late = [thinking(), message("For whom?")]
    assert violations(feed(session, *((10.6, event) for event in late))) == []
    assert session.state is ChatState.JOINING


def test_a_follow_up_that_was_begun_may_be_said_to_its_end_after_the_refusal() -> None:
    session = live_session()
    feed(session, (2.0, chunk(1, "One more", of="f")))
    said = feed(session, (2.1, Say("hi", due=2.1)))
    feed(session, (2.2, echo(said, 6)), (2.3, system(NOT_FOUND, local_id(said))))
    out = feed(session, (2.4, chunk(2, " thing", of="f", last=True)))
    assert (counts(out)["events.follow_up"], violations(out)) == (1, [])


def test_a_join_that_is_refused_is_sent_again_three_times_at_most() -> None:
    session = joining_session()
    out = feed(session, *((0.2 + again / 10, system(UNABLE)) for again in range(6)))
    assert sent(out) == ["REQUEST_POLY_AGENT_JOIN"] * 3
    assert counts(out) == {"system.no_conversation": 6, "joins.again": 3, "joins.given_up": 1}
    assert (violations(out), finish(out)) == ([], None)
    out = feed(session, (30.0, ELAPSED), (60.1, ELAPSED))
    assert failures(out) == [Failure.JOIN_MISSING]


def test_without_a_conversation_for_good_the_person_is_told_to_try_again() -> None:
    session = live_session()
    session.rejoins = session.policy.rejoins
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.1, echo(said, 5)), (10.2, system(NOT_FOUND)))
    assert (sent(out), cues(out)) == ([], ["overloaded"])
    assert failures(out) == [Failure.NO_CONVERSATION]


def test_the_joins_that_were_sent_again_are_counted_in_a_row() -> None:
    session = waiting_session()
    session.rejoins = session.policy.rejoins
    feed(session, (12.0, message("Yes?", 6)))
    said = feed(session, (13.0, Say("hi", due=13.0)))
    out = feed(session, (13.1, echo(said, 7)), (13.2, system(NOT_FOUND)))
    assert sent(out) == ["REQUEST_POLY_AGENT_JOIN"]


def test_a_run_that_stops_while_the_agent_is_asked_for_again_counts_no_turn_twice() -> None:
    session = waiting_session()
    out = feed(session, (10.2, system(NOT_FOUND)), (10.3, CUT))
    assert counts(out)["turns.lost"] == 1


# --- messages and an outage -----------------------------------------------------------------------


def resume(session: Session, *replayed: Any) -> list[Any]:
    """Open a socket again, at 22."""
    feed(session, (DUE, ELAPSED), (22.0, Opened()))
    return feed(session, *((22.1, event) for event in (*replayed, batch(len(replayed)))))


def test_all_that_was_said_during_an_outage_is_sent_in_order() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (20.1, Say("one", 20.1)), (20.2, Say("two", 20.2)))
    out = resume(session)
    assert sent(out) == ["USER_MESSAGE"] * 2
    assert counts(out)["turns.sent"] == len(session.open_turns()) == 2


def test_a_message_lost_with_the_socket_does_not_take_the_answer_of_one_held_back() -> None:
    session = waiting_session(echoed=False)
    feed(session, (20.0, Closed(1006)), (20.1, Say("two", 20.1)))
    said = resume(session)
    assert failures(said) == [Failure.UNACKNOWLEDGED]
    out = feed(session, (22.2, echo(said, 5)), (22.3, thinking()), (24.0, message("Two.", 6)))
    assert (violations(out), durations(out, Phase.RESPONSE)) == ([], [1.9])


def test_of_two_messages_only_the_one_without_an_echo_is_lost_with_the_socket() -> None:
    session = waiting_session()
    feed(session, (19.9, Say("two", 19.9)), (20.0, Closed(1006)))
    out = resume(session)
    assert (counts(out)["turns.lost"], cues(out), session.state) == (1, [], ChatState.WAITING)
    out = feed(session, (23.0, message("One.", 6)))
    assert (heard(out), violations(out)) == (["One."], [])


def test_a_message_whose_echo_and_answer_come_after_it_was_given_up_breaks_no_rule() -> None:
    session = waiting_session(echoed=False)
    said = feed(session, (20.0, Closed(1006)))
    session = live_session()
    said = feed(session, (19.99, Say("hi", 19.99)), (20.0, Closed(1006)))
    out = resume(session)  # the server was slow to read it from the old socket
    out += feed(session, (22.2, echo(said, 5)), (22.3, thinking()), (23.0, message("Yes?", 6)))
    assert (violations(out), counts(out)["turns.lost"]) == ([], 1)
    assert counts(out)["events.late_answer"] == 2
