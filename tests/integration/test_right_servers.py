"""Servers apart from the simulator: a right one has no violation, and a wrong one is found out.

Each row is a script for one session: what the server says, beyond a sound session, and what must be
counted of it. The facts are those of the protocol's document; no line of the simulator is in here.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from fleet import HUMAN, STREAMED, WHOLE, SessionKind, drive, profile, under

from loadkit.measure.interval import Interval
from loadkit.verdict.violation_details import smallest
from tests.hostile.peer import TEXT, Wire, close_frame, frame, greet, peer, reply

Event = dict[str, Any]
Part = Callable[[Wire], bytes]
Play = Callable[[Wire], object]


def name() -> str:
    return f"msg_{uuid.uuid4()}"


def says(wire: Wire, text: str = "And?", **fields: Any) -> bytes:
    return wire.event("POLY_AGENT_MESSAGE", {"message_id": name(), "text": text, **fields})


def chunks(wire: Wire, *texts: str, whole: bool = True, first: int = 1) -> bytes:
    one, last = name(), len(texts) - 1
    return b"".join(
        wire.event(
            "POLY_AGENT_MESSAGE_CHUNK",
            {
                "message_id": one,
                "text": text,
                "chunk_index": index + first,
                "is_complete": whole and index == last,
            },
        )
        for index, text in enumerate(texts)
    )


def messages(wire: Wire) -> Iterator[Event]:
    """The client's messages, echoed; all else is answered as a sound server does."""
    while True:
        event = wire.read_event()
        if event["type"] == "EVENT_TYPE_USER_MESSAGE":
            wire.send(wire.echo(event))
            yield event
        elif not reply(wire, event):
            wire.silence()
            return


def each(*answer: Part) -> Play:
    """Greet, and give each message this answer."""

    def play(wire: Wire) -> None:
        greet(wire)
        for _ in messages(wire):
            wire.send(*(part(wire) for part in answer))

    return play


def once(*answer: Part, then: Callable[[Wire], object] | None = None) -> Play:
    """Greet, give the first message this answer, and go on soundly, or with `then`."""

    def play(wire: Wire) -> None:
        greet(wire)
        for number, _ in enumerate(messages(wire)):
            if number:
                wire.send(says(wire, "It is on its way."))
                continue
            wire.send(*(part(wire) for part in answer))
            if then is not None:
                then(wire)
                return

    return play


def event(
    kind: str, payload: Event | None = None, *, numbered: bool = True
) -> Callable[..., bytes]:
    return lambda wire: wire.event(kind, payload, numbered=numbered)


def text(data: str) -> Part:
    return lambda wire: frame(TEXT, data.encode())


def pause(seconds: float) -> Part:
    def wait(wire: Wire) -> bytes:
        time.sleep(seconds)
        return b""

    return wait


def system(message: str) -> Part:
    payload = {"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": message}
    return event("SYSTEM_MESSAGE", payload, numbered=False)


def human(wire: Wire) -> bytes:
    said = {"message_id": name(), "text": "I am here.", "agent_id": "7"}
    return wire.event("LIVE_AGENT_MESSAGE", said)


def over(wire: Wire) -> bytes:
    return wire.event("SESSION_END", {"reason": "REASON_NATURAL_END"}) + close_frame(1000)


def ends(wire: Wire) -> None:
    wire.send(over(wire))
    wire.silence()


def closes(wire: Wire) -> None:
    wire.send(close_frame(1000))
    wire.silence()


TRIGGERED = event("POLY_AGENT_TRIGGERED_HANDOFF")
GONE = event("POLY_AGENT_LEFT", {"reason": "handoff"})
ACCEPTED = event("HANDOFF_ACCEPTED")
QUEUED = event("HANDOFF_QUEUE_STATUS", {}, numbered=False)
PLACE = event("HANDOFF_QUEUE_STATUS", {"position": 2}, numbered=False)
THERE = event("LIVE_AGENT_JOINED", {"agent_id": "7", "agent_name": "Bo"})
LEFT = event("LIVE_AGENT_LEFT", {"agent_id": "7", "reason": "done"})
BACK = event("POLY_AGENT_JOINED", {"agent_name": "Ada"})
QUEUES = (TRIGGERED, GONE, ACCEPTED, QUEUED, PLACE)
STEPS = (
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "POLY_AGENT_LEFT",
    "HANDOFF_ACCEPTED",
    "LIVE_AGENT_JOINED",
)
RECEIPTS = [
    event(f"{who}_{what}_MESSAGE", {"message_id": "m"})
    for who in ("USER", "POLY_AGENT", "LIVE_AGENT")
    for what in ("RECEIVED", "READ")
]


def handed(*steps: Part, then: Callable[[Wire], object]) -> Play:
    """Answer what is said to the agent; the first that asks for a human is handed over so."""

    def play(wire: Wire) -> None:
        greet(wire)
        for said in messages(wire):
            if "agent please" in said["payload"]["text"].lower():
                wire.send(*(step(wire) for step in steps))
                then(wire)
                return
            wire.send(says(wire, "It is on its way."))

    return play


def humans(*steps: Part, after: int = 1) -> Callable[[Wire], None]:
    """A human answers so often; then comes this, and the agent answers whatever follows."""

    def play(wire: Wire) -> None:
        for number, _ in enumerate(messages(wire), start=1):
            wire.send(human(wire) if number <= after else says(wire, "Yes."))
            if number == after:
                wire.send(*(step(wire) for step in steps))

    return play


class Row(NamedTuple):
    """What a server does, and what must be counted."""

    play: Play
    counted: dict[str, int]
    session_kind: SessionKind = WHOLE
    ending: str = "user_end"
    failed: tuple[str, ...] = ()


def joined(
    *steps: Part, then: Callable[[Wire], object] | None = None, counted: str | None = None
) -> Row:
    """A human comes, answers and leaves, and the session with them; or they do something else."""
    play = handed(*steps, then=then or humans(LEFT, over))
    counts = dict.fromkeys(("handoffs.joined", *filter(None, (counted,))), 1)
    return Row(play, counts, session_kind=HUMAN, ending="natural_end")


TURN = {"turns.sent": 3, "turns.answered": 3}
RIGHT: dict[str, Row] = {
    "all six receipts": Row(each(says, *RECEIPTS), TURN | {"events.receipt": 18}),
    "an attachment behind its text": Row(
        each(says, lambda wire: says(wire, "", attachments=[{"title": "Map"}])),
        TURN | {"events.follow_up": 3, "turns.followed_up": 3},
    ),
    "suggestions behind the greeting": Row(
        lambda wire: (
            greet(wire),
            wire.send(says(wire, "", response_suggestions=[{"message_text": "Yes"}])),
            [wire.send(says(wire)) for _ in messages(wire)],
        ),
        TURN | {"events.follow_up": 1},
    ),
    "one more thing, thought about and streamed": Row(
        once(
            lambda wire: chunks(wire, "Yes", "."),
            event("POLY_AGENT_THINKING", numbered=False),
            lambda wire: chunks(wire, "One more", " thing", ""),
        ),
        TURN | {"events.follow_up": 1, "turns.followed_up": 1},
        session_kind=STREAMED,
    ),
    "a survey around the end": Row(
        once(
            says,
            event("SHOW_CSAT_REQUEST"),
            event("SESSION_END", {"reason": "REASON_NATURAL_END"}),
            event("SHOW_CSAT_REQUEST"),
            event("CSAT_RESPONSE"),
            then=closes,
        ),
        {"turns.answered": 1, "events.survey": 3},
        ending="natural_end",
    ),
    "unknown fields everywhere": Row(
        each(lambda wire: says(wire, chat_call_actions=[{"title": "Call"}], tomorrow={"a": [1]})),
        TURN,
    ),
    "the human hands back to the agent": Row(
        handed(*QUEUES, THERE, then=humans(LEFT, BACK, says)),
        {"handoffs.joined": 1, "handoffs.handed_back": 1},
        session_kind=HUMAN,
    ),
    "the human hands over to another": joined(
        *QUEUES,
        THERE,
        then=humans(LEFT, QUEUED, THERE, human, LEFT, over),
        counted="handoffs.transferred",
    ),
    "a queue without acceptance": joined(TRIGGERED, GONE, QUEUED, PLACE, THERE),
    "a queue ahead of acceptance": joined(TRIGGERED, PLACE, GONE, ACCEPTED, THERE),
    "a queue, and then nobody": Row(
        handed(*QUEUES, event("HANDOFF_TIMEOUT"), then=humans(after=0)),
        {"handoffs.triggered": 1, "handoffs.timed_out": 1},
        session_kind=HUMAN,
    ),
    "a queue, and then no way": Row(
        handed(*QUEUES, event("HANDOFF_FAILED", {"reason": "closed"}), then=humans(after=0)),
        {"handoffs.triggered": 1, "handoffs.failed": 1},
        session_kind=HUMAN,
    ),
    "a close after a farewell": Row(
        once(lambda wire: says(wire, "Bye.", end_conversation=True), then=closes),
        {"turns.answered": 1},
        ending="natural_end",
    ),
    "a close after a complete answer": Row(
        once(says, then=closes), {"turns.answered": 1}, ending="natural_end"
    ),
    "a close after the human has left": joined(*QUEUES, THERE, LEFT, then=closes),
    "a stream that ends in an error": Row(
        once(
            lambda wire: chunks(wire, "Let me ", "see", whole=False),
            system("Sorry, I encountered an error. Please try again."),
        ),
        {"turns.sent": 3, "turns.answered": 2, "turns.lost": 1, "system.agent_error": 1},
        session_kind=STREAMED,
        failed=("agent_error",),
    ),
    "a character that two chunks share": Row(
        once(lambda wire: chunks(wire, "ok \ud83d", "\ude00 fine")),
        TURN | {"events.lone_surrogate": 2},
        session_kind=STREAMED,
    ),
    "half a character in a name": Row(
        once(says, event("LANGUAGE_CHANGED", {"language_code": "en\ud83d"})),
        TURN | {"events.lone_surrogate": 1},
    ),
    "a heartbeat without an id": Row(
        once(text('{"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}'), says), TURN
    ),
    "half a character in the agent's name": Row(
        handed(
            *QUEUES, THERE, then=humans(LEFT, event("POLY_AGENT_JOINED", {"agent_name": "\ud83d"}))
        ),
        {"handoffs.handed_back": 1, "events.lone_surrogate": 1},
        session_kind=HUMAN,
    ),
    "a nudge after a silence": Row(
        once(says, pause(0.2), lambda wire: says(wire, "Are you still there?")),
        TURN | {"events.follow_up": 1, "turns.followed_up": 1},
    ),
    "receipts and unknown fields after the end": Row(
        once(
            says,
            event("SESSION_END", {"reason": "REASON_NATURAL_END", "tomorrow": [{}]}),
            *RECEIPTS,
            then=closes,
        ),
        {"turns.answered": 1, "events.receipt": 6},
        ending="natural_end",
    ),
    "unknown fields in every step of a hand-off": joined(
        *(event(kind, {"tomorrow": {"a": [1]}}) for kind in STEPS),
        then=humans(event("LIVE_AGENT_LEFT", {"tomorrow": None}), over),
    ),
    "a queue without a word of how long": joined(TRIGGERED, GONE, QUEUED, QUEUED, THERE),
    "numbers beyond 64 bits": Row(
        each(lambda wire: says(wire, much=2**70, more=1e300, tiny=-(2**64))), TURN
    ),
    "a key twice": Row(
        # as long as before, which the head of the frame says
        each(lambda wire: says(wire, text2="And so?").replace(b'"text2": "A', b'"text" : "A')),
        TURN,
    ),
    "depth that a browser reads": Row(
        each(lambda wire: says(wire, tomorrow=json.loads("[" * 200 + "]" * 200))), TURN
    ),
    "a transient event with a number": Row(each(event("POLY_AGENT_THINKING"), says), TURN),
}


def broken(data: Event) -> Part:
    return lambda wire: frame(TEXT, json.dumps(data).encode())


class Wrong(NamedTuple):
    """A server that is wrong once, and what it must be found as."""

    play: Play
    violation: str
    session_kind: SessionKind = WHOLE


def numbered_wrongly(wire: Wire) -> bytes:
    wire._sequence -= 2
    data = event("LANGUAGE_CHANGED", {"language_code": "en"})(wire)
    wire._sequence += 1
    return data


def twice(kind: str) -> Part:
    return lambda wire: event(kind)(wire) * 2


WRONG: dict[str, Wrong] = {
    "no JSON": Wrong(once(text("{"), says), "malformed_json"),
    "NaN": Wrong(once(text('{"type": NaN}'), says), "malformed_json"),
    "a byte order mark": Wrong(
        once(lambda wire: frame(TEXT, b"\xef\xbb\xbf{}"), says), "malformed_json"
    ),
    "half an object": Wrong(
        once(text('{"type": "EVENT_TYPE_HEARTBEAT", "payload": 7'), says), "malformed_json"
    ),
    "no id": Wrong(
        once(broken({"type": "EVENT_TYPE_LANGUAGE_CHANGED", "payload": {}}), says),
        "malformed_envelope",
    ),
    "a type of its own": Wrong(once(event("WEATHER_REPORT"), says), "unknown_type"),
    "an event twice": Wrong(once(twice("LANGUAGE_CHANGED"), says), "event_repeated"),
    "back in the journal": Wrong(once(numbered_wrongly, says), "sequence_not_rising"),
    "an agent that joins twice": Wrong(once(says, BACK), "second_greeting"),
    "a hole in a stream": Wrong(
        once(lambda wire: chunks(wire, "a", whole=False, first=2) + chunks(wire, "b")),
        "chunk_index_gap",
        STREAMED,
    ),
    "chunks that nobody asked for": Wrong(
        once(lambda wire: chunks(wire, "a", "b")), "unasked_streaming"
    ),
    "an agent that speaks after it left": Wrong(
        handed(TRIGGERED, GONE, ACCEPTED, THERE, says, then=humans(LEFT, over)),
        "bot_after_left",
        HUMAN,
    ),
    "an acceptance after the human came": Wrong(
        handed(TRIGGERED, GONE, THERE, ACCEPTED, then=humans(LEFT, over)),
        "handoff_out_of_order",
        HUMAN,
    ),
    "a queue that gets longer": Wrong(
        handed(
            TRIGGERED,
            GONE,
            PLACE,
            event("HANDOFF_QUEUE_STATUS", {"position_in_queue": 5}, numbered=False),
            THERE,
            then=humans(LEFT, over),
        ),
        "queue_position_rose",
        HUMAN,
    ),
    "an agent's word after the end": Wrong(
        once(says, event("SESSION_END", {"reason": "REASON_NATURAL_END"}), says, then=closes),
        "event_after_end",
    ),
    "a reason of its own": Wrong(
        once(says, event("SESSION_END", {"reason": "REASON_BORED"}), then=closes),
        "unknown_reason",
    ),
    "another close code after the end": Wrong(
        once(
            says,
            event("SESSION_END", {"reason": "REASON_NATURAL_END"}),
            lambda wire: close_frame(1011),
            then=lambda wire: wire.silence(),
        ),
        "wrong_close_code",
    ),
}


def outcome(play: Play, session_kind: SessionKind) -> Interval:
    with peer(upgrade=play) as server:
        plan = profile(conversation={"turns": {"min": 3, "max": 3}}, handoff={"live_turns": 2})
        return drive(server.url, "connector", "host", [session_kind], plan, within=30.0)


@pytest.mark.parametrize("row", RIGHT)
def test_what_a_right_server_may_do_is_counted_and_is_no_violation(row: str) -> None:
    play, counted, session_kind, ending, failed = RIGHT[row]
    interval = outcome(play, session_kind)
    assert under(interval, "violations") == {}
    assert tuple(under(interval, "errors")) == failed
    assert under(interval, "ended") == {ending: 1}
    assert {key: interval.counts.get(key, 0) for key in counted} == counted


@pytest.mark.parametrize("row", WRONG)
def test_what_a_wrong_server_does_is_found_as_just_that(row: str) -> None:
    play, violation, session_kind = WRONG[row]
    interval = outcome(play, session_kind)
    assert under(interval, "violations") == under(interval, "violated") == {violation: 1}
    frames = smallest(violation, interval.evidence)["frames"]
    (marked,) = [line for line in frames if line.startswith("► ")]
    assert ALONE.get(row, 2) == sum(not line.startswith("… ") for line in frames)
    assert WORD.get(row, "EVENT_TYPE_") in marked


# How many frames show it, where that is not two; and what the wrong one says.
ALONE = {
    **dict.fromkeys(
        ("no JSON", "NaN", "a byte order mark", "half an object", "no id", "a type of its own"), 1
    ),
    **dict.fromkeys(("chunks that nobody asked for", "a reason of its own"), 1),
    "a hole in a stream": 1,  # its first chunk is not there
}
WORD = {
    "no JSON": "{",
    "NaN": '{"type": NaN}',
    "a byte order mark": "{}",
    "half an object": '"payload": 7',
    "a type of its own": "WEATHER_REPORT",
    "a hole in a stream": '"chunk_index": 2',
    "an agent that joins twice": "POLY_AGENT_JOINED",
    "an agent that speaks after it left": "POLY_AGENT_MESSAGE",
    "an acceptance after the human came": "LIVE_AGENT_JOINED",
    "a queue that gets longer": '"position_in_queue": 5',
    "a reason of its own": "REASON_BORED",
    "another close code after the end": "(close 1011)",
}


def test_a_session_that_is_hit_again_and_again_counts_once() -> None:
    """A type that nobody knows, at each of three messages."""
    interval = outcome(each(event("WEATHER_REPORT"), says), WHOLE)
    assert under(interval, "violations") == {"unknown_type": 3}
    assert under(interval, "violated") == {"unknown_type": 1}
