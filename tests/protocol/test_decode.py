"""From a text frame to events, whatever the server wrote into it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.protocol import Event, EventType, Flaw, FlawKind, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
TYPES = st.sampled_from([kind.value for kind in EventType]) | st.text()
FIELDS = st.sampled_from(
    ["id", "sequence", "timestamp", "payload", "metadata", "events", "event_batch", "user_message"]
)
ENVELOPES = st.builds(
    lambda kind, rest: {**rest, "type": kind}, TYPES | JSON, st.dictionaries(FIELDS, JSON)
)
NO_INTEGERS = ["7", True, False, 7.0, 7.5, [], {}, 2**64]
NO_TEXTS = [None, 5, True, 1.5, [], {}]


def envelope(kind: str = "POLY_AGENT_MESSAGE", **fields: Any) -> dict[str, Any]:
    whole = {
        "type": f"EVENT_TYPE_{kind}",
        "id": "id-1",
        "sequence": 7,
        "timestamp": "2026-08-01T10:00:00Z",
        "payload": {"text": "hi"},
    }
    return {key: value for key, value in (whole | fields).items() if value is not ...}


def batch(*elements: Any) -> dict[str, Any]:
    return {"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": list(elements)}}


def read(value: Any) -> list[Event | Flaw]:
    return decode(json.dumps(value).encode())


def event(value: Any) -> Event:
    (one,) = read(value)
    assert isinstance(one, Event), one
    return one


def flaw(value: Any) -> Flaw:
    (one,) = read(value)
    assert isinstance(one, Flaw), one
    return one


def test_an_event_carries_its_type_id_sequence_and_payload() -> None:
    one = event(envelope())
    assert (one.type, one.id, one.sequence) == (EventType.POLY_AGENT_MESSAGE, "id-1", 7)
    assert (one.payload, one.local_id) == ({"text": "hi"}, None)


def test_a_frame_may_come_as_bytes_or_as_text() -> None:
    text = json.dumps(envelope())
    for frame in (text, text.encode(), bytearray(text.encode()), memoryview(text.encode())):
        (one,) = decode(frame)
        assert isinstance(one, Event)
        assert one.id == "id-1"


@pytest.mark.parametrize("sequence", [None, ...])
def test_a_transient_event_has_no_sequence_whether_null_or_absent(sequence: Any) -> None:
    assert event(envelope(sequence=sequence)).sequence is None


@pytest.mark.parametrize("sequence", [0, 1, -3, 2**53, 2**64 - 1])
def test_any_integer_is_a_sequence(sequence: int) -> None:
    assert event(envelope(sequence=sequence)).sequence == sequence


@pytest.mark.parametrize("sequence", NO_INTEGERS)
def test_a_sequence_that_is_no_integer_makes_the_event_malformed(sequence: Any) -> None:
    one = flaw(envelope(sequence=sequence))
    assert (one.kind, "sequence" in one.detail) == (FlawKind.MALFORMED_ENVELOPE, True)


@pytest.mark.parametrize("kind", ["POLY_AGENT_MESSAGE", "SESSION_END", "A_NAME_OF_TOMORROW"])
@pytest.mark.parametrize("field", ["id", "timestamp"])
@pytest.mark.parametrize("value", [..., *NO_TEXTS])
def test_an_event_without_an_id_and_a_timestamp_is_malformed(
    kind: str, field: str, value: Any
) -> None:
    assert flaw(envelope(kind, **{field: value})).kind is FlawKind.MALFORMED_ENVELOPE


def test_a_heartbeat_may_lack_everything_but_its_type() -> None:
    one = event({"type": "EVENT_TYPE_HEARTBEAT"})
    assert (one.type, one.id, one.sequence, one.payload) == (EventType.HEARTBEAT, None, None, {})


@pytest.mark.parametrize("value", NO_TEXTS)
def test_the_id_of_a_heartbeat_is_a_text_or_nothing(value: Any) -> None:
    assert event(envelope("HEARTBEAT", id=value, timestamp=...)).id is None


def test_a_heartbeat_with_an_id_keeps_it() -> None:
    assert event(envelope("HEARTBEAT")).id == "id-1"


@pytest.mark.parametrize("name", ["EVENT_TYPE_OF_TOMORROW", "UNKNOWN", "", "event_type_heartbeat"])
def test_an_unknown_type_is_an_event_that_tells_its_name(name: str) -> None:
    one = event(envelope() | {"type": name})
    assert (one.type, one.payload, one.sequence) == (EventType.UNKNOWN, {"type": name}, 7)


@pytest.mark.parametrize("name", [..., None, 5, True, ["EVENT_TYPE_HEARTBEAT"], {}])
def test_a_type_that_is_no_text_makes_the_event_malformed(name: Any) -> None:
    whole = envelope()
    del whole["type"]
    assert flaw(whole if name is ... else {**whole, "type": name}).detail == "no type"


@pytest.mark.parametrize("payload", [None, ...])
def test_an_absent_payload_is_an_empty_one(payload: Any) -> None:
    assert event(envelope(payload=payload)).payload == {}


@pytest.mark.parametrize("payload", ["hi", 5, True, [], [{}], 0, False, ""])
def test_a_payload_that_is_no_object_makes_the_event_malformed(payload: Any) -> None:
    assert flaw(envelope(payload=payload)).kind is FlawKind.MALFORMED_ENVELOPE


def test_the_local_id_is_read_from_the_metadata() -> None:
    assert event(envelope(metadata={"custom": {"local_id": "mine", "x": "y"}})).local_id == "mine"


@pytest.mark.parametrize(
    "metadata",
    [None, "mine", [], {"custom": None}, {"custom": ["local_id"]}, {"custom": {"local_id": 5}}],
)
def test_metadata_of_another_shape_holds_no_local_id(metadata: Any) -> None:
    assert event(envelope(metadata=metadata)).local_id is None


def test_a_slash_may_be_escaped() -> None:
    frame = json.dumps(envelope(payload={"text": "a/b"})).replace("/", "\\/")
    (one,) = decode(frame.encode())
    assert isinstance(one, Event)
    assert one.payload == {"text": "a/b"}


def test_of_a_key_that_is_written_twice_the_last_one_counts() -> None:
    frame = json.dumps(envelope())[:-1] + ', "sequence": 9, "id": "id-2"}'
    (one,) = decode(frame.encode())
    assert isinstance(one, Event)
    assert (one.sequence, one.id) == (9, "id-2")


def test_a_batch_is_its_events_and_then_its_end_with_the_size() -> None:
    first, second, end = read(batch(envelope("SESSION_START"), envelope("POLY_AGENT_JOINED")))
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert isinstance(end, Event)
    assert (first.type, second.type) == (EventType.SESSION_START, EventType.POLY_AGENT_JOINED)
    assert (end.type, end.payload) == (EventType.EVENT_BATCH, {"size": 2})
    assert (end.id, end.sequence) == (None, None)


def test_an_empty_batch_is_only_its_end() -> None:
    assert event(batch()).payload == {"size": 0}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("POLY_AGENT_MESSAGE", "poly_agent_message"),
        ("SESSION_START", "session_start"),
        ("USER_MESSAGE", "user_message"),
    ],
)
def test_a_batched_event_may_carry_its_payload_under_a_key_made_of_its_type(
    kind: str, key: str
) -> None:
    one, _ = read(batch(envelope(kind, payload=..., **{key: {"text": "there"}})))
    assert isinstance(one, Event)
    assert one.payload == {"text": "there"}


def test_a_payload_comes_before_the_key_made_of_the_type() -> None:
    one, _ = read(batch(envelope(poly_agent_message={"text": "there"})))
    assert isinstance(one, Event)
    assert one.payload == {"text": "hi"}


def test_the_key_of_another_type_is_no_payload() -> None:
    one, _ = read(batch(envelope(payload=..., user_message={"text": "there"})))
    assert isinstance(one, Event)
    assert one.payload == {}


def test_a_batch_may_carry_its_own_payload_in_that_way_too() -> None:
    frame = {"type": "EVENT_TYPE_EVENT_BATCH", "event_batch": {"events": [envelope()]}}
    assert len(read(frame)) == 2


@pytest.mark.parametrize("element", [None, 5, "text", [], [envelope()], {}, {"type": 3}])
def test_nonsense_in_a_batch_is_a_flaw_in_its_place_and_counts_for_the_size(element: Any) -> None:
    first, second, third, end = read(batch(envelope(), element, envelope()))
    assert isinstance(second, Flaw)
    assert isinstance(first, Event)
    assert isinstance(third, Event)
    assert isinstance(end, Event)
    assert end.payload == {"size": 3}


def test_a_batch_has_one_flaw_of_each_that_is_wrong_in_it() -> None:
    """However often it is: an element takes two bytes, and a flaw hundreds."""
    no_id = {"type": "EVENT_TYPE_HANDOFF_ACCEPTED"}
    unread = [5, [], 5, 5, no_id, {"type": "x" * 1000}, {"type": "y"}, no_id]
    one, two, three, four, event, end = read(batch(*unread, envelope()))
    assert isinstance(event, Event)
    assert isinstance(end, Event)
    assert end.payload == {"size": 9}
    assert [getattr(flaw, "detail", "") for flaw in (one, two, three, four)] == [
        "not an object: int (3 times in a batch)",
        "not an object: list",
        "EVENT_TYPE_HANDOFF_ACCEPTED: id or timestamp is not a string (2 times in a batch)",
        "an unknown type: id or timestamp is not a string (2 times in a batch)",
    ]


def test_a_batch_inside_a_batch_is_a_flaw() -> None:
    one, end = read(batch(batch(envelope())))
    assert isinstance(one, Flaw)
    assert isinstance(end, Event)
    assert one.detail == "a batch inside a batch"


@pytest.mark.parametrize(
    "payload", [None, {}, [], "events", {"events": None}, {"events": {}}, {"events": "x"}]
)
def test_a_batch_without_a_list_of_events_is_a_flaw(payload: Any) -> None:
    assert flaw({"type": "EVENT_TYPE_EVENT_BATCH", "payload": payload}).kind is (
        FlawKind.MALFORMED_ENVELOPE
    )


@pytest.mark.parametrize("value", [None, 5, "text", True, [], [envelope()]])
def test_a_frame_that_is_no_object_is_a_flaw(value: Any) -> None:
    assert flaw(value).kind is FlawKind.MALFORMED_ENVELOPE


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 5000, b"[" * 5000 + b"]" * 5000, "\ud800", "{}{}"],
)
def test_a_frame_that_is_no_json_is_a_flaw(frame: bytes | str) -> None:
    (one,) = decode(frame)
    assert isinstance(one, Flaw)
    assert one.kind is FlawKind.MALFORMED_JSON


@given(st.binary())
def test_no_bytes_raise(frame: bytes) -> None:
    assert all(isinstance(one, (Event, Flaw)) for one in decode(frame))


@given(JSON | ENVELOPES | st.lists(ENVELOPES | JSON).map(lambda events: batch(*events)))
def test_no_json_raises_and_what_is_read_is_of_the_promised_types(value: Any) -> None:
    read_ = decode(json.dumps(value).encode())
    assert read_
    for one in read_:
        assert isinstance(one, (Event, Flaw))
        if isinstance(one, Event):
            assert type(one.type) is EventType
            assert one.id is None or type(one.id) is str
            assert one.sequence is None or type(one.sequence) is int
            assert type(one.payload) is dict
            assert one.local_id is None or type(one.local_id) is str


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    local_id=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_the_echo_of_a_message_is_tied_to_what_was_sent(text: str, local_id: str) -> None:
    sent = json.loads(encode.user_message(text, local_id))
    echo = event(envelope("USER_MESSAGE") | sent)
    assert (echo.type, echo.payload, echo.local_id) == (
        EventType.USER_MESSAGE,
        {"text": text},
        local_id,
    )


@pytest.mark.parametrize("thing", [Event(EventType.HEARTBEAT), Flaw(FlawKind.BINARY_FRAME, "why")])
def test_what_was_read_can_be_shown_in_a_log(thing: Event | Flaw) -> None:
    assert repr(thing).startswith(type(thing).__name__)
    assert "HEARTBEAT" in repr(thing) or "why" in repr(thing)
