"""Of any stream, in any portions, our frames are those that `websockets` alone finds."""

import struct

from hypothesis import strategies as st
from websockets.protocol import CLIENT, Protocol

from fuzz.target import Target
from loadkit.net.websocket.flood_allowance import Allowance
from loadkit.net.websocket.frames import Inbox, Traffic
from loadkit.net.websocket.text_protocol import TextProtocol
from loadkit.protocol import Flaw

LIMIT = 300  # bytes of a message
LONGEST = 512  # bytes of a read
CONTROL = 8  # the first opcode that is no data


class Plain:
    """The truth: messages out of the frames that `websockets` makes of the stream, byte by byte: so
    nothing behind what is wrong is looked at, whatever the portions."""

    def __init__(self, protocol: Protocol | None = None) -> None:
        self.protocol = protocol or Protocol(CLIENT, max_size=LIMIT)
        self.frames = 0
        self._parts: list[bytes] = []
        self._binary = False

    def take(self, data: bytes) -> list[bytes | str]:
        messages: list[bytes | str] = []
        for byte in data:
            messages += self._take(bytes([byte]))
        return messages

    def _take(self, byte: bytes) -> list[bytes | str]:
        self.protocol.receive_data(byte)
        messages: list[bytes | str] = []
        received = self.protocol.events_received()
        self.frames += len(received)
        for one in received:
            if one.opcode >= CONTROL:
                continue
            self._binary = self._binary if one.opcode == 0 else one.opcode == 2
            self._parts.append(bytes(one.data))
            if not one.fin:
                continue
            whole, self._parts = b"".join(self._parts), []
            if self._binary:
                messages.append(f"{len(whole)} bytes")
                continue
            try:
                whole.decode()
            except UnicodeDecodeError:
                self.protocol.fail(1007, "invalid UTF-8")
                break
            messages.append(whole)
        return messages


def check(data: bytes) -> None:
    """The first four bytes are the sizes of the reads, in turn; 0 is for the longest."""
    truth, protocol, traffic = Plain(), TextProtocol(max_size=LIMIT), Traffic()
    inbox = Inbox(protocol, traffic, Allowance(), LIMIT)
    sizes, stream = data[:4] or b"\0", data[4:]
    at = turn = 0
    whole: list[bytes | str] = []
    while at < len(stream):
        size = sizes[turn % len(sizes)] or LONGEST
        chunk = stream[at : at + size]
        at, turn = at + size, turn + 1
        messages = truth.take(chunk)
        assert messages == taken(inbox, chunk), "other messages"
        assert standing(truth.protocol) == standing(protocol), "another state, or answer"
        assert truth.frames == traffic.frames_received, "other frames were counted"
        whole += messages
    assert traffic.bytes_received == len(stream)
    for one in (truth.protocol, protocol):
        one.receive_eof()
    assert truth.protocol.close_code == protocol.close_code
    assert truth.protocol.close_reason == protocol.close_reason
    at_once = Inbox(TextProtocol(max_size=LIMIT), Traffic(), Allowance(), LIMIT)
    assert taken(at_once, stream) == whole, "other messages when it is read at once"


def taken(inbox: Inbox, chunk: bytes) -> list[bytes | str]:
    """All that comes of a read; what is binary by its length."""
    messages = inbox.take(chunk)
    turns = 0
    while inbox.rest:
        turns += 1
        assert turns <= len(chunk), "it goes on and on"
        messages += inbox.take(inbox.rest)
    return [one.detail if isinstance(one, Flaw) else one for one in messages]


def standing(protocol: Protocol) -> list[object]:
    """Where a protocol is, and what it has to say."""
    answers = []
    for data in protocol.data_to_send():  # none is longer than 125 bytes; the masks are drawn
        mask, payload = data[2:6], data[6:]
        answers.append(data[:2] + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))
    return [protocol.state, protocol.close_sent, protocol.close_rcvd, answers]


def frame(first: int, payload: bytes, form: int) -> bytes:
    """One of a server's: `form` is that of its length, which may be longer than it needs."""
    size = len(payload)
    if form == 0:
        form = size if size < 126 else 126
    length = size.to_bytes(2 if form == 126 else 8, "big") if form > 125 else b""
    return bytes([first, form]) + length + payload


PAYLOADS = st.one_of(
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=6),
    st.integers(120, 2 * LIMIT).map(lambda size: b"x" * size),
    st.builds(
        lambda code, why: struct.pack("!H", code) + why,
        st.integers(0, 65535),
        st.binary(max_size=4),
    ),
)
FRAMES = st.builds(
    frame,
    st.sampled_from([0x81, 0x81, 0x81, 0x01, 0x80, 0x00, 0x82, 0x02, 0x88, 0x89, 0x8A])
    | st.integers(0, 255),
    PAYLOADS,
    st.sampled_from([0, 0, 0, 126, 127]),
)
TARGET = Target(
    "frames",
    check,
    st.builds(
        lambda sizes, frames, rest: sizes + b"".join(frames) + rest,
        st.binary(min_size=4, max_size=4),
        st.lists(FRAMES, max_size=8),
        st.binary(max_size=8),
    ),
    (
        b"\0\0\0\0" + frame(0x81, b"hello", 0) * 3 + frame(0x88, b"\x03\xe8", 0),
        b"\3\1\7\0" + frame(0x01, b"a", 0) + frame(0x89, b"p", 0) + frame(0x80, b"b", 126),
        b"\0\5\0\2" + frame(0x82, b"b" * 130, 0) + frame(0x81, b"\xff", 127),
    ),
)
