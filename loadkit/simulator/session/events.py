"""Events as bytes: the server's on their way out, the client's on their way in."""

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

import orjson

from loadkit.protocol.types import CLIENT_TYPES, PAYLOAD_KEYS, EventType

Stamp = Literal["seconds", "milliseconds", "nanoseconds"]
"""How fine a time stamp is."""

MALFORMED: Final = "Unknown event type or invalid message format"

_LINK: Final = EventType.LINK_TO_WEBRTC_CONVERSATION
"""Sent by the vendor's voice products on an ordinary socket; nothing follows from it."""
_CLIENT: Final = {kind.value: kind for kind in (*CLIENT_TYPES, _LINK)}
_KNOWN: Final = frozenset(kind.value for kind in EventType if kind is not EventType.UNKNOWN)
_TYPING: Final = frozenset({"TYPING_STATE_STARTED", "TYPING_STATE_STOPPED"})
_PAYLOAD: Final = b'"payload":'
_TYPE: Final = b'{"type":"'


class EndReason(StrEnum):
    """Why a session ended."""

    USER_END = "REASON_USER_END"
    USER_ABANDONED = "REASON_USER_ABANDONED"
    NATURAL_END = "REASON_NATURAL_END"


class Announced(NamedTuple):
    """What a client said of itself when it made a session; None where it said nothing."""

    platform: str | None = None
    device_type: str | None = None


NOBODY: Final = Announced()


class ClientEvent(NamedTuple):
    """An event a client may send, found to be well formed.

    Of its payload a `USER_MESSAGE` has a string `text`, a `USER_TYPING` a `state`, a
    `LINK_TO_WEBRTC_CONVERSATION` a `call_sid`.
    """

    type: EventType
    payload: dict[str, Any]
    custom: dict[str, str] | None  # `metadata.custom`, to be given back in the echo


class Refusal(NamedTuple):
    """A frame that is answered by a SYSTEM_MESSAGE."""

    text: str  # the words of that
    custom: dict[str, str] | None = None  # the offender's `metadata.custom`, if it could be read


def decode(data: bytes) -> ClientEvent | Refusal:
    """Read a client's text frame, whatever its bytes are; nothing is raised."""
    try:
        envelope = orjson.loads(data)
    except ValueError:  # not JSON, or not UTF-8
        return Refusal(MALFORMED)
    if type(envelope) is not dict:
        return Refusal(MALFORMED)
    custom, sound = _custom(envelope.get("metadata"))
    name = envelope.get("type")
    if type(name) is not str:
        return Refusal(MALFORMED, custom)
    kind = _CLIENT.get(name)
    if kind is None:
        text = f"Event type not allowed: {name}" if name in _KNOWN else MALFORMED
        return Refusal(text, custom)
    payload = envelope.get("payload")
    if not sound or type(payload) is not dict:
        return Refusal(MALFORMED, custom)
    if kind is EventType.USER_MESSAGE:
        if type(payload.get("text")) is not str:
            return Refusal(MALFORMED, custom)
    elif kind is EventType.USER_TYPING:
        state = payload.get("state")
        if type(state) is not str or state not in _TYPING:
            return Refusal(MALFORMED, custom)
    elif kind is _LINK and type(payload.get("call_sid")) is not str:
        return Refusal(MALFORMED, custom)
    return ClientEvent(kind, payload, custom)


def _custom(metadata: Any) -> tuple[dict[str, str] | None, bool]:
    """`metadata.custom` and whether the metadata is well formed: strings to strings, or absent."""
    if metadata is None:
        return None, True
    if type(metadata) is not dict:
        return None, False
    custom = metadata.get("custom")
    if custom is None:
        return None, True
    if type(custom) is not dict or not all(type(value) is str for value in custom.values()):
        return None, False
    return custom, True


def local_id(custom: dict[str, str] | None) -> str | None:
    """The client's own name for a message: the SDKs' key, else the one of the reference."""
    if custom is None:
        return None
    return custom.get("local_id") or custom.get("client_event_id")


def system_message(text: str) -> dict[str, str]:
    """The payload of a SYSTEM_MESSAGE that tells of an error."""
    return {"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": text}


def encode(
    kind: EventType,
    payload: dict[str, Any],
    *,
    id: str,
    sequence: int | None,
    custom: dict[str, str] | None = None,
    stamp: Stamp = "milliseconds",
) -> bytes:
    """A server event as JSON, stamped with the wall clock.

    Args:
        id: unique within the session.
        sequence: place in the session's journal; None for a transient event.
        custom: given back as `metadata.custom`; None leaves the metadata out.
        stamp: how fine the time stamp is.
    """
    # `batch` relies on this order: nothing a client wrote stands before the payload's key.
    event: dict[str, Any] = {
        "type": kind,
        "id": id,
        "sequence": sequence,
        "timestamp": _timestamp(stamp),
        "payload": payload,
    }
    if custom is not None:
        event["metadata"] = {"custom": custom}
    return orjson.dumps(event)


def batch(
    events: list[bytes], *, id: str, typed_keys: bool = False, stamp: Stamp = "milliseconds"
) -> bytes:
    """An EVENT_BATCH of encoded events, which it need not parse again.

    Args:
        typed_keys: put each payload under the key that its type makes, not under `payload`.
    """
    if typed_keys:
        events = [_typed(event) for event in events]
    return b"".join(
        (
            b'{"type":"EVENT_TYPE_EVENT_BATCH","id":"',
            id.encode(),
            b'","sequence":null,"timestamp":"',
            _timestamp(stamp).encode(),
            b'","payload":{"events":[',
            b",".join(events),
            b"]}}",
        )
    )


def _typed(event: bytes) -> bytes:
    name = event[len(_TYPE) : event.index(b'"', len(_TYPE))].decode()
    return event.replace(_PAYLOAD, b'"%s":' % PAYLOAD_KEYS[EventType(name)].encode(), 1)


def _timestamp(stamp: Stamp) -> str:
    if stamp == "nanoseconds":
        seconds, rest = divmod(time.time_ns(), 10**9)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    return datetime.now(UTC).isoformat(timespec=stamp).replace("+00:00", "Z")
