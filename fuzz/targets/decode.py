"""A text frame is read as the standard library's parser reads it, or is a flaw; nothing raises."""

import json
from typing import Any

import orjson
from hypothesis import strategies as st

from fuzz.target import Target
from loadkit.protocol import Event, EventType, Flaw, FlawKind, decode

NAMES = [*EventType, "EVENT_TYPE_SOMETHING_NEW"]


def check(data: bytes) -> None:
    found = decode(data)
    assert 1 <= len(found) <= len(data) + 1, "more than was sent"
    for one in found:
        if isinstance(one, Flaw):
            assert one.kind in FlawKind
            assert len(one.detail) < 200 or len(one.detail) < 2 * len(data), "it tells too much"
        else:
            _well_formed(one)
    if isinstance(found[0], Flaw) and found[0].kind is FlawKind.MALFORMED_JSON:
        assert len(found) == 1
        return
    truth = _truth(data)
    if truth is not None:
        ours = [_brief(one) for one in found]
        # A batch tells each flaw once, and how often it is in there.
        assert [one for one in ours if one] == [one for one in truth if one]
        assert (None in ours) is (None in truth)


def _well_formed(event: Event) -> None:
    assert event.type in EventType
    assert event.id is None or type(event.id) is str
    assert event.sequence is None or type(event.sequence) is int
    assert event.local_id is None or type(event.local_id) is str
    assert type(event.payload) is dict
    repr(event)


def _brief(one: Event | Flaw) -> object:
    if isinstance(one, Flaw):
        return None
    return one.payload if one.type is EventType.EVENT_BATCH else (str(one.type), one.id)


def _truth(data: bytes) -> list[object] | None:
    """What the standard library makes of it, for whatever orjson accepted; None if it can't say."""
    try:
        envelope = json.loads(data.decode())
    except RecursionError:
        return None
    except ValueError as error:
        if "digits" not in str(error):
            raise AssertionError("accepted, and is no JSON") from error
        return None
    if type(envelope) is dict and envelope.get("type") == EventType.EVENT_BATCH:
        payload = envelope.get("payload")
        payload = envelope.get("event_batch", {}) if payload is None else payload
        events = payload.get("events") if type(payload) is dict else None
        if type(events) is not list:
            return [None]
        return [*map(_seen, events), {"size": len(events)}]
    return [_seen(envelope)]


def _seen(envelope: Any) -> object:
    if type(envelope) is not dict or type(envelope.get("type")) is not str:
        return None
    name = envelope["type"]
    known = name in list(EventType) and name != "UNKNOWN"
    if name == EventType.EVENT_BATCH:
        return None
    if known:
        payload = envelope.get("payload")
        key = name.removeprefix("EVENT_TYPE_").lower()
        payload = envelope.get(key) if payload is None else payload
        if payload is not None and type(payload) is not dict:
            return None
    sequence, given = envelope.get("sequence"), envelope.get("id")
    # What is too big for orjson's integers comes as a float.
    if sequence is not None and (type(sequence) is not int or not -(2**63) <= sequence < 2**64):
        return None
    identity = given if type(given) is str else None
    if name != EventType.HEARTBEAT and (
        identity is None or type(envelope.get("timestamp")) is not str
    ):
        return None
    return (name if known else "UNKNOWN", identity)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
ENVELOPES = st.fixed_dictionaries(
    {"type": st.sampled_from(NAMES) | JSON},
    optional={
        "id": st.text(max_size=6) | LEAVES,
        "timestamp": st.just("2026-01-01T00:00:00Z") | LEAVES,
        "sequence": st.integers(-2, 50) | LEAVES,
        "payload": JSON,
        "metadata": JSON | st.fixed_dictionaries({"custom": st.dictionaries(st.text(), LEAVES)}),
        "poly_agent_message": JSON,
    },
)
BATCHES = st.builds(
    lambda events: {"type": EventType.EVENT_BATCH, "payload": {"events": events}},
    st.lists(ENVELOPES | JSON, max_size=4) | JSON,
)


def _written(envelope: Any, at: int, wrong: bytes, length: int) -> bytes:
    data = json.dumps(envelope, ensure_ascii=not at % 2).encode("utf-8", "surrogatepass")
    if length == 0:
        return data
    at %= len(data) + 1
    return data[:at] + wrong + data[at + length - 1 :]


EXAMPLE = orjson.dumps(
    {
        "type": EventType.EVENT_BATCH,
        "event_batch": {
            "events": [
                {
                    "type": EventType.POLY_AGENT_MESSAGE_CHUNK,
                    "id": "a",
                    "timestamp": "t",
                    "sequence": 3,
                    "payload": {"message_id": "m", "chunk_index": 1, "is_complete": True},
                    "metadata": {"custom": {"local_id": "l"}},
                }
            ]
        },
    }
)
TARGET = Target(
    "decode",
    check,
    st.builds(
        _written,
        ENVELOPES | BATCHES | JSON,
        st.integers(0, 500),
        st.binary(max_size=4),
        st.integers(0, 4),
    ),
    (EXAMPLE, b'{"type":"EVENT_TYPE_HEARTBEAT"}', b"[]"),
    (
        *(name.encode() for name in NAMES),
        *(b'"%b":' % key for key in (b"type", b"id", b"timestamp", b"sequence", b"payload")),
    ),
)
