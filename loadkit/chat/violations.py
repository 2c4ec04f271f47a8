"""The closed list of what a server can get wrong, besides frames that nobody can read."""

from enum import StrEnum
from typing import Any, Final

LONGEST_TOLD: Final = 200  # characters


class Wrong(StrEnum):
    """A breach of the protocol by the server; the value is the key in `violations.*`."""

    # the journal: `loadkit.chat.socket.event_log`
    SESSION_START_REPEATED = "session_start_repeated"  # where no replay owes it
    EVENT_BEFORE_START = "event_before_start"
    EVENT_AFTER_END = "event_after_end"
    EVENT_REPEATED = "event_repeated"  # the same id once more, beyond what a replay owes
    EVENT_LOST = "event_lost"  # missing from a replay
    REPLAY_BEFORE_CURSOR = "replay_before_cursor"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_NOT_RISING = "sequence_not_rising"
    MESSAGE_ID_REUSED = "message_id_reused"

    # the conversation: `loadkit.chat.table`
    UNEXPECTED_EVENT = "unexpected_event"  # none of the special cases below
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_REASON = "unknown_reason"  # of SESSION_END
    ECHO_MISSING = "echo_missing"  # answered, though never echoed
    ECHO_ALTERED = "echo_altered"
    ECHO_TO_NOBODY = "echo_to_nobody"
    THINKING_WITHOUT_ANSWER = "thinking_without_answer"
    SECOND_GREETING = "second_greeting"  # the agent joins again although it has not left
    CHUNK_INDEX_MISSING = "chunk_index_missing"
    CHUNK_INDEX_GAP = "chunk_index_gap"
    CHUNK_INDEX_REPEATED = "chunk_index_repeated"
    CHUNK_AFTER_COMPLETE = "chunk_after_complete"
    WHOLE_BESIDE_CHUNKS = "whole_beside_chunks"
    UNASKED_STREAMING = "unasked_streaming"
    HANDOFF_OUT_OF_ORDER = "handoff_out_of_order"
    QUEUE_POSITION_ROSE = "queue_position_rose"
    BOT_AFTER_LEFT = "bot_after_left"

    # the socket: `loadkit.chat.socket.heartbeat` and `loadkit.chat.events.session_end`
    HEARTBEAT_NOT_ECHOED = "heartbeat_not_echoed"
    WRONG_CLOSE_CODE = "wrong_close_code"  # not 1000 after SESSION_END
    NOT_CLOSED = "not_closed"  # SESSION_END, and no close after it


def told(value: Any) -> str:
    """What a violation says of a value in an event: short, whatever the server put there.

    A list or an object is named by its kind alone: nested deeply enough, it cannot be written out.
    """
    if type(value) is str:
        return value[:LONGEST_TOLD]
    if value is None or isinstance(value, (int, float)):
        return str(value)
    return "an object" if type(value) is dict else "a list"
