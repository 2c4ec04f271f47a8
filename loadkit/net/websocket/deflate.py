"""permessage-deflate of one link (RFC 7692), with no more memory than its messages ask for.

`websockets` has the extension too, but makes a compressor of 256 KB for each connection at once.
"""

import zlib
from collections.abc import Sequence
from typing import Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.typing import ExtensionParameter

from loadkit.chat.personas import Compression

WINDOW: Final = 11
"""Bits of our compressor's window at most. A sender may use a smaller one than was agreed, and
needs to tell nobody (section 7.1.2). With 2 KB back to look at, chat events come to 20 % of their
size, as they do with the 32 KB that zlib has by itself."""

_LEVEL: Final = 4
"""`memLevel`: with `WINDOW`, 16 KB a compressor and 6 KB of its own, in place of 256."""

_TAIL: Final = b"\x00\x00\xff\xff"  # left out by the sender (section 7.2.1)
_ZLIB_LEAST: Final = 9  # bits of a window; with 8 it writes what it cannot read
_MOST_ENDS: Final = 16  # of deflate streams in one frame: one is what a server may need


class Unpacked(Frame):
    """A data frame that was compressed, and had `packed` bytes."""

    def __init__(self, frame: Frame, data: bytes) -> None:
        super().__init__(frame.opcode, data, frame.fin, False, frame.rsv2, frame.rsv3)
        self.packed = len(frame.data)


class Deflate(Extension):
    """Packs and unpacks the messages of one link.

    Args:
        at_least: bytes of a message from which on it is packed.
        forgets, forgotten: whether each message is on its own, of ours and of the server's.
        window, theirs: bits of a window at most, likewise; 8 to 15.

    Attributes:
        added: bytes that have come of what was unpacked beyond those of the frames; its reader sets
            it back.
        wrong: what a `text` was no text for: the close code and the reason.
    """

    name = ClientPerMessageDeflateFactory.name

    __slots__ = (
        "_deflate",
        "_forgets",
        "_forgotten",
        "_inflate",
        "_packed",
        "_theirs",
        "_window",
        "added",
        "at_least",
        "wrong",
    )

    def __init__(
        self, at_least: int, *, forgets: bool, forgotten: bool, window: int, theirs: int
    ) -> None:
        self.at_least = max(1, at_least)  # of nothing zlib makes nothing, which is no message
        self._forgets, self._forgotten = forgets, forgotten
        self._window, self._theirs = window, theirs
        self._deflate: zlib._Compress | None = None
        self._inflate: zlib._Decompress | None = None
        self._packed = False  # whether the message in hand is
        self.added = 0
        self.wrong: tuple[CloseCode, str] | None = None

    def pack(self, text: bytes) -> bytes:
        """The data of a frame with this message, which is not empty."""
        deflate = self._deflate
        if deflate is None:
            deflate = zlib.compressobj(
                wbits=-max(_ZLIB_LEAST, min(WINDOW, self._window)),
                memLevel=_LEVEL,
                # Without references back no window is too small.
                strategy=zlib.Z_HUFFMAN_ONLY
                if self._window < _ZLIB_LEAST
                else zlib.Z_DEFAULT_STRATEGY,
            )
            if not self._forgets:
                self._deflate = deflate
        return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Unpack a frame; see `Extension.decode`. A bit that may not be set stays for its check."""
        if frame.opcode in CTRL_OPCODES:
            return frame
        if frame.opcode is not Opcode.CONT:
            self._packed = frame.rsv1
        elif frame.rsv1:
            return frame
        if not self._packed:
            return frame
        self._packed = not frame.fin
        assert max_size is not None
        return Unpacked(frame, self._unpack(bytes(frame.data), frame.fin, max_size))

    def text(self, data: bytes, limit: int) -> bytes | None:
        """Unpack by hand a text that one frame has whole; None where it is `wrong`."""
        try:
            text = self._unpack(data, True, limit)
            if not text.isascii():
                text.decode()
            return text
        except UnicodeDecodeError:
            self.wrong = CloseCode.INVALID_DATA, "invalid UTF-8"
        except PayloadTooBig as error:
            self.wrong = CloseCode.MESSAGE_TOO_BIG, str(error)
        except ProtocolError as error:
            self.wrong = CloseCode.PROTOCOL_ERROR, str(error)
        return None

    def encode(self, frame: Frame) -> Frame:
        """See `Extension.encode`. The protocol itself sends none but control frames."""
        return frame

    def _unpack(self, data: bytes, fin: bool, limit: int) -> bytes:
        """Inflate a frame's data, as far as one byte beyond the limit."""
        size = len(data)
        whole = self._inflated(data + _TAIL if fin else data, limit)
        if fin and self._forgotten:
            self._inflate = None
        self.added += max(0, len(whole) - size)
        return whole

    def _inflated(self, data: bytes, limit: int) -> bytes:
        whole = b""
        for _ in range(_MOST_ENDS):
            inflate = self._inflate
            if inflate is None:
                bits = max(_ZLIB_LEAST, self._theirs)
                inflate = self._inflate = zlib.decompressobj(wbits=-bits)
            try:
                whole += inflate.decompress(data, limit + 1 - len(whole))
            except zlib.error as error:
                raise ProtocolError(f"a message cannot be decompressed: {error}") from error
            if len(whole) > limit:
                raise PayloadTooBig(None, limit)
            if not inflate.eof:
                return whole
            # The server ended its stream to flush it (section 7.2.3.4), and begins another. An
            # empty block should be behind the end, for the tail to be one; not all know.
            data, self._inflate = inflate.unused_data, None
            if data in (b"", _TAIL):
                return whole
        raise ProtocolError("a message of too many deflate streams")


class Offer(ClientPerMessageDeflateFactory):
    """What a client offers in its upgrade, and what it makes of the answer."""

    def __init__(self, compression: Compression) -> None:
        super().__init__(
            client_max_window_bits=compression.window or None,
            compress_settings={"memLevel": 1},  # it makes a compressor that nobody uses
        )
        self._at_least = compression.at_least

    def process_response_params(  # type: ignore[override]  # an extension of our own
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> Deflate:
        """See `ClientExtensionFactory`. A window of 8 bits, which it refuses, is one more value."""
        least = ("client_max_window_bits", "8")
        known = [(name, "9") if (name, value) == least else (name, value) for name, value in params]
        agreed = super().process_response_params(known, accepted_extensions)
        return Deflate(
            self._at_least,
            forgets=agreed.local_no_context_takeover,
            forgotten=agreed.remote_no_context_takeover,
            window=8 if least in params else agreed.local_max_window_bits,
            theirs=agreed.remote_max_window_bits,
        )
