"""The server's words about what it cannot do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.protocol.system_texts import Family, family

TEXTS = {
    Family.BAD_EVENT: [
        "Unknown event type or invalid message format",
        "Event type not allowed: EVENT_TYPE_USER_READ_MESSAGE",
    ],
    Family.HIGH_LOAD: ["Our system is experiencing high load. Please try again in a moment."],
    Family.NO_CONVERSATION: [
        "Sorry, I'm unable to start a conversation right now. Please try again later.",
        "Error: Conversation not found",
        "Error: Conversation ID not found in session",
    ],
    Family.AGENT_ERROR: [
        "Sorry, I'm having trouble responding right now. Please try again.",
        "Sorry, I encountered an error. Please try again.",
    ],
    Family.SESSION_ERROR: [
        "Error: Session not found",
        "Error: Unable to retrieve session",
        "Error: Connector not found",
    ],
    Family.HANDOFF_ERROR: [
        "Sorry, we could not connect you to an agent. Please try again.",
        "Failed to forward message to live agent",
        "Sorry, handoff could not be initiated.",
    ],
    Family.OTHER: ["", "Scheduled maintenance tonight."],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in TEXTS.items() for text in texts]
)
def test_each_text_of_the_protocol_belongs_to_its_family_whatever_its_case(
    kind: Family, text: str
) -> None:
    assert {family(text), family(text.upper()), family(f"  {text}\n")} == {kind}


def test_every_family_has_a_text() -> None:
    assert set(TEXTS) == set(Family)


@pytest.mark.parametrize("text", [None, 5, True, [], {}, ["Error: Session not found"], b"Error: "])
def test_what_is_no_text_belongs_to_no_family(text: Any) -> None:
    assert family(text) is Family.OTHER


@given(st.text())
def test_any_text_belongs_to_one_family(text: str) -> None:
    assert type(family(text)) is Family
