"""What only a real socket can show: how connections break, who notices, and what is refused."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulator_client import (
    ACCESS,
    ASKING,
    END,
    HEARTBEAT,
    JOIN,
    SESSIONS,
    Client,
    RawSocket,
    events_until,
    receive,
    records_of,
    says,
    simulator,
    types,
)
from websockets.exceptions import ConnectionClosed


def wait_for(truth: Path, kind: str) -> dict[str, Any]:
    """The first record of a kind, while the server is running."""
    until = time.monotonic() + 10
    while not (found := records_of(truth, kind)):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found[0]


def joined(link: RawSocket) -> None:
    link.send(JOIN.encode())
    hear(link, "POLY_AGENT_MESSAGE")


def hear(link: RawSocket, kind: str) -> None:
    while True:
        opcode, payload = link.receive()
        assert opcode == 1
        if json.loads(payload)["type"] == f"EVENT_TYPE_{kind}":
            return


def until_the_end(link: RawSocket) -> None:
    while link.receive()[0] != -1:
        pass


def pour(link: RawSocket) -> None:
    message = says("x" * 100_000).encode()
    for _ in range(1000):
        link.send(message)


def test_a_reset_is_a_reset_and_the_answer_is_in_the_replay(truth: Path) -> None:
    with simulator("faults.reset=1", truth=truth) as client:
        place = client.place()
        with RawSocket(client, place) as link:
            joined(link)
            link.send(says("hello").encode())
            with pytest.raises(ConnectionResetError):
                until_the_end(link)
        with client.connect(place, "4") as again:
            heard = events_until(again, "POLY_AGENT_MESSAGE")
            assert [e["sequence"] for e in heard if e["sequence"]] == [5, 6]
    (fault,) = records_of(truth, "fault")
    assert (fault["fault"], fault["socket"]) == ("reset", 1)
    assert [record["how"] for record in records_of(truth, "socket_close")] == [
        "fault",
        "close_frame",
    ]


def test_a_half_open_socket_is_silent_and_neither_closed_nor_counted(truth: Path) -> None:
    dials = ("faults.half_open=1", "max_connections_per_session=1", "agent.first_response=50ms")
    with simulator(*dials, truth=truth) as client:
        place = client.place()
        with RawSocket(client, place) as link:
            joined(link)
            link.send(says("hello").encode())
            hear(link, "USER_MESSAGE")
            link.send(HEARTBEAT.encode())
            link.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                link.receive()
            with client.connect(place, "5") as again:
                assert types(events_until(again, "POLY_AGENT_MESSAGE")) == ["POLY_AGENT_MESSAGE"]
                again.send(END)
                events_until(again, "SESSION_END")
    assert [record["fault"] for record in records_of(truth, "fault")] == ["half_open"]
    closes = [(record["socket"], record["how"]) for record in records_of(truth, "socket_close")]
    assert closes == [(2, "server"), (1, "fault")]


def test_a_half_open_socket_is_cut_in_the_end_as_every_silent_one_is(truth: Path) -> None:
    dials = ("faults.half_open=1", "idle_timeout_seconds=300ms", "close_timeout_seconds=100ms")
    with (
        simulator(*dials, truth=truth) as client,
        RawSocket(client, client.place()) as link,
    ):
        joined(link)
        link.send(says("hello").encode())
        hear(link, "USER_MESSAGE")
        assert link.at_end()
        assert wait_for(truth, "socket_close")["how"] == "fault"


def test_a_drop_in_mid_stream_is_an_end_without_a_close_after_some_chunks(truth: Path) -> None:
    dials = ("faults.mid_stream_drop=1", "agent.chunks={min=5,max=5}")
    with simulator(*dials, truth=truth) as client:
        place = client.place(streaming=True)
        with RawSocket(client, place) as link:
            link.send(JOIN.encode())
            link.send(says("hello").encode())
            heard = []
            while (frame := link.receive())[0] == 1:
                heard.append(json.loads(frame[1]))
            assert frame[0] == -1
        chunks = [e["payload"] for e in heard if e["type"].endswith("CHUNK")][5:]
        assert 1 <= len(chunks) <= 4
        cursor = max(event["sequence"] or 0 for event in heard)
        with client.connect(place, str(cursor)) as again:
            while not chunks[-1]["is_complete"]:
                chunks.append(events_until(again, "POLY_AGENT_MESSAGE_CHUNK")[-1]["payload"])
        assert [chunk["chunk_index"] for chunk in chunks] == [1, 2, 3, 4, 5]
    assert [record["how"] for record in records_of(truth, "socket_close")] == [
        "fault",
        "close_frame",
    ]


def test_a_binary_frame_comes_beside_the_event() -> None:
    with simulator("faults.binary_frame=1") as client, RawSocket(client, client.place()) as link:
        link.receive()
        link.send(JOIN.encode())
        assert link.receive()[0] == 2
        assert b"REQUEST_POLY_AGENT_JOIN" in link.receive()[1]


def test_a_session_can_end_with_the_wrong_code() -> None:
    with (
        simulator("faults.wrong_close_code=1") as client,
        client.connect(client.place()) as link,
    ):
        link.send(END)
        events_until(link, "SESSION_END")
        with pytest.raises(ConnectionClosed):
            link.recv(timeout=5)
        assert link.close_code == 1011


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ("close_frame", (4002, None)),
        ("fin", (None, None)),
        ("reset", (None, None)),
        ("server", (1000, 1000)),
    ],
)
def test_the_truth_tells_how_a_socket_died(
    truth: Path, how: str, codes: tuple[int | None, int | None]
) -> None:
    with simulator(truth=truth) as client, RawSocket(client, client.place()) as link:
        link.receive()
        match how:
            case "close_frame":
                link.send_close(4002)
                link.until_close()
            case "fin":
                link.socket.shutdown(socket.SHUT_WR)
            case "reset":
                lingering = struct.pack("ii", 1, 0)
                link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
                link.file.close()
                link.socket.close()
            case "server":
                link.send(END.encode())
                link.until_close()
                link.send_close(1000)
        record = wait_for(truth, "socket_close")
        assert record["how"] == how
        assert (record["client_code"], record["server_code"]) == codes


def test_a_client_that_does_not_read_is_told_as_stalled(truth: Path) -> None:
    dials = ("send_buffer_limit_bytes=65536", "agent.first_response=1h")
    with simulator(*dials, truth=truth) as client, RawSocket(client, client.place()) as link:
        with pytest.raises(ConnectionError):
            pour(link)
        assert wait_for(truth, "socket_close")["how"] == "stalled"


def test_a_client_that_has_vanished_is_told_as_half_open(truth: Path) -> None:
    dials = ("idle_timeout_seconds=200ms", "close_timeout_seconds=100ms")
    with simulator(*dials, truth=truth) as client, RawSocket(client, client.place()) as link:
        assert link.until_close()[1] == 1000  # which it never answers
        assert wait_for(truth, "socket_close")["how"] == "half_open"
        assert wait_for(truth, "session_end")["reason"] == "REASON_USER_ABANDONED"


def test_a_silent_socket_is_cut_though_its_session_lives_on_another(truth: Path) -> None:
    dials = ("idle_timeout_seconds=300ms", "close_timeout_seconds=100ms")
    with simulator(*dials, truth=truth) as client:
        place = client.place()
        with RawSocket(client, place) as silent, client.connect(place) as link:
            until = time.monotonic() + 30
            while not records_of(truth, "socket_close"):
                link.send(HEARTBEAT)
                assert time.monotonic() < until
                time.sleep(0.05)
            (record,) = records_of(truth, "socket_close")
            assert (record["socket"], record["how"]) == (1, "half_open")
            silent.receive()
            assert silent.at_end()
            assert receive(link)
    assert records_of(truth, "session_end") == []


def test_pings_come_at_their_interval_and_an_answer_keeps_the_socket(truth: Path) -> None:
    dials = ("ping_interval_seconds=50ms", "close_timeout_seconds=50ms", "pong_timeout_seconds=30")
    with simulator(*dials, truth=truth) as client, RawSocket(client, client.place()) as link:
        link.receive()
        started = time.monotonic()
        for _ in range(4):
            assert link.receive() == (9, b"")
            link.send(b"", opcode=10)
        assert time.monotonic() - started > 0.18
        link.send(HEARTBEAT.encode())
        while (frame := link.receive())[0] == 9:
            pass
        assert b"HEARTBEAT" in frame[1]


def test_without_the_dial_there_is_no_ping() -> None:
    with simulator() as client, RawSocket(client, client.place()) as link:
        link.receive()
        link.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            link.receive()


@pytest.mark.parametrize(
    ("fault", "call", "status"),
    [
        ("token_500", "access-token", 500),
        ("session_500", "sessions", 500),
        ("server_error", "access-token", 500),
        ("rate_limited", "access-token", 429),
    ],
)
def test_a_rest_call_can_fail_and_the_truth_counts_it(
    truth: Path, fault: str, call: str, status: int
) -> None:
    with simulator(f"faults.{fault}=1", truth=truth) as client:
        if call == "access-token":
            headers = ASKING
        else:
            headers = {"Authorization": f"Bearer {client.token()}"}
        answer = client.request("POST", f"/api/v1/{call}", headers, "{}")
        assert answer.status == status
        assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
        assert answer.body["message"]
    (record,) = records_of(truth, "fault")
    assert (record["fault"], record["call"], record["session_id"]) == (fault, call, None)


def test_rest_faults_come_as_often_as_the_truth_tells(truth: Path) -> None:
    with simulator("faults.server_error=0.3", "faults.rate_limited=0.3", truth=truth) as client:
        statuses = [client.request("POST", ACCESS, ASKING, "{}").status for _ in range(40)]
    names = [record["fault"] for record in records_of(truth, "fault")]
    assert statuses.count(500) == names.count("server_error") > 0
    assert statuses.count(429) == names.count("rate_limited") > 0
    assert statuses.count(200) == 40 - len(names)


@pytest.fixture
def limited(truth: Path) -> Iterator[Client]:
    dials = ("rate_limit.tokens_per_second=0.2", "rate_limit.sessions_per_second=0.2")
    with simulator(*dials, truth=truth) as client:
        yield client


def test_calls_over_their_limit_are_told_when_to_come_back(limited: Client, truth: Path) -> None:
    token = limited.token()
    answer = limited.request("POST", ACCESS, ASKING, "{}")
    assert answer.status == 429
    assert 4 <= int(answer.headers["retry-after"]) <= 5
    limited.session(token)
    headers = {"Authorization": f"Bearer {token}"}
    assert limited.request("POST", SESSIONS, headers, "{}").status == 429
    wait_for(truth, "rate_limited")
    calls = [record["call"] for record in records_of(truth, "rate_limited")]
    assert calls == ["access-token", "sessions"]


def test_an_upgrade_can_be_refused_and_the_session_is_still_there(truth: Path) -> None:
    with simulator("faults.refused_upgrade=0.5", truth=truth) as client:
        place = client.place()
        statuses = []
        for _ in range(10):
            with RawSocket(client, place) as link:
                statuses.append(link.status)
    refused = statuses.count(503)
    assert 0 < refused < 10
    assert statuses.count(101) == 10 - refused
    records = records_of(truth, "fault")
    assert [record["fault"] for record in records] == ["refused_upgrade"] * refused
    assert {record["session_id"] for record in records} == {place[0]}


def test_an_upgrade_can_be_slow(truth: Path) -> None:
    dials = ("faults.slow_upgrade=1", "faults.slow_upgrade_delay=200ms")
    with simulator(*dials, truth=truth) as client:
        place = client.place()
        started = time.monotonic()
        with client.connect(place) as link:
            assert time.monotonic() - started >= 0.19
            receive(link)
    assert [record["fault"] for record in records_of(truth, "fault")] == ["slow_upgrade"]


def test_a_hand_off_over_real_sockets(truth: Path) -> None:
    dials = (
        "handoff.wait=50ms",
        "handoff.queue_interval=20ms",
        "handoff.live_response=10ms",
        "handoff.live_turns={min=1,max=1}",
    )
    with simulator(*dials, truth=truth) as client, client.connect(client.place()) as link:
        link.send(JOIN)
        events_until(link, "POLY_AGENT_MESSAGE")
        link.send(says("agent please"))
        events_until(link, "LIVE_AGENT_JOINED")
        link.send(says("are you a person?"))
        heard = events_until(link, "SESSION_END")
        assert types(heard) == [
            "USER_MESSAGE",
            "LIVE_AGENT_TYPING",
            "LIVE_AGENT_MESSAGE",
            "LIVE_AGENT_TYPING",
            "LIVE_AGENT_LEFT",
            "SESSION_END",
        ]
    (record,) = records_of(truth, "handoff")
    assert record["joined"] - record["accepted"] >= 0.045  # timers are rounded to a millisecond
    assert record["outcome"] == "left"
