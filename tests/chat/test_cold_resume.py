"""A cold resume: a new process reads the whole journal and goes on where it ends."""

from typing import Any

import pytest

from loadkit.chat.effects import Connect, Finish, YourTurn
from loadkit.chat.inputs import ELAPSED, START, Closed, Opened, Say
from loadkit.chat.session import Session
from loadkit.chat.states import ChatState
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase
from loadkit.protocol import Event

from .helpers import (
    DUE,
    batch,
    chunk,
    counts,
    echo,
    ended,
    event,
    failures,
    feed,
    finish,
    human_says,
    joined,
    live_session,
    message,
    only,
    opened_session,
    samples,
    sent,
    start,
    thinking,
    violations,
)

JOIN = "REQUEST_POLY_AGENT_JOIN"
GREETED = [start(), event(JOIN), joined(), message("Hello!")]
ASKED = [event("USER_MESSAGE", local_id="x", message_id="u")]
TURN = [*ASKED, message("Yes?")]
STREAMED = [*ASKED, chunk(1, "Ye", of="s"), chunk(2, "s?", of="s", last=True)]
HANDOFF = [
    *ASKED,
    event("POLY_AGENT_TRIGGERED_HANDOFF"),
    event("POLY_AGENT_LEFT"),
    event("HANDOFF_ACCEPTED"),
]
HUMAN = [*HANDOFF, event("LIVE_AGENT_JOINED")]
FAILED = [*ASKED, event("POLY_AGENT_TRIGGERED_HANDOFF"), event("HANDOFF_FAILED")]


def recalled(
    *history: Event, missing: int = 0, since: int = 0, size: int = 256
) -> tuple[Session, list[Any]]:
    """A new process that was told a history in full, less what is missing at its end.

    The last of it, as many as `since`, came when the old process was gone.
    """
    told = [
        Event(one.type, f"id-{number}", number, one.payload, one.local_id)
        for number, one in enumerate(history, start=1)
    ]
    old = opened_session()
    old.connection.journal.cursor = len(told) - since
    session = old.again()
    assert feed(session, (100.0, START)) == [Connect(0)]
    out = feed(session, (100.1, Opened()))
    told = told[: len(told) - missing]
    for first in range(0, len(told), size):
        part = told[first : first + size]
        out += feed(session, *((100.2, one) for one in part), (100.2, batch(len(part))))
    return session, out


@pytest.mark.parametrize(
    ("history", "talk"),
    [
        ([start()], ChatState.JOINING),  # asked for only now
        ([start(), event(JOIN)], ChatState.JOINING),
        ([start(), event(JOIN), joined()], ChatState.GREETING),
        (GREETED, ChatState.READY),
        ([*GREETED, *ASKED], ChatState.READY),
        ([*GREETED, *TURN], ChatState.READY),
        ([*GREETED, *STREAMED, *TURN], ChatState.READY),
        ([*GREETED, event(JOIN)], ChatState.READY),  # a second one is a no-op
        ([*GREETED, *HANDOFF], ChatState.QUEUED),
        ([*GREETED, *HUMAN], ChatState.WITH_HUMAN),
        ([*GREETED, *HUMAN, *ASKED], ChatState.WITH_HUMAN),
        ([*GREETED, *HUMAN, *ASKED, human_says("Hi.")], ChatState.WITH_HUMAN),
        ([*GREETED, *FAILED], ChatState.READY),
        ([*GREETED, *FAILED, *TURN, *HUMAN], ChatState.WITH_HUMAN),
        ([*GREETED, event("POLY_AGENT_TRIGGERED_HANDOFF"), message("Wait.")], ChatState.QUEUED),
        ([*GREETED, *ASKED, event(JOIN), joined(), message("Hello!")], ChatState.READY),
        ([*GREETED, *HUMAN, *ASKED, event("LIVE_AGENT_LEFT")], ChatState.LEFT),
        ([*GREETED, event("LANGUAGE_CHANGED")], ChatState.READY),
        ([*GREETED, *TURN, ended("REASON_NATURAL_END")], ChatState.ENDED),
        ([*GREETED, event("USER_END_SESSION"), ended()], ChatState.ENDED),
    ],
)
@pytest.mark.parametrize("size", [256, 2])
def test_the_journal_says_where_the_conversation_stands(
    history: list[Event], talk: ChatState, size: int
) -> None:
    session, out = recalled(*history, size=size)
    assert (session.state, violations(out)) == (talk, [])
    asked = [JOIN] if len(history) == 1 else []
    assert sent(out) == asked
    told = [YourTurn("")] if talk in (ChatState.READY, ChatState.WITH_HUMAN) else []
    assert only(out, YourTurn) == told, "the driver knows what the person has heard last"


@pytest.mark.parametrize(
    "history",
    [
        [*GREETED, *STREAMED, *HUMAN],
        [*GREETED, *FAILED, *TURN],
        [*GREETED, event("LANGUAGE_CHANGED"), event("USER_READ_MESSAGE"), *TURN, *TURN],
    ],
)
def test_nothing_of_the_past_is_timed_or_counted_again(history: list[Event]) -> None:
    _, out = recalled(*history)
    phases = {phase for phase in Phase if samples(out, phase)}
    assert (phases, counts(out)) == ({Phase.HISTORY}, {})


def test_a_history_that_does_not_reach_as_far_as_it_did_has_lost_something() -> None:
    session, out = recalled(*GREETED, *TURN, missing=1)
    assert violations(out) == []
    out = feed(session, (DUE, ELAPSED))
    assert violations(out) == ["event_lost"]
    assert session.state is ChatState.READY


def test_the_turns_go_on_as_ever() -> None:
    session, _ = recalled(*GREETED, *TURN)
    said = feed(session, (110.0, Say("on", due=110.0)))
    out = feed(session, (110.1, echo(said, 7)), (110.2, thinking()), (112.0, message("Yes.", 8)))
    assert (violations(out), counts(out)["turns.answered"]) == ([], 1)


def test_what_the_server_owed_to_the_old_process_is_no_violation() -> None:
    session = live_session(patience=5.0)
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (10.1, echo(said, 5)), (15.0, ELAPSED))
    new = session.again()
    feed(new, (16.0, START), (16.1, Opened()))
    history = [start(1), event(JOIN, 2), joined(3), message("Hello!", 4), echo(said, 5)]
    feed(new, *((16.2, one) for one in history), (16.2, batch(5)))
    assert violations(feed(new, (17.0, message("Yes?", 6)))) == []


def test_a_follow_up_to_what_was_recalled_is_counted_and_not_timed() -> None:
    session, _ = recalled(*GREETED, *TURN)
    out = feed(session, (110.0, message("One more thing.", 7)))
    assert (counts(out), samples(out, Phase.FOLLOW_UP)) == ({"events.follow_up": 1}, [])


def test_what_came_while_there_was_no_process_is_counted_and_nothing_else() -> None:
    session, out = recalled(*GREETED, *TURN, message("One more thing."), since=1)
    assert (counts(out), samples(out, Phase.FOLLOW_UP)) == ({"events.follow_up": 1}, [])
    session, out = recalled(*GREETED, *TURN, event("LANGUAGE_CHANGED"), *HANDOFF[1:], since=3)
    assert counts(out)["handoffs.triggered"] == 1
    assert "events.language_changed" not in counts(out)
    assert (violations(out), session.state) == ([], ChatState.QUEUED)


def test_a_farewell_that_is_recalled_makes_the_close_behind_it_a_natural_end() -> None:
    farewell = event("POLY_AGENT_MESSAGE", text="Bye.", message_id="bye", end_conversation=True)
    session, _ = recalled(*GREETED, *ASKED, farewell)
    out = feed(session, (110.0, Closed(1000)))
    assert (finish(out), failures(out)) == (Finish(Ending.NATURAL_END), [])
    session, _ = recalled(*GREETED, *TURN)
    assert failures(feed(session, (110.0, Closed(1000)))) == [Failure.SESSION_LOST]


@pytest.mark.parametrize(
    ("history", "failure"),
    [
        ([start(), event(JOIN)], Failure.JOIN_MISSING),
        ([start(), event(JOIN), joined()], Failure.GREETING_MISSING),
    ],
)
def test_what_was_owed_to_the_old_process_is_not_waited_for_for_ever(
    history: list[Event], failure: Failure
) -> None:
    session, out = recalled(*history)
    for _ in range(10):
        out += feed(session, (DUE, ELAPSED))
        if session.state is ChatState.OVER:
            break
    assert failure in failures(out)


def test_a_socket_lost_in_the_middle_of_the_history_is_resumed_behind_what_came() -> None:
    session = live_session().again()
    feed(session, (10.0, START), (10.1, Opened()), (10.2, start(1)), (10.2, event(JOIN, 2)))
    out = feed(session, (10.3, Closed(1006)), (DUE, ELAPSED))
    assert Connect(2) in out
    out = feed(session, (12.0, Opened()), (12.1, joined(3)), (12.1, message("Hello!", 4)))
    out += feed(session, (12.1, batch(2)))
    assert (violations(out), only(out, YourTurn)) == ([], [YourTurn("")])
