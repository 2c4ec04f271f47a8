"""A turn: said, echoed, thought about, answered, or lost."""

from collections import Counter
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.chat.effects import Finish, Sample
from loadkit.chat.inputs import CUT, ELAPSED, VANISHED, Closed, Leave, Opened, Say, Typing
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState
from loadkit.chat.turns.stream import LONGEST, MOST_CHUNKS
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase

from .helpers import (
    Happening,
    answered_session,
    batch,
    chunk,
    counts,
    cues,
    durations,
    echo,
    ended,
    event,
    failures,
    feed,
    finish,
    frames,
    heard,
    joined,
    joining_session,
    live_session,
    local_id,
    message,
    samples,
    sent,
    thinking,
    violations,
    waiting_session,
)


def lost_turn(session: Session) -> None:
    """Let the open turn's patience end."""
    out = feed(session, (70.0, ELAPSED))
    assert counts(out)["turns.lost"] == 1


# --- join and greeting --------------------------------------------------------------------------


def test_join_and_greeting_are_timed_from_the_request() -> None:
    out = feed(joining_session(), (0.6, joined()), (0.7, thinking()), (1.1, message("Hello!")))
    assert out[0] == Sample(Phase.JOIN, None, 0.1, 0.6)
    assert samples(out, Phase.GREETING) == [Sample(Phase.GREETING, None, 0.1, 1.1)]
    assert heard(out) == ["Hello!"]


def test_a_streamed_greeting_is_timed_to_its_last_chunk_and_is_no_first_chunk() -> None:
    session = joining_session()
    out = feed(session, (0.6, joined()), (0.8, chunk(1, "Hel")), (1.1, chunk(2, "lo!", last=True)))
    assert durations(out, Phase.GREETING) == [1.0]
    assert durations(out, Phase.CHUNK_GAP) == [0.3]
    assert samples(out, Phase.FIRST_CHUNK) == []
    assert heard(out) == ["Hello!"]


def test_a_greeting_without_thinking_is_no_violation() -> None:
    assert violations(feed(joining_session(), (0.6, joined()), (1.1, message("Hello!")))) == []


@pytest.mark.parametrize("early", [thinking(), message("Hello!"), chunk(1, "Hello!", last=True)])
def test_thinking_or_a_greeting_ahead_of_the_agent_is_a_violation(early: Happening) -> None:
    session = joining_session()
    out = feed(session, (0.5, early))
    assert (violations(out), session.state) == (["unexpected_event"], ChatState.JOINING)


def test_a_greeting_may_have_a_second_part() -> None:
    session = live_session()
    at = session.answers.answered_at
    assert at is not None
    out = feed(session, (at + 1.0, message("Hello!")))
    assert (counts(out), violations(out)) == ({"events.follow_up": 1}, [])
    assert durations(out, Phase.FOLLOW_UP) == [1.0]


def test_an_agent_that_has_joined_and_joins_again_greets_a_second_time() -> None:
    session = live_session()
    out = feed(session, (2.0, joined()), (2.1, message("Hello!")))
    assert violations(out) == ["second_greeting"]


def test_the_second_part_of_a_greeting_may_cross_the_first_message() -> None:
    session = live_session()
    said = feed(session, (2.0, Say("hi", due=2.0)))
    out = feed(session, (2.1, message("Hello!")), (2.2, echo(said)), (3.0, message("Yes?")))
    assert (violations(out), counts(out)["events.follow_up"]) == ([], 1)
    assert durations(out, Phase.RESPONSE) == [1.0]


def test_without_the_agent_the_session_fails_when_patience_ends() -> None:
    session = joining_session(patience=20.0)
    assert session.deadline == pytest.approx(20.1)
    out = feed(session, (20.1, ELAPSED))
    end = finish(out)
    assert failures(out) == [Failure.JOIN_MISSING]
    assert sent(out) == ["USER_END_SESSION"]
    assert end is not None
    assert (end.ending, end.close) == ("failed", 1000)


def test_without_the_greeting_the_session_fails_when_patience_ends() -> None:
    session = joining_session(patience=20.0)
    feed(session, (5.0, joined()))
    out = feed(session, (25.0, ELAPSED))
    assert failures(out) == [Failure.GREETING_MISSING]
    assert finish(out) is not None


# --- an answered turn ---------------------------------------------------------------------------


def test_a_message_is_sent_with_an_id_of_its_own() -> None:
    session = live_session()
    first = feed(session, (5.0, Say("hi", due=4.9)))
    feed(session, (5.1, echo(first)), (6.0, message("Yes?")))
    second = feed(session, (9.0, Say("hi", due=9.0)))
    assert frames(first)[0]["payload"] == {"text": "hi"}
    assert local_id(first) != local_id(second)


@given(st.integers())
def test_an_id_is_a_random_uuid_in_its_usual_form(seed: int) -> None:
    """Of version 4 and the variant of RFC 9562, as the standard library reads and writes it."""
    said = feed(live_session(seed=seed), (5.0, Say("hi", due=4.9)))
    identity = UUID(local_id(said))
    assert (identity.version, identity.variant) == (4, RFC_4122)
    assert str(identity) == local_id(said)


def test_every_phase_of_a_turn_is_timed_from_the_send() -> None:
    session = live_session()
    said = feed(session, (5.0, Say("hi", due=4.9)))
    out = feed(session, (5.1, echo(said)), (5.3, thinking()), (7.0, message("Yes?")))
    assert [effect for effect in out if isinstance(effect, Sample)] == [
        Sample(Phase.ECHO, None, 5.0, 5.1),
        Sample(Phase.THINKING, None, 5.0, 5.3),
        Sample(Phase.RESPONSE, 4.9, 5.0, 7.0),
    ]
    assert counts(said + out) == {"turns.sent": 1, "turns.answered": 1}
    assert (heard(out), session.state) == (["Yes?"], ChatState.READY)


def test_a_streamed_answer_is_timed_by_first_chunk_gaps_and_last_chunk() -> None:
    session = waiting_session()
    out = feed(
        session,
        (11.0, chunk(1, "One, ")),
        (11.5, chunk(2, "two, ")),
        (12.5, chunk(3, "three.")),
        (12.6, chunk(4, "", last=True)),
    )
    assert samples(out, Phase.FIRST_CHUNK) == [Sample(Phase.FIRST_CHUNK, 9.9, 10.0, 11.0)]
    assert durations(out, Phase.CHUNK_GAP) == [0.5, 1.0, 0.1]
    assert samples(out, Phase.RESPONSE) == [Sample(Phase.RESPONSE, 9.9, 10.0, 12.6)]
    assert heard(out) == ["One, two, three."]
    assert violations(out) == []


def test_chunks_are_put_in_the_order_of_their_index() -> None:
    out = feed(
        waiting_session(),
        (11.0, chunk(2, "two")),
        (11.1, chunk(1, "one ")),
        (11.2, chunk(3, "", last=True)),
    )
    assert heard(out) == ["one two"]
    assert violations(out) == ["chunk_index_gap"]


def test_a_turn_has_one_first_chunk_whatever_the_message_ids_do() -> None:
    out = feed(
        waiting_session(),
        (11.0, chunk(1, "a", of="m1")),
        (11.1, chunk(1, "b", of="m2")),
        (11.2, chunk(2, "c", of="m1")),
        (11.3, chunk(1, "d", of="m3", last=True)),
    )
    assert durations(out, Phase.FIRST_CHUNK) == [1.0]
    assert counts(out)["turns.answered"] == 1


@pytest.mark.parametrize("flag", ["true", 1, None, [], False])
def test_only_true_completes_a_stream(flag: Any) -> None:
    session = waiting_session()
    out = feed(session, (11.0, chunk(1, "a", last=flag)))
    assert (heard(out), session.state) == ([], ChatState.WAITING)


def test_a_whole_message_on_top_of_its_chunks_is_a_violation() -> None:
    session = waiting_session()
    feed(session, (11.0, chunk(1, "a", of="one", last=True)))
    out = feed(session, (11.1, event("POLY_AGENT_MESSAGE", text="a", message_id="one")))
    assert violations(out) == ["whole_beside_chunks"]
    assert counts(out)["turns.answered"] == 0


@pytest.mark.parametrize("text", [None, 5, ["hi"], {"a": 1}])
def test_an_answer_without_a_text_is_an_answer_of_no_words(text: object) -> None:
    out = feed(waiting_session(), (12.0, event("POLY_AGENT_MESSAGE", text=text)))
    assert (heard(out), counts(out)["turns.answered"]) == ([""], 1)


def test_a_character_that_two_chunks_share_is_whole_in_the_answer() -> None:
    session = waiting_session()
    out = feed(session, (11.0, chunk(1, "ok \ud83d")), (11.1, chunk(2, "\ude00 fine", last=True)))
    assert heard(out) == ["ok \U0001f600 fine"]


def test_a_stream_that_ends_in_an_error_is_a_failed_turn_and_no_violation() -> None:
    session = waiting_session()
    sorry = event("SYSTEM_MESSAGE", message="Sorry, I encountered an error. Please try again.")
    out = feed(session, (11.0, chunk(1, "Let me ")), (11.1, chunk(2, "see")), (12.0, sorry))
    assert (failures(out), violations(out)) == ([Failure.AGENT_ERROR], [])
    said = feed(session, (20.0, Say("again", due=20.0)))
    out = feed(session, (20.1, echo(said)), (22.0, chunk(1, "Yes.", of="next", last=True)))
    assert (heard(out), violations(out)) == (["Yes."], [])


def test_thinking_is_timed_once_a_turn() -> None:
    out = feed(waiting_session(), (10.5, thinking()), (11.5, thinking()))
    assert durations(out, Phase.THINKING) == [0.5]


def test_an_echo_is_timed_once_and_tied_to_its_message() -> None:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    strange = event("USER_MESSAGE", local_id="another's")
    nobody = event("USER_MESSAGE")
    out = feed(session, (10.1, strange), (10.2, nobody), (10.3, echo(said)), (10.4, echo(said)))
    assert violations(out) == ["echo_to_nobody", "echo_to_nobody"]
    assert durations(out, Phase.ECHO) == [0.3]


def test_a_message_ahead_of_the_echo_is_a_follow_up_to_the_turn_before() -> None:
    session = answered_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (11.0, message("Yes?")))
    assert (violations(out), heard(out)) == ([], [])
    assert counts(out) == {"events.follow_up": 1, "turns.followed_up": 1}
    assert session.state is ChatState.WAITING
    out = feed(session, (11.1, echo(said)), (12.0, message("Yes!")))
    assert (violations(out), heard(out)) == ([], ["Yes!"])


def test_an_answer_that_was_thought_about_is_an_answer_though_the_echo_is_missing() -> None:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.5, thinking()), (11.0, message("Yes?")), (11.5, echo(said)))
    assert violations(out) == ["echo_missing"]
    assert counts(out) == {"turns.answered": 1}
    assert (durations(out, Phase.RESPONSE), samples(out, Phase.ECHO)) == ([1.0], [])


@pytest.mark.parametrize("started", [True, False])
def test_typing_is_told_and_not_echoed(started: bool) -> None:
    out = feed(live_session(), (5.0, Typing(started)))
    state = "TYPING_STATE_STARTED" if started else "TYPING_STATE_STOPPED"
    assert [frame["payload"] for frame in frames(out)] == [{"state": state}]


# --- a lost turn --------------------------------------------------------------------------------


def test_an_answer_that_does_not_come_within_the_patience_is_lost_and_the_person_goes_on() -> None:
    session = waiting_session(patience=60.0)
    assert session.deadline == 30.0  # the heartbeat
    feed(session, (30.0, ELAPSED), (60.0, ELAPSED), (60.1, thinking()))
    assert session.deadline == 70.0
    out = feed(session, (70.0, ELAPSED))
    assert failures(out) == [Failure.UNANSWERED]
    assert counts(out) == {"turns.lost": 1}
    assert (heard(out), session.state) == ([""], ChatState.READY)


def test_a_message_without_an_echo_is_lost_as_unacknowledged_when_patience_ends() -> None:
    out = feed(waiting_session(echoed=False, patience=15.0), (25.0, ELAPSED))
    assert failures(out) == [Failure.UNACKNOWLEDGED]
    assert counts(out) == {"turns.lost": 1}


@pytest.mark.parametrize("late", [message("Late."), chunk(1, "Late.", last=True), thinking()])
def test_the_late_answer_of_a_lost_turn_is_no_violation(late: Happening) -> None:
    session = waiting_session()
    lost_turn(session)
    out = feed(session, (75.0, late))
    assert (violations(out), heard(out), samples(out, Phase.RESPONSE)) == ([], [], [])
    assert counts(out) == {"events.late_answer": 1}


def test_a_late_answer_ahead_of_the_next_echo_does_not_answer_the_next_turn() -> None:
    session = waiting_session()
    lost_turn(session)
    said = feed(session, (80.0, Say("still there?", due=80.0)))
    late = feed(session, (80.1, thinking()), (80.2, message("Late.")))
    assert (samples(late, Phase.RESPONSE), samples(late, Phase.THINKING)) == ([], [])
    out = feed(session, (80.3, echo(said)), (80.9, thinking()), (82.0, message("Yes.")))
    assert durations(out, Phase.RESPONSE) == [2.0]
    assert durations(out, Phase.THINKING) == [0.9]


def test_a_late_stream_that_ends_behind_the_next_echo_does_not_answer_the_next_turn() -> None:
    session = waiting_session()
    lost_turn(session)
    said = feed(session, (80.0, Say("still there?", due=80.0)))
    out = feed(
        session,
        (80.1, chunk(1, "La", of="old")),
        (80.3, echo(said)),
        (80.4, chunk(2, "te.", of="old", last=True)),
        (82.0, chunk(1, "Yes.", of="new", last=True)),
    )
    assert heard(out) == ["Yes."]
    assert durations(out, Phase.FIRST_CHUNK) == durations(out, Phase.RESPONSE) == [2.0]


def test_a_stream_that_outlives_the_patience_does_not_answer_the_next_turn() -> None:
    session = waiting_session()
    feed(session, (69.0, chunk(1, "At ", of="old")))
    lost_turn(session)
    said = feed(session, (71.0, Say("still there?", due=71.0)))
    out = feed(
        session,
        (71.1, echo(said)),
        (71.2, chunk(2, "last.", of="old", last=True)),
        (73.0, chunk(1, "Yes.", of="new", last=True)),
    )
    assert heard(out) == ["Yes."]
    assert durations(out, Phase.RESPONSE) == [2.0]
    assert violations(out) == []


def test_two_answers_after_a_lost_turn_are_the_late_one_and_the_present_one() -> None:
    session = waiting_session()
    lost_turn(session)
    said = feed(session, (80.0, Say("still there?", due=80.0)))
    out = feed(session, (80.1, echo(said)), (80.5, message("Late.")), (82.0, message("Yes.")))
    assert counts(out)["turns.answered"] == 1
    assert violations(out) == []


def test_one_lost_turn_excuses_one_late_answer() -> None:
    session = waiting_session()
    lost_turn(session)
    out = feed(session, (75.0, message("Late.")), (76.0, message("And more.")))
    assert (counts(out)["events.late_answer"], counts(out)["events.follow_up"]) == (1, 1)


def test_the_late_echo_of_a_lost_turn_is_no_violation() -> None:
    session = live_session(patience=15.0)
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (25.0, ELAPSED))
    feed(session, (26.0, Say("hello?", due=26.0)))
    assert violations(feed(session, (26.1, echo(said)))) == []


@pytest.mark.parametrize("late", [message("Late."), chunk(1, "Late.", last=True), thinking()])
def test_an_answer_to_one_who_left_without_waiting_is_no_violation(late: Happening) -> None:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    left = feed(session, (10.1, Leave(due=10.1)))
    out = feed(session, (10.2, echo(said)), (11.0, late))
    assert counts(said + left + out)["turns.lost"] == 1
    assert violations(out) == []


@pytest.mark.parametrize("unprompted", [message("What?"), chunk(1, "What?", last=True)])
def test_what_follows_a_complete_answer_is_a_follow_up(unprompted: Happening) -> None:
    session = answered_session()
    at = session.answers.answered_at
    assert at is not None
    out = feed(session, (at + 2.0, thinking()), (at + 2.5, unprompted))
    assert (violations(out), heard(out), session.state) == ([], [], ChatState.READY)
    assert counts(out) == {"events.follow_up": 1, "turns.followed_up": 1}
    assert durations(out, Phase.FOLLOW_UP) == [2.5]


def test_a_turn_is_followed_up_once_however_often_the_agent_goes_on() -> None:
    out = feed(answered_session(), (5.0, message("And?")), (6.0, message("Still there?")))
    assert counts(out) == {"events.follow_up": 2, "turns.followed_up": 1}


def test_a_streamed_follow_up_is_one_however_many_chunks_it_has() -> None:
    session = answered_session()
    out = feed(session, (5.0, chunk(1, "a")), (5.1, chunk(2, "b")), (5.2, chunk(3, "c", last=True)))
    assert (counts(out)["events.follow_up"], violations(out)) == (1, [])


def test_a_follow_up_may_go_on_behind_the_echo_of_the_next_message() -> None:
    session = answered_session()
    feed(session, (5.0, chunk(1, "One")), (5.1, chunk(2, " more")))
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.1, echo(said)), (10.2, chunk(3, " thing")), (10.3, thinking()))
    out += feed(session, (10.4, chunk(4, ".", last=True)))
    assert (violations(out), heard(out)) == ([], [])
    assert counts(out)["events.follow_up"] == 1
    out = feed(session, (13.0, chunk(1, "Y", of="a")))
    out += feed(session, (13.5, chunk(2, "es!", of="a", last=True)))
    assert (violations(out), heard(out)) == ([], ["Yes!"])
    assert durations(out, Phase.FIRST_CHUNK) == [3.0]


def test_a_follow_up_is_no_answer_to_what_is_asked_next() -> None:
    session = answered_session()
    feed(session, (5.0, chunk(1, "One more")))
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.1, chunk(2, " thing", last=True)), (10.2, echo(said)))
    assert (counts(out)["events.follow_up"], heard(out)) == (1, [])
    out = feed(session, (13.0, message("Yes!")))
    assert durations(out, Phase.RESPONSE) == [3.0]


# --- a message sent again -----------------------------------------------------------------------


def test_by_default_a_message_is_never_sent_again() -> None:
    session = waiting_session(echoed=False, patience=25.0)
    assert session.deadline == 30.0  # the heartbeat comes before the end of patience
    assert sent(feed(session, (30.0, ELAPSED)))[0] == "HEARTBEAT"


def test_the_reference_s_advice_sends_again_after_5_10_and_20_seconds_with_the_same_id() -> None:
    session = live_session(capabilities={"heartbeat_interval_seconds": 0}, resend="reference")
    out = feed(session, (10.0, Say("hi", due=10.0)))
    again = []
    for _ in range(3):
        at = session.deadline
        again.append((at, feed(session, (at, ELAPSED))))
    assert [at for at, _ in again] == [15.0, 25.0, 45.0]
    assert [frames(effects) for _, effects in again] == [frames(out)] * 3
    assert [counts(effects) for _, effects in again] == [Counter({"turns.resent": 1})] * 3
    assert session.deadline == 70.0
    last = feed(session, (70.0, ELAPSED))
    assert (failures(last), sent(last)) == ([Failure.UNACKNOWLEDGED], [])
    assert counts(last) == {"turns.lost": 1}


def test_an_echo_ends_the_sending_again() -> None:
    session = live_session(capabilities={"heartbeat_interval_seconds": 0}, resend="reference")
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (15.0, ELAPSED), (15.1, echo(said)))
    assert session.deadline == 70.0


def test_patience_ends_a_turn_before_its_next_resend() -> None:
    session = live_session(
        capabilities={"heartbeat_interval_seconds": 0}, resend="reference", patience=12.0
    )
    feed(session, (10.0, Say("hi", due=10.0)), (15.0, ELAPSED))
    assert session.deadline == 22.0
    assert failures(feed(session, (22.0, ELAPSED))) == [Failure.UNACKNOWLEDGED]


def test_a_message_sent_again_is_timed_from_its_first_send() -> None:
    session = live_session(resend="reference")
    said = feed(session, (10.0, Say("hi", due=9.0)))
    out = feed(session, (15.0, ELAPSED), (15.2, echo(said)), (17.0, message("Yes?")))
    assert samples(out, Phase.ECHO) == [Sample(Phase.ECHO, None, 10.0, 15.2)]
    assert samples(out, Phase.RESPONSE) == [Sample(Phase.RESPONSE, 9.0, 10.0, 17.0)]


def resent_and_answered() -> Session:
    session = live_session(resend="reference")
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (15.0, ELAPSED), (15.2, echo(said)), (17.0, message("Yes?")))
    return session


def test_a_message_sent_again_and_answered_again_is_a_finding_and_no_violation() -> None:
    out = feed(resent_and_answered(), (18.0, thinking()), (20.0, message("Yes?")))
    assert counts(out)["turns.answered_twice"] == 1
    assert (violations(out), heard(out)) == ([], [])


def test_an_answer_that_is_streamed_again_is_one_finding() -> None:
    out = feed(
        resent_and_answered(),
        (20.0, chunk(1, "Ye")),
        (20.1, chunk(2, "s?")),
        (20.2, chunk(3, "", last=True)),
    )
    assert counts(out)["turns.answered_twice"] == 1
    assert violations(out) == []


def test_a_message_sent_twice_excuses_two_answers_and_not_three() -> None:
    out = feed(resent_and_answered(), (20.0, message("Yes?")), (21.0, message("Yes?")))
    assert (counts(out)["turns.answered_twice"], counts(out)["events.follow_up"]) == (1, 1)


def test_the_second_answer_to_an_earlier_message_does_not_answer_the_next_one() -> None:
    session = resent_and_answered()
    said = feed(session, (19.0, Say("more", due=19.0)))
    out = feed(session, (19.1, message("Yes?")), (19.2, echo(said)), (21.0, message("Sure.")))
    assert durations(out, Phase.RESPONSE) == [2.0]


def test_the_late_answer_of_a_lost_turn_that_was_sent_again_answers_nothing_twice() -> None:
    session = live_session(resend="reference", patience=12.0)
    feed(session, (10.0, Say("hi", due=10.0)), (15.0, ELAPSED), (22.0, ELAPSED))
    out = feed(session, (23.0, message("Yes?")))
    assert counts(out) == {"events.late_answer": 1}


def test_a_lost_turn_that_was_sent_twice_excuses_two_late_answers_and_not_three() -> None:
    session = live_session(resend="reference", patience=12.0)
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (15.0, ELAPSED), (15.1, echo(said)), (22.0, ELAPSED))
    out = feed(session, *((at, message("Yes?")) for at in (23.0, 24.0, 25.0)))
    assert (counts(out)["events.late_answer"], counts(out)["events.follow_up"]) == (2, 1)


# --- the sums ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ([(12.0, message("Yes?"))], "turns.answered"),
        ([(70.0, ELAPSED)], "turns.lost"),
        ([(12.0, Leave(due=12.0))], "turns.lost"),
        ([(12.0, ended("REASON_NATURAL_END"))], "turns.lost"),
        ([(12.0, Closed(1000))], "turns.lost"),
        ([(12.0, Closed(4001))], "turns.lost"),
        ([(12.0, CUT)], "turns.open"),
        ([(12.0, Closed(1006)), (12.1, CUT)], "turns.open"),
        ([(12.0, VANISHED)], "turns.open"),
        ([(12.0, Closed(1006))], None),
    ],
)
def test_a_turn_that_was_sent_is_answered_or_lost_once_or_still_open(
    ending: list[tuple[float, Happening]], kind: str | None
) -> None:
    out = feed(waiting_session(), *ending)
    of_turns = {key: n for key, n in counts(out).items() if key.startswith("turns.")}
    assert of_turns == ({} if kind is None else {kind: 1})


def test_turn_counters_tell_when_their_turn_was_sent() -> None:
    session = waiting_session()
    out = feed(session, (12.0, message("Yes?")))
    out += feed(session, (20.0, Say("more", due=20.0)), (20.5, Closed(1006)))
    out += feed(session, (22.0, ELAPSED), (22.1, Opened()), (22.2, batch(0)))
    since = {(e.key, e.since) for e in out if hasattr(e, "since") and e.key.startswith("turns.")}
    assert since == {("turns.answered", 10.0), ("turns.sent", 20.0), ("turns.lost", 20.0)}


# --- an answer without an end ---------------------------------------------------------------------


def test_a_streamed_answer_without_an_end_is_a_turn_lost_and_the_person_goes_on() -> None:
    session = waiting_session()
    endless = [(11.0, chunk(index, "x")) for index in range(1, MOST_CHUNKS + 2)]
    out = feed(session, *endless)
    assert failures(out) == [Failure.ANSWER_TOO_BIG]
    assert (counts(out)["turns.lost"], cues(out), session.state) == (
        1,
        ["silence"],
        ChatState.READY,
    )
    assert violations(out) == []
    # What the server adds belongs to what was given up, and is not kept.
    out = feed(session, *((12.0, chunk(index, "x")) for index in range(MOST_CHUNKS + 2, 12_000)))
    assert (violations(out), failures(out), session.answers.stream) == ([], [], None)
    said = feed(session, (13.0, Say("still there?", due=13.0)))
    out = feed(session, (13.1, echo(said, 6)), (13.2, thinking()), (13.3, message("Yes.", 7)))
    assert (heard(out), violations(out)) == (["Yes."], [])


def test_an_answer_that_is_too_long_and_complete_is_not_waited_for_any_more() -> None:
    session = waiting_session()
    out = feed(session, (11.0, chunk(1, "x" * LONGEST)), (11.1, chunk(2, "x", last=True)))
    assert (failures(out), session.answers.late) == ([Failure.ANSWER_TOO_BIG], 0)


def test_a_greeting_without_an_end_fails_the_session() -> None:
    session = joining_session()
    feed(session, (0.3, joined(2)))
    endless = [(1.0, chunk(index, "x")) for index in range(1, MOST_CHUNKS + 2)]
    out = feed(session, *endless)
    assert failures(out) == [Failure.ANSWER_TOO_BIG]
    assert sent(out) == ["USER_END_SESSION"]
    assert finish(out) == Finish(Ending.FAILED, close=1000)
