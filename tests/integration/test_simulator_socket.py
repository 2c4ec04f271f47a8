"""Open sockets: replay, limits, closes, compression and the ends of a session."""

import gc
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator_client import (
    END,
    HEARTBEAT,
    JOIN,
    Client,
    RawSocket,
    event,
    events_until,
    receive,
    records_of,
    says,
    simulator,
    types,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus

from loadkit.simulator.app.socket import Socket


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with simulator() as running:
        yield running


@pytest.mark.parametrize("streaming", [False, True])
def test_a_conversation_from_the_join_to_the_end(client: Client, streaming: bool) -> None:
    reply = "POLY_AGENT_MESSAGE_CHUNK" if streaming else "POLY_AGENT_MESSAGE"
    with client.connect(client.place(streaming=streaming)) as link:
        first = receive(link)
        assert first["type"] == "EVENT_TYPE_EVENT_BATCH"
        assert first["sequence"] is None
        assert types(first["payload"]["events"]) == ["SESSION_START"]
        link.send(JOIN)
        heard = events_until(link, "POLY_AGENT_THINKING")
        assert types(heard) == [
            "REQUEST_POLY_AGENT_JOIN",
            "POLY_AGENT_JOINED",
            "POLY_AGENT_THINKING",
        ]
        while not (greeting := receive(link))["payload"].get("is_complete", not streaming):
            assert greeting["type"] == f"EVENT_TYPE_{reply}"
        link.send(says("Where is my order?", local_id="mine"))
        assert types(events_until(link, reply)) == ["USER_MESSAGE", "POLY_AGENT_THINKING", reply]
        link.send(END)
        heard = events_until(link, "SESSION_END")
        assert heard[-1]["payload"] == {"reason": "REASON_USER_END"}
        with pytest.raises(ConnectionClosed):
            link.recv(timeout=5)
        assert link.close_code == 1000


def test_a_socket_that_is_over_leaves_nothing_to_the_garbage_collector(client: Client) -> None:
    """Whoever ended it: with thousands of them the collector would hold up everyone's answers."""

    def sockets() -> int:
        return sum(type(each) is Socket for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        with client.connect(client.place()) as link:  # the server ends this one, with the session
            link.send(JOIN)
            link.send(END)
            events_until(link, "SESSION_END")
        with client.connect(client.place()):  # the client this one
            assert sockets() >= 1
        until = time.monotonic() + 5
        while sockets() and time.monotonic() < until:
            time.sleep(0.02)
        assert sockets() == 0
    finally:
        gc.enable()


def test_a_reconnect_replays_from_the_cursor_in_either_spelling(client: Client) -> None:
    place = client.place()
    with client.connect(place) as link:
        link.send(JOIN)
        lasting = [e for e in events_until(link, "POLY_AGENT_MESSAGE") if e["sequence"]]
    for cursor in ("seq:2", "2"):
        with client.connect(place, cursor) as link:
            assert receive(link)["payload"]["events"] == lasting[2:]
    for cursor in ("nonsense", "0", "seq:-1", None):
        with client.connect(place, cursor) as link:
            assert receive(link)["payload"]["events"] == lasting


def test_a_long_history_comes_in_several_batches() -> None:
    with simulator("agent.first_response=0", "agent.thinking=0") as client:
        place = client.place()
        with client.connect(place) as link:
            link.send(JOIN)
            events_until(link, "POLY_AGENT_MESSAGE")
            for _ in range(130):
                link.send(says("more"))
                events_until(link, "POLY_AGENT_MESSAGE")
        with client.connect(place) as link:
            first, second = receive(link), receive(link)
            link.send(HEARTBEAT)
            assert receive(link)["type"] == "EVENT_TYPE_HEARTBEAT"
        assert len(first["payload"]["events"]) == 256
        events = first["payload"]["events"] + second["payload"]["events"]
        assert [e["sequence"] for e in events] == list(range(1, 265))


def test_with_nothing_new_a_server_may_send_no_batch_at_all() -> None:
    with (
        simulator("history.empty_batch=false") as client,
        client.connect(client.place(), "seq:1") as link,
    ):
        link.send(HEARTBEAT)
        assert receive(link)["type"] == "EVENT_TYPE_HEARTBEAT"


def test_all_sockets_of_a_session_hear_the_same(client: Client) -> None:
    place = client.place()
    with client.connect(place) as first, client.connect(place) as second:
        first.send(JOIN)
        heard = [events_until(link, "POLY_AGENT_MESSAGE") for link in (first, second)]
        assert heard[0] == heard[1]


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4002, 4003, 4999])
def test_a_clients_close_code_is_echoed_and_the_session_lives_on(client: Client, code: int) -> None:
    place = client.place()
    with RawSocket(client, place) as link:
        link.receive()
        link.send_close(code)
        assert link.until_close() == ([], code)
        assert link.at_end()
    with client.connect(place) as again:
        again.send(HEARTBEAT)
        assert types(events_until(again, "HEARTBEAT")) == ["SESSION_START", "HEARTBEAT"]


def test_a_close_without_a_code_is_answered_without_one(client: Client) -> None:
    with RawSocket(client, client.place()) as link:
        link.receive()
        link.send_close(None)
        assert link.until_close() == ([], None)


def test_a_connection_that_is_cut_leaves_the_session_alive(client: Client) -> None:
    place = client.place()
    with RawSocket(client, place) as link:
        link.receive()
    with client.connect(place) as again:
        assert types(receive(again)["payload"]["events"]) == ["SESSION_START"]


def test_a_ping_is_answered(client: Client) -> None:
    with client.connect(client.place()) as link:
        assert link.ping().wait(5)


@pytest.mark.parametrize("data", ["nonsense", "[]", event("POLY_AGENT_MESSAGE", local_id="x")])
def test_bad_events_are_answered_and_the_socket_stays_open(client: Client, data: str) -> None:
    with client.connect(client.place()) as link:
        receive(link)
        link.send(data)
        assert receive(link)["payload"]["level"] == "SYSTEM_MESSAGE_LEVEL_ERROR"
        link.send(HEARTBEAT)
        assert receive(link)["type"] == "EVENT_TYPE_HEARTBEAT"


def test_a_message_in_fragments_is_one_message(client: Client) -> None:
    with RawSocket(client, client.place()) as link:
        link.receive()
        data = HEARTBEAT.encode()
        link.send(data[:10], fin=False)
        link.send(data[10:], opcode=0)
        assert json.loads(link.receive()[1])["type"] == "EVENT_TYPE_HEARTBEAT"


def message_of(size: int) -> str:
    return says("x" * (size - len(says(""))))


def test_a_message_of_just_128_kb_is_heard(client: Client) -> None:
    with client.connect(client.place(), max_size=None) as link:
        receive(link)
        link.send(message_of(128 * 1024))
        assert receive(link)["type"] == "EVENT_TYPE_USER_MESSAGE"


@pytest.mark.parametrize("size", [128 * 1024 + 1, 1024 * 1024])
def test_a_message_over_128_kb_closes_the_socket_with_1009(client: Client, size: int) -> None:
    place = client.place()
    with client.connect(place) as link:
        receive(link)
        link.send(message_of(size))
        with pytest.raises(ConnectionClosed):
            link.recv(timeout=5)
        assert link.close_code == 1009
    with client.connect(place) as again:
        assert types(receive(again)["payload"]["events"]) == ["SESSION_START"]


def test_a_binary_frame_closes_the_socket_with_1003(client: Client) -> None:
    with client.connect(client.place()) as link:
        receive(link)
        link.send(HEARTBEAT.encode())
        with pytest.raises(ConnectionClosed):
            link.recv(timeout=5)
        assert link.close_code == 1003


def test_a_frame_that_breaks_the_protocol_closes_the_socket_with_1002(client: Client) -> None:
    with RawSocket(client, client.place()) as link:
        link.receive()
        link.send(b"", opcode=5)
        assert link.until_close() == ([], 1002)


def test_a_client_that_never_answers_a_close_is_cut_off() -> None:
    with (
        simulator("close_timeout_seconds=50ms") as client,
        RawSocket(client, client.place()) as link,
    ):
        link.send(END.encode())
        heard, code = link.until_close()
        assert (types(heard)[-1], code) == ("SESSION_END", 1000)
        assert link.at_end()


def test_a_client_that_does_not_read_is_cut_off() -> None:
    def pour(link: RawSocket) -> None:
        message = message_of(100_000).encode()
        for _ in range(1000):
            link.send(message)

    with (
        simulator("send_buffer_limit_bytes=65536", "agent.first_response=1h") as client,
        RawSocket(client, client.place()) as link,
        pytest.raises(ConnectionError),
    ):
        pour(link)


def test_an_idle_session_is_abandoned_and_then_not_found() -> None:
    with simulator("idle_timeout_seconds=300ms") as client:
        place = client.place()
        with client.connect(place) as link:
            heard = events_until(link, "SESSION_END")
            assert heard[-1]["payload"] == {"reason": "REASON_USER_ABANDONED"}
            with pytest.raises(ConnectionClosed):
                link.recv(timeout=5)
            assert link.close_code == 1000
        with pytest.raises(InvalidStatus) as caught, client.connect(place):
            pass
        assert caught.value.response.status_code == 404


def test_a_natural_end_is_answered_first(client: Client) -> None:
    with client.connect(client.place()) as link:
        link.send(JOIN)
        events_until(link, "POLY_AGENT_MESSAGE")
        link.send(says("Please end the convo"))
        heard = events_until(link, "SESSION_END")
        assert types(heard)[-2:] == ["POLY_AGENT_MESSAGE", "SESSION_END"]
        assert heard[-1]["payload"] == {"reason": "REASON_NATURAL_END"}


@pytest.mark.parametrize("compression", [False, True])
def test_a_client_that_offers_compression_is_served_either_way(compression: bool) -> None:
    with simulator(f"compression={str(compression).lower()}") as client:
        place = client.place(streaming=True)
        sockets = [
            client.connect(place, compression="deflate"),
            client.connect(place, compression=None),
        ]
        with sockets[0] as packed, sockets[1] as plain:
            assert bool(packed.protocol.extensions) is compression
            packed.send(JOIN)
            packed.send(says("Where is my order?" * 500))
            packed.send(says("end the convo"))
            assert events_until(packed, "SESSION_END") == events_until(plain, "SESSION_END")


def test_an_offer_of_compression_without_parameters_is_taken_up_when_the_dial_is_on() -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    with (
        simulator("compression=true") as client,
        RawSocket(client, client.place(), **offer) as link,
    ):
        assert link.headers["sec-websocket-extensions"].startswith("permessage-deflate")
        body = link.receive()[1] + b"\x00\x00\xff\xff"
        batch = json.loads(zlib.decompressobj(-15).decompress(body))
        assert types(batch["payload"]["events"]) == ["SESSION_START"]
        link.send(HEARTBEAT.encode())  # a frame that is not compressed is fine after all
        body = link.receive()[1] + b"\x00\x00\xff\xff"
        assert b"HEARTBEAT" in zlib.decompressobj(-15).decompress(body)


def test_a_socket_of_a_certain_age_is_sent_away_and_what_was_under_way_is_kept() -> None:
    with simulator("max_connection_seconds=0.3", "agent.first_response=50ms") as client:
        place = client.place()
        with RawSocket(client, place) as link:
            link.send(JOIN.encode())
            events, code = link.until_close()
            assert code == 1001
            link.send(says("said before I knew").encode())
            link.send_close(1001)
            assert link.at_end()
        with client.connect(place, cursor=str(events[-1]["sequence"] or 0)) as link:
            history = receive(link)["payload"]["events"]
            assert "said before I knew" in [one["payload"].get("text") for one in history]


@pytest.mark.parametrize("answers", [True, False])
def test_a_socket_that_does_not_answer_a_ping_is_cut(answers: bool, truth: Path) -> None:
    dials = ("ping_interval_seconds=100ms", "pong_timeout_seconds=1.5")
    with simulator(*dials, truth=truth) as client, RawSocket(client, client.place()) as link:
        pings, opcode = 0, 0
        while pings < 18 and opcode != -1:
            opcode, payload = link.receive()
            pings += opcode == 9
            if opcode == 9 and answers:
                link.send(payload, opcode=10)
        assert (pings == 18) is answers
    how = [record["how"] for record in records_of(truth, "socket_close")]
    assert (how == ["half_open"]) is not answers
