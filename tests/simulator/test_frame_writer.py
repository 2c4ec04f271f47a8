"""Frames on their way out, checked against an independent implementation of the protocol."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as TheirFrame
from websockets.streams import StreamReader

from loadkit.simulator.app.frame_writer import Frame, close_frame

from .doubles import payload_of


def parsed(data: bytes, extensions: list[PerMessageDeflate] | None = None) -> TheirFrame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    try:
        next(TheirFrame.parse(reader.read_exact, mask=False, extensions=extensions))
    except StopIteration as stop:
        frame: TheirFrame = stop.value
        return frame
    raise AssertionError("the frame is not complete")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_a_text_frame_of_any_size_can_be_read(size: int) -> None:
    frame = parsed(Frame(b"x" * size).plain)
    assert (frame.opcode, frame.fin, len(frame.data)) == (Opcode.TEXT, True, size)


@pytest.mark.parametrize("code", [1000, 1001, 4002])
def test_a_close_frame_carries_its_code(code: int) -> None:
    frame = parsed(close_frame(code))
    assert frame.opcode is Opcode.CLOSE
    assert Close.parse(frame.data).code == code


def test_a_close_without_a_code_is_empty() -> None:
    assert parsed(close_frame(None)).data == b""


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5))
def test_compressed_frames_can_be_read_by_a_client_that_keeps_its_window(
    payloads: list[bytes],
) -> None:
    """Clients that joined at different times read the same bytes."""
    frames = [Frame(payload) for payload in payloads]
    for first in range(len(frames)):
        theirs = PerMessageDeflate(False, False, 15, 15)
        for frame, payload in zip(frames[first:], payloads[first:], strict=True):
            assert bytes(parsed(frame.deflated(15), [theirs]).data) == payload


def test_a_smaller_window_is_honoured() -> None:
    payload = bytes(range(256)) * 40
    body = payload_of(Frame(payload).deflated(9))
    assert zlib.decompressobj(-9).decompress(body + b"\x00\x00\xff\xff") == payload


def test_a_frame_is_compressed_once_for_all_sockets() -> None:
    frame = Frame(b"hello")
    assert frame.deflated(15) is frame.deflated(15)
