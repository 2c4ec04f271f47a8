"""The closed list of what a server can get wrong, besides frames that nobody can read."""

from enum import StrEnum

__all__ = ["Wrong"]


class Wrong(StrEnum):
    """A breach of the protocol by the server; the value is the key in `violations.*`."""

    # the journal: `loadkit.chat.journal`
    EVENT_BEFORE_START = "event_before_start"
    EVENT_AFTER_END = "event_after_end"
    EVENT_REPEATED = "event_repeated"  # the same id once more, beyond what a replay owes
    EVENT_LOST = "event_lost"  # missing from a replay
    REPLAY_BEFORE_CURSOR = "replay_before_cursor"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_NOT_RISING = "sequence_not_rising"
    MESSAGE_ID_REUSED = "message_id_reused"

    # the conversation: `loadkit.chat.session`
    UNEXPECTED_EVENT = "unexpected_event"  # none of the special cases below
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_REASON = "unknown_reason"  # of SESSION_END
    ECHO_MISSING = "echo_missing"  # answered, though never echoed
    ECHO_ALTERED = "echo_altered"
    ECHO_TO_NOBODY = "echo_to_nobody"
    THINKING_WITHOUT_ANSWER = "thinking_without_answer"
    ANSWER_TO_NOBODY = "answer_to_nobody"
    SECOND_GREETING = "second_greeting"
    CHUNK_INDEX_MISSING = "chunk_index_missing"
    CHUNK_INDEX_GAP = "chunk_index_gap"
    CHUNK_INDEX_REPEATED = "chunk_index_repeated"
    CHUNK_AFTER_COMPLETE = "chunk_after_complete"
    WHOLE_BESIDE_CHUNKS = "whole_beside_chunks"
    UNASKED_STREAMING = "unasked_streaming"
    HANDOFF_OUT_OF_ORDER = "handoff_out_of_order"
    QUEUE_POSITION_ROSE = "queue_position_rose"
    BOT_AFTER_LEFT = "bot_after_left"

    # the socket: `loadkit.chat.connection`
    HEARTBEAT_NOT_ECHOED = "heartbeat_not_echoed"
    WRONG_CLOSE_CODE = "wrong_close_code"  # not 1000 after SESSION_END
