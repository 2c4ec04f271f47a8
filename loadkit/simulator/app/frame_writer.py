"""WebSocket frames on their way out, built once however many sockets they go to (RFC 6455).

aiohttp does the upgrade and reads what clients send. What goes out is framed here, because an
event is the same bytes for every socket of a session and must be written from a timer, where
aiohttp's own coroutine cannot be awaited.
"""

import zlib
from functools import lru_cache
from typing import Final

from loadkit.simulator.app.frame_reader import TAIL

__all__ = ["Frame", "close_frame", "ping_frame", "pong_frame"]

_TEXT: Final = 0x81  # FIN + opcode 1
_BINARY: Final = 0x82  # FIN + opcode 2
_CLOSE: Final = 0x88  # FIN + opcode 8
_PING: Final = 0x89
_PONG: Final = 0x8A
_COMPRESSED: Final = 0x40  # RSV1 (RFC 7692, section 6)


class Frame:
    """One message, ready for the wire.

    Args:
        payload: what it holds.
        binary: whether it is a binary message, which this protocol does not allow.

    Attributes:
        plain: header and payload, for a socket without compression.
    """

    __slots__ = ("_deflated", "_first", "_payload", "plain")

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self._payload = payload
        self._first = _BINARY if binary else _TEXT
        self.plain = _framed(self._first, payload)
        self._deflated: dict[int, bytes] | None = None

    def deflated(self, window_bits: int) -> bytes:
        """Header and compressed payload, for a socket that agreed on permessage-deflate.

        Args:
            window_bits: the agreed `server_max_window_bits`, 9 to 15.
        """
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
    return _framed(_CLOSE, b"" if code is None else code.to_bytes(2, "big"))


def ping_frame() -> bytes:
    """A ping without a payload."""
    return _framed(_PING, b"")


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with this payload."""
    return _framed(_PONG, payload)


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
