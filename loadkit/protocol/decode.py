"""From a text frame to events: one parse, no exception whatever the bytes are."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from loadkit.protocol import lenient_json
from loadkit.protocol.types import PAYLOAD_KEYS, EventType


class FlawKind(StrEnum):
    """What can be wrong with a frame before anyone asks what it means."""

    MALFORMED_JSON = "malformed_json"
    MALFORMED_ENVELOPE = "malformed_envelope"
    BINARY_FRAME = "binary_frame"


@dataclass(slots=True, eq=False, repr=False)
class Event:
    """One event from the server.

    Attributes:
        payload: the type's own fields; `{"size": n}` for the `EVENT_BATCH` that closes a batch,
            `{"type": name}` for an unknown type.
    """

    type: EventType  # `UNKNOWN` for a name that this version does not know
    id: str | None = None  # unique within the session, for de-duplication; a heartbeat may lack it
    sequence: int | None = None  # position in the session's journal; None for a transient event
    payload: dict[str, Any] = field(default_factory=dict)
    local_id: str | None = None  # `metadata.custom.local_id`, which ties an echo to what was sent

    def __repr__(self) -> str:
        return f"Event({self.type.name}, sequence={self.sequence}, payload={self.payload})"


@dataclass(slots=True, eq=False)
class Flaw:
    """A frame, or elements of a batch, that no client could make sense of."""

    kind: FlawKind
    detail: str


_TYPES: Final = {kind.value: kind for kind in EventType if kind.startswith("EVENT_TYPE_")}


def decode(frame: bytes | bytearray | memoryview | str) -> list[Event | Flaw]:
    """Read the events of one text frame, in order. Nothing is raised.

    A batch becomes its events followed by one `EVENT_BATCH`, so that the end of a history can be
    seen. What cannot be read is a `Flaw` in its place; a batch has one of each that is wrong in it,
    where that is found first. Behind a frame that holds half a character stands a `LONE_SURROGATE`.
    """
    try:
        envelope = orjson.loads(frame)
    except ValueError as error:  # orjson.JSONDecodeError, and text that is not UTF-8
        return _tolerantly(frame) or [Flaw(FlawKind.MALFORMED_JSON, str(error))]
    return _read(envelope)


def _tolerantly(frame: bytes | bytearray | memoryview | str) -> list[Event | Flaw]:
    """What a frame says that JavaScript reads and orjson does not; nothing where neither does."""
    try:
        envelope, cut = lenient_json.loads(frame)
    except ValueError:
        return []
    events = _read(envelope)
    return [*events, Event(EventType.LONE_SURROGATE)] if cut else events


def _read(envelope: Any) -> list[Event | Flaw]:
    if type(envelope) is dict and envelope.get("type") == EventType.EVENT_BATCH:
        return _batch(envelope)
    return [_event(envelope)]


def _batch(envelope: dict[str, Any]) -> list[Event | Flaw]:
    payload = _payload(envelope, EventType.EVENT_BATCH)
    events = payload.get("events") if payload is not None else None
    if type(events) is not list:
        return [Flaw(FlawKind.MALFORMED_ENVELOPE, "a batch without a list of events")]
    flat: list[Event | Flaw] = []
    flaws: dict[str, tuple[Flaw, int]] = {}
    for element in events:
        one = _event(element)
        if type(one) is Flaw:
            # A million of them fit into a frame, two bytes each.
            first, times = flaws.get(one.detail, (one, 0))
            flaws[one.detail] = first, times + 1
            if times:
                continue
        flat.append(one)
    for flaw, times in flaws.values():
        if times > 1:
            flaw.detail += f" ({times:,} times in a batch)"
    flat.append(Event(EventType.EVENT_BATCH, payload={"size": len(events)}))
    return flat


def _event(envelope: Any) -> Event | Flaw:
    if type(envelope) is not dict:
        return Flaw(FlawKind.MALFORMED_ENVELOPE, f"not an object: {type(envelope).__name__}")
    name = envelope.get("type")
    if type(name) is not str:
        return Flaw(FlawKind.MALFORMED_ENVELOPE, "no type")
    kind = _TYPES.get(name, EventType.UNKNOWN)
    if kind is EventType.EVENT_BATCH:
        return Flaw(FlawKind.MALFORMED_ENVELOPE, "a batch inside a batch")
    if kind is EventType.UNKNOWN:
        payload: dict[str, Any] | None = {"type": name}
        name = "an unknown type"  # its own may be of any length
    else:
        payload = _payload(envelope, kind)
    if payload is None:
        return Flaw(FlawKind.MALFORMED_ENVELOPE, f"{name}: the payload is not an object")
    sequence = envelope.get("sequence")
    if sequence is not None and type(sequence) is not int:  # a bool is no number here
        return Flaw(FlawKind.MALFORMED_ENVELOPE, f"{name}: the sequence is not an integer")
    given = envelope.get("id")
    identity = given if type(given) is str else None
    if kind is not EventType.HEARTBEAT and (
        identity is None or type(envelope.get("timestamp")) is not str
    ):
        return Flaw(FlawKind.MALFORMED_ENVELOPE, f"{name}: id or timestamp is not a string")
    return Event(kind, identity, sequence, payload, _local_id(envelope))


def _payload(envelope: dict[str, Any], kind: EventType) -> dict[str, Any] | None:
    """The payload, under whichever key it stands; {} when absent, None when not an object."""
    payload = envelope.get("payload")
    if payload is None:
        payload = envelope.get(PAYLOAD_KEYS[kind])
        if payload is None:
            return {}
    return payload if type(payload) is dict else None


def _local_id(envelope: dict[str, Any]) -> str | None:
    metadata = envelope.get("metadata")
    custom = metadata.get("custom") if type(metadata) is dict else None
    local_id = custom.get("local_id") if type(custom) is dict else None
    return local_id if type(local_id) is str else None
