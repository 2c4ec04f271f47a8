"""The names on the wire."""

import pytest

from loadkit.protocol.types import CLIENT_TYPES, PAYLOAD_KEYS, EventType

NEVER_ON_THE_WIRE = [EventType.UNKNOWN, EventType.LONE_SURROGATE]
ON_THE_WIRE = [kind for kind in EventType if kind not in NEVER_ON_THE_WIRE]


@pytest.mark.parametrize("kind", ON_THE_WIRE)
def test_a_type_is_called_by_its_name_with_the_prefix(kind: EventType) -> None:
    assert kind.value == f"EVENT_TYPE_{kind.name}"


@pytest.mark.parametrize("kind", NEVER_ON_THE_WIRE)
def test_what_is_never_on_the_wire_has_no_name_that_a_server_could_send(kind: EventType) -> None:
    assert not kind.value.startswith("EVENT_TYPE_")


def test_a_client_sends_five_types() -> None:
    assert {kind.name for kind in CLIENT_TYPES} == {
        "REQUEST_POLY_AGENT_JOIN",
        "USER_MESSAGE",
        "USER_TYPING",
        "USER_END_SESSION",
        "HEARTBEAT",
    }


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (EventType.POLY_AGENT_MESSAGE, "poly_agent_message"),
        (EventType.POLY_AGENT_MESSAGE_CHUNK, "poly_agent_message_chunk"),
        (EventType.SESSION_START, "session_start"),
        (EventType.SHOW_CSAT_REQUEST, "show_csat_request"),
    ],
)
def test_the_key_of_a_batched_payload_is_the_type_without_its_prefix_in_small_letters(
    kind: EventType, key: str
) -> None:
    assert PAYLOAD_KEYS[kind] == key


def test_every_type_of_the_protocol_is_known() -> None:
    names = """
        EVENT_BATCH SESSION_START SESSION_END SESSION_IDLE_WARNING
        REQUEST_POLY_AGENT_JOIN USER_MESSAGE USER_TYPING USER_END_SESSION HEARTBEAT
        LINK_TO_WEBRTC_CONVERSATION
        POLY_AGENT_JOINED POLY_AGENT_THINKING POLY_AGENT_MESSAGE POLY_AGENT_MESSAGE_CHUNK
        POLY_AGENT_LEFT POLY_AGENT_TRIGGERED_HANDOFF HANDOFF_ACCEPTED HANDOFF_QUEUE_STATUS
        CLIENT_HANDOFF_REQUIRED HANDOFF_FAILED HANDOFF_TIMEOUT LIVE_AGENT_JOINED
        LIVE_AGENT_TYPING LIVE_AGENT_MESSAGE LIVE_AGENT_LEFT SYSTEM_MESSAGE LANGUAGE_CHANGED
        USER_RECEIVED_MESSAGE USER_READ_MESSAGE POLY_AGENT_RECEIVED_MESSAGE
        POLY_AGENT_READ_MESSAGE LIVE_AGENT_RECEIVED_MESSAGE LIVE_AGENT_READ_MESSAGE
        SHOW_CSAT_REQUEST CSAT_RESPONSE
        """
    assert {kind.name for kind in ON_THE_WIRE} == set(names.split())
