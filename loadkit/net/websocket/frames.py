"""What a link reads and writes, frame by frame.

Nearly every frame of a chat is a whole text. Those are cut out of what was read and written by
hand, at a fraction of the cost. All else, and all that is wrong, is the business of `websockets`.
"""

import struct
from typing import Any, Final

from websockets.frames import (  # type: ignore[attr-defined]  # `apply_mask`: C if it was built
    CloseCode,
    Frame,
    apply_mask,
)
from websockets.protocol import State

from loadkit.net.websocket.deflate import Deflate, Unpacked
from loadkit.net.websocket.flood_allowance import FRAME, Allowance
from loadkit.net.websocket.text_protocol import TextProtocol, is_utf8
from loadkit.protocol import Flaw

_WHOLE_TEXT: Final = 0x81  # the first byte of a text frame that is not fragmented
_PACKED_TEXT: Final = 0xC1  # likewise, when it is compressed (RFC 7692, 6)
_OPEN: Final = State.OPEN
_MOST_FRAMES: Final = 256  # in one `take`: about a millisecond
_MOST_TEXTS: Final = 64  # likewise: whoever reads them takes longer
_MOST_UNPACKED: Final = 1 << 18  # bytes that compressed ones make in one `take`: likewise
_STEP: Final = 512  # bytes given to the protocol at once, which may be half as many frames


class Traffic:
    """What a worker's links carried after their handshakes: headers included, as before TLS.

    Every kind of frame counts, and of a fragmented message each fragment.
    """

    __slots__ = ("bytes_received", "bytes_sent", "frames_received", "frames_sent")

    def __init__(self) -> None:
        self.frames_sent = self.frames_received = self.bytes_sent = self.bytes_received = 0


def cut(
    data: bytes, max_size: int, at: int = 0, deflate: Deflate | None = None
) -> tuple[list[bytes], int]:
    """Cut whole text frames off a server's stream (RFC 6455, 5.2).

    Args:
        data: what was read.
        max_size: of a message, in bytes.
        at: where in `data` a frame begins.
        deflate: unpacks what is compressed; None where that was not agreed.

    Returns:
        The texts up to the first frame that is anything else: cut off by the end of `data`, of
        another kind, masked, too big, not UTF-8, compressed and `wrong`, or one too many for now;
        and where in `data` that frame begins.
    """
    texts: list[bytes] = []
    end = len(data)
    while end - at >= 2 and len(texts) < _MOST_TEXTS:
        packed = data[at] != _WHOLE_TEXT
        if packed and (
            deflate is None or data[at] != _PACKED_TEXT or deflate.added >= _MOST_UNPACKED
        ):
            break
        size, begin = data[at + 1], at + 2
        if size > 125:
            if size > 127:
                break  # masked
            begin = at + (4 if size == 126 else 10)
            size = int.from_bytes(data[at + 2 : begin], "big")
        after = begin + size
        if after > end or size > max_size:
            break
        text = data[begin:after]
        if packed:
            assert deflate is not None
            unpacked = deflate.text(text, max_size)
            if unpacked is None:
                break
            text = unpacked
        elif not (text.isascii() or is_utf8(text)):
            break
        texts.append(text)
        at = after
    return texts, at


def masked(text: bytes, mask: bytes, *, packed: bool = False) -> bytes:
    """A whole text frame as a client sends it (RFC 6455, 5.2).

    Args:
        text: of the message, in UTF-8; or what came of it by compression.
        mask: four bytes.
        packed: whether it is compressed.
    """
    length, first = len(text), _PACKED_TEXT if packed else _WHOLE_TEXT
    if length < 126:
        head = bytes((first, 0x80 | length))
    elif length < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    return head + mask + apply_mask(text, mask)


class Inbox:
    """Makes messages of what one link reads.

    Args:
        protocol: its only extension, if it has one, is `Deflate`. What it has to send after a
            `take` is the caller's business, and so is the end of the stream.
        traffic: what to count on.
        allowance: to charge them to.
        max_size: of a message in bytes, the same as the protocol's.

    Attributes:
        rest: of what was read, to be taken next, before anything is read again.
    """

    __slots__ = (
        "_allowance",
        "_deflate",
        "_max_size",
        "_owed",
        "_protocol",
        "_traffic",
        "rest",
    )

    def __init__(
        self, protocol: TextProtocol, traffic: Traffic, allowance: Allowance, max_size: int
    ) -> None:
        self._protocol = protocol
        agreed = (each for each in protocol.extensions if isinstance(each, Deflate))
        self._deflate = next(agreed, None)
        self._traffic = traffic
        self._allowance = allowance
        self._max_size = max_size
        self.rest = b""
        self._owed = 0  # bytes that the protocol was given and has made no frame of yet

    def take(self, data: bytes) -> list[bytes | Flaw]:
        """Take what was read, as much of it as is the work of a moment; the others have `rest`.

        Returns the messages that are whole with it, in order: texts, and a flaw in the place of a
        binary one. What the server did wrong ends the protocol's open state.
        """
        messages: list[bytes | Flaw] = []
        size, at, taken = len(data), 0, 0
        deflate = self._deflate
        if deflate is not None:
            deflate.added = 0
        while True:
            # Between two messages, and before any close: else the protocol goes on.
            if not self._owed and self._protocol.parts is None and self._protocol.state is _OPEN:
                texts, at = cut(data, self._max_size, at, deflate)
                taken += len(texts)
                messages += texts
                if deflate is not None and deflate.wrong is not None:
                    self._protocol.fail(*deflate.wrong)
                    taken += deflate.wrong[0] is CloseCode.INVALID_DATA  # the frame was a whole one
            if (
                at >= size
                or taken >= _MOST_FRAMES
                or len(messages) >= _MOST_TEXTS
                or (deflate is not None and deflate.added >= _MOST_UNPACKED)
            ):
                break
            taken += self._take_any(data[at : at + _STEP], messages)
            at += _STEP
        if at < size:
            self.rest = data[at:]
            size = at
        elif self.rest:
            self.rest = b""
        self._traffic.frames_received += taken
        self._traffic.bytes_received += size
        # A piece that brings no frame is as much work as one that does, but for a big one's share.
        self._allowance.left -= size + FRAME * (taken or size < _STEP)
        if deflate is not None:
            self._allowance.left -= deflate.added
        return messages

    def _take_any(self, data: bytes, messages: list[bytes | Flaw]) -> int:
        """Have the protocol make frames of what was read; return how many."""
        protocol = self._protocol
        protocol.receive_data(data)
        frames: list[Any] = protocol.events_received()
        # Headers may be longer than they need be, never shorter. So nothing is owed only when the
        # protocol has come to the very end of a frame.
        self._owed += len(data) - sum(_least_size(_length(frame)) for frame in frames)
        messages += protocol.messages
        protocol.messages.clear()
        return len(frames)


def _length(frame: Frame) -> int:
    return frame.packed if isinstance(frame, Unpacked) else len(frame.data)


def _least_size(length: int) -> int:
    return length + (2 if length < 126 else 4 if length < 65536 else 10)
