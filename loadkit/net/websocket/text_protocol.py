"""The protocol of `websockets`, for a client that reads texts."""

import logging
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from loadkit.protocol import Flaw, FlawKind

_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class TextProtocol(Protocol):
    """A client's protocol, open, that looks at each message as soon as it is whole.

    What is behind a text that is not UTF-8 is not looked at, a close least of all (RFC 6455, 7.1.7
    and 8.1), however much of the stream is read at once: `websockets` alone would answer the close
    first, and what was wrong would be lost.

    Attributes:
        messages: that are whole, in order, for whoever takes them away: texts, and a flaw in the
            place of a binary one.
        parts: of a fragmented message; None between two messages.
    """

    def __init__(self, *, max_size: int, logger: logging.Logger | None = None) -> None:
        super().__init__(CLIENT, max_size=max_size, logger=logger)
        self.messages: list[bytes | Flaw] = []
        self.parts: bytearray | None = None
        self._binary = False  # whether that message is one

    def recv_frame(self, frame: Frame) -> None:
        """See `Protocol.recv_frame`, which lets no stray continuation through."""
        super().recv_frame(frame)
        if frame.opcode not in _DATA:
            return
        if self.parts is None:
            self.parts = bytearray()
            self._binary = frame.opcode is Opcode.BINARY
        self.parts += frame.data
        if not frame.fin:
            return
        whole, self.parts = bytes(self.parts), None
        if self._binary:
            self.messages.append(Flaw(FlawKind.BINARY_FRAME, f"{len(whole)} bytes"))
        elif whole.isascii() or is_utf8(whole):
            self.messages.append(whole)
        else:
            self.fail(CloseCode.INVALID_DATA, "invalid UTF-8")


def is_utf8(data: bytes) -> bool:
    """Whether it is a text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
