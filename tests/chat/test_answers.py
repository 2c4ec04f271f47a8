"""Which message an answer belongs to, though it does not say so."""

from typing import Any

import pytest

from loadkit.chat.effects import Violation
from loadkit.chat.inputs import ELAPSED, Leave, Say
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState
from loadkit.chat.turns.answers import (
    LONGEST_SUGGESTION,
    MOST_SUGGESTIONS,
    Answers,
    completes,
    suggestions,
    text_of,
)
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Phase
from loadkit.protocol import Event

from .helpers import (
    chunk,
    counts,
    cues,
    durations,
    echo,
    event,
    failures,
    feed,
    frames,
    heard,
    human_says,
    live_session,
    message,
    only,
    sent,
    thinking,
    violations,
    waiting_session,
)

QUIET = {"heartbeat_interval_seconds": 0}


def two_said(**policy: Any) -> tuple[Session, Any, Any]:
    """A live session whose person said two things, at 10 and at 10.5, without an echo so far."""
    session = live_session(QUIET, **policy)
    first = feed(session, (10.0, Say("one", due=10.0)))
    second = feed(session, (10.5, Say("two", due=10.4)))
    return session, first, second


# --- an event as an answer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (message("Yes?"), True),
        (human_says("Yes?"), True),
        (chunk(1, "Yes", last=False), False),
        (chunk(2, "?", last=True), True),
        (chunk(2, "?", last="true"), False),
        (thinking(), False),
        (event("USER_MESSAGE", is_complete=True), False),
    ],
)
def test_an_answer_is_complete_with_a_whole_message_or_with_its_last_chunk(
    answer: Event, whole: bool
) -> None:
    assert completes(answer) is whole


@pytest.mark.parametrize(
    ("offered", "texts"),
    [
        ([{"message_text": "Yes"}, {"message_text": "No", "payload": {}}], ("Yes", "No")),
        ([], ()),
        (None, ()),
        ("Yes", ()),
        ({"message_text": "Yes"}, ()),
        ([None, 5, [], {}, {"message_text": ""}, {"message_text": 5}], ()),
    ],
)
def test_the_person_is_offered_what_can_be_read(offered: Any, texts: tuple[str, ...]) -> None:
    assert suggestions({"response_suggestions": offered}) == texts
    out = feed(
        waiting_session(),
        (12.0, event("POLY_AGENT_MESSAGE", text="Yes?", response_suggestions=offered)),
    )
    assert out[-1] == type(out[-1])("Yes?", suggestions=texts)


@pytest.mark.parametrize("text", [None, 5, [], {}])
def test_a_message_without_a_text_says_nothing(text: Any) -> None:
    assert text_of(event("POLY_AGENT_MESSAGE", text=text)) == ""


# --- late ones ------------------------------------------------------------------------------------


def test_as_many_late_answers_are_excused_as_sendings_were_given_up() -> None:
    answers = Answers()
    answers.given_up(2)
    late = [answers.is_late(message("late"), echoed=False) for _ in range(3)]
    assert late == [True, True, False]


def test_an_answer_behind_the_echo_is_not_late_but_what_goes_on_with_a_late_stream_is() -> None:
    answers = Answers()
    answers.given_up(1)
    assert answers.is_late(chunk(1, "a", of="old"), echoed=False)
    assert not answers.is_late(chunk(1, "b", of="new"), echoed=True)
    assert answers.is_late(chunk(2, "c", of="old"), echoed=True)


def test_a_server_that_is_slower_than_the_patience_breaks_no_rule() -> None:
    session = waiting_session(patience=5.0)
    feed(session, (10.5, thinking()))
    out = feed(session, (15.0, ELAPSED))
    said = feed(session, (16.0, Say("hello?", due=16.0)))
    out += feed(session, (16.1, echo(said)), (17.0, message("Yes?")), (17.1, thinking()))
    out += feed(session, (20.0, message("Yes, yes.")))
    assert violations(out) == []
    assert counts(out)["turns.lost"] == counts(out)["turns.answered"] == 1


@pytest.mark.parametrize(
    ("event", "owed", "wrong"),
    [
        (chunk(1, "a", of="used"), True, None),
        (chunk(2, "a", of="used"), True, Wrong.CHUNK_AFTER_COMPLETE),
        (chunk(0, "a", of="used"), True, Wrong.CHUNK_AFTER_COMPLETE),
        (chunk(1, "a", of="used"), False, Wrong.CHUNK_AFTER_COMPLETE),
        (chunk(2, "a", of="new"), True, None),
    ],
)
def test_what_begins_an_answer_that_is_due_is_that_answer_under_a_used_id_too(
    event: Event, owed: bool, wrong: Wrong | None
) -> None:
    """Anything else under the id of what is complete comes after its end."""
    answers = Answers()
    answers.chunk(chunk(1, "a", of="used", last=True), 1.0)
    answers.completed(1.0, None)
    told = answers.beside(event, owed=owed)
    assert (told.kind if told is not None else None) == wrong


# --- several messages -----------------------------------------------------------------------------


def test_messages_are_answered_in_order_and_the_person_hears_when_all_are() -> None:
    session, first, second = two_said()
    out = feed(session, (10.6, echo(first, 5)), (10.7, echo(second, 6)), (10.8, thinking()))
    out += feed(session, (12.0, message("One.", 7)))
    assert (heard(out), session.state) == ([], ChatState.WAITING)
    out += feed(session, (12.5, thinking()), (15.0, message("Two.", 8)))
    assert durations(out, Phase.ECHO) == [0.6, 0.2]
    assert durations(out, Phase.THINKING) == [0.8, 2.0]
    assert durations(out, Phase.RESPONSE) == [2.0, 4.5]
    assert (heard(out), cues(out), violations(out)) == (["Two."], ["answered"], [])
    assert counts(out)["turns.answered"] == 2


def test_a_streamed_answer_belongs_to_one_message() -> None:
    session, first, second = two_said()
    feed(session, (10.6, echo(first)), (10.7, echo(second)))
    out = feed(session, (12.0, chunk(1, "One", of="a")), (12.5, chunk(2, ".", of="a", last=True)))
    out += feed(session, (13.0, chunk(1, "Two", of="b")), (13.5, chunk(2, ".", of="b", last=True)))
    assert durations(out, Phase.FIRST_CHUNK) == [2.0, 2.5]
    assert durations(out, Phase.CHUNK_GAP) == [0.5, 0.5]
    assert (heard(out), violations(out)) == (["Two."], [])


def test_each_message_has_its_own_patience() -> None:
    session, first, second = two_said(patience=20.0)
    feed(session, (10.6, echo(first)), (10.7, echo(second)))
    assert session.deadline == 30.0
    out = feed(session, (30.0, ELAPSED))
    assert (failures(out), cues(out), session.deadline) == ([Failure.UNANSWERED], [], 30.5)
    out = feed(session, (30.5, ELAPSED))
    assert (failures(out), cues(out)) == ([Failure.UNANSWERED], ["silence"])


def test_a_message_that_the_server_dropped_does_not_take_the_answer_of_the_next() -> None:
    session, _, second = two_said(patience=20.0)
    out = feed(session, (10.7, echo(second)), (10.8, thinking()), (12.0, message("Two.")))
    assert (durations(out, Phase.RESPONSE), violations(out), cues(out)) == ([1.5], [], [])
    out = feed(session, (30.0, ELAPSED))
    assert (failures(out), cues(out)) == ([Failure.UNACKNOWLEDGED], ["silence"])


def test_a_message_whose_echo_is_missing_is_answered_all_the_same_if_it_was_thought_about() -> None:
    session, _, second = two_said()
    out = feed(session, (10.55, thinking()), (10.7, echo(second)), (12.0, message("One.")))
    out += feed(session, (12.1, thinking()), (13.0, message("Two.")))
    assert durations(out, Phase.RESPONSE) == [2.0, 2.5]
    assert violations(out) == ["echo_missing"]


def test_a_message_that_was_dropped_is_sent_again_behind_the_next_one() -> None:
    session, first, second = two_said(resend="reference")
    out = feed(session, (10.7, echo(second)), (12.0, message("Two.")))
    assert session.deadline == 15.0
    again = feed(session, (15.0, ELAPSED))
    assert frames(again) == frames(first)
    out += feed(session, (15.1, echo(first)), (16.0, message("One.")))
    assert durations(out, Phase.RESPONSE) == [1.5, 6.0]
    assert (heard(out), violations(out)) == (["One."], [])


def test_one_who_leaves_takes_all_messages_along() -> None:
    session, first, second = two_said()
    out = feed(session, (11.0, Leave(due=11.0)))
    assert (counts(out), sent(out)) == ({"turns.lost": 2}, ["USER_END_SESSION"])
    late = (echo(first), echo(second), thinking(), message("One."), message("Two."))
    assert violations(feed(session, *((11.1, event) for event in late))) == []


def test_no_more_is_offered_than_a_person_could_look_at() -> None:
    """What is tapped is sent back, and kept to be sent again."""
    offers = [{"message_text": f"No. {number}"} for number in range(10_000)]
    assert len(suggestions({"response_suggestions": offers})) == MOST_SUGGESTIONS
    longest = "x" * LONGEST_SUGGESTION
    offers = [{"message_text": longest + "x"}, {"message_text": longest}]
    assert suggestions({"response_suggestions": offers}) == (longest,)


def test_a_message_id_may_be_of_any_length_and_is_not_kept() -> None:
    """Two that differ in their last letter alone are two."""
    long = "m" * 1_000_000
    session = waiting_session()
    out = feed(session, (11.0, chunk(1, "Yes", of=long, last=True)))
    out += feed(session, (11.1, chunk(2, "!", of=long)), (11.2, chunk(1, "!", of=long[:-1] + "n")))
    assert violations(out) == ["chunk_after_complete"]
    assert all(len(violation.detail) < 300 for violation in only(out, Violation))
