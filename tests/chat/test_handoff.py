"""From the agent to a human: the steps, the queue, the human's half, and what comes to nothing."""

from typing import Any

import pytest

from loadkit.chat.effects import Finish, Sample
from loadkit.chat.inputs import ELAPSED, Closed, Leave, Opened, Say, Typing
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase
from loadkit.protocol import Event

from .helpers import (
    DUE,
    asking_session,
    batch,
    beat,
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
    heard,
    human_says,
    human_session,
    joined,
    live_session,
    message,
    queued_session,
    samples,
    sent,
    system,
    thinking,
    violations,
    waiting_session,
)

NOT_CONNECTED = "Sorry, we could not connect you to an agent. Please try again."
NOT_FORWARDED = "Failed to forward message to live agent"


def place(number: Any) -> Event:
    return event("HANDOFF_QUEUE_STATUS", position_in_queue=number, queue_name="support")


def typing(state: str = "STARTED") -> Event:
    return event("LIVE_AGENT_TYPING", state=f"TYPING_STATE_{state}", agent_id="a")


# --- to the human ---------------------------------------------------------------------------------


def test_a_hand_off_answers_the_message_that_asked_for_it() -> None:
    session = waiting_session()
    out = feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 6)))
    assert counts(out) == {"handoffs.triggered": 1, "turns.answered": 1}
    assert (heard(out), samples(out, Phase.RESPONSE)) == ([], []), "nobody has said anything yet"
    assert session.state is ChatState.QUEUED


def test_the_wait_for_a_human_is_timed_from_the_trigger() -> None:
    session = queued_session()
    out = feed(
        session,
        (11.3, place(3)),
        (13.3, place(3)),
        (14.3, place(1)),
        (15.0, event("LIVE_AGENT_JOINED", 9)),
    )
    assert samples(out, Phase.HANDOFF_WAIT) == [Sample(Phase.HANDOFF_WAIT, None, 11.0, 15.0)]
    assert (cues(out), violations(out)) == (["human_joined"], [])
    assert counts(out) == {"handoffs.joined": 1, "handoffs.place.3": 2, "handoffs.place.1": 1}
    assert session.state is ChatState.WITH_HUMAN


@pytest.mark.parametrize(
    ("told", "named"),
    [
        *((0, "1"), (-3, "1"), (1, "1"), (2, "2"), (4, "4-5"), (5, "4-5"), (6, "6-10")),
        *((20, "11-20"), (21, "21-50"), (50, "21-50"), (51, "51+"), (10**30, "51+")),
        *((None, None), ("3", None), (3.0, None), (True, None)),
    ],
)
def test_the_places_that_people_are_told_are_counted_by_class(told: Any, named: str | None) -> None:
    """A closed list of them, whatever a server says; what is no place is none."""
    out = feed(queued_session(), (11.3, place(told)))
    assert counts(out) == ({f"handoffs.place.{named}": 1} if named else {})


def test_an_agent_may_hand_over_of_its_own_accord() -> None:
    session = live_session()
    out = feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 5)))
    assert (counts(out), violations(out)) == ({"handoffs.triggered": 1}, [])


@pytest.mark.parametrize("act", [Say("hello?", 12.0), Typing(True)])
def test_there_is_nobody_to_type_to_in_a_queue(act: Any) -> None:
    assert feed(queued_session(), (12.0, act)) == []


def test_one_can_leave_a_queue() -> None:
    session = queued_session()
    assert sent(feed(session, (12.0, Leave(due=12.0)))) == ["USER_END_SESSION"]


def test_patience_with_a_queue_ends_too() -> None:
    session = queued_session(queue_patience=15.0)
    assert session.deadline == 26.0
    out = feed(session, (26.0, ELAPSED))
    assert (counts(out), cues(out)) == ({"handoffs.gave_up": 1}, ["no_human"])
    assert session.state is ChatState.READY


def test_a_human_who_comes_after_all_takes_over_and_what_was_said_meanwhile_is_lost() -> None:
    session = queued_session(queue_patience=15.0)
    feed(session, (26.0, ELAPSED))
    said = feed(session, (27.0, Say("bot?", due=27.0)))
    out = feed(session, (27.1, echo(said, 9)), (27.2, place(1)))
    out += feed(session, (28.0, event("LIVE_AGENT_JOINED", 10)))
    assert counts(out)["turns.lost"] == counts(out)["handoffs.joined"] == 1
    assert (cues(out), violations(out)) == (["human_joined"], [])
    assert (session.state, session.open_turns()) == (ChatState.WITH_HUMAN, [])


@pytest.mark.parametrize("kind", ["HANDOFF_FAILED", "HANDOFF_TIMEOUT"])
def test_a_queue_that_ends_after_the_patience_with_it_is_no_news(kind: str) -> None:
    session = queued_session(queue_patience=15.0)
    feed(session, (26.0, ELAPSED))
    feed(session, (27.0, Say("bot?", due=27.0)))
    out = feed(session, (28.0, event(kind, 9)))
    assert (cues(out), violations(out), session.state) == ([], [], ChatState.WAITING)


def test_what_was_said_behind_the_request_is_left_to_the_human() -> None:
    session = waiting_session()
    said = feed(session, (10.5, Say("and hurry", due=10.5)))
    out = feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 6)), (11.1, echo(said, 7)))
    assert (counts(out)["turns.answered"], violations(out)) == (2, [])
    assert session.open_turns() == []


@pytest.mark.parametrize("crossing", [False, True])
def test_an_agent_that_stays_may_still_answer_what_was_said_behind_the_request(
    crossing: bool,
) -> None:
    session = waiting_session()
    said = feed(session, (10.5, Say("and hurry", due=10.5)))
    feed(session, (10.6, echo(said, 6)), (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 7)))
    acts = [
        (11.5, thinking()),
        (12.0, chunk(1, "I ", sequence=8)),
        (12.5, chunk(2, "do.", sequence=9, last=True)),
    ]
    failed = (12.2 if crossing else 13.0, event("HANDOFF_FAILED"))
    out = feed(session, *sorted([*acts, failed], key=lambda act: act[0]))
    assert (violations(out), cues(out)) == ([], ["no_human"])


# --- with the human -------------------------------------------------------------------------------


def test_a_turn_with_a_human_is_timed_as_such() -> None:
    session = human_session()
    said = feed(session, (17.0, Say("hi", due=16.9)))
    out = feed(
        session,
        (17.1, echo(said, 10)),
        (17.5, typing()),
        (20.0, human_says("Hello.", 11)),
        (20.1, typing("STOPPED")),
    )
    assert samples(out, Phase.ECHO) == [Sample(Phase.ECHO, None, 17.0, 17.1)]
    assert samples(out, Phase.LIVE_RESPONSE) == [Sample(Phase.LIVE_RESPONSE, 16.9, 17.0, 20.0)]
    assert samples(out, Phase.RESPONSE) == samples(out, Phase.THINKING) == []
    assert (cues(out), heard(out), violations(out)) == (["answered"], ["Hello."], [])
    assert session.state is ChatState.WITH_HUMAN


def test_a_human_may_speak_unasked() -> None:
    out = feed(human_session(), (16.0, typing()), (16.5, human_says("Anyone there?", 10)))
    assert (violations(out), cues(out)) == ([], [])


def test_what_a_human_says_ahead_of_the_echo_is_no_answer() -> None:
    session = human_session()
    said = feed(session, (17.0, Say("hi", due=17.0)))
    out = feed(session, (17.01, human_says("Anyone there?", 10)), (17.1, echo(said, 11)))
    assert (violations(out), cues(out)) == ([], [])
    assert durations(feed(session, (19.0, human_says("Hi.", 12))), Phase.LIVE_RESPONSE) == [2.0]


def test_an_answer_that_a_human_typed_is_one_though_the_echo_is_missing() -> None:
    session = asking_session(echoed=False)
    out = feed(session, (17.5, typing()), (19.0, human_says("Hi.", 10)))
    assert (violations(out), durations(out, Phase.LIVE_RESPONSE)) == (["echo_missing"], [2.0])


def test_a_human_may_type_and_think_better_of_it() -> None:
    session = asking_session(patience=5.0)
    out = feed(session, (17.5, typing()), (18.0, typing("STOPPED")), (22.0, ELAPSED))
    assert (violations(out), failures(out)) == ([], [Failure.UNANSWERED])
    assert (cues(out), session.state) == (["silence"], ChatState.WITH_HUMAN)


def test_two_messages_to_a_human_are_answered_in_order() -> None:
    session = asking_session()
    said = feed(session, (18.0, Say("and", due=18.0)))
    out = feed(
        session, (18.1, echo(said, 11)), (20.0, human_says("A.", 12)), (21.0, human_says("B.", 13))
    )
    assert durations(out, Phase.LIVE_RESPONSE) == [3.0, 3.0]
    assert (heard(out), violations(out)) == (["B."], [])


def test_when_the_human_leaves_the_server_ends_the_session() -> None:
    session = human_session()
    out = feed(session, (30.0, event("LIVE_AGENT_LEFT", 10)))
    assert session.state is ChatState.LEFT
    out += feed(session, (30.1, ended("REASON_NATURAL_END", 11)), (30.2, Closed(1000)))
    assert finish(out) == Finish(Ending.NATURAL_END)
    assert (violations(out), failures(out), cues(out)) == ([], [], [])


def test_an_echo_may_cross_the_leave_of_the_human() -> None:
    session = human_session()
    said = feed(session, (30.0, Say("thanks", due=30.0)))
    out = feed(session, (30.01, event("LIVE_AGENT_LEFT", 10)), (30.02, echo(said, 11)))
    assert (counts(out)["turns.lost"], violations(out)) == (1, [])


@pytest.mark.parametrize("act", [Say("wait", 30.1), Leave(30.1), Typing(True)])
def test_there_is_nobody_to_talk_to_after_the_human_left(act: Any) -> None:
    session = human_session()
    feed(session, (30.0, event("LIVE_AGENT_LEFT", 10)))
    assert feed(session, (30.1, act)) == []


def test_a_session_that_does_not_end_after_the_human_left_has_failed() -> None:
    session = human_session(patience=5.0)
    feed(session, (29.5, event("LIVE_AGENT_LEFT", 10)))
    out = feed(session, (30.0, ELAPSED), (34.5, ELAPSED))  # the first is a heartbeat
    assert failures(out) == [Failure.END_MISSING]
    assert finish(out) == Finish(Ending.FAILED, close=1000)


def left_session(**policy: Any) -> Session:
    """The human has left, after 30 s, and the session has not ended."""
    session = human_session(**policy)
    assert violations(feed(session, (30.0, event("LIVE_AGENT_LEFT", 10)))) == []
    return session


def test_the_human_may_hand_back_to_the_agent_which_greets() -> None:
    session = left_session()
    out = feed(session, (31.0, joined(11)), (31.5, thinking()), (32.0, message("Me again.", 12)))
    assert (violations(out), failures(out)) == ([], [])
    assert (counts(out)["handoffs.handed_back"], cues(out)) == (1, ["agent_back"])
    said = feed(session, (40.0, Say("good", due=40.0)))
    out = feed(session, (40.1, echo(said, 13)), (42.0, message("Yes.", 14)))
    assert (violations(out), durations(out, Phase.RESPONSE)) == ([], [2.0])


def test_an_agent_that_is_back_need_not_greet() -> None:
    session = left_session()
    out = feed(session, (31.0, joined(11)), (33.5, beat()), (33.9, ELAPSED))
    assert cues(out) == []
    out = feed(session, (34.0, ELAPSED))
    assert (violations(out), failures(out), cues(out)) == ([], [], ["agent_back"])
    assert session.state is ChatState.READY


def test_an_agent_that_is_back_may_hand_over_once_more() -> None:
    session = left_session()
    feed(session, (31.0, joined(11)), (32.0, message("Me again.", 12)))
    said = feed(session, (40.0, Say("agent please", due=40.0)))
    out = feed(
        session,
        (40.1, echo(said, 13)),
        (41.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 14)),
        (41.1, event("POLY_AGENT_LEFT", 15)),
        (41.2, event("HANDOFF_ACCEPTED", 16)),
        (45.0, event("LIVE_AGENT_JOINED", 17)),
    )
    assert (violations(out), counts(out)["handoffs.joined"]) == ([], 1)


def test_one_human_may_leave_for_another() -> None:
    session = left_session()
    out = feed(
        session, (30.5, event("HANDOFF_QUEUE_STATUS")), (33.0, event("LIVE_AGENT_JOINED", 11))
    )
    assert (violations(out), counts(out)["handoffs.transferred"]) == ([], 1)
    assert (cues(out), session.state) == (["human_joined"], ChatState.WITH_HUMAN)


@pytest.mark.parametrize("early", [message("Hi"), chunk(1, "Hi", last=True)])
def test_an_agent_that_has_left_and_is_not_back_must_not_speak(early: Event) -> None:
    assert violations(feed(left_session(), (31.0, early))) == ["bot_after_left"]


def test_a_close_is_as_good_an_end_once_the_human_has_left() -> None:
    out = feed(left_session(), (31.0, Closed(1000)))
    assert (finish(out), failures(out)) == (Finish(Ending.NATURAL_END), [])


# --- what comes to nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "count"),
    [("HANDOFF_FAILED", "handoffs.failed"), ("HANDOFF_TIMEOUT", "handoffs.timed_out")],
)
def test_a_hand_off_that_fails_can_be_tried_again(kind: str, count: str) -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 6)))
    out = feed(session, (14.0, event(kind, 7, reason="NO_AGENTS_AVAILABLE")))
    assert (counts(out), cues(out)) == ({count: 1}, ["no_human"])
    said = feed(session, (16.0, Say("agent please", due=16.0)))
    out = feed(
        session,
        (16.1, echo(said, 8)),
        (16.2, event("POLY_AGENT_TRIGGERED_HANDOFF", 9)),
        (16.2, event("POLY_AGENT_LEFT", 10)),
        (16.2, event("HANDOFF_ACCEPTED", 11)),
        (16.3, place(4)),
        (19.2, event("LIVE_AGENT_JOINED", 12)),
    )
    assert (durations(out, Phase.HANDOFF_WAIT), violations(out)) == ([3.0], [])


# --- to the client --------------------------------------------------------------------------------


def client_session(**payload: Any) -> tuple[Session, list[Any]]:
    session = waiting_session()
    return session, feed(
        session,
        (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 6)),
        (11.1, event("CLIENT_HANDOFF_REQUIRED", 7, **payload)),
    )


def test_a_person_who_is_to_be_taken_elsewhere_leaves_once_the_agent_has() -> None:
    session, out = client_session(reason="POLICY", queue_name="billing")
    assert counts(out) == {
        "turns.answered": 1,
        "handoffs.triggered": 1,
        "handoffs.client": 1,
        "handoffs.client.reason.POLICY": 1,
        "handoffs.client.queue_name.billing": 1,
    }
    out = feed(session, (11.2, event("POLY_AGENT_LEFT", 8)))
    assert out == [Finish(Ending.CLIENT_HANDOFF, close=1000)]


@pytest.mark.parametrize("value", [None, 5, "", [], {"a": 1}])
def test_a_reason_that_is_none_is_not_counted(value: Any) -> None:
    _, out = client_session(reason=value, queue_name=value)
    assert sum(counts(out).values()) == 3


def test_an_agent_that_does_not_leave_is_waited_for_a_second() -> None:
    session, _ = client_session()
    assert session.deadline == pytest.approx(12.1)
    assert finish(feed(session, (DUE, ELAPSED))) == Finish(Ending.CLIENT_HANDOFF, close=1000)


@pytest.mark.parametrize("late", [message("Goodbye."), event("LANGUAGE_CHANGED"), ended()])
def test_what_comes_before_the_agent_left_is_not_after_the_end(late: Event) -> None:
    session, _ = client_session()
    assert violations(feed(session, (11.15, late))) == []
    assert finish(feed(session, (11.2, event("POLY_AGENT_LEFT")))) is not None


@pytest.mark.parametrize("code", [1000, 1006, 1011])
def test_a_socket_lost_on_the_way_elsewhere_is_missed_by_nobody(code: int) -> None:
    session, _ = client_session()
    assert feed(session, (11.2, Closed(code))) == [Finish(Ending.CLIENT_HANDOFF)]


# --- out of order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "POLY_AGENT_LEFT",
        "HANDOFF_ACCEPTED",
        "HANDOFF_QUEUE_STATUS",
        "HANDOFF_FAILED",
        "HANDOFF_TIMEOUT",
        "CLIENT_HANDOFF_REQUIRED",
        "LIVE_AGENT_JOINED",
    ],
)
@pytest.mark.parametrize("make", [live_session, waiting_session])
def test_a_step_without_a_trigger_is_one_violation(make: Any, kind: str) -> None:
    session = make()
    talk = session.state
    out = feed(session, (20.0, event(kind)))
    assert violations(out) == ["handoff_out_of_order"]
    if kind not in ("CLIENT_HANDOFF_REQUIRED", "LIVE_AGENT_JOINED"):
        assert (session.state, cues(out), counts(out)) == (talk, [], {})


def test_a_human_ahead_of_the_acceptance_is_one_violation_and_the_late_acceptance_none() -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF")), (11.1, event("POLY_AGENT_LEFT")))
    out = feed(session, (12.0, event("LIVE_AGENT_JOINED")), (12.1, event("HANDOFF_ACCEPTED")))
    assert (violations(out), cues(out)) == (["handoff_out_of_order"], ["human_joined"])


@pytest.mark.parametrize("accepted", [[], [(11.3, event("HANDOFF_ACCEPTED"))]])
def test_a_queue_needs_no_acceptance_and_may_come_ahead_of_it(
    accepted: list[tuple[float, Event]],
) -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF")))
    out = feed(session, (11.1, place(3)), (11.2, place(2)), *accepted)
    assert violations(out + feed(session, (15.0, event("LIVE_AGENT_JOINED")))) == []


def test_an_acceptance_behind_the_human_is_a_violation_though_there_was_a_queue() -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF")), (11.1, place(1)))
    out = feed(session, (12.0, event("LIVE_AGENT_JOINED")), (12.1, event("HANDOFF_ACCEPTED")))
    assert violations(out) == ["handoff_out_of_order"]


def test_the_older_key_of_a_place_in_the_queue_is_read_too() -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF")))
    places = [event("HANDOFF_QUEUE_STATUS", position=number) for number in (2, 3)]
    out = feed(session, *((11.1 + step, one) for step, one in enumerate(places)))
    assert violations(out) == ["queue_position_rose"]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([4, 3, 3, 1], []),
        ([1, 4, 3], ["queue_position_rose"]),
        ([2, 3, 4], ["queue_position_rose"] * 2),
        ([2, None, "5", True, 1], []),
    ],
)
def test_nobody_is_sent_back_in_a_queue(places: list[Any], found: list[str]) -> None:
    assert violations(feed(queued_session(), *((12.0, place(one)) for one in places))) == found


@pytest.mark.parametrize("make", [queued_session, human_session, asking_session])
def test_an_agent_that_left_is_silent(make: Any) -> None:
    session = make()
    talk = session.state
    out = feed(session, (20.0, chunk(1, "Still ")), (20.1, chunk(2, "here!", last=True)))
    assert (violations(out), cues(out)) == (["bot_after_left"], [])
    assert session.state is talk


def test_an_agent_that_is_still_there_may_have_a_last_word() -> None:
    session = waiting_session()
    feed(session, (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF")))
    out = feed(session, (11.1, message("I'll connect you.")))
    assert (violations(out), cues(out)) == ([], [])


# --- and the socket -------------------------------------------------------------------------------


def test_a_human_may_join_in_a_replay() -> None:
    session = queued_session()
    feed(session, (12.0, Closed(1006)), (DUE, ELAPSED), (14.0, Opened()))
    out = feed(session, (14.1, event("LIVE_AGENT_JOINED", 9)), (14.1, batch(1)))
    assert durations(out, Phase.HANDOFF_WAIT) == [3.1]
    assert (cues(out), violations(out)) == (["human_joined"], [])


def test_one_who_left_during_the_outage_is_not_told_of_the_human() -> None:
    session = queued_session()
    feed(session, (12.0, Closed(1006)), (12.5, Leave(due=12.5)), (DUE, ELAPSED), (14.0, Opened()))
    out = feed(session, (14.1, event("LIVE_AGENT_JOINED", 9)), (14.1, batch(1)))
    assert (cues(out), sent(out)) == ([], ["USER_END_SESSION"])


def test_a_human_s_answer_may_land_in_a_replay() -> None:
    session = asking_session()
    feed(session, (18.0, Closed(1006)), (DUE, ELAPSED), (20.0, Opened()))
    out = feed(session, (20.1, human_says("Hi.", 11)), (20.1, batch(1)))
    assert durations(out, Phase.LIVE_RESPONSE) == [3.1]
    assert counts(out)["turns.answered_by_replay"] == 1


# --- what the server says of it in words ----------------------------------------------------------


@pytest.mark.parametrize("after", [[], [event("HANDOFF_FAILED", 9)]])
def test_a_human_who_cannot_be_connected_is_told_once(after: list[Event]) -> None:
    """Whether or not the event follows; then the agent is asked again."""
    session = queued_session()
    out = feed(session, (12.0, system(NOT_CONNECTED)))
    assert (failures(out), cues(out)) == ([Failure.HANDOFF_ERROR], ["no_human"])
    out = feed(session, *((12.1, each) for each in after))
    assert (cues(out), violations(out), counts(out)) == (
        [],
        [],
        {"handoffs.failed": 1} if after else {},
    )
    said = feed(session, (20.0, Say("agent please", due=20.0)))
    out = feed(session, (20.1, echo(said)), (20.2, event("POLY_AGENT_TRIGGERED_HANDOFF")))
    assert (counts(out)["handoffs.triggered"], violations(out)) == (1, [])


def test_words_about_an_earlier_hand_off_end_no_other() -> None:
    session = queued_session()
    out = feed(session, (12.0, system(NOT_CONNECTED, "another's")))
    assert (counts(out), session.state) == ({"system.handoff_error": 1}, ChatState.QUEUED)


@pytest.mark.parametrize(
    ("text", "kind", "cue"),
    [
        (NOT_FORWARDED, Failure.HANDOFF_ERROR, "silence"),
        ("Error: Session not found", Failure.SESSION_ERROR, "silence"),
        ("Error: Conversation not found", Failure.NO_CONVERSATION, "silence"),
        ("We are experiencing high load.", Failure.OVERLOADED, "overloaded"),
    ],
)
def test_a_message_that_does_not_reach_the_human_is_lost_and_the_next_may(
    text: str, kind: Failure, cue: str
) -> None:
    session = asking_session()
    out = feed(session, (17.2, system(text)))
    assert (failures(out), cues(out), sent(out)) == ([kind], [cue], [])
    assert session.state is ChatState.WITH_HUMAN
    said = feed(session, (20.0, Say("hi?", due=20.0)))
    out = feed(session, (20.1, echo(said, 11)), (22.0, human_says("Hello.", 12)))
    assert (durations(out, Phase.LIVE_RESPONSE), violations(out)) == ([2.0], [])
