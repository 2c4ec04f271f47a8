"""Read an HdrHistogram's standard compressed form (V2), trusting nothing that it says of itself.

The form is that of `org.HdrHistogram.AbstractHistogram.encodeIntoCompressedByteBuffer`: a header,
then what zlib makes of another header and of the counters, one number each, in ZigZag LEB128; a
negative number leaves so many counters out. `hdrh` reads it as well, but takes all the memory that
a text asks for, and looks a byte beyond the end of one that was cut.
"""

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from loadkit.stats.hdr_index import HIGHEST, MOST_COUNT, index_of

DIGITS: Final = 3
"""Significant digits of all histograms here."""

_OUTER: Final = struct.Struct(">II")  # cookie, bytes that follow
_INNER: Final = struct.Struct(">IIIIQQd")  # cookie, bytes of counters, …, digits, lowest, …
_COMPRESSED, _PLAIN = 0x1C849314, 0x1C849313

_LAST: Final = index_of(HIGHEST)
_MOST_BYTES: Final = _INNER.size + 9 * (_LAST + 1)


def counters(text: str) -> Iterator[tuple[int, int]]:
    """Give the counters that are not 0, by their place.

    Raises:
        ValueError: it is no such text, or one of another histogram than all of ours.
    """
    plain = body(base64.b64decode(text, validate=True))
    index = at = 0
    while at < len(plain):
        number, at = _number(plain, at)
        if number > MOST_COUNT or index - min(number, 0) > _LAST:
            raise ValueError("it has counters that no histogram has")
        if number > 0:
            yield index, number
        index += 1 if number >= 0 else -number


def body(data: bytes) -> bytes:
    """Return the counters as they are written, of what base64 makes of a text.

    Raises:
        ValueError: as in `counters`.
    """
    if len(data) < _OUTER.size or _OUTER.unpack_from(data) != (
        _COMPRESSED,
        len(data) - _OUTER.size,
    ):
        raise ValueError("its head is not that of an HdrHistogram")
    plain = _expanded(data[_OUTER.size :])
    cookie, length, _, digits, lowest, _, _ = _INNER.unpack_from(plain)
    if (cookie, length, digits, lowest) != (_PLAIN, len(plain) - _INNER.size, DIGITS, 1):
        raise ValueError("it is a histogram of another kind")
    return plain[_INNER.size :]


def _expanded(data: bytes) -> bytes:
    unpack = zlib.decompressobj()
    try:
        plain = unpack.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpack.eof or unpack.unused_data or len(plain) < _INNER.size:
        raise ValueError("it is longer than a histogram can be, or was cut")
    return plain


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Undo ZigZag LEB128; the ninth byte has eight bits."""
    found = 0
    for place in range(9):
        if at == len(data):
            raise ValueError("its last counter was cut")
        byte = data[at]
        at += 1
        if place == 8 or byte < 0x80:
            found |= byte << 7 * place
            break
        found |= (byte & 0x7F) << 7 * place
    return (found >> 1) ^ -(found & 1), at
