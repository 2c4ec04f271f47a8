"""The five events a client sends, as the bytes of a text frame."""

from typing import Final

import orjson

from loadkit.protocol.types import EventType


def _frame(kind: EventType, payload: dict[str, str]) -> bytes:
    return orjson.dumps({"type": kind, "payload": payload})


# Frames that never vary are encoded once. Their payload is always an object: servers refuse null.
JOIN: Final = _frame(EventType.REQUEST_POLY_AGENT_JOIN, {})
END_SESSION: Final = _frame(EventType.USER_END_SESSION, {})
HEARTBEAT: Final = _frame(EventType.HEARTBEAT, {})
TYPING_STARTED: Final = _frame(EventType.USER_TYPING, {"state": "TYPING_STATE_STARTED"})
TYPING_STOPPED: Final = _frame(EventType.USER_TYPING, {"state": "TYPING_STATE_STOPPED"})


def user_message(text: str, local_id: str) -> bytes:
    """A USER_MESSAGE; `local_id` comes back in its echo, and in an error that it causes."""
    metadata = {"custom": {"local_id": local_id}}
    frame = orjson.dumps(
        {"type": EventType.USER_MESSAGE, "payload": {"text": text}, "metadata": metadata}
    )
    # orjson leaves it in the 4 KB that it began with, and a session keeps its frame for a while.
    return bytes(memoryview(frame))
