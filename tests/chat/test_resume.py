"""A conversation outlives its socket: what a drop, a refusal and a resume do to it."""

import pytest

from loadkit.chat.effects import Connect, Hangup, Sample
from loadkit.chat.inputs import ELAPSED, START, Closed, Leave, Opened, Refused, Say, Typing
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState, SocketState
from loadkit.errors import Failure
from loadkit.figures import Phase

from .helpers import (
    DUE,
    Happening,
    batch,
    chunk,
    counts,
    cursors,
    durations,
    echo,
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
    new_session,
    only,
    opened_session,
    samples,
    sent,
    start,
    thinking,
    violations,
    waiting_session,
)

LOST = [1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 3000, 4002, 4999]
REFUSED = Refused(Failure.CONNECT_REFUSED, "nobody listens")


def drop(session: Session, at: float = 20.0) -> None:
    """Lose the socket and open another one, a second or so later."""
    feed(session, (at, Closed(1006)), (DUE, ELAPSED), (at + 2.0, Opened()))
    assert session.connection.state is SocketState.REPLAYING


# --- what a lost socket means -------------------------------------------------------------------


@pytest.mark.parametrize("code", LOST)
def test_a_lost_socket_is_opened_again_with_the_cursor(code: int) -> None:
    session = live_session()
    out = feed(session, (20.0, Closed(code)))
    assert counts(out) == {"disconnects.unexpected": 1}
    assert 20.8 <= session.deadline <= 21.2
    assert feed(session, (DUE, ELAPSED)) == [Connect(4)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, Failure.PROTOCOL_ERROR),
        (1003, Failure.PROTOCOL_ERROR),
        (1007, Failure.PROTOCOL_ERROR),
        (1009, Failure.FRAME_TOO_BIG),
    ],
)
def test_a_close_code_that_blames_a_frame_is_a_finding(code: int, kind: Failure) -> None:
    assert failures(feed(live_session(), (20.0, Closed(code)))) == [kind]


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 4002, 4003])
def test_a_plain_loss_is_no_failure(code: int) -> None:
    assert failures(feed(live_session(), (20.0, Closed(code)))) == []


@pytest.mark.parametrize("code", [1000, 4000])
def test_a_socket_that_was_closed_or_replaced_is_not_opened_again(code: int) -> None:
    out = feed(live_session(), (20.0, Closed(code)))
    end = finish(out)
    assert end is not None
    assert (end.ending, end.renew, end.close) == ("failed", False, None)
    assert failures(out) == [Failure.SESSION_LOST]


def test_a_session_that_the_server_does_not_know_is_replaced_by_a_new_one() -> None:
    out = feed(live_session(), (20.0, Closed(4001)))
    end = finish(out)
    assert end is not None
    assert end.renew
    assert failures(out) == [Failure.SESSION_LOST]


def test_while_the_network_is_gone_the_wait_is_a_fixed_poll() -> None:
    session = live_session()
    feed(session, (20.0, Closed(4003)))
    assert session.deadline == 30.0


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_of_the_session_or_the_token_asks_for_a_new_session(status: int) -> None:
    session = new_session()
    out = feed(session, (0.0, START), (0.1, Refused(Failure.UPGRADE_REFUSED, "no", status)))
    end = finish(out)
    assert end is not None
    assert (end.ending, end.renew) == ("failed", True)
    assert failures(out) == [Failure.SESSION_LOST]


@pytest.mark.parametrize("status", [None, 400, 429, 500, 503])
def test_any_other_refusal_is_counted_and_tried_again(status: int | None) -> None:
    session = new_session()
    out = feed(session, (0.0, START), (0.1, Refused(Failure.UPGRADE_REFUSED, "no", status)))
    assert failures(out) == [Failure.UPGRADE_REFUSED]
    assert cursors(feed(session, (DUE, ELAPSED))) == [0]


# --- back-off and giving up ---------------------------------------------------------------------


def refuse_until_the_end(session: Session, at: float) -> tuple[list[float], list[Failure]]:
    """Refuse every attempt; return the waits and the failures."""
    waits = []
    found: list[Failure] = []
    for _ in range(50):
        out = feed(session, (at, REFUSED))
        found += failures(out)
        if finish(out) is not None:
            return waits, found
        waits.append(session.deadline - at)
        at = session.deadline
        feed(session, (at, ELAPSED))
    raise AssertionError("it never gives up")


@pytest.mark.parametrize("seed", range(5))
def test_the_wait_doubles_from_one_second_to_thirty_with_a_jitter_of_a_fifth(seed: int) -> None:
    session = new_session(seed=seed)
    feed(session, (0.0, START))
    waits, _ = refuse_until_the_end(session, 0.0)
    bases = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert all(0.8 * base <= wait <= 1.2 * base for base, wait in zip(bases, waits, strict=True)), (
        waits
    )
    assert len(set(waits[5:])) == 5, "the jitter differs"


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_after_so_many_attempts_the_session_is_given_up(limit: int) -> None:
    session = new_session(max_reconnect_attempts=limit)
    feed(session, (0.0, START))
    waits, found = refuse_until_the_end(session, 0.0)
    assert len(waits) == limit
    assert found == [Failure.CONNECT_REFUSED] * (limit + 1) + [Failure.GAVE_UP]


def test_giving_up_is_counted_and_loses_the_open_turn() -> None:
    session = waiting_session(max_reconnect_attempts=0)
    out = feed(session, (20.0, Closed(1006)))
    assert counts(out) == {
        "disconnects.unexpected": 1,
        "disconnects.gave_up": 1,
        "turns.lost": 1,
    }


def test_the_server_says_how_often_to_try_unless_the_profile_does() -> None:
    for policy, tries in (({}, 2), ({"max_reconnect_attempts": 4}, 4)):
        session = live_session(capabilities={"max_reconnect_attempts": 2}, **policy)
        feed(session, (20.0, Closed(1006)), (DUE, ELAPSED))
        waits, _ = refuse_until_the_end(session, 22.0)
        assert len(waits) + 1 == tries


def test_the_attempts_begin_anew_once_the_history_is_complete() -> None:
    session = live_session(max_reconnect_attempts=1)
    for at in (20.0, 40.0, 60.0):
        drop(session, at)
        assert counts(feed(session, (at + 2.5, batch(0))))["disconnects.reconnected"] == 1


def test_an_open_socket_without_a_history_does_not_make_the_attempts_begin_anew() -> None:
    session = live_session(max_reconnect_attempts=1)
    drop(session)
    assert failures(feed(session, (22.1, Closed(1006)))) == [Failure.GAVE_UP]


# --- the cursor and what the replay holds -------------------------------------------------------


def test_a_socket_lost_ahead_of_the_history_asks_for_the_whole_of_it_again() -> None:
    session = opened_session()
    out = feed(session, (0.5, Closed(1006)), (DUE, ELAPSED))
    assert cursors(out) == [0]
    again = feed(session, (2.0, Opened()), (2.1, start()), (2.1, batch()))
    assert sent(again) == ["REQUEST_POLY_AGENT_JOIN"]


def test_a_transient_event_does_not_move_the_cursor() -> None:
    session = live_session()
    out = feed(session, (5.0, event("SESSION_IDLE_WARNING")), (20.0, Closed(1006)))
    assert cursors(out + feed(session, (DUE, ELAPSED))) == [4]


def test_an_event_that_comes_twice_counts_once() -> None:
    session = waiting_session()
    answer = message("Yes?", 6)
    out = feed(session, (12.0, answer))
    drop(session)
    again = feed(session, (22.1, answer), (22.1, batch(1)))
    assert counts(out)["turns.answered"] == 1
    assert counts(again) == {"disconnects.events_duplicated": 1, "disconnects.reconnected": 1}
    assert (violations(again), heard(again)) == (["replay_before_cursor"], [])


def test_two_heartbeats_with_one_id_are_not_one_event_twice() -> None:
    session = live_session()
    out = feed(session, (5.0, event("HEARTBEAT", id="")), (6.0, event("HEARTBEAT", id="")))
    assert counts(out) == {}


def test_what_a_resume_leaves_out_is_lost() -> None:
    session = live_session()
    drop(session)
    out = feed(session, (22.1, event("LANGUAGE_CHANGED", 8)), (22.1, batch(1)))
    assert counts(out)["disconnects.events_lost"] == 3


def test_a_replay_without_a_gap_loses_nothing() -> None:
    session = live_session()
    drop(session)
    out = feed(session, (22.1, event("LANGUAGE_CHANGED", 5)), (22.1, batch(1)))
    assert counts(out)["disconnects.events_lost"] == 0


def test_after_the_resume_a_gap_is_no_loss_of_it() -> None:
    session = live_session()
    drop(session)
    out = feed(session, (22.1, batch(0)), (23.0, event("LANGUAGE_CHANGED", 50)))
    assert counts(out)["disconnects.events_lost"] == 0


def test_an_outage_lasts_from_the_drop_until_the_history_is_complete() -> None:
    session = live_session()
    drop(session)
    out = feed(session, (22.4, batch(0)))
    assert samples(out, Phase.RECONNECT) == [Sample(Phase.RECONNECT, None, 20.0, 22.4)]


def test_a_resume_that_fails_half_way_does_not_shorten_the_outage() -> None:
    session = live_session()
    drop(session)
    feed(session, (22.1, Closed(1006)), (DUE, ELAPSED), (25.0, Opened()))
    out = feed(session, (25.2, batch(0)))
    assert samples(out, Phase.RECONNECT) == [Sample(Phase.RECONNECT, None, 20.0, 25.2)]


# --- the join and the socket --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replayed", "again"),
    [
        ([], ["REQUEST_POLY_AGENT_JOIN"]),
        ([event("REQUEST_POLY_AGENT_JOIN", 2)], []),
        ([event("REQUEST_POLY_AGENT_JOIN", 2), joined(3)], []),
        ([joined(3)], []),
    ],
)
def test_a_join_lost_with_the_socket_is_sent_again_unless_the_replay_shows_it(
    replayed: list[Happening], again: list[str]
) -> None:
    session = joining_session()
    drop(session)
    out = feed(session, *((22.1, happening) for happening in replayed), (22.1, batch()))
    assert sent(out) == again


def test_the_join_is_timed_from_its_first_send() -> None:
    session = joining_session()
    drop(session)
    out = feed(session, (22.1, batch(0)), (22.5, joined(2)), (23.0, message("Hello!", 3)))
    assert samples(out, Phase.JOIN) == [Sample(Phase.JOIN, None, 0.1, 22.5)]
    assert samples(out, Phase.GREETING) == [Sample(Phase.GREETING, None, 0.1, 23.0)]


@pytest.mark.parametrize("later", [[], [Say("hi", due=24.0)], [Leave(due=24.0)]])
def test_the_second_echo_of_a_join_sent_again_is_no_violation(later: list[Say | Leave]) -> None:
    session = joining_session()
    drop(session)
    feed(session, (22.1, batch(0)), (22.2, event("REQUEST_POLY_AGENT_JOIN", 2)))
    feed(session, (22.3, joined(3)), (22.4, message("Hello!", 4)))
    feed(session, *((24.0, act) for act in later))
    out = feed(session, (24.1, event("REQUEST_POLY_AGENT_JOIN", 5)))
    assert violations(out) == []


def test_the_echo_of_a_join_does_not_acknowledge_a_message() -> None:
    session = waiting_session(echoed=False)
    feed(session, (10.1, event("REQUEST_POLY_AGENT_JOIN")))
    drop(session)
    assert failures(feed(session, (22.1, batch(0)))) == [Failure.UNACKNOWLEDGED]


def test_the_greeting_may_land_in_the_replay() -> None:
    session = joining_session()
    feed(session, (0.5, joined(2)))
    drop(session)
    out = feed(session, (22.1, message("Hello!", 3)), (22.1, batch(1)))
    assert (heard(out), sent(out)) == (["Hello!"], [])


# --- a message and the socket -------------------------------------------------------------------


def test_a_message_whose_echo_is_replayed_goes_on_timed_from_its_send() -> None:
    session = live_session()
    said = feed(session, (19.9, Say("hi", due=19.8)))
    drop(session)
    out = feed(session, (22.1, echo(said, 5)), (22.1, batch(1)), (23.0, message("Yes?", 6)))
    assert (sent(out), failures(out)) == ([], [])
    assert samples(out, Phase.ECHO) == [Sample(Phase.ECHO, None, 19.9, 22.1)]
    assert samples(out, Phase.RESPONSE) == [Sample(Phase.RESPONSE, 19.8, 19.9, 23.0)]


def test_a_message_lost_with_the_socket_is_lost_by_default() -> None:
    session = waiting_session(echoed=False)
    drop(session)
    out = feed(session, (22.1, batch(0)))
    assert failures(out) == [Failure.UNACKNOWLEDGED]
    assert counts(out)["turns.lost"] == 1
    assert (heard(out), sent(out), session.state) == ([""], [], ChatState.READY)


def test_a_message_lost_with_the_socket_is_sent_again_if_the_policy_says_so() -> None:
    session = live_session(resend="reference")
    said = feed(session, (19.9, Say("hi", due=19.8)))
    drop(session)
    out = feed(session, (22.1, batch(0)))
    assert frames(out) == frames(said)
    assert local_id(out) == local_id(said)
    assert counts(out)["turns.resent"] == 1
    answered = feed(session, (22.2, echo(said, 5)), (24.0, message("Yes?", 6)))
    assert durations(answered, Phase.RESPONSE) == [4.1]


def test_a_message_is_not_sent_again_when_the_outage_outlasted_the_patience() -> None:
    session = live_session(resend="reference", patience=2.0)
    feed(session, (19.9, Say("hi", due=19.8)))
    drop(session)
    out = feed(session, (22.1, batch(0)))
    assert (sent(out), failures(out)) == ([], [Failure.UNACKNOWLEDGED])


def test_a_message_is_sent_three_times_more_at_most_whatever_the_sockets_do() -> None:
    session = live_session(resend="reference")
    out = feed(session, (19.9, Say("hi", due=19.8)))
    for at in (20.0, 24.0, 28.0, 32.0, 36.0):
        drop(session, at)
        out += feed(session, (at + 2.1, batch(0)))
    assert counts(out)["turns.resent"] == 3


def test_an_answer_in_the_replay_answers_its_turn_with_the_wait_across_the_outage() -> None:
    session = waiting_session()
    drop(session)
    out = feed(session, (22.1, message("Yes?", 6)), (22.1, batch(1)))
    assert samples(out, Phase.RESPONSE) == [Sample(Phase.RESPONSE, 9.9, 10.0, 22.1)]
    assert counts(out)["turns.answered"] == counts(out)["turns.answered_by_replay"] == 1
    assert heard(out) == ["Yes?"]


def test_an_answer_after_the_replay_is_not_one_by_replay() -> None:
    session = waiting_session()
    drop(session)
    out = feed(session, (22.1, batch(0)), (23.0, message("Yes?", 6)))
    assert counts(out)["turns.answered"] == 1
    assert counts(out)["turns.answered_by_replay"] == 0


def test_a_stream_that_the_drop_cut_goes_on_in_the_replay() -> None:
    session = waiting_session()
    out = feed(session, (11.0, chunk(1, "One, ", sequence=6)))
    drop(session)
    out += feed(
        session,
        (22.1, chunk(2, "two, ", sequence=7)),
        (22.1, batch(1)),
        (22.6, chunk(3, "three.", sequence=8, last=True)),
    )
    assert heard(out) == ["One, two, three."]
    assert durations(out, Phase.FIRST_CHUNK) == [1.0]
    assert durations(out, Phase.CHUNK_GAP) == [0.5]  # the replay's own pace is the socket's
    assert violations(out) == []


def test_patience_that_ends_during_an_outage_loses_the_turn_at_its_end() -> None:
    session = waiting_session(patience=11.0)
    drop(session)
    assert session.state is ChatState.WAITING
    out = feed(session, (22.1, batch(0)))
    assert failures(out) == [Failure.UNANSWERED]
    assert (heard(out), session.state) == ([""], ChatState.READY)


def test_an_answer_in_the_replay_comes_before_the_end_of_patience() -> None:
    session = waiting_session(patience=11.0)
    drop(session)
    out = feed(session, (22.1, message("Yes?", 6)), (22.1, batch(1)))
    assert (failures(out), heard(out)) == ([], ["Yes?"])


@pytest.mark.parametrize(
    "talk", [ChatState.JOINING, ChatState.GREETING, ChatState.WAITING, ChatState.LEAVING]
)
def test_a_server_that_drops_every_socket_at_once_cannot_hold_a_session_for_ever(
    talk: ChatState,
) -> None:
    session = (
        joining_session() if talk in (ChatState.JOINING, ChatState.GREETING) else waiting_session()
    )
    if talk is ChatState.GREETING:
        feed(session, (0.2, joined(2)))
    elif talk is ChatState.LEAVING:
        feed(session, (12.0, Leave(due=12.0)))
    assert session.state is talk
    at = 20.0
    while session.state is talk:
        assert at < 200.0, "patience never ends"
        out = feed(session, (at, Closed(1011)), (at + 2.0, ELAPSED), (at + 2.1, Opened()))
        out += feed(session, (at + 2.2, batch(0)))
        at += 2.3
    assert failures(out)


# --- the person and the socket ------------------------------------------------------------------


def test_what_is_said_while_the_socket_is_away_is_sent_once_the_history_is_complete() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)))
    assert feed(session, (20.5, Say("hi", due=20.5))) == []
    feed(session, (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, batch(0)))
    assert frames(out)[0]["payload"] == {"text": "hi"}
    assert counts(out)["turns.sent"] == 1
    answered = feed(session, (22.2, echo(out, 5)), (23.1, message("Yes?", 6)))
    assert durations(answered, Phase.RESPONSE) == [1.0]


def test_a_message_that_an_outage_held_back_is_not_late_by_our_fault() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (20.5, Say("hi", due=20.5)))
    said = feed(session, (DUE, ELAPSED), (22.0, Opened()), (22.1, batch(0)))
    out = feed(session, (22.2, echo(said, 5)), (23.0, message("Yes?", 6)))
    (answer,) = samples(out, Phase.RESPONSE)
    assert (answer.due, answer.sent) == (22.1, 22.1)


def test_leaving_while_the_socket_is_away_is_done_once_the_history_is_complete() -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (20.5, Leave(due=20.5)))
    feed(session, (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, batch(0)))
    assert (sent(out), session.state) == (["USER_END_SESSION"], ChatState.LEAVING)


def test_who_left_during_the_outage_is_not_asked_again_when_the_replay_answers() -> None:
    session = waiting_session()
    feed(session, (20.0, Closed(1006)), (20.5, Leave(due=20.5)))
    feed(session, (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, message("Yes?", 6)), (22.1, batch(1)))
    assert counts(out)["turns.answered"] == 1
    assert (heard(out), sent(out)) == ([], ["USER_END_SESSION"])


@pytest.mark.parametrize("opened", [False, True])
def test_typing_while_the_socket_is_away_is_seen_by_nobody(opened: bool) -> None:
    session = live_session()
    feed(session, (20.0, Closed(1006)))
    if opened:
        feed(session, (DUE, ELAPSED), (22.0, Opened()))
    assert feed(session, (22.1, Typing(True))) == []


def test_a_leave_that_was_lost_with_the_socket_is_sent_again() -> None:
    session = live_session()
    feed(session, (19.9, Leave(due=19.9)))
    drop(session)
    assert sent(feed(session, (22.1, batch(0)))) == ["USER_END_SESSION"]


def test_a_leave_whose_echo_was_heard_is_not_sent_again() -> None:
    session = live_session()
    feed(session, (19.9, Leave(due=19.9)), (19.95, event("USER_END_SESSION", 5)))
    drop(session)
    assert sent(feed(session, (22.1, batch(0)))) == []


def test_thinking_in_a_replay_is_not_a_reason_to_send_anything() -> None:
    session = waiting_session()
    drop(session)
    assert sent(feed(session, (22.1, thinking()), (22.1, batch(1)))) == []


# --- a socket that has grown old ----------------------------------------------------------------


def test_an_old_socket_is_replaced_in_the_midst_of_a_turn() -> None:
    """The answer comes with the replay, and nothing was unexpected."""
    session = live_session(recycle=20.0)
    said = feed(session, (19.0, Say("hi", due=19.0)))
    out = feed(session, (DUE, ELAPSED))
    assert only(out, Hangup) == [Hangup(4002)]
    assert counts(out) == {"disconnects.recycled": 1}
    feed(session, (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, (22.1, echo(said, 5)), (22.1, message("Yes!", 6)), (22.1, batch(2)))
    assert heard(out) == ["Yes!"]
    assert durations(out, Phase.RESPONSE) == [3.1]


def test_a_socket_is_not_replaced_while_the_end_is_owed() -> None:
    """Else SESSION_END could come while there is none, and the next one would get 404."""
    session = live_session(recycle=20.0)
    feed(session, (19.9, Leave(due=19.9)))
    assert session.deadline == 29.9  # the end's, by the handshake's limit


def test_a_socket_that_goes_on_may_tell_of_the_start_once_more() -> None:
    """As a thing of the socket, without a number: its capabilities hold from then on."""
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    again = start(None, heartbeat_interval_seconds=15)
    out = feed(session, (22.1, again), (22.1, batch()))
    assert (violations(out), session.connection.heartbeat.every) == ([], 15.0)
    assert violations(feed(session, (22.2, start(None)))) == ["session_start_repeated"]


def test_a_start_that_is_repeated_changes_nothing() -> None:
    session = live_session()
    out = feed(session, (20.0, start(5, heartbeat_interval_seconds=15)))
    assert (violations(out), session.connection.heartbeat.every) == (
        ["session_start_repeated"],
        30.0,
    )
    assert session.connection.journal.cursor == 5


def test_a_history_without_an_end_does_not_hold_a_session_up() -> None:
    """A full batch may have a sequel, but after a minute what comes is taken as it comes."""
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    now, sequence = 22.0, 4
    while session.connection.state is SocketState.REPLAYING and now < 200.0:
        now, sequence = now + 0.1, sequence + 1
        feed(session, (now, event("LANGUAGE_CHANGED", sequence)), (now, batch(256)))
        if now >= session.deadline:
            feed(session, (now, ELAPSED))
    assert session.connection.state is SocketState.LIVE
    assert 82.0 <= now < 82.2
