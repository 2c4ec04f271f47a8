"""Hostile clients of the simulator: frames, handshakes, requests, floods, silence.

What a sequence of frames has to come to is held against another server that reads the same bytes,
the one of `websockets`.
"""

import base64
import contextlib
import http.client
import json
import socket
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pytest
from simulator_client import (
    HEARTBEAT,
    HOST,
    JOIN,
    TOKEN,
    Client,
    RawSocket,
    process,
    says,
    simulator,
)
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from loadkit.simulator.app import connection
from loadkit.simulator.app import rest_api as rest
from tests.hostile.memory import forget, most, resident
from tests.rfc6455 import BINARY, CLOSE, CONT, PING, PONG, TEXT
from tests.rfc6455 import frame as server_frame

LIMIT = 128 * 1024  # `max_message_size_bytes`
OPEN = None  # what a socket that is not closed has for a close code
GROWTH = 250  # megabytes that the server may take for one attack
FLOOD = 8.0  # seconds for a flood at most: it ends by itself, or is as long as it says
CUT_WITHIN = 120.0  # of a flood that ends when it is cut
PATIENCE = 30.0


class Server(NamedTuple):
    """A simulator in a process of its own."""

    client: Client
    process: "subprocess.Popen[str]"

    def memory(self) -> float:
        """Megabytes that it takes."""
        return resident(self.process.pid) / 1e6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """It has to live through every row, and to say nothing that it was told in secret."""
    with process("close_timeout_seconds=2s") as (simulator, line):
        yield Server(Client(line.split()[-1]), simulator)
        assert simulator.poll() is None, "an attack has ended it"
        simulator.terminate()
        said = simulator.communicate(timeout=PATIENCE)[1]
    assert "Traceback" not in said
    assert TOKEN not in said
    assert SECRET.decode() not in said


SECRET = b"a-secret-of-somebody"


# Frames.


frame = partial(server_frame, key=b"\x13\x37\xbe\xef")
"""A frame as a client writes it, or as none may."""


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def packed(text: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(
        b"\x00\x00\xff\xff"
    )


BEAT = HEARTBEAT.encode()
FRAMES: dict[str, tuple[bytes, int | None]] = {
    "a text": (frame(TEXT, BEAT), OPEN),
    "an empty text": (frame(TEXT), OPEN),
    "a text of just the limit": (frame(TEXT, b" " * LIMIT), OPEN),
    "a text one byte over it": (frame(TEXT, b" " * (LIMIT + 1)), 1009),
    "fragments": (frame(TEXT, BEAT[:9], fin=False) + frame(CONT, BEAT[9:]), OPEN),
    "a ping between fragments": (
        frame(TEXT, BEAT[:9], fin=False) + frame(PING, b"x") + frame(CONT, BEAT[9:]),
        OPEN,
    ),
    "empty fragments": (
        frame(TEXT, fin=False) + frame(CONT, fin=False) * 500 + frame(CONT, BEAT),
        OPEN,
    ),
    "fragments over the limit": (
        frame(TEXT, b" " * LIMIT, fin=False) + frame(CONT, b" "),
        1009,
    ),
    "a letter split over fragments": (
        frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\xa9"),
        OPEN,
    ),
    "a pong nobody asked for": (frame(PONG, b"x" * 125), OPEN),
    "a ping of 125 bytes": (frame(PING, b"x" * 125), OPEN),
    "no mask": (frame(TEXT, BEAT, key=b""), 1002),
    "a ping without a mask": (frame(PING, key=b""), 1002),
    "a close without a mask": (frame(CLOSE, key=b""), 1002),
    "reserved bit 1": (frame(TEXT, BEAT, reserved=0x40), 1002),
    "reserved bit 2": (frame(TEXT, BEAT, reserved=0x20), 1002),
    "reserved bit 3": (frame(TEXT, BEAT, reserved=0x10), 1002),
    "a reserved bit of a ping": (frame(PING, reserved=0x40), 1002),
    "a reserved bit of a continuation": (
        frame(TEXT, b"a", fin=False) + frame(CONT, b"b", reserved=0x40),
        1002,
    ),
    "a ping in fragments": (frame(PING, fin=False), 1002),
    "a close in fragments": (frame(CLOSE, fin=False), 1002),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "a pong of 64 KB": (frame(PONG, b"x" * 65536), 1002),
    "a close of 126 bytes": (close(1000, b"x" * 124), 1002),
    "the continuation of nothing": (frame(CONT, BEAT), 1002),
    "a continuation after the end": (frame(TEXT, BEAT) + frame(CONT, b"x"), 1002),
    "a text within a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, BEAT), 1002),
    "a binary within an empty text": (frame(TEXT, fin=False) + frame(BINARY, b""), 1002),
    "no UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "half a letter": (frame(TEXT, b"caf\xc3"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "an overlong letter": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a letter beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "no UTF-8 in a fragment": (frame(TEXT, b"\xff", fin=False) + frame(CONT, b"a"), 1007),
    "a close without a code": (frame(CLOSE), 1005),
    "half a code": (frame(CLOSE, b"\x03"), 1002),
    "a reason that is no UTF-8": (close(1000, b"\xff"), 1007),
    "a length that needs fewer bytes, of 16 bits": (frame(TEXT, BEAT, form=126), 1002),
    "a length that needs fewer bytes, of 64 bits": (frame(TEXT, BEAT, form=127), 1002),
    "2 bytes would do for 300": (frame(TEXT, b" " * 300, form=127), 1002),
    "a text of 4 EB": (b"\x81\xff" + (1 << 62).to_bytes(8) + bytes(4) + b"x" * 1000, 1009),
    "a length with its top bit": (b"\x81\xff" + (1 << 63).to_bytes(8) + bytes(4), 1002),
    **{f"opcode {n}": (frame(n), 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{
        f"close code {n}": (close(n), 1002)
        for n in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    **{
        f"close code {n}": (close(n, "für immer".encode()), n)
        for n in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
    },
}
"""What is sent after the handshake, and the code of the close that comes of it."""

STRICTER = {
    # `websockets` takes each length as it is, and one of 2**63 for a large message.
    "a length that needs fewer bytes, of 16 bits": OPEN,
    "a length that needs fewer bytes, of 64 bits": OPEN,
    "2 bytes would do for 300": OPEN,
    "a length with its top bit": 1009,
}
"""Where RFC 6455 (section 5.2) leaves no choice, and the other server takes it all the same."""

DEFLATED: dict[str, tuple[bytes, int | None]] = {
    "a packed text": (frame(TEXT, packed(BEAT), reserved=0x40), OPEN),
    "two of them": (
        frame(TEXT, packed(BEAT), reserved=0x40) + frame(TEXT, packed(BEAT), reserved=0x40),
        OPEN,
    ),
    "one that is not packed": (frame(TEXT, BEAT), OPEN),
    "packed fragments": (
        frame(TEXT, packed(BEAT)[:5], fin=False, reserved=0x40) + frame(CONT, packed(BEAT)[5:]),
        OPEN,
    ),
    "a packed continuation": (
        frame(TEXT, packed(BEAT)[:5], fin=False, reserved=0x40) + frame(CONT, b"", reserved=0x40),
        1002,
    ),
    "a packed ping": (frame(PING, packed(b"x"), reserved=0x40), 1002),
    "what was never packed": (frame(TEXT, b"\xff" * 20, reserved=0x40), 1002),
    "a bomb": (frame(TEXT, packed(b" " * 50_000_000), reserved=0x40), 1009),
    "packed, and no UTF-8": (frame(TEXT, packed(b"\xff"), reserved=0x40), 1007),
    "reserved bit 2": (frame(TEXT, packed(BEAT), reserved=0x60), 1002),
}
"""The same where compression was agreed on."""


def close_code(wire: RawSocket) -> int | None:
    """The code of the server's close frame; OPEN if it answers a ping instead."""
    while True:
        opcode, payload = wire.receive()
        assert opcode != -1, "it hung up without a close frame"
        if opcode == CLOSE:
            return struct.unpack("!H", payload[:2])[0] if payload else 1005
        if opcode == PONG and payload == b"still there?":
            return OPEN


def by_the_other_server(data: bytes, *, deflate: bool) -> int | None:
    """What `websockets` makes of the same bytes."""
    extensions = [PerMessageDeflate(False, False, 15, 15)] if deflate else []
    other = ServerProtocol(state=State.OPEN, max_size=LIMIT)
    other.extensions = extensions
    other.receive_data(data)
    other.data_to_send()
    text = b""
    for event in other.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (TEXT, CONT):  # its Sans-I/O part leaves this to the rest of it
            text += event.data
            try:
                text.decode("utf-8" if event.fin else "latin-1")
            except UnicodeDecodeError:
                return 1007
            text = b"" if event.fin else text
    sent = other.close_sent
    return None if sent is None else sent.code


def outcome(client: Client, data: bytes, **headers: str) -> int | None:
    with RawSocket(client, client.place(), **headers) as wire:
        wire.socket.sendall(data + frame(PING, b"still there?"))
        return close_code(wire)


@pytest.mark.parametrize("attack", FRAMES)
def test_frames_are_read_as_rfc_6455_has_it(server: Server, attack: str) -> None:
    """Each comes to the close code that the table and another server say."""
    data, expected = FRAMES[attack]
    assert by_the_other_server(data, deflate=False) == STRICTER.get(attack, expected)
    assert outcome(server.client, data) == expected


@pytest.fixture(scope="module")
def deflating() -> Iterator[Client]:
    with process("compression=true") as (_, line):
        yield Client(line.split()[-1])


@pytest.mark.parametrize("attack", DEFLATED)
def test_packed_frames_are_read_as_rfc_7692_has_it(deflating: Client, attack: str) -> None:
    """A message counts as long as it is when it is unpacked."""
    data, expected = DEFLATED[attack]
    assert by_the_other_server(data, deflate=True) == expected
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    assert outcome(deflating, data, **offer) == expected


def test_frames_that_come_byte_by_byte_are_the_same_frames(server: Server) -> None:
    """The pieces that the network makes of them mean nothing."""
    data = frame(TEXT, BEAT[:9], fin=False) + frame(PING, b"p") + frame(CONT, BEAT[9:])
    data += frame(TEXT, b" " * 300) + close(4000)
    with RawSocket(server.client, server.client.place()) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.receive()
        for byte in data:
            wire.socket.sendall(bytes([byte]))
        heard = [wire.receive() for _ in range(4)]
        assert wire.at_end()
    assert [opcode for opcode, _ in heard] == [PONG, TEXT, TEXT, CLOSE]
    assert heard[-1][1] == struct.pack("!H", 4000)


def test_a_client_that_still_writes_gets_to_see_why_it_was_refused(server: Server) -> None:
    """A reset would overtake the close code."""
    with RawSocket(server.client, server.client.place()) as wire:
        wire.receive()
        for _ in range(40):
            wire.socket.sendall(b"\x81\xff" + (1 << 40).to_bytes(8) + bytes(4) + bytes(100_000))
            time.sleep(0.001)
        assert close_code(wire) == 1009
        assert wire.at_end()


# The handshake.

GOOD = {
    "Host": "simulator",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
Lines = list[tuple[str, str]]


def lines(leave: str = "", **more: str) -> Lines:
    """The headers of a good handshake, without one, and with others instead or beside it."""
    kept = [(name, value) for name, value in GOOD.items() if name != leave]
    return kept + [(name.replace("_", "-"), value) for name, value in more.items()]


def instead(name: str, value: str) -> Lines:
    return [*lines(leave=name), (name, value)]


KEY, VERSION, OFFER = "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"
HANDSHAKES: dict[str, tuple[str, Lines, int]] = {
    "a good one": ("GET HTTP/1.1", lines(), 101),
    "in other letters": (
        "GET HTTP/1.1",
        instead("Upgrade", "WebSocket"),
        101,
    ),
    "an offer that nobody knows": ("GET HTTP/1.1", [*lines(), (OFFER, "x; y=1, z")], 101),
    "no Upgrade": ("GET HTTP/1.1", lines("Upgrade"), 400),
    "another Upgrade": ("GET HTTP/1.1", instead("Upgrade", "h2c"), 400),
    "no Connection": ("GET HTTP/1.1", lines("Connection"), 400),
    "another Connection": ("GET HTTP/1.1", instead("Connection", "keep-alive"), 400),
    "no key": ("GET HTTP/1.1", lines(KEY), 400),
    "an empty key": ("GET HTTP/1.1", instead(KEY, ""), 400),
    "a key of 15 bytes": ("GET HTTP/1.1", instead(KEY, base64.b64encode(b"x" * 15).decode()), 400),
    "a key of 17 bytes": ("GET HTTP/1.1", instead(KEY, base64.b64encode(b"x" * 17).decode()), 400),
    "a key that is no base64": ("GET HTTP/1.1", instead(KEY, "dGhlIHNhbXBsZSBub25jZQ!!=="), 400),
    "a key without its padding": ("GET HTTP/1.1", instead(KEY, "dGhlIHNhbXBsZSBub25jZQ"), 400),
    "two keys": ("GET HTTP/1.1", [*lines(), (KEY, GOOD[KEY])], 400),
    "no version": ("GET HTTP/1.1", lines(VERSION), 400),
    "two versions": ("GET HTTP/1.1", [*lines(), (VERSION, "13")], 400),
    "version 8": ("GET HTTP/1.1", instead(VERSION, "8"), 426),
    "version 7": ("GET HTTP/1.1", instead(VERSION, "7"), 426),
    "version 14": ("GET HTTP/1.1", instead(VERSION, "14"), 426),
    "version 013": ("GET HTTP/1.1", instead(VERSION, "013"), 426),
    "versions": ("GET HTTP/1.1", instead(VERSION, "13, 8"), 426),
    "HTTP/1.0": ("GET HTTP/1.0", lines(), 400),
    "POST": ("POST HTTP/1.1", lines(), 405),
    "HEAD": ("HEAD HTTP/1.1", lines(), 405),
    "PUT": ("PUT HTTP/1.1", lines(), 405),
}
SERVERS_OWN: dict[str, tuple[str, Lines, int]] = {
    "no Host": ("GET HTTP/1.1", lines("Host"), 400),
    "a body": ("GET HTTP/1.1", [*lines(), ("Content-Length", "5")], 400),
    "an offer that makes no sense": (
        "GET HTTP/1.1",
        [*lines(), (OFFER, "permessage-deflate;;=")],
        400,
    ),
    "an offer of bare bytes": ("GET HTTP/1.1", [*lines(), (OFFER, "\xff\xfe")], 400),
}
"""What the Sans-I/O server of `websockets` leaves to others."""


def shake(client: Client, line: str, headers: Lines) -> tuple[int, dict[str, str]]:
    """Try a handshake; the status and the headers of the answer."""
    session_id, token = client.place()
    method, version = line.split()
    text = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"{method} /ws?session_id={session_id}&access_token={token} {version}\r\n{text}\r\n"
    with socket.create_connection(client.address, timeout=PATIENCE) as wire:
        wire.sendall(head.encode("latin-1"))
        answer = http.client.HTTPResponse(wire, method=method)
        answer.begin()
        answer.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def accepted_by_the_other_server(line: str, headers: Lines) -> bool:
    method, version = line.split()
    text = "".join(f"{name}: {value}\r\n" for name, value in headers)
    reader = StreamReader()
    reader.feed_data(f"{method} /ws {version}\r\n{text}\r\n".encode())
    reader.feed_eof()
    parsing = Request.parse(reader.read_line)
    try:
        while True:
            next(parsing)
    except StopIteration as end:
        return bool(ServerProtocol().accept(end.value).status_code == 101)
    except Exception:  # of many kinds: whatever it will not read
        return False


@pytest.mark.parametrize("attack", HANDSHAKES)
def test_handshakes_are_read_as_rfc_6455_has_it(server: Server, attack: str) -> None:
    """What is none is refused, as another server refuses it, before anything is upgraded."""
    line, headers, status = HANDSHAKES[attack]
    assert accepted_by_the_other_server(line, headers) == (status == 101)
    told, answer = shake(server.client, line, headers)
    assert told == status
    if status == 101:
        # The example of RFC 6455, section 1.3.
        assert answer["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.get("sec-websocket-version") == ("13" if status == 426 else None)
    assert answer.get("allow") == ("GET" if status == 405 else None)


@pytest.mark.parametrize("attack", SERVERS_OWN)
def test_handshakes_that_are_no_request_are_refused(server: Server, attack: str) -> None:
    """HTTP, and the header of extensions, have rules of their own (RFC 6455, section 9.1)."""
    line, headers, status = SERVERS_OWN[attack]
    assert shake(server.client, line, headers)[0] == status


# Requests.


def post(path: str, headers: dict[str, bytes], body: bytes = b"", extra: bytes = b"") -> bytes:
    text = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
    if extra == b"":
        extra = b"Content-Length: %d\r\n" % len(body)
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + text + extra + b"\r\n" + body


TOKENS, SESSIONS = "/api/v1/access-token", "/api/v1/sessions"
NESTED = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=") + b".e30.e30"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
REQUESTS: dict[str, tuple[bytes, int]] = {
    "bytes in X-Token": (post(TOKENS, {"X-Token": b"\xff\xfe" + SECRET, "X-Host": b"x"}), 401),
    "bytes in X-Host": (post(TOKENS, {"X-Token": TOKEN.encode(), "X-Host": b"\xff\xfe"}), 401),
    "a control character": (post(TOKENS, {"X-Token": SECRET + b"\x01", "X-Host": b"x"}), 400),
    "a null": (post(TOKENS, {"X-Token": SECRET + b"\x00", "X-Host": b"x"}), 400),
    "a header of 9 KB": (post(TOKENS, {"X-Token": SECRET * 500, "X-Host": b"x"}), 400),
    "200 headers": (post(TOKENS, {f"X-{n}": SECRET for n in range(200)}), 400),
    "a cookie of nonsense": (post(TOKENS, {"Cookie": b"\x80=;;;=" + SECRET}), 401),
    "an expectation": (post(TOKENS, {"Expect": SECRET}), 417),
    "bytes for a bearer": (post(SESSIONS, {"Authorization": b"Bearer \xff" + SECRET}), 401),
    "a nested bearer": (post(SESSIONS, {"Authorization": b"Bearer " + NESTED}), 401),
    "a query of 9 KB": (
        b"GET /ws?session_id=x&access_token=" + SECRET * 500 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
    ),
    "bytes in the query": (
        b"GET /ws?session_id=\xff&access_token=" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
    ),
    "percent-encoded bytes": (
        b"GET /ws?session_id=%ff%ed%a0%80&access_token=%ff"
        + SECRET
        + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
    ),
    "a method of its own": (b"G\x01T /?" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a version of its own": (b"GET /?" + SECRET + b" HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    "a URL that is none": (b"GET http://[::1?" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a port beyond all": (
        b"GET http://a:99999999/" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
    ),
    "a tunnel": (b"CONNECT " + SECRET + b":x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no path of ours": (b"GET /" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00" + SECRET + b"\r\n\r\n", 400),
    "bare line feeds": (b"GET /?" + SECRET + b" HTTP/1.1\nHost: x\n\n", 400),
    "a folded header": (post(TOKENS, {"X-Token": b"a\r\n " + SECRET}), 400),
    "two lengths": (post(SESSIONS, {}, extra=b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
    "a length of words": (post(SESSIONS, {}, extra=b"Content-Length: " + SECRET + b"\r\n"), 400),
    "a length below zero": (post(SESSIONS, {}, extra=b"Content-Length: -1\r\n"), 400),
    "a length and chunks": (
        post(SESSIONS, {}, b"0\r\n\r\n", CHUNKED + b"Content-Length: 5\r\n"),
        400,
    ),
}


def ask(client: Client, data: bytes) -> int:
    """The status of the answer to these bytes."""
    with socket.create_connection(client.address, timeout=PATIENCE) as wire:
        wire.sendall(data)
        return int(wire.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("attack", REQUESTS)
def test_requests_that_make_no_sense_are_refused(server: Server, attack: str) -> None:
    """Never by a 500; and the fixture looks that nothing secret of theirs is logged."""
    data, status = REQUESTS[attack]
    assert ask(server.client, data) == status


BODIES: dict[str, tuple[dict[str, bytes], bytes, bytes, int]] = {
    "brackets without end": ({}, b"[" * 500_000, b"", 400),
    "a number of a million digits": ({}, b"1" * 1_000_000, b"", 400),
    "more than a megabyte": ({}, b"[" * 3_000_000, b"", 413),
    "not packed, as it says": ({"Content-Encoding": b"gzip"}, b"xx" + SECRET, b"", 400),
    "a bomb": ({"Content-Encoding": b"gzip"}, zlib.compress(b" " * 50_000_000, wbits=31), b"", 413),
    "a charset of its own": (
        {"Content-Type": b"text/x; charset=" + SECRET},
        b'{"\xff":1}',
        b"",
        400,
    ),
    "chunks that are none": ({}, b"zz" + SECRET + b"\r\n", CHUNKED, 400),
    "a chunk of 2^64 bytes": ({}, b"ffffffffffffffffff\r\n" + SECRET, CHUNKED, 400),
}


@pytest.mark.parametrize("attack", BODIES)
def test_bodies_that_make_no_sense_are_refused(server: Server, attack: str) -> None:
    """From somebody with a good token."""
    headers, body, extra, status = BODIES[attack]
    bearer = {"Authorization": f"Bearer {server.client.token()}".encode()}
    assert ask(server.client, post(SESSIONS, {**bearer, **headers}, body, extra)) == status


# Floods, and clients that do not read.


def heartbeat(size: int) -> bytes:
    return frame(
        TEXT, json.dumps({"type": "EVENT_TYPE_HEARTBEAT", "payload": {"x": "y" * size}}).encode()
    )


class Flood(NamedTuple):
    """One thing, again and again, from a client that reads nothing.

    Attributes:
        before: what comes first.
        again: what comes again and again.
        cut: whether the server cuts it in the end.
    """

    before: bytes
    again: bytes
    cut: bool = False


FLOODS: dict[str, Flood] = {
    "pings": Flood(b"", frame(PING) * 10_000),
    "pings of 125 bytes": Flood(b"", frame(PING, b"x" * 125) * 1000),
    "pongs": Flood(b"", frame(PONG) * 10_000),
    "fragments without end": Flood(frame(TEXT, fin=False), frame(CONT, fin=False) * 10_000),
    "a message without end": Flood(
        frame(TEXT, fin=False), frame(CONT, b"x" * 1000, fin=False) * 100, True
    ),
    "a frame without end": Flood(
        b"\x81\xff" + (1 << 62).to_bytes(8) + bytes(4), bytes(100_000), True
    ),
    "heartbeats": Flood(b"", heartbeat(1) * 500, cut=True),
    "large heartbeats": Flood(b"", heartbeat(100_000), True),
    "unknown events": Flood(
        b"", frame(TEXT, b'{"type":"EVENT_TYPE_X","payload":{}}') * 500, cut=True
    ),
    "nonsense": Flood(b"", frame(TEXT, b"{") * 1000, cut=True),
    "messages": Flood(
        frame(TEXT, JOIN.encode()), frame(TEXT, says("hello").encode()) * 100, cut=True
    ),
    "large messages": Flood(
        frame(TEXT, JOIN.encode()), frame(TEXT, says("x" * 100_000).encode()), True
    ),
}
QUICK = ("pings", "fragments without end", "large messages")


def pour(server: Server, flood: Flood, seconds: float) -> bool:
    """Send it for so long. Returns whether the server has cut it."""
    with RawSocket(server.client, server.client.place()) as wire:
        wire.socket.sendall(flood.before)
        wire.socket.settimeout(0.2)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                wire.socket.send(flood.again)
            except TimeoutError:
                pass
            except ConnectionError:
                return True
    return False


@pytest.mark.parametrize(
    "attack",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FLOODS],
)
def test_a_flood_takes_no_memory_without_end(server: Server, attack: str) -> None:
    """What comes of it is bounded, others are served meanwhile, and what grows is cut."""
    flood, before = FLOODS[attack], server.memory()
    forget(server.process.pid)
    place = server.client.place()
    seconds = 0.5 if attack in QUICK and not flood.cut else FLOOD
    cut = pour(server, flood, CUT_WITHIN if flood.cut else seconds)
    with server.client.connect(place) as other:
        assert other.ping().wait(PATIENCE)
    assert cut or not flood.cut
    assert most(server.process.pid) / 1e6 - before < GROWTH


@pytest.mark.slow
def test_pongs_that_nobody_reads_are_so_many_and_then_it_is_cut(server: Server) -> None:
    """One answers many pings that came together, so that these come one by one."""
    before = server.memory()
    with RawSocket(server.client, server.client.place()) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ping, until = frame(PING, b"x" * 125), time.monotonic() + CUT_WITHIN
        while time.monotonic() < until:
            try:
                wire.socket.sendall(ping)
            except ConnectionError:
                break
        else:
            pytest.fail("it was never cut")
    assert server.memory() - before < GROWTH


def test_connections_that_say_nothing_or_half_of_it_disturb_nobody(server: Server) -> None:
    """Each is worth its file; who speaks is heard at once."""
    halves = [b"", b"G", b"POST /api/v1/sessions HTTP/1.1\r\nX-A: ", b"\x16\x03\x01"]
    halves.append(post(SESSIONS, {}, extra=b"Content-Length: 1000\r\n"))
    before = server.memory()
    with contextlib.ExitStack() as stack:
        for number in range(500):
            wire = stack.enter_context(socket.create_connection(server.client.address, PATIENCE))
            wire.sendall(halves[number % len(halves)])
        with server.client.connect(server.client.place()) as other:
            assert other.ping().wait(PATIENCE)
    assert server.memory() - before < GROWTH


def test_answers_to_requests_that_nobody_reads_are_bounded(server: Server) -> None:
    """Requests one behind the other, on a connection that reads none of their answers."""
    before, again = server.memory(), post(TOKENS, {"X-Token": b"x", "X-Host": b"x"}) * 50
    with socket.create_connection(server.client.address, PATIENCE) as wire:
        wire.settimeout(0.2)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                wire.send(again)
    assert server.memory() - before < GROWTH


@pytest.mark.slow
def test_tokens_and_sessions_without_end_take_no_memory_without_end(server: Server) -> None:
    """A token is kept nowhere; of the sessions that nobody comes for the oldest are dropped."""
    bearer = f"Bearer {server.client.token()}".encode()
    again = post(TOKENS, {"X-Token": TOKEN.encode(), "X-Host": HOST.encode()})
    assert grown(server, again, 20_000) < 30
    first = server.client.place()
    again = post(SESSIONS, {"Authorization": bearer}, b"{}")
    grown(server, again, 51_000)
    assert grown(server, again, 20_000) < 30
    with pytest.raises(Exception, match="404"), server.client.connect(first):
        pass


def grown(server: Server, request: bytes, count: int) -> float:
    """Megabytes that so many requests have cost, whose answers are read."""
    before = server.memory()
    with socket.create_connection(server.client.address, PATIENCE) as wire:
        answers = wire.makefile("rb")
        for _ in range(count // 20):
            wire.sendall(request * 20)
            for _ in range(20):
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
    return server.memory() - before


HALVES: dict[str, bytes] = {
    "nothing": b"",
    "half a line": b"POST /api/v1/ses",
    "headers that come one by one": post(SESSIONS, {"X-A": b"x"})[:-2],
}


@pytest.mark.parametrize("attack", HALVES)
def test_a_request_that_does_not_come_has_its_time(
    monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    """Bytes that trickle in win none."""
    monkeypatch.setattr(connection, "PATIENCE", 1.0)
    with (
        simulator() as client,
        socket.create_connection(client.address, PATIENCE) as wire,
        contextlib.suppress(ConnectionError),
    ):
        wire.sendall(HALVES[attack])
        wire.settimeout(0.1)
        for _ in range(int(PATIENCE / 0.1)):
            with contextlib.suppress(TimeoutError):
                if HALVES[attack].endswith(b"\n"):
                    wire.sendall(b"X: y\r\n")
                if not wire.recv(1):
                    return
        pytest.fail("it was never cut")


def test_a_body_that_does_not_come_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender is told."""
    monkeypatch.setattr(rest, "PATIENCE", 0.2)
    with simulator() as client:
        bearer = {"Authorization": f"Bearer {client.token()}".encode()}
        assert ask(client, post(SESSIONS, bearer, b"{", b"Content-Length: 100\r\n")) == 408
