"""The five frames that a client sends."""

import json
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.protocol import encode
from loadkit.protocol.types import CLIENT_TYPES

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # JSON carries no lone surrogate


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (encode.JOIN, {"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", "payload": {}}),
        (encode.END_SESSION, {"type": "EVENT_TYPE_USER_END_SESSION", "payload": {}}),
        (encode.HEARTBEAT, {"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}),
        (
            encode.TYPING_STARTED,
            {"type": "EVENT_TYPE_USER_TYPING", "payload": {"state": "TYPING_STATE_STARTED"}},
        ),
        (
            encode.TYPING_STOPPED,
            {"type": "EVENT_TYPE_USER_TYPING", "payload": {"state": "TYPING_STATE_STOPPED"}},
        ),
        (
            encode.user_message("hello", "local-1"),
            {
                "type": "EVENT_TYPE_USER_MESSAGE",
                "payload": {"text": "hello"},
                "metadata": {"custom": {"local_id": "local-1"}},
            },
        ),
    ],
)
def test_a_frame_holds_what_the_protocol_says_and_nothing_else(
    frame: bytes, event: dict[str, object]
) -> None:
    assert json.loads(frame) == event


def test_every_type_that_a_client_may_send_has_its_frame() -> None:
    frames = [
        encode.JOIN,
        encode.END_SESSION,
        encode.HEARTBEAT,
        encode.TYPING_STARTED,
        encode.user_message("", ""),
    ]
    assert {json.loads(frame)["type"] for frame in frames} == CLIENT_TYPES


@given(text=TEXTS, local_id=TEXTS)
def test_a_message_survives_the_way_to_a_server_whatever_its_characters(
    text: str, local_id: str
) -> None:
    sent = json.loads(encode.user_message(text, local_id).decode())
    assert sent["payload"] == {"text": text}
    assert sent["metadata"] == {"custom": {"local_id": local_id}}


def test_a_message_takes_no_more_memory_than_it_is_long() -> None:
    """A session keeps the frame of its turn: a library's buffer around it would be its largest."""
    tracemalloc.start()
    try:
        frames = [encode.user_message("Where is it?", f"{number:032x}") for number in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2 * sum(map(sys.getsizeof, frames))
