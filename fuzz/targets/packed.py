"""Of any stream where compression was agreed on, our messages are those that the protocol finds.

It has our own extension: what that makes of a message, `tests/net/test_deflate.py` holds against
zlib and `websockets`. Here it is whole texts, which are unpacked by hand, against all others.
"""

import zlib
from typing import TypeVar

from hypothesis import strategies as st
from websockets.protocol import CLIENT, Protocol

from fuzz.target import Target
from fuzz.targets.frames import LIMIT, LONGEST, PAYLOADS, Plain, frame, standing, taken
from loadkit.net.websocket.deflate import Deflate
from loadkit.net.websocket.flood_allowance import Allowance
from loadkit.net.websocket.frames import Inbox, Traffic
from loadkit.net.websocket.text_protocol import TextProtocol

P = TypeVar("P", bound=Protocol)


def _agreed(protocol: P) -> P:
    protocol.extensions = [Deflate(0, forgets=False, forgotten=False, window=15, theirs=15)]
    return protocol


def check(data: bytes) -> None:
    """The first four bytes are the sizes of the reads, as for `frames`."""
    truth = Plain(_agreed(Protocol(CLIENT, max_size=LIMIT)))
    protocol, allowance = _agreed(TextProtocol(max_size=LIMIT)), Allowance()
    before = allowance.left
    inbox = Inbox(protocol, Traffic(), allowance, LIMIT)
    sizes, stream = data[:4] or b"\0", data[4:]
    at = turn = whole = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)] or LONGEST
        chunk = stream[at : at + size]
        at, turn = at + size, turn + 1
        messages = taken(inbox, chunk)
        assert messages == truth.take(chunk), "other messages"
        texts = [len(message) for message in messages if isinstance(message, bytes)]
        assert all(text <= LIMIT for text in texts), "more than may be"
        whole += sum(texts)
        assert standing(truth.protocol) == standing(protocol), "another state, or answer"
    assert before - allowance.left >= whole, "what was unpacked is not counted"


def _packed(texts: list[bytes]) -> list[bytes]:
    """As a server would that keeps its window."""
    deflate = zlib.compressobj(wbits=-15)
    packed = [deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH) for text in texts]
    return [data.removesuffix(b"\x00\x00\xff\xff") for data in packed]


def _stream(sizes: bytes, messages: list[tuple[bytes, int, int]], rest: bytes) -> bytes:
    """Messages, each with the first byte of its frame and where it is cut in two, or is not."""
    frames = []
    packed = _packed([text for text, _, _ in messages])
    for (text, first, cut), data in zip(messages, packed, strict=True):
        body = data if first & 0x40 else text
        if 0 < cut < len(body):
            frames += [frame(first & 0x7F, body[:cut], 0), frame(0x80, body[cut:], 0)]
        else:
            frames.append(frame(first, body, 0))
    return sizes + b"".join(frames) + rest


FIRSTS = st.sampled_from([0xC1, 0xC1, 0xC1, 0x81, 0xC2, 0xC0, 0x89]) | st.integers(0, 255)
TARGET = Target(
    "packed",
    check,
    st.builds(
        _stream,
        st.binary(min_size=4, max_size=4),
        st.lists(st.tuples(PAYLOADS, FIRSTS, st.integers(0, 60)), max_size=8),
        st.binary(max_size=8),
    ),
    (
        _stream(b"\0\0\0\0", [(b"hello", 0xC1, 0), (b"hello", 0xC1, 3), (b"hello", 0x81, 0)], b""),
        _stream(b"\3\1\7\0", [(b"x" * LIMIT, 0xC1, 0), (b"x" * 2 * LIMIT, 0xC1, 0)], b""),
        b"\0\0\0\0" + frame(0xC1, bytes.fromhex("f348cdc9c9070000"), 0) * 2,
    ),
)
