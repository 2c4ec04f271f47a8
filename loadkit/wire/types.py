"""Every event type, by its name on the wire."""

from enum import StrEnum
from typing import Final

__all__ = ["CLIENT_TYPES", "PAYLOAD_KEYS", "RECEIPTS", "SIMULATOR", "SURVEYS", "EventType"]


class EventType(StrEnum):
    """An event's `type` field."""

    EVENT_BATCH = "EVENT_TYPE_EVENT_BATCH"
    SESSION_START = "EVENT_TYPE_SESSION_START"
    SESSION_END = "EVENT_TYPE_SESSION_END"
    SESSION_IDLE_WARNING = "EVENT_TYPE_SESSION_IDLE_WARNING"

    REQUEST_POLY_AGENT_JOIN = "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"
    USER_MESSAGE = "EVENT_TYPE_USER_MESSAGE"
    USER_TYPING = "EVENT_TYPE_USER_TYPING"
    USER_END_SESSION = "EVENT_TYPE_USER_END_SESSION"
    HEARTBEAT = "EVENT_TYPE_HEARTBEAT"

    POLY_AGENT_JOINED = "EVENT_TYPE_POLY_AGENT_JOINED"
    POLY_AGENT_THINKING = "EVENT_TYPE_POLY_AGENT_THINKING"
    POLY_AGENT_MESSAGE = "EVENT_TYPE_POLY_AGENT_MESSAGE"
    POLY_AGENT_MESSAGE_CHUNK = "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK"
    POLY_AGENT_LEFT = "EVENT_TYPE_POLY_AGENT_LEFT"

    POLY_AGENT_TRIGGERED_HANDOFF = "EVENT_TYPE_POLY_AGENT_TRIGGERED_HANDOFF"
    HANDOFF_ACCEPTED = "EVENT_TYPE_HANDOFF_ACCEPTED"
    HANDOFF_QUEUE_STATUS = "EVENT_TYPE_HANDOFF_QUEUE_STATUS"
    CLIENT_HANDOFF_REQUIRED = "EVENT_TYPE_CLIENT_HANDOFF_REQUIRED"
    HANDOFF_FAILED = "EVENT_TYPE_HANDOFF_FAILED"
    HANDOFF_TIMEOUT = "EVENT_TYPE_HANDOFF_TIMEOUT"
    LIVE_AGENT_JOINED = "EVENT_TYPE_LIVE_AGENT_JOINED"
    LIVE_AGENT_TYPING = "EVENT_TYPE_LIVE_AGENT_TYPING"
    LIVE_AGENT_MESSAGE = "EVENT_TYPE_LIVE_AGENT_MESSAGE"
    LIVE_AGENT_LEFT = "EVENT_TYPE_LIVE_AGENT_LEFT"

    SYSTEM_MESSAGE = "EVENT_TYPE_SYSTEM_MESSAGE"
    LANGUAGE_CHANGED = "EVENT_TYPE_LANGUAGE_CHANGED"
    USER_RECEIVED_MESSAGE = "EVENT_TYPE_USER_RECEIVED_MESSAGE"
    USER_READ_MESSAGE = "EVENT_TYPE_USER_READ_MESSAGE"
    POLY_AGENT_RECEIVED_MESSAGE = "EVENT_TYPE_POLY_AGENT_RECEIVED_MESSAGE"
    POLY_AGENT_READ_MESSAGE = "EVENT_TYPE_POLY_AGENT_READ_MESSAGE"
    LIVE_AGENT_RECEIVED_MESSAGE = "EVENT_TYPE_LIVE_AGENT_RECEIVED_MESSAGE"
    LIVE_AGENT_READ_MESSAGE = "EVENT_TYPE_LIVE_AGENT_READ_MESSAGE"
    SHOW_CSAT_REQUEST = "EVENT_TYPE_SHOW_CSAT_REQUEST"
    CSAT_RESPONSE = "EVENT_TYPE_CSAT_RESPONSE"

    # Never on the wire:
    UNKNOWN = "UNKNOWN"  # stands for any type this list does not hold
    LONE_SURROGATE = "LONE_SURROGATE"  # stands behind events with text cut within a character


CLIENT_TYPES: Final = frozenset(
    {
        EventType.REQUEST_POLY_AGENT_JOIN,
        EventType.USER_MESSAGE,
        EventType.USER_TYPING,
        EventType.USER_END_SESSION,
        EventType.HEARTBEAT,
    }
)
"""What a client may send; a server refuses any other."""

RECEIPTS: Final = frozenset(
    kind for kind in EventType if kind.endswith(("_RECEIVED_MESSAGE", "_READ_MESSAGE"))
)
"""Who has received, and read, whose message: six types."""

SURVEYS: Final = frozenset({EventType.SHOW_CSAT_REQUEST, EventType.CSAT_RESPONSE})
"""What a person is asked about the conversation, around its end or after it."""

PAYLOAD_KEYS: Final = {kind: kind.removeprefix("EVENT_TYPE_").lower() for kind in EventType}
"""The key that may stand in for `payload` inside a batch, such as `poly_agent_message`."""

SIMULATOR: Final = "X-Loadkit-Simulator"
"""The header in which loadkit's simulator says, with each token, which of its dials differ from
their defaults (a JSON object): no other target has it."""
