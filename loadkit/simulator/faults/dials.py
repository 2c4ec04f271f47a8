"""What goes wrong on purpose, how often, and per what; docs/simulator.md has the same table."""

from typing import Any

from loadkit.config.table import Ratio, Table
from loadkit.simulator.distributions import Constant, Distribution, dial


def _rate(description: str) -> Any:
    return dial(0.0, description)


class FaultDials(Table):
    """A rate from 0 to 1 for each fault. What is left at 0 is never even drawn."""

    # REST, per call that would have succeeded.
    token_500: Ratio = _rate("per access-token call: 500")
    session_500: Ratio = _rate("per create-session call: 500")
    server_error: Ratio = _rate("per REST call of either kind: 500")
    rate_limited: Ratio = _rate("per REST call of either kind: 429 with `Retry-After: 1`")

    # The upgrade, per attempt that would have succeeded.
    refused_upgrade: Ratio = _rate("per upgrade: 503")
    slow_upgrade: Ratio = _rate("per upgrade: answered only after `faults.slow_upgrade_delay`")
    slow_upgrade_delay: Distribution = dial(
        Constant(value=3.0), "length of a slow upgrade (distribution)"
    )

    # A user's message, as it is heard.
    silent_drop: Ratio = _rate("per user message: not heard at all, no echo and no answer")
    missing_echo: Ratio = _rate("per user message: answered but not echoed")
    altered_echo: Ratio = _rate("per user message: the echo's text differs from what was sent")
    reset: Ratio = _rate("per user message: its socket is reset (RST) right after the echo")
    half_open: Ratio = _rate(
        "per user message: after the echo its socket is neither read nor written any more, and"
        " stays open"
    )
    high_load: Ratio = _rate(
        "per user message to the agent: answered by the high-load SYSTEM_MESSAGE alone"
    )
    conversation_not_found: Ratio = _rate(
        "per user message to the agent: answered by `Error: Conversation not found`; the agent"
        " is gone until the next join"
    )
    language_changed: Ratio = _rate(
        "per user message: LANGUAGE_CHANGED after its echo, which is no violation"
    )
    idle_warning: Ratio = _rate(
        "per user message: SESSION_IDLE_WARNING after its echo, which is no violation"
    )
    receipts: Ratio = _rate(
        "per user message: USER_RECEIVED_MESSAGE after its echo, which is no violation"
    )

    # An answer of the agent's, or its greeting.
    missing_answer: Ratio = _rate("per answer: POLY_AGENT_THINKING, and then nothing")
    message_id_reused: Ratio = _rate("per answer: the `message_id` of the utterance before it")
    unprompted_message: Ratio = _rate(
        "per answer: another one right behind it, which is no violation but a follow-up"
    )
    unasked_streaming: Ratio = _rate("per answer where streaming was not asked for: as one chunk")
    wrong_chunk_index: Ratio = _rate("per streamed answer: one `chunk_index` is left out")
    repeated_chunk_index: Ratio = _rate(
        "per streamed answer: a chunk comes twice, under two ids and sequences"
    )
    chunk_after_complete: Ratio = _rate("per streamed answer: one more chunk after `is_complete`")
    whole_beside_chunks: Ratio = _rate(
        "per streamed answer: the whole message behind the chunks, under the same `message_id`"
    )
    mid_stream_drop: Ratio = _rate(
        "per streamed answer of two chunks or more: every socket is cut, without a close, before"
        " the last chunk"
    )
    second_greeting: Ratio = _rate("per greeting: POLY_AGENT_JOINED and another one behind it")

    # An event with a sequence, SESSION_END left out, while a socket is open.
    duplicate_event: Ratio = _rate("per event: sent twice, the same id and sequence")
    reordered_event: Ratio = _rate(
        "per event: overtakes a LANGUAGE_CHANGED that has the sequence before it"
    )
    sequence_gap: Ratio = _rate("per event: the sequence before it is never used")
    sequence_not_rising: Ratio = _rate(
        "per event: behind it a LANGUAGE_CHANGED with a fresh id and the event's own sequence"
    )
    malformed_json: Ratio = _rate("per event: before it a text frame that is not JSON")
    malformed_envelope: Ratio = _rate("per event: before it an event without an id")
    unknown_type: Ratio = _rate("per event: before it an event of a type nobody knows")
    binary_frame: Ratio = _rate("per event: before it a binary frame")

    # The beginning, the end, and coming back.
    event_before_start: Ratio = _rate(
        "per session: POLY_AGENT_THINKING before SESSION_START in the first batch"
    )
    event_after_end: Ratio = _rate("per session: POLY_AGENT_THINKING after SESSION_END")
    wrong_close_code: Ratio = _rate(
        "per session: closed with 1011 after SESSION_END, not with 1000"
    )
    replay_before_cursor: Ratio = _rate(
        "per connect with a cursor: the event at the cursor is replayed too"
    )
    event_lost_on_resume: Ratio = _rate(
        "per connect with a cursor: of two LANGUAGE_CHANGED at the end of the replay the first is"
        " left out"
    )
    heartbeat_not_echoed: Ratio = _rate("per heartbeat: no echo")

    # A hand-off with a live agent in sight.
    bot_after_left: Ratio = _rate("per hand-off: a message of the agent's after POLY_AGENT_LEFT")
    handoff_out_of_order: Ratio = _rate(
        "per hand-off in mode `server`: LIVE_AGENT_JOINED before HANDOFF_ACCEPTED, or a place in"
        " the queue that gets worse"
    )
