"""WebSocket frames by the letter of RFC 6455, for both ends of tests; no code is loadkit's."""

import base64
import hashlib
import struct
from typing import Any

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    form: int = 0,
    key: bytes = b"",
) -> bytes:
    """A frame, or one as none may be.

    Args:
        reserved: the three bits behind the first one: 0x40, 0x20, 0x10.
        form: of the length: 0 for the shortest that it fits, else 126 or 127 though it may fit a
            shorter one.
        key: four bytes to mask it with, as a client does.
    """
    size = len(payload)
    form = form or (size if size < 126 else 126 if size < 65536 else 127)
    length = size.to_bytes({126: 2, 127: 8}[form]) if form > 125 else b""
    head = bytes([(0x80 if fin else 0) | reserved | opcode, form | (0x80 if key else 0)])
    return head + length + key + (masked(payload, key) if key else payload)


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload with the mask laid over it, or taken off."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def accepted(key: str) -> str:
    """What a server answers to a client's `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def exactly(sock: Any, size: int) -> bytes:
    """So many bytes of a socket; EOFError at the end of the stream."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(sock: Any) -> tuple[int, bytes]:
    """A client's frame: its opcode and its unmasked payload."""
    first, data = read_raw(sock)
    return first & 0x0F, data


def read_raw(sock: Any) -> tuple[int, bytes]:
    """A client's frame: its first byte and its unmasked payload."""
    first, second = exactly(sock, 2)
    assert second & 0x80, "a client masks"
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", exactly(sock, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", exactly(sock, 8))
    key, data = exactly(sock, 4), exactly(sock, size)
    return first, masked(data, key)
