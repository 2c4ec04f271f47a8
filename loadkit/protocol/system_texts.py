"""SYSTEM_MESSAGE texts, by family: the server has no codes for them."""

from enum import StrEnum
from typing import Final


class Family(StrEnum):
    """What a system message is about."""

    BAD_EVENT = "bad_event"  # what we sent was refused; the connection stays open
    HIGH_LOAD = "high_load"  # try again in a moment
    NO_CONVERSATION = "no_conversation"  # join again
    AGENT_ERROR = "agent_error"
    SESSION_ERROR = "session_error"
    HANDOFF_ERROR = "handoff_error"
    OTHER = "other"


# The first text that is found decides, so the special ones stand before the general.
_TEXTS: Final = (
    ("unknown event type", Family.BAD_EVENT),
    ("event type not allowed", Family.BAD_EVENT),
    ("experiencing high load", Family.HIGH_LOAD),
    ("unable to start a conversation", Family.NO_CONVERSATION),
    ("conversation not found", Family.NO_CONVERSATION),
    ("conversation id not found", Family.NO_CONVERSATION),
    ("connect you to an agent", Family.HANDOFF_ERROR),
    ("forward message to live agent", Family.HANDOFF_ERROR),
    ("handoff could not be initiated", Family.HANDOFF_ERROR),
    ("having trouble responding", Family.AGENT_ERROR),
    ("encountered an error", Family.AGENT_ERROR),
    ("error: ", Family.SESSION_ERROR),
)


def family(text: object) -> Family:
    """The family of a message's text, whatever its case; OTHER for what is not listed."""
    lowered = text.lower() if isinstance(text, str) else ""
    return next((kind for part, kind in _TEXTS if part in lowered), Family.OTHER)
