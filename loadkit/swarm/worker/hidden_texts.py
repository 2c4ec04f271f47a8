"""What is told of a conversation where nobody may read what was said: `[results] texts`.

Kinds, lengths and identifiers stay, so that it can be seen what went wrong. Words that a target may
have chosen freely do not: it may give back what a person said in the name of an event.
"""

import re
from typing import Any, Final

import orjson

from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Origin
from loadkit.protocol import EventType, FlawKind
from loadkit.protocol.types import PAYLOAD_KEYS

_OURS: Final = frozenset[str](
    {
        *(Wrong.EVENT_BEFORE_START, Wrong.EVENT_AFTER_END, Wrong.EVENT_REPEATED, Wrong.EVENT_LOST),
        *(Wrong.REPLAY_BEFORE_CURSOR, Wrong.SEQUENCE_GAP, Wrong.SEQUENCE_NOT_RISING),
        *(Wrong.UNEXPECTED_EVENT, Wrong.ECHO_TO_NOBODY),
        *(Wrong.SECOND_GREETING, Wrong.HANDOFF_OUT_OF_ORDER, Wrong.QUEUE_POSITION_ROSE),
        *(Wrong.BOT_AFTER_LEFT, Wrong.WRONG_CLOSE_CODE, FlawKind.MALFORMED_JSON),
        *(Failure.CONNECT_REFUSED, Failure.CONNECT_TIMEOUT, Failure.CONNECTION_LOST),
        *(Failure.UNANSWERED, Failure.UNACKNOWLEDGED, Failure.JOIN_MISSING),
        *(Failure.GREETING_MISSING, Failure.SESSION_ABANDONED, Failure.LOCAL_LIMIT),
    }
)
"""The kinds of failures and violations whose details are loadkit's own words and figures."""

_KNOWN: Final = frozenset(EventType)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_LINE: Final = re.compile(r"((?:[►▹] )?[0-9.-]+ [←→]\S*) (.*)", re.DOTALL)
_LEFT_OUT: Final = re.compile(r"… [0-9,]+ frames?")
_WITHOUT_A_TEXT: Final = re.compile(r"\(close [0-9]{1,5}\)|\([0-9]{1,9} bytes in a binary frame\)")
_SHORTENED: Final = re.compile(r"… \(([0-9,]{1,12}) characters\)$")
_FORMS: Final = {
    **dict.fromkeys(("id", "message_id", "local_id", "session_id", "correlation_id"), _UUID),
    "timestamp": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{1,24}"),
    "reason": re.compile(r"REASON_[A-Z_]{1,40}"),
    "state": re.compile(r"TYPING_STATE_[A-Z]{1,20}"),
}
"""What is kept of a field, by its name, if it looks like what should be there."""

_FIGURES: Final = frozenset(
    {
        *("sequence", "chunk_index", "position_in_queue"),
        *("heartbeat_interval_seconds", "max_reconnect_attempts"),
    }
)

_FIELDS: Final = frozenset(
    {
        *_FORMS,
        *_FIGURES,
        *PAYLOAD_KEYS.values(),
        *("type", "sequence", "payload", "metadata", "custom", "events", "text", "message"),
        *("is_complete", "agent_name", "queue_name", "response_suggestions", "message_text"),
        *("attachments", "capabilities", "streaming"),
    }
)


def detail_without_words(kind: str, detail: str) -> str:
    """Return a failure's or violation's detail if it is loadkit's own words, else its length."""
    return detail if kind in _OURS or not detail else _length(detail)


def origin_without_words(origin: Origin) -> Origin:
    """Return where something happened, with the identifiers that are some."""
    session, called = (
        text if _UUID.fullmatch(text) or not text else _length(text)
        for text in (origin.session, origin.correlation_id)
    )
    return origin._replace(session=session, correlation_id=called)


def frame_without_words(line: str) -> str:
    """Return a line of a transcript (a frame, or how many were left out) without its texts."""
    found = _LINE.fullmatch(line)
    if found is None:
        return line if _LEFT_OUT.fullmatch(line) else _length(line)
    if _WITHOUT_A_TEXT.fullmatch(found[2]):
        return line
    try:
        told = orjson.dumps(_hushed(orjson.loads(found[2]))).decode()
    except ValueError:
        told = _length(found[2])
    return f"{found[1]} {told}"


def _hushed(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            key if key in _FIELDS else f"{at}: {_length(key)}": _hushed(each, key)
            for at, (key, each) in enumerate(value.items())
        }
    if isinstance(value, list):
        return [_hushed(each, name) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if name in _FIGURES else _length(str(value))
    if not isinstance(value, str) or value in _KNOWN:
        return value
    form = _FORMS.get(name)
    return value if form is not None and form.fullmatch(value) else _length(value)


def _length(text: str) -> str:
    shortened = _SHORTENED.search(text)  # as of `loadkit.net.excerpt`
    return f"({shortened[1]} characters)" if shortened else f"({len(text):,} characters)"
