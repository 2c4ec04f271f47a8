"""The vendor's own SDK, as a server sees it: one walk through everything it does.

Written from the wire (PROTOCOL, section 4) on bare sockets, so that no library's good manners
stand between the server and what the SDK really sends.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from simulator_client import HOST, TOKEN, Client, RawSocket, simulator, types

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}  # without parameters


@pytest.fixture
def client() -> Iterator[Client]:
    with simulator() as running:
        yield running


def hear(link: RawSocket, kind: str) -> list[dict[str, Any]]:
    """Events up to and with the first of a type, batches flattened."""
    heard = []
    while not heard or heard[-1]["type"] != f"EVENT_TYPE_{kind}":
        opcode, payload = link.receive()
        assert opcode == 1
        message = json.loads(payload)
        batch = message["type"] == "EVENT_TYPE_EVENT_BATCH"
        heard += message["payload"]["events"] if batch else [message]
    for each in heard:
        assert isinstance(each["timestamp"], str)  # or the SDK drops it
        assert isinstance(each["id"], str)
        assert each["sequence"] is None or isinstance(each["sequence"], int)
    return heard


def hear_reply(link: RawSocket) -> str:
    """A streamed reply, put together in the order of chunk_index as the SDK does."""
    chunks = []
    while not chunks or not chunks[-1]["is_complete"]:
        chunks.append(hear(link, "POLY_AGENT_MESSAGE_CHUNK")[-1]["payload"])
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(1, len(chunks) + 1))
    return "".join(chunk["text"] for chunk in chunks)


def test_the_vendors_sdk_is_served_from_its_first_call_to_its_last(client: Client) -> None:
    answer = client.request(
        "POST",
        "/api/v1/access-token",
        {
            "X-Token": TOKEN,
            "X-Host": HOST,
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            "X-Polyai-Correlation-Id": "0b2c8a35-6d6f-4d1c-8f6e-2d1f1f0f9a11",
        },
        "{}",
    )
    token = answer.body["access_token"]
    session = client.request(
        "POST",
        "/api/v1/sessions",
        {"Authorization": f"Bearer {token}", "Accept": "application/json"},
        '{"streaming_enabled":true,"platform":"android","device_type":"mobile"}',
    )
    place = (session.body["session_id"], token)

    # The join goes out on seeing SESSION_START, as no agent is in the same batch.
    with RawSocket(client, place, **OFFER) as link:
        assert link.status == 101
        assert "sec-websocket-extensions" not in link.headers
        assert types(hear(link, "SESSION_START")) == ["SESSION_START"]
        link.send(b'{"payload":{},"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"}')
        hear(link, "POLY_AGENT_THINKING")
        assert hear_reply(link)

        # A JSON writer that escapes slashes and has its own order of keys.
        link.send(b'{"payload":{"state":"TYPING_STATE_STARTED"},"type":"EVENT_TYPE_USER_TYPING"}')
        link.send(b'{"payload":{"state":"TYPING_STATE_STOPPED"},"type":"EVENT_TYPE_USER_TYPING"}')
        link.send(
            rb'{"metadata":{"custom":{"local_id":"3f0c"}},"payload":{"text":"and\/or?"},'
            rb'"type":"EVENT_TYPE_USER_MESSAGE"}'
        )
        echo = hear(link, "USER_MESSAGE")[-1]
        assert echo["payload"]["text"] == "and/or?"
        assert echo["payload"]["message_id"]
        assert echo["metadata"]["custom"] == {"local_id": "3f0c"}
        assert hear_reply(link)
        link.send(b'{"payload":{},"type":"EVENT_TYPE_HEARTBEAT"}')
        hear(link, "HEARTBEAT")

        # After two hours it forces a fresh socket and must read its own code back.
        link.send_close(4002)
        assert link.until_close() == ([], 4002)

    # The app is shut down: 1000 without USER_END_SESSION leaves the session alive.
    with RawSocket(client, place, **OFFER) as link:
        link.receive()
        link.send_close(1000)
        assert link.until_close()[1] == 1000

    # A cold resume: no REST call, no cursor, the whole history in order, and no second join.
    with RawSocket(client, place, **OFFER) as link:
        batch = json.loads(link.receive()[1])["payload"]["events"]
        assert types(batch)[:3] == ["SESSION_START", "REQUEST_POLY_AGENT_JOIN", "POLY_AGENT_JOINED"]
        assert [each["sequence"] for each in batch] == list(range(1, len(batch) + 1))

        # The end: USER_END_SESSION and at once close 1000, without waiting for anything.
        link.send(b'{"payload":{},"type":"EVENT_TYPE_USER_END_SESSION"}')
        link.send_close(1000)
        heard, code = link.until_close()
        assert types(heard) == ["USER_END_SESSION", "SESSION_END"]
        assert code == 1000
        assert link.at_end()

    with RawSocket(client, place, **OFFER) as link:
        assert link.status == 404
