"""Client events in: anything may come. Server events out: what clients insist on."""

import re
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.protocol import Event
from loadkit.protocol import decode as client_decode
from loadkit.protocol.types import CLIENT_TYPES, EventType
from loadkit.simulator.session.events import (
    MALFORMED,
    ClientEvent,
    Refusal,
    batch,
    decode,
    encode,
    local_id,
)

from .doubles import JOIN, World, client_event, says

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ENVELOPES = st.fixed_dictionaries(
    {"type": st.sampled_from([kind.value for kind in EventType]) | JSON},
    optional={
        "payload": st.fixed_dictionaries({}, optional={"text": JSON, "state": JSON}) | JSON,
        "metadata": st.fixed_dictionaries({}, optional={"custom": JSON}) | JSON,
        "id": JSON,
    },
)


TAKEN = CLIENT_TYPES | {EventType.LINK_TO_WEBRTC_CONVERSATION}


def refusal(data: bytes) -> Refusal:
    outcome = decode(data)
    assert isinstance(outcome, Refusal)
    return outcome


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_refusal(data: bytes) -> None:
    assert isinstance(decode(data), ClientEvent | Refusal)


@settings(max_examples=40)
@given(ENVELOPES)
def test_any_json_is_an_event_or_a_refusal_that_can_be_sent(envelope: dict[str, Any]) -> None:
    try:
        data = orjson.dumps(envelope)
    except TypeError:
        return  # a lone surrogate: not JSON either
    outcome = decode(data)
    if isinstance(outcome, ClientEvent):
        assert outcome.type in TAKEN
        orjson.dumps([outcome.payload, outcome.custom])
    else:
        orjson.dumps([outcome.text, outcome.custom])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"EVENT_TYPE_HEARTBEAT"',
        b"{}",
        b'{"type":"EVENT_TYPE_NEW_IDEA","payload":{}}',
        b'{"type":"UNKNOWN","payload":{}}',
        b'{"type":7,"payload":{}}',
        b'{"type":"EVENT_TYPE_HEARTBEAT"}',
        b'{"type":"EVENT_TYPE_HEARTBEAT","payload":null}',
        b'{"type":"EVENT_TYPE_HEARTBEAT","payload":[]}',
        b'{"type":"EVENT_TYPE_USER_MESSAGE","payload":{}}',
        b'{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":5}}',
        b'{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"MAYBE"}}',
        b'{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":["TYPING_STATE_STARTED"]}}',
        b'{"type":"EVENT_TYPE_HEARTBEAT","payload":{},"metadata":[]}',
        b'{"type":"EVENT_TYPE_HEARTBEAT","payload":{},"metadata":{"custom":{"a":1}}}',
        b"[" * 5000,
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_services_words(data: bytes) -> None:
    assert refusal(data).text == MALFORMED


@pytest.mark.parametrize("kind", sorted(set(EventType) - TAKEN - {EventType.UNKNOWN}, key=str))
def test_a_known_type_that_clients_may_not_send_is_named(kind: EventType) -> None:
    data = orjson.dumps({"type": kind, "payload": {}})
    assert refusal(data).text == f"Event type not allowed: {kind}"


def test_a_refusal_gives_the_custom_metadata_back_when_it_can_be_read() -> None:
    bad = {
        "type": "EVENT_TYPE_USER_MESSAGE",
        "payload": {},
        "metadata": {"custom": {"local_id": "x"}},
    }
    assert refusal(orjson.dumps(bad)).custom == {"local_id": "x"}
    assert refusal(b"nonsense").custom is None


def test_keys_in_any_order_escaped_slashes_and_unknown_fields_are_fine() -> None:
    data = (
        rb'{"metadata":{"custom":{"local_id":"1"}},"extra":1,'
        rb'"payload":{"text":"a\/b"},"type":"EVENT_TYPE_USER_MESSAGE"}'
    )
    event = decode(data)
    assert isinstance(event, ClientEvent)
    assert (event.payload, event.custom) == ({"text": "a/b"}, {"local_id": "1"})


def test_a_message_is_known_by_the_sdks_key_or_the_references() -> None:
    assert local_id({"local_id": "a", "client_event_id": "b"}) == "a"
    assert local_id({"client_event_id": "b"}) == "b"
    assert local_id({}) is local_id(None) is None


def test_an_event_carries_what_clients_drop_it_without() -> None:
    event = orjson.loads(encode(EventType.SESSION_START, {}, id="x", sequence=1))
    assert (type(event["id"]), type(event["timestamp"])) == (str, str)
    assert event["timestamp"].endswith("Z")
    assert "metadata" not in event


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.booleans())
def test_a_batch_reads_back_as_its_events_under_either_payload_key(
    messages: list[tuple[str, str]], typed: bool
) -> None:
    """Texts that look like JSON keys do not confuse the renaming."""
    kind = EventType.USER_MESSAGE
    events = [
        encode(
            kind, {'"payload":': text, "text": text}, id=f"e{n}", sequence=n, custom={"local_id": c}
        )
        for n, (text, c) in enumerate(messages, start=1)
    ]
    frame = batch(events, id="b", typed_keys=typed)
    read = client_decode(frame)
    assert all(isinstance(event, Event) for event in read)
    *inner, end = read
    assert end.payload == {"size": len(messages)}  # type: ignore[union-attr]
    assert [e.payload["text"] for e in inner] == [text for text, _ in messages]  # type: ignore[union-attr]
    key = "user_message" if typed else "payload"
    assert all(key in event for event in orjson.loads(frame)["payload"]["events"])


def test_the_doubles_speak_as_clients_do() -> None:
    assert isinstance(decode(says("hello", local_id="x")), ClientEvent)
    assert isinstance(decode(client_event("HEARTBEAT")), ClientEvent)


@pytest.mark.parametrize(
    ("stamp", "form"),
    [
        ("seconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("milliseconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
        ("nanoseconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"),
    ],
)
def test_a_time_stamp_is_as_fine_as_the_dial_says(stamp: Any, form: str) -> None:
    world = World(f"timestamps={stamp}")
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, JOIN)
    stamps = [each["timestamp"] for each in (*ear.frames, *ear.events)]
    assert len(stamps) == 4
    assert all(re.fullmatch(form, each) for each in stamps)
    told = datetime.fromisoformat(stamps[0][:19]).replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60


def test_the_link_to_a_voice_call_is_taken_in_silence() -> None:
    world = World()
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, client_event("LINK_TO_WEBRTC_CONVERSATION", {"call_sid": "CA1"}))
    world.clock.advance(60)
    assert ear.types == ["SESSION_START"]
    session.hear(ear, client_event("LINK_TO_WEBRTC_CONVERSATION"))
    assert ear.events[-1]["payload"]["message"] == MALFORMED
