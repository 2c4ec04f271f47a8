"""How a session ends: by its person, by the agent, by the server, by the run."""

from typing import Any

import pytest

from loadkit.chat.effects import Finish, Sample
from loadkit.chat.inputs import (
    CUT,
    ELAPSED,
    FORCED,
    START,
    VANISHED,
    Closed,
    Input,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState, SocketState
from loadkit.errors import Failure, LocalError
from loadkit.figures import Ending, Phase
from loadkit.protocol import Event

from .helpers import (
    DUE,
    answered_session,
    batch,
    beat,
    but_waits,
    counts,
    cues,
    durations,
    ended,
    event,
    failures,
    feed,
    finish,
    human_session,
    joined,
    joining_session,
    live_session,
    message,
    new_session,
    opened_session,
    queued_session,
    samples,
    sent,
    start,
    system,
    thinking,
    violations,
    waiting_session,
)


def leaving_session(**policy: Any) -> Session:
    """A live session whose person left at 20."""
    session = live_session(**policy)
    assert sent(feed(session, (20.0, Leave(due=19.9)))) == ["USER_END_SESSION"]
    return session


def test_who_leaves_is_waited_for_until_the_server_has_ended_the_session() -> None:
    session = leaving_session()
    out = feed(session, (20.1, event("USER_END_SESSION", 5)), (20.3, ended(sequence=6)))
    assert samples(out, Phase.END) == [Sample(Phase.END, 19.9, 20.0, 20.3)]
    out += feed(session, (20.4, Closed(1000)))
    assert finish(out) == Finish(Ending.USER_END)
    assert (failures(out), violations(out)) == ([], [])


def test_without_session_end_the_session_fails_after_the_hand_shake_limit() -> None:
    session = leaving_session(handshake=5.0)
    assert session.deadline == 25.0
    out = feed(session, (25.0, ELAPSED))
    assert failures(out) == [Failure.END_MISSING]
    assert finish(out) == Finish(Ending.FAILED, close=1000)
    assert sent(out) == []


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("REASON_USER_END", Ending.USER_END),
        ("REASON_NATURAL_END", Ending.NATURAL_END),
        ("REASON_USER_ABANDONED", Ending.ABANDONED),
    ],
)
@pytest.mark.parametrize("make", [live_session, waiting_session, leaving_session])
def test_the_server_s_reason_is_how_the_session_ended(
    make: Any, reason: str, ending: Ending
) -> None:
    out = feed(make(), (21.0, ended(reason)), (21.1, Closed(1000)))
    assert finish(out) == Finish(ending)


def test_a_natural_end_is_neither_a_failure_nor_a_violation() -> None:
    out = feed(live_session(), (21.0, ended("REASON_NATURAL_END")))
    assert (failures(out), violations(out)) == ([], [])
    assert samples(out, Phase.END) == []


def test_to_be_called_abandoned_while_connected_is_a_failure() -> None:
    out = feed(live_session(), (21.0, ended("REASON_USER_ABANDONED")))
    assert failures(out) == [Failure.SESSION_ABANDONED]


@pytest.mark.parametrize("reason", ["REASON_OF_TOMORROW", "", None, 5, [], {"a": [1]}])
def test_an_unknown_reason_is_a_violation_and_a_failed_session(reason: Any) -> None:
    session = live_session()
    out = feed(session, (21.0, ended(reason)))
    assert violations(out) == ["unknown_reason"]
    assert finish(feed(session, (21.1, Closed(1000)))) == Finish(Ending.FAILED)


def test_an_end_ahead_of_the_answer_loses_the_turn() -> None:
    out = feed(waiting_session(), (12.0, ended("REASON_NATURAL_END")))
    assert failures(out) == [Failure.UNANSWERED]
    assert counts(out) == {"turns.lost": 1}


def test_an_end_ahead_of_several_answers_tells_of_each_turn_what_it_lacked() -> None:
    """The second was said into the end: whether the server heard it nobody knows."""
    session = waiting_session()
    feed(session, (11.0, Say("and one more thing", 11.0)))
    out = feed(session, (12.0, ended("REASON_NATURAL_END")))
    assert failures(out) == [Failure.UNANSWERED, Failure.UNACKNOWLEDGED]
    assert counts(out) == {"turns.lost": 2}


def test_an_end_ahead_of_the_agent_is_a_failure_whatever_its_reason() -> None:
    out = feed(joining_session(), (1.0, ended("REASON_NATURAL_END")))
    assert failures(out) == [Failure.JOIN_MISSING]


def test_an_end_ahead_of_the_greeting_is_a_failure_whatever_its_reason() -> None:
    session = joining_session()
    feed(session, (0.5, joined()))
    assert failures(feed(session, (1.0, ended("REASON_NATURAL_END")))) == [Failure.GREETING_MISSING]


def test_the_end_may_land_in_a_replay() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, ended("REASON_NATURAL_END")), (22.1, batch()), (22.2, Closed(1000)))
    assert finish(out) == Finish(Ending.NATURAL_END)
    assert violations(out) == []


def test_the_end_of_one_who_left_may_land_in_a_replay() -> None:
    session = leaving_session()
    feed(session, (20.1, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, ended()), (22.2, Closed(1000)))
    assert samples(out, Phase.END) == [Sample(Phase.END, 19.9, 20.0, 22.1)]
    assert finish(out) == Finish(Ending.USER_END)


# --- between SESSION_END and the close -----------------------------------------------------------


def test_the_server_has_five_seconds_to_close_and_then_we_do() -> None:
    session = live_session()
    feed(session, (21.0, ended()))
    assert (session.state, session.deadline) == (ChatState.ENDED, 26.0)
    assert feed(session, (25.9, ELAPSED)) == []
    out = feed(session, (26.0, ELAPSED))
    assert (violations(out), finish(out)) == (["not_closed"], Finish(Ending.USER_END, close=1000))
    assert (session.state, session.connection.state) == (ChatState.OVER, SocketState.GONE)
    assert session.deadline == float("inf")


def test_a_close_that_this_side_had_no_time_to_read_is_not_missing() -> None:
    """Whoever looks late gives the server its five seconds from then on."""
    session = live_session()
    feed(session, (21.0, ended()))
    assert feed(session, (40.0, ELAPSED)) == []
    assert session.deadline == 45.0
    assert feed(session, (40.0, Closed(1000))) == [Finish(Ending.USER_END)]


@pytest.mark.parametrize("kind", ["SHOW_CSAT_REQUEST", "CSAT_RESPONSE"])
@pytest.mark.parametrize("at", [20.5, 21.5])
def test_a_survey_around_the_end_keeps_the_socket_open_rightly(kind: str, at: float) -> None:
    session = live_session()
    stories = sorted([(21.0, ended()), (at, event(kind))], key=lambda each: each[0])
    out = feed(session, *stories, (DUE, ELAPSED))
    assert (violations(out), counts(out)["events.survey"]) == ([], 1)
    assert finish(out) == Finish(Ending.USER_END, close=1000)


@pytest.mark.parametrize("kind", ["USER_RECEIVED_MESSAGE", "USER_READ_MESSAGE"])
def test_a_receipt_may_cross_the_end(kind: str) -> None:
    out = feed(live_session(), (21.0, ended()), (21.1, event(kind)), (21.2, Closed(1000)))
    assert violations(out) == []


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 4000, 4001])
def test_another_close_code_after_the_end_is_a_violation_and_no_drop(code: int) -> None:
    session = live_session()
    out = feed(session, (21.0, ended()), (21.1, Closed(code)))
    assert violations(out) == ["wrong_close_code"]
    assert (counts(out), failures(out)) == ({}, [])
    assert finish(out) == Finish(Ending.USER_END)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("SHOW_CSAT_REQUEST", "events.survey"),
        ("CSAT_RESPONSE", "events.survey"),
        ("USER_READ_MESSAGE", "events.receipt"),
        ("POLY_AGENT_RECEIVED_MESSAGE", "events.receipt"),
    ],
)
def test_surveys_and_receipts_may_follow_session_end(kind: str, count: str) -> None:
    session = live_session()
    out = feed(session, (5.0, ended("REASON_NATURAL_END")), (5.1, event(kind, 9)))
    assert (violations(out), counts(out)[count]) == ([], 1)


def farewell() -> Event:
    return event("POLY_AGENT_MESSAGE", text="Bye.", message_id="bye", end_conversation=True)


def test_a_close_after_a_farewell_is_a_natural_end() -> None:
    session = waiting_session()
    out = feed(session, (12.0, farewell()), (12.1, Closed(1000)))
    assert (finish(out), failures(out)) == (Finish(Ending.NATURAL_END), [])
    assert counts(out)["turns.answered"] == 1


def test_what_is_said_after_a_farewell_is_open_when_the_socket_is_closed() -> None:
    session = waiting_session()
    feed(session, (12.0, farewell()))
    out = feed(session, (13.0, Say("wait", due=13.0)), (13.1, Closed(1000)))
    assert (finish(out), counts(out)["turns.open"]) == (Finish(Ending.NATURAL_END), 1)


def test_a_farewell_that_nobody_waited_for_is_one_all_the_same() -> None:
    session = live_session()
    feed(session, (12.0, farewell()))
    out = feed(session, (13.0, Say("wait", due=13.0)), (13.1, Closed(1000)))
    assert (finish(out), failures(out)) == (Finish(Ending.NATURAL_END), [])


def test_a_close_after_a_complete_answer_is_a_natural_end() -> None:
    out = feed(answered_session(), (12.1, Closed(1000)))
    assert (finish(out), failures(out)) == (Finish(Ending.NATURAL_END), [])


@pytest.mark.parametrize("make", [joining_session, live_session, waiting_session, queued_session])
def test_a_close_ahead_of_any_answer_is_a_lost_session(make: Any) -> None:
    assert failures(feed(make(), (12.0, Closed(1000)))) == [Failure.SESSION_LOST]


def test_an_echo_of_a_heartbeat_may_cross_the_end() -> None:
    session = live_session({"heartbeat_interval_seconds": 15})
    out = feed(session, (15.0, ELAPSED), (15.01, ended()), (15.02, beat()))
    assert violations(out) == []
    assert durations(out, Phase.HEARTBEAT) == [0.02]


@pytest.mark.parametrize(
    "late",
    [message("One more thing."), ended(), thinking(), event("POLY_AGENT_LEFT"), system("Error: x")],
    ids=lambda event: event.type.name,
)
def test_what_follows_session_end_is_a_violation(late: Event) -> None:
    session = live_session()
    feed(session, (21.0, ended()))
    assert violations(feed(session, (21.1, late))) == ["event_after_end"]
    assert finish(feed(session, (21.2, Closed(1000)))) == Finish(Ending.USER_END)


@pytest.mark.parametrize("act", [Say("hi", 21.1), Leave(21.1), Typing(True)])
def test_what_the_person_does_after_the_end_is_seen_by_nobody(act: Input) -> None:
    session = live_session()
    feed(session, (21.0, ended("REASON_NATURAL_END")))
    assert feed(session, (21.1, act)) == []


def test_one_who_vanishes_after_the_end_was_told_of_it() -> None:
    session = live_session()
    out = feed(session, (21.0, ended("REASON_NATURAL_END")), (21.1, VANISHED))
    assert finish(out) == Finish(Ending.NATURAL_END)


def test_a_run_that_stops_after_the_end_cuts_nothing_off() -> None:
    session = live_session()
    out = feed(session, (21.0, ended()), (21.1, CUT))
    assert finish(out) == Finish(Ending.USER_END, close=1000)
    assert sent(out) == []


# --- the person is gone without a word ------------------------------------------------------------


@pytest.mark.parametrize("make", [joining_session, live_session, waiting_session, queued_session])
def test_one_who_vanishes_abandons_the_session_and_says_nothing(make: Any) -> None:
    assert but_waits(feed(make(), (30.0, VANISHED))) == [Finish(Ending.ABANDONED)]


# --- what crosses the leave -----------------------------------------------------------------------

CROSSING = [
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "POLY_AGENT_LEFT",
    "HANDOFF_ACCEPTED",
    "HANDOFF_QUEUE_STATUS",
    "CLIENT_HANDOFF_REQUIRED",
    "HANDOFF_FAILED",
    "HANDOFF_TIMEOUT",
    "LIVE_AGENT_JOINED",
    "LIVE_AGENT_TYPING",
    "LIVE_AGENT_MESSAGE",
    "LIVE_AGENT_LEFT",
]


@pytest.mark.parametrize("kind", CROSSING)
@pytest.mark.parametrize("make", [waiting_session, queued_session, human_session])
def test_whatever_crosses_the_leave_is_tolerated_and_delays_nothing(make: Any, kind: str) -> None:
    session = make()
    feed(session, (20.0, Leave(due=19.9)))
    out = feed(session, (20.1, event(kind)), (20.2, event("USER_END_SESSION")), (20.3, ended()))
    assert (violations(out), cues(out)) == ([], [])
    assert samples(out, Phase.END) == [Sample(Phase.END, 19.9, 20.0, 20.3)]


@pytest.mark.parametrize("joined_first", [False, True])
def test_one_who_leaves_ahead_of_the_greeting_may_still_be_greeted(joined_first: bool) -> None:
    session = joining_session()
    acts = [(0.5, joined()), (0.6, Leave(due=0.6))]
    feed(session, *(acts if joined_first else reversed(acts)))
    out = feed(session, (0.7, thinking()), (0.8, message("Hello!")), (0.9, ended()))
    assert violations(out) == []


# --- the run is told to stop --------------------------------------------------------------------


@pytest.mark.parametrize("make", [opened_session, joining_session, live_session, waiting_session])
def test_a_session_that_is_cut_off_tells_the_server_and_closes(make: Any) -> None:
    out = feed(make(), (12.0, CUT))
    assert sent(out) == ["USER_END_SESSION"]
    assert finish(out) == Finish(Ending.CUT_OFF, close=1000)
    assert (failures(out), counts(but_waits(out))) == ([], {})


def test_one_who_is_leaving_anyway_is_not_made_to_leave_twice() -> None:
    out = feed(leaving_session(), (20.1, CUT))
    assert but_waits(out) == [Finish(Ending.CUT_OFF, close=1000)]


@pytest.mark.parametrize("started", [False, True])
def test_a_session_that_is_cut_off_ahead_of_its_first_socket_just_ends(started: bool) -> None:
    session = new_session()
    if started:
        feed(session, (0.0, START))
    assert feed(session, (0.5, CUT)) == [Finish(Ending.CUT_OFF)]


@pytest.mark.parametrize("connecting", [False, True])
def test_a_session_that_cannot_come_back_when_the_run_stops_has_failed(connecting: bool) -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED))
    feed(session, (21.3, Refused(Failure.CONNECT_REFUSED)))
    if connecting:
        feed(session, (DUE, ELAPSED))
    out = feed(session, (24.0, CUT))
    assert failures(out) == [Failure.CONNECTION_LOST]
    assert finish(out) == Finish(Ending.FAILED)


@pytest.mark.parametrize("connecting", [False, True])
def test_a_session_that_has_just_lost_its_socket_was_still_running(connecting: bool) -> None:
    session = waiting_session()
    feed(session, (20.0, FORCED))
    if connecting:
        feed(session, (DUE, ELAPSED))
    assert but_waits(feed(session, (22.0, CUT))) == [Finish(Ending.CUT_OFF)]


def test_a_session_that_is_cut_off_while_it_resumes_is_still_running() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    assert finish(feed(session, (22.1, CUT))) == Finish(Ending.CUT_OFF, close=1000)


def test_a_session_cannot_be_cut_off_twice() -> None:
    session = live_session()
    feed(session, (20.0, CUT))
    with pytest.raises(LocalError):
        feed(session, (20.1, CUT))


def test_a_session_that_ended_ahead_of_its_first_history_does_not_ask_for_the_agent() -> None:
    session = opened_session()
    out = feed(session, (0.1, start()), (0.1, ended("REASON_USER_ABANDONED")))
    assert sent(out) == []
    assert finish(feed(session, (0.2, Closed(1000)))) == Finish(Ending.ABANDONED)
