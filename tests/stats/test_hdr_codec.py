"""A histogram is read as it was written, and nothing else is one."""

import base64
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_codec import counters
from loadkit.stats.hdr_index import HIGHEST, MOST_COUNT


def written(values: list[tuple[int, int]]) -> str:
    """By `hdrh`, an independent writer."""
    histogram = HdrHistogram(1, HIGHEST, 3)
    for value, count in values:
        histogram.record_value(value, count)
    return str(histogram.encode().decode())


def packed(plain: bytes) -> str:
    data = zlib.compress(plain)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(data)) + data).decode()


def plain(text: str) -> bytearray:
    return bytearray(zlib.decompress(base64.b64decode(text)[8:]))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, HIGHEST), st.integers(1, MOST_COUNT // 30)), max_size=30),
)
def test_what_another_writer_wrote_is_read(values: list[tuple[int, int]]) -> None:
    """Counter by counter, as its own reader has them."""
    text = written(values)
    expected = HdrHistogram.decode(text)
    found = dict(counters(text))
    assert sum(found.values()) == sum(count for _, count in values)
    assert all(expected.counts[index] == count for index, count in found.items())
    assert Distribution.decode(text).count == expected.total_count


@settings(max_examples=40)
@given(st.binary(max_size=300), st.booleans())
def test_anything_else_is_a_value_error(body: bytes, whole: bool) -> None:
    """Or it is a histogram: never another exception."""
    head = plain(written([(5, 1)]))[:40]
    head[4:8] = struct.pack(">I", len(body))
    text = packed(bytes(head) + body) if whole else base64.b64encode(body).decode()
    try:
        found = list(counters(text))
    except ValueError:
        return
    assert all(0 < count <= MOST_COUNT for _, count in found)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda data: data + bytes(20_000_000), "longer than a histogram can be"),
        (lambda data: data[:-1] + b"\x80", "its last counter was cut"),
        (lambda data: data[:12] + struct.pack(">I", 5) + data[16:], "another kind"),
        (lambda data: data[:16] + struct.pack(">Q", 7) + data[24:], "another kind"),
        (lambda data: data[:4] + struct.pack(">I", 1) + data[8:], "another kind"),
        (lambda data: data[:20], "was cut"),
        (lambda data: data[:-1] + b"\xff", "cut"),
    ],
)
def test_what_no_writer_writes_is_named(edit: Callable[[bytes], bytes], says: str) -> None:
    """In bounded memory: one of 20 MB is not unpacked."""
    with pytest.raises(ValueError, match=says):
        list(counters(packed(edit(bytes(plain(written([(5, 1), (900, 3)])))))))


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",  # leaves 2⁶³ counters out
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x02" * 20_700,
    ],
    ids=["far", "many", "long"],
)
def test_counters_that_no_histogram_has_are_refused(body: bytes) -> None:
    head = plain(written([(5, 1)]))[:40]
    head[4:8] = struct.pack(">I", len(body))
    with pytest.raises(ValueError, match="counters that no histogram has"):
        list(counters(packed(bytes(head) + body)))


def test_a_text_that_was_cut_anywhere_is_none() -> None:
    chance = random.Random(5)
    text = written([(chance.randrange(HIGHEST), chance.randrange(1, 9)) for _ in range(40)])
    for end in range(len(text)):
        with pytest.raises(ValueError, match=r"."):
            list(counters(text[:end]))
