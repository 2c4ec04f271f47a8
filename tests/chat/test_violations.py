"""Each thing that a server can get wrong, in the shortest story: found as just that, once."""

from collections.abc import Callable
from typing import Any

import pytest

from loadkit.chat.effects import Effect
from loadkit.chat.inputs import ELAPSED, START, Closed, Leave, Opened, Say
from loadkit.chat.violations import Wrong
from loadkit.protocol import Event, EventType

from .helpers import (
    DUE,
    batch,
    beat,
    chunk,
    echo,
    ended,
    event,
    feed,
    joined,
    joining_session,
    live_session,
    message,
    new_session,
    opened_session,
    queued_session,
    start,
    thinking,
    violations,
    waiting_session,
)

EVERY_15 = {"heartbeat_interval_seconds": 15}
QUIET = {"heartbeat_interval_seconds": 0}


def a_turn_goes_on(session: Any, at: float, sequence: int) -> list[Effect]:
    """A turn without a fault, so that what a fault leaves behind would be seen."""
    said = feed(session, (at, Say("on", due=at)))
    return feed(
        session,
        (at + 0.1, echo(said, sequence)),
        (at + 0.2, thinking()),
        (at + 1.0, message("On we go.", sequence + 1)),
    )


def event_before_start() -> list[Effect]:
    session = opened_session()
    return feed(session, (0.1, thinking()), (0.1, start(1)), (0.1, batch(2)))


def session_start_repeated() -> list[Effect]:
    session = live_session()
    return [*feed(session, (5.0, start(5))), *a_turn_goes_on(session, 6.0, 6)]


def session_start_repeated_within_a_replay() -> list[Effect]:
    return feed(opened_session(), (0.1, start(1)), (0.1, start(None)), (0.1, batch(2)))


def session_start_repeated_after_a_resume() -> list[Effect]:
    session = live_session()
    feed(session, (5.0, Closed(1006)), (DUE, ELAPSED), (7.0, Opened()))
    return feed(session, (7.1, start(5)), (7.1, batch()))


def not_closed() -> list[Effect]:
    return feed(live_session(), (5.0, ended()), (DUE, ELAPSED))


def event_after_end() -> list[Effect]:
    return feed(live_session(), (5.0, ended()), (5.1, thinking()), (5.2, Closed(1000)))


def event_repeated() -> list[Effect]:
    session, answer = waiting_session(), message("Yes?", 6)
    return feed(session, (12.0, answer), (12.1, answer)) + a_turn_goes_on(session, 20.0, 7)


def resumed(*replayed: Event) -> list[Effect]:
    session = live_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    out = feed(session, *((22.1, one) for one in replayed), (22.1, batch(len(replayed))))
    return out + a_turn_goes_on(session, 23.0, session.connection.journal.cursor + 1)


def event_lost() -> list[Effect]:
    return resumed(event("LANGUAGE_CHANGED", 6))


def event_lost_to_a_new_process() -> list[Effect]:
    session = live_session().again()
    history = [start(1), event("REQUEST_POLY_AGENT_JOIN", 2), joined(3)]
    out = feed(session, (5.0, START), (5.1, Opened()))
    out += feed(session, *((5.2, one) for one in history), (5.2, batch(len(history))))
    return out + feed(session, (DUE, ELAPSED))


def replay_before_cursor() -> list[Effect]:
    return resumed(event("LANGUAGE_CHANGED", 4), event("LANGUAGE_CHANGED", 5))


def sequence_gap() -> list[Effect]:
    session = live_session(QUIET)
    out = []
    for turn in range(6):
        out += a_turn_goes_on(session, 10.0 * (turn + 1), 6 + 2 * turn)  # 5 stays away
    return out


def sequence_gap_at_the_end_of_the_socket() -> list[Effect]:
    session = live_session()
    out = a_turn_goes_on(session, 10.0, 6)
    return out + feed(session, (20.0, ended(sequence=8)), (20.1, Closed(1000)))


def sequence_not_rising() -> list[Effect]:
    session = live_session()
    swapped = [(5.0, event("LANGUAGE_CHANGED", 6)), (5.0, event("LANGUAGE_CHANGED", 5))]
    return feed(session, *swapped) + a_turn_goes_on(session, 10.0, 7)


def message_id_reused() -> list[Effect]:
    session = waiting_session()
    answer = message("Yes?", 6)
    out = feed(session, (12.0, answer))
    said = feed(session, (20.0, Say("on", due=20.0)))
    again = event("POLY_AGENT_MESSAGE", 8, **answer.payload)
    return out + feed(session, (20.1, echo(said, 7)), (21.0, again))


def unexpected_event() -> list[Effect]:
    return feed(live_session(), (5.0, event("LIVE_AGENT_MESSAGE", 5, text="Hi.", message_id="h")))


def unknown_type() -> list[Effect]:
    unknown = Event(EventType.UNKNOWN, "an-id", 5, {"type": "EVENT_TYPE_OF_TOMORROW"})
    session = live_session()
    return feed(session, (5.0, unknown)) + a_turn_goes_on(session, 10.0, 6)


def unknown_reason() -> list[Effect]:
    return feed(live_session(), (5.0, ended("REASON_OF_TOMORROW")), (5.1, Closed(1000)))


def echo_missing() -> list[Effect]:
    session = waiting_session(echoed=False)
    out = feed(session, (10.5, thinking()), (12.0, message("Yes?", 5)))
    return out + a_turn_goes_on(session, 20.0, 6)


def echo_missing_of_a_streamed_answer() -> list[Effect]:
    session = waiting_session(echoed=False)
    out = feed(
        session, (10.5, thinking()), (12.0, chunk(1, "Y")), (12.1, chunk(2, "es", last=True))
    )
    return out + a_turn_goes_on(session, 20.0, 5)


def echo_altered() -> list[Effect]:
    session = live_session()
    said = feed(session, (10.0, Say("hi", due=10.0)))
    other = echo(said, 5)
    other.payload["text"] = "hi (altered)"
    return feed(session, (10.1, other), (12.0, message("Yes?", 6)))


def echo_to_nobody() -> list[Effect]:
    session = live_session()
    out = feed(session, (5.0, event("USER_MESSAGE", 5, local_id="another's", message_id="u")))
    return out + a_turn_goes_on(session, 10.0, 6)


def thinking_without_answer() -> list[Effect]:
    session = waiting_session(patience=15.0)
    out = feed(session, (10.5, thinking()), (25.0, ELAPSED))
    return out + a_turn_goes_on(session, 26.0, 6)


def thinking_without_answer_to_the_end() -> list[Effect]:
    session = waiting_session(patience=15.0)
    out = feed(session, (10.5, thinking()), (25.0, ELAPSED), (26.0, Leave(due=26.0)))
    return out + feed(session, (26.1, ended()), (26.2, Closed(1000)))


def second_greeting() -> list[Effect]:
    session = live_session()
    out = feed(session, (1.1, joined(5)), (1.2, message("Hello!", 6)))
    return out + a_turn_goes_on(session, 10.0, 7)


def chunks(*parts: Event) -> list[Effect]:
    session = waiting_session()
    out = feed(session, *((11.0 + step, part) for step, part in enumerate(parts)))
    return out + a_turn_goes_on(session, 20.0, 6)


def chunk_index_missing() -> list[Effect]:
    return chunks(chunk(1, "a"), chunk(None, "b"), chunk(2, "c", last=True))


def chunk_index_gap() -> list[Effect]:
    return chunks(chunk(1, "a"), chunk(3, "c"), chunk(4, "d", last=True))


def chunk_index_repeated() -> list[Effect]:
    return chunks(chunk(1, "a"), chunk(1, "a"), chunk(2, "b", last=True))


def chunk_after_complete() -> list[Effect]:
    return chunks(chunk(1, "a"), chunk(2, "b", last=True), chunk(3, "c"))


def whole_beside_chunks() -> list[Effect]:
    whole = event("POLY_AGENT_MESSAGE", text="ab", message_id="m")
    return chunks(chunk(1, "a"), chunk(2, "b", last=True), whole)


def whole_amid_chunks() -> list[Effect]:
    whole = event("POLY_AGENT_MESSAGE", text="ab", message_id="m")
    return chunks(chunk(1, "a"), whole, chunk(2, "b", last=True))


def whole_beside_chunks_of_a_greeting() -> list[Effect]:
    whole = event("POLY_AGENT_MESSAGE", text="ab", message_id="m")
    session = joining_session()
    out = feed(session, (0.5, joined(2)), (0.8, chunk(1, "a")), (0.9, chunk(2, "b", last=True)))
    return out + feed(session, (1.1, whole))


def unasked_streaming() -> list[Effect]:
    session = new_session(streaming=False)
    feed(session, (0.0, START), (0.0, Opened()), (0.1, start(1)), (0.1, batch()))
    feed(session, (0.2, event("POLY_AGENT_JOINED", 2)), (0.5, message("Hello!", 3)))
    said = feed(session, (10.0, Say("hi", due=10.0)))
    out = feed(session, (10.1, echo(said, 4)), (11.0, chunk(1, "a", sequence=5)))
    out += feed(session, (11.1, chunk(2, "b", sequence=6, last=True)))
    return out + a_turn_goes_on(session, 20.0, 7)


def handoff_out_of_order() -> list[Effect]:
    return feed(live_session(), (5.0, event("HANDOFF_ACCEPTED", 5)))


def queue_position_rose() -> list[Effect]:
    places = [event("HANDOFF_QUEUE_STATUS", position_in_queue=place) for place in (2, 5, 4)]
    return feed(queued_session(), *((12.0, place) for place in places))


def bot_after_left() -> list[Effect]:
    return feed(queued_session(), (12.0, message("Still here!", 9)))


def heartbeat_not_echoed() -> list[Effect]:
    session = live_session(EVERY_15)
    out = feed(session, (15.0, ELAPSED), (16.0, event("SESSION_IDLE_WARNING")))
    return out + feed(session, (30.0, ELAPSED), (30.1, beat()), (45.0, ELAPSED), (45.1, beat()))


def wrong_close_code() -> list[Effect]:
    return feed(live_session(), (5.0, ended()), (5.1, Closed(1011)))


STORIES: dict[Wrong, list[Callable[[], list[Effect]]]] = {
    Wrong.SESSION_START_REPEATED: [
        session_start_repeated,
        session_start_repeated_within_a_replay,
        session_start_repeated_after_a_resume,
    ],
    Wrong.NOT_CLOSED: [not_closed],
    Wrong.EVENT_BEFORE_START: [event_before_start],
    Wrong.EVENT_AFTER_END: [event_after_end],
    Wrong.EVENT_REPEATED: [event_repeated],
    Wrong.EVENT_LOST: [event_lost, event_lost_to_a_new_process],
    Wrong.REPLAY_BEFORE_CURSOR: [replay_before_cursor],
    Wrong.SEQUENCE_GAP: [sequence_gap, sequence_gap_at_the_end_of_the_socket],
    Wrong.SEQUENCE_NOT_RISING: [sequence_not_rising],
    Wrong.MESSAGE_ID_REUSED: [message_id_reused],
    Wrong.UNEXPECTED_EVENT: [unexpected_event],
    Wrong.UNKNOWN_TYPE: [unknown_type],
    Wrong.UNKNOWN_REASON: [unknown_reason],
    Wrong.ECHO_MISSING: [echo_missing, echo_missing_of_a_streamed_answer],
    Wrong.ECHO_ALTERED: [echo_altered],
    Wrong.ECHO_TO_NOBODY: [echo_to_nobody],
    Wrong.THINKING_WITHOUT_ANSWER: [thinking_without_answer, thinking_without_answer_to_the_end],
    Wrong.SECOND_GREETING: [second_greeting],
    Wrong.CHUNK_INDEX_MISSING: [chunk_index_missing],
    Wrong.CHUNK_INDEX_GAP: [chunk_index_gap],
    Wrong.CHUNK_INDEX_REPEATED: [chunk_index_repeated],
    Wrong.CHUNK_AFTER_COMPLETE: [chunk_after_complete],
    Wrong.WHOLE_BESIDE_CHUNKS: [
        whole_beside_chunks,
        whole_amid_chunks,
        whole_beside_chunks_of_a_greeting,
    ],
    Wrong.UNASKED_STREAMING: [unasked_streaming],
    Wrong.HANDOFF_OUT_OF_ORDER: [handoff_out_of_order],
    Wrong.QUEUE_POSITION_ROSE: [queue_position_rose],
    Wrong.BOT_AFTER_LEFT: [bot_after_left],
    Wrong.HEARTBEAT_NOT_ECHOED: [heartbeat_not_echoed],
    Wrong.WRONG_CLOSE_CODE: [wrong_close_code],
}


def test_each_kind_has_its_story() -> None:
    assert set(STORIES) == set(Wrong)


@pytest.mark.parametrize(
    ("kind", "story"),
    [(kind, story) for kind, stories in STORIES.items() for story in stories],
    ids=lambda part: part.__name__ if callable(part) and not isinstance(part, Wrong) else "",
)
def test_a_fault_is_found_as_just_that_and_once(
    kind: Wrong, story: Callable[[], list[Effect]]
) -> None:
    assert violations(story()) == [kind]
