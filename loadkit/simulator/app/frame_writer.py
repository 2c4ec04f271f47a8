"""WebSocket frames on their way out, built once however many sockets they go to (RFC 6455).

aiohttp does the upgrade and reads what clients send. What goes out is framed here, because an
event is the same bytes for every socket of a session and must be written from a timer, where
aiohttp's own coroutine cannot be awaited.
"""

import zlib
from functools import lru_cache
from typing import Final

from loadkit.simulator.app.frame_reader import TAIL, Opcode

_FIN: Final = 0x80
_COMPRESSED: Final = 0x40  # RSV1 (RFC 7692, section 6)


class Frame:
    """One message, ready for the wire; a `binary` one is none that this protocol allows."""

    __slots__ = ("_deflated", "_first", "_payload", "plain")

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self._payload = payload
        self._first = _FIN | (Opcode.BINARY if binary else Opcode.TEXT)
        self.plain = _framed(self._first, payload)  # for a socket without compression
        self._deflated: dict[int, bytes] | None = None

    def deflated(self, window_bits: int) -> bytes:
        """For a socket that agreed on permessage-deflate with this `server_max_window_bits`."""
        if self._deflated is None:
            self._deflated = {}
        if window_bits not in self._deflated:
            # A full flush forgets what went before. RFC 7692 leaves a sender free to do so
            # whatever was agreed, and only then do all sockets get the same bytes.
            deflate = _compressor(window_bits)
            body = deflate.compress(self._payload) + deflate.flush(zlib.Z_FULL_FLUSH)
            body = body.removesuffix(TAIL)
            self._deflated[window_bits] = _framed(self._first | _COMPRESSED, body)
        return self._deflated[window_bits]


def close_frame(code: int | None) -> bytes:
    """A close frame with this code; None for one without a code."""
    return _framed(_FIN | Opcode.CLOSE, b"" if code is None else code.to_bytes(2, "big"))


def ping_frame() -> bytes:
    """A ping without a payload."""
    return _framed(_FIN | Opcode.PING, b"")


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with this payload."""
    return _framed(_FIN | Opcode.PONG, payload)


def _framed(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


@lru_cache(maxsize=8)
def _compressor(window_bits: int) -> "zlib._Compress":
    return zlib.compressobj(level=1, wbits=-window_bits)
