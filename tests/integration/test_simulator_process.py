"""The simulator as a process: what it prints, how it stops, and what it leaves behind."""

import json
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from simulator_client import (
    JOIN,
    PATIENCE,
    TOKEN,
    Client,
    RawSocket,
    events_until,
    process,
    receive,
    records_of,
    says,
)
from websockets.exceptions import ConnectionClosed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_says_where_it_listens_and_stops_cleanly_on_a_signal(
    number: signal.Signals, truth: Path
) -> None:
    """Everybody is told that it goes away, and a client that hangs does not keep it."""
    with process(truth=truth) as (server, line):
        assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+\n", line)
        client = Client(line.split()[-1])
        with client.connect(client.place()) as link, RawSocket(client, client.place()) as hanging:
            receive(link)
            assert hanging.status == 101
            server.send_signal(number)
            with pytest.raises(ConnectionClosed):
                link.recv(timeout=PATIENCE)
            assert link.close_code == 1001
            output, errors = server.communicate(timeout=PATIENCE)
        assert (server.returncode, output, errors) == (0, "", "")
    closes = records_of(truth, "socket_close")
    assert {record["server_code"] for record in closes} == {1001}
    assert [record["client_code"] for record in closes] == [1001, None]


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(port=port) as (second, nothing):
            assert nothing == ""
            assert "UsageError: cannot listen on 127.0.0.1" in second.communicate(timeout=10)[1]


def test_the_truth_log_tells_the_whole_story_and_no_secret(truth: Path) -> None:
    with process(truth=truth) as (server, line):
        client = Client(line.split()[-1])
        place = client.place()
        before = time.monotonic()
        with client.connect(place) as link:
            link.send(JOIN)
            events_until(link, "POLY_AGENT_MESSAGE")
            sent = time.monotonic()
            link.send(says("Where is my order?", local_id="mine"))
            heard = events_until(link, "POLY_AGENT_MESSAGE")
            answered = time.monotonic()
        with client.connect(place) as link:
            link.socket.close()
        deadline = time.monotonic() + PATIENCE
        while truth.read_bytes().count(b"socket_close") < 2:  # it is written while it runs
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with client.connect(place) as link:
            link.send(says("end the convo"))
            events_until(link, "SESSION_END")
        server.send_signal(signal.SIGTERM)
        output, errors = server.communicate(timeout=PATIENCE)
        assert (server.returncode, output) == (0, "")
    text = truth.read_text()
    for secret in (TOKEN, place[1]):
        assert secret not in text + errors
    told = [json.loads(each) for each in text.splitlines()]
    assert [record["kind"] for record in told] == [
        "session",
        "socket_open",
        "join",
        "turn",
        "socket_close",
        "socket_open",
        "socket_close",
        "socket_open",
        "turn",
        "session_end",
        "socket_close",
    ]
    turn = told[3]
    assert turn["local_id"] == "mine"
    # One clock for both processes: the server's times lie between the client's own.
    times = [sent, turn["received"], *(each["at"] for each in turn["events"]), answered]
    assert before < sent
    assert times == sorted(times)
    assert [e["sequence"] for e in turn["events"]] == [e["sequence"] for e in heard]
    closes = [r for r in told if r["kind"] == "socket_close"]
    assert [(r["client_code"], r["server_code"]) for r in closes] == [
        (1000, None),
        (None, None),
        (1000, 1000),
    ]
