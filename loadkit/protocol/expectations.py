"""What the protocol expects of a server where it can be wrong, one sentence for each violation.

The kinds are those of `loadkit.chat.violations.Wrong` and `loadkit.protocol.FlawKind`.
"""

from typing import Final

EXPECTED: Final = {
    "malformed_json": "Every text frame is one JSON object, as JSON.parse reads it.",
    "malformed_envelope": "Every event has a type, a string id, a string timestamp, a payload that "
    "is an object, and a sequence that is an integer or null; a batch has a list of them.",
    "binary_frame": "The server sends text frames alone.",
    "session_start_repeated": "SESSION_START comes once, and again only where the whole history is "
    "replayed.",
    "event_before_start": "SESSION_START is the first event of a session.",
    "event_after_end": "Nothing of the conversation follows SESSION_END.",
    "event_repeated": "An event comes once on a connection; a replay brings again only what is "
    "behind the cursor.",
    "event_lost": "A replay brings every event behind the cursor, and each socket of a session "
    "gets every event.",
    "replay_before_cursor": "A replay begins right behind the cursor that the client has sent.",
    "sequence_gap": "No number is left out of the sequence of the numbered events.",
    "sequence_not_rising": "The sequence of each numbered event is higher than that of the one "
    "before.",
    "message_id_reused": "Each message has a message_id of its own.",
    "unexpected_event": "Each event comes only in a state of the conversation that has a place for "
    "it.",
    "unknown_type": "The type of each event is one that the protocol knows.",
    "unknown_reason": "SESSION_END says REASON_USER_END, REASON_USER_ABANDONED or "
    "REASON_NATURAL_END.",
    "echo_missing": "A USER_MESSAGE is echoed on receipt, before it is answered.",
    "echo_altered": "The echo of a USER_MESSAGE has its text as it was sent.",
    "echo_to_nobody": "An echo carries the local_id of something that this client has sent.",
    "thinking_without_answer": "POLY_AGENT_THINKING is followed by an answer, before it comes "
    "again or the session ends.",
    "second_greeting": "The agent joins once, and again only after it has left.",
    "chunk_index_missing": "Each chunk has a chunk_index, a whole number from 1.",
    "chunk_index_gap": "The chunk_index of a message rises by one from chunk to chunk.",
    "chunk_index_repeated": "Each chunk_index of a message comes once.",
    "chunk_after_complete": "No chunk of a message follows the one with is_complete.",
    "whole_beside_chunks": "An answer comes as a whole message or in chunks, not as both.",
    "unasked_streaming": "Answers come in chunks only in a session with streaming_enabled.",
    "handoff_out_of_order": "A hand-off is triggered, then accepted or queued, then joined by a "
    "live agent.",
    "queue_position_rose": "The place in the queue does not rise while a user waits.",
    "bot_after_left": "The agent says nothing between POLY_AGENT_LEFT and its next join.",
    "heartbeat_not_echoed": "Each HEARTBEAT is echoed, within two intervals.",
    "wrong_close_code": "After SESSION_END the server closes with code 1000.",
    "not_closed": "After SESSION_END the server closes the connection.",
}
"""By kind. The sources are the protocol's document, and what its clients rely on."""


WRONG: Final = "► "
"""In front of a line of a transcript: this is wrong, or what should have followed it never came."""

NEEDED: Final = "▹ "
"""In front of a line without which that cannot be seen; unmarked lines were about at the time."""


def left_out(frames: int) -> str:
    """The line in the place of so many frames."""
    return f"… {frames:,} {'frame' if frames == 1 else 'frames'}"
