"""Compression of one link, held against zlib and the extension of `websockets`."""

import contextlib
import random
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode

from loadkit.chat.personas import PERSONAS, Compression
from loadkit.figures import Client
from loadkit.net.websocket.deflate import WINDOW, Deflate, Offer, Unpacked

TAIL = b"\x00\x00\xff\xff"
LIMIT = 1 << 16
BROWSER = Compression()
# Random words that come again: nearly as hard to pack as noise, but for what lies far back.
NOISE = random.Random(1).randbytes(3000)
EVENTS = [b'{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"line %d"}}' % n for n in range(30)]


def deflate(**given: int) -> Deflate:
    agreed = {"forgets": False, "forgotten": False, "window": 15, "theirs": 15} | given
    return Deflate(0, **agreed)  # type: ignore[arg-type]


def read(deflate: Deflate, data: bytes, *, fin: bool = True, limit: int = LIMIT) -> bytes:
    """What it makes of the data of a compressed frame."""
    frame = deflate.decode(Frame(Opcode.TEXT, data, fin, rsv1=True), max_size=limit)
    assert isinstance(frame, Unpacked)
    assert (frame.rsv1, frame.packed) == (False, len(data))
    return bytes(frame.data)


def packed(text: bytes, pack: "zlib._Compress | None" = None) -> bytes:
    """As zlib would have it by itself."""
    pack = pack or zlib.compressobj(wbits=-15)
    return (pack.compress(text) + pack.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


FAR = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(("window", "forgets"), [*product([8, 9, 10, 12, 15], [False, True])])
def test_a_server_that_keeps_to_the_agreed_window_reads_what_is_packed(
    window: int, forgets: bool
) -> None:
    """However small it is, and where each message is on its own, from an empty one."""
    ours = deflate(window=window, forgets=forgets)
    theirs = zlib.decompressobj(-window)
    for text in [*EVENTS, NOISE, NOISE, b"x" * 5000, "zwölf 😀".encode()]:
        data = ours.pack(text)
        if forgets:
            theirs = zlib.decompressobj(-window)
        assert theirs.decompress(data + TAIL) == text


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=8))
def test_the_extension_of_websockets_reads_it(texts: list[bytes]) -> None:
    ours, theirs = deflate(), PerMessageDeflate(False, False, 15, 15)
    for text in texts:
        frame = Frame(Opcode.TEXT, ours.pack(text), rsv1=True)
        assert bytes(theirs.decode(frame, max_size=LIMIT).data) == text


def test_the_window_is_kept_unless_it_was_agreed_not_to() -> None:
    """What was said before makes a message small, and only then."""
    sizes = {
        forgets: [len(ours.pack(event)) for event in EVENTS]
        for forgets in (False, True)
        for ours in [deflate(forgets=forgets)]
    }
    assert max(sizes[False][1:]) < 20 < min(sizes[True])


def test_a_small_window_packs_events_as_well_as_the_widest_one() -> None:
    """It is the reason for `WINDOW`: two thousand bytes back lie the events like this one."""
    ours, widest = deflate(), zlib.compressobj(wbits=-15)
    sizes = [sum(len(ours.pack(e)) for e in EVENTS), sum(len(packed(e, widest)) for e in EVENTS)]
    assert sizes[0] < 1.1 * sizes[1]
    assert WINDOW < 15


def test_what_has_not_been_packed_or_unpacked_needs_no_memory() -> None:
    """A session that never speaks long enough has no compressor, as on Android."""
    ours = deflate()
    assert (ours._deflate, ours._inflate) == (None, None)
    read(ours, packed(b"text"))
    assert ours._deflate is None
    ours = deflate(forgets=True, forgotten=True)
    read(ours, packed(b"text"))
    ours.pack(b"text")
    assert (ours._deflate, ours._inflate) == (None, None)


def test_a_link_that_does_both_takes_a_third_of_what_zlib_does_by_itself() -> None:
    """In bytes that zlib asks for: 63 KB and 276 where this was written."""
    texts = packed(b"text")

    def one() -> list[object]:
        ours = deflate()
        read(ours, texts)
        return [ours, ours.pack(b"text")]

    def bytes_of(make: Callable[[], object]) -> float:
        before = tracemalloc.get_traced_memory()[0]
        kept = [make() for _ in range(20)]
        return (tracemalloc.get_traced_memory()[0] - before) / len(kept)

    tracemalloc.start()
    try:
        assert bytes_of(one) < bytes_of(lambda: PerMessageDeflate(False, False, 15, 15)) / 3
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_a_server_packs_is_unpacked(forgotten: bool) -> None:
    """With its window kept, or a new one for each message."""
    ours, theirs = deflate(forgotten=forgotten), PerMessageDeflate(False, forgotten, 15, 15)
    for text in [*EVENTS, NOISE, NOISE, b""]:
        assert read(ours, bytes(theirs.encode(Frame(Opcode.TEXT, text)).data)) == text


def test_a_window_is_read_that_is_a_little_wider_than_a_server_says() -> None:
    """zlib takes 8 bits for 9, so servers do that say 8."""
    ours, theirs = deflate(theirs=8), zlib.compressobj(wbits=-9)
    text = NOISE[:240] * 2  # 240 bytes back: more than a window of 8 bits keeps
    assert read(ours, packed(text, theirs)) == text


def test_fragments_are_unpacked_as_they_come() -> None:
    """The bit is in the first alone; what is plain between two compressed messages stays so."""
    ours, pack = deflate(), zlib.compressobj(wbits=-15)
    data = packed(NOISE, pack)
    whole = read(ours, data[:1000], fin=False)
    for at, fin in [(1000, False), (2000, False), (3000, True)]:
        part = Frame(Opcode.CONT, data[at : None if fin else at + 1000], fin)
        whole += bytes(ours.decode(part, max_size=LIMIT).data)
    assert whole == NOISE
    plain = [Frame(Opcode.TEXT, b"pl", False), Frame(Opcode.CONT, b"ain")]
    assert [ours.decode(frame, max_size=LIMIT) for frame in plain] == plain
    assert read(ours, packed(NOISE, pack)) == NOISE


def test_a_server_may_end_its_stream_to_flush_it() -> None:
    """The RFC's own example (section 7.2.3.4), also without its last byte; all begins anew then."""
    ours = deflate()
    assert read(ours, bytes.fromhex("f348cdc9c9070000")) == b"Hello"
    assert read(ours, bytes.fromhex("f348cdc9c90700")) == b"Hello"
    end = zlib.compressobj(wbits=-15)
    assert read(ours, end.compress(b"again") + end.flush()) == b"again"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("f248cdc9c90700", b"Hello"),
        ("000500faff48656c6c6f00", b"Hello"),
        ("f248050000 00ffff cac9c90700", b"Hello"),
        ("00", b""),
    ],
    ids=["one block", "not compressed", "two blocks", "empty"],
)
def test_the_examples_of_the_rfc(data: str, text: bytes) -> None:
    """Section 7.2.3."""
    assert read(deflate(), bytes.fromhex(data)) == text


@pytest.mark.parametrize("limit", [0, 1, 300, LIMIT])
def test_the_limit_is_that_of_what_is_unpacked(limit: int) -> None:
    """A byte more is too big, and no more than that is ever made of it."""
    assert read(deflate(), packed(b"x" * limit), limit=limit) == b"x" * limit
    for size in (limit + 1, 100 * LIMIT):
        with pytest.raises(PayloadTooBig):
            read(deflate(), packed(b"x" * size), limit=limit)


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 9, b"\x06", b"\x03\x00" * 40, [packed(NOISE, FAR), packed(NOISE, FAR)][1]],
    ids=["no deflate", "a reserved kind of block", "stream upon stream", "nothing so far back"],
)
def test_what_cannot_be_unpacked_is_the_servers_fault(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(deflate(), data)


@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_whatever_raise_anything_else(data: bytes, fin: bool) -> None:
    ours = deflate()
    with contextlib.suppress(ProtocolError, PayloadTooBig):
        assert len(read(ours, data, fin=fin, limit=300)) <= 300


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE, Opcode.CONT])
def test_the_bit_stays_where_it_may_not_be(opcode: Opcode) -> None:
    """For the check that refuses it."""
    ours = deflate()
    if opcode is Opcode.CONT:
        read(ours, packed(b"x"), fin=False)
    assert ours.decode(Frame(opcode, b"", rsv1=True), max_size=LIMIT).rsv1


@pytest.mark.parametrize(
    ("text", "limit", "code"),
    [(b"\xc3(", LIMIT, 1007), (b"x" * 301, 300, 1009), (b"\xed\xa0\x80", LIMIT, 1007)],
    ids=["not UTF-8", "too big", "a surrogate"],
)
def test_a_text_by_hand_that_is_none_says_why(text: bytes, limit: int, code: int) -> None:
    """With the close code that the protocol would have."""
    ours = deflate()
    assert ours.text(packed(b"fine"), limit) == b"fine"
    assert ours.wrong is None
    assert ours.text(packed(text), limit) is None
    assert ours.wrong is not None
    assert ours.wrong[0] == code


class TestOffer:
    def test_each_client_offers_what_it_is_known_for(self) -> None:
        """Android without parameters, browsers with one, the others nothing."""
        offers = {
            client: None
            if persona.compression is None
            else dict(Offer(persona.compression).get_request_params())
            for client, persona in PERSONAS.items()
        }
        browser = {"client_max_window_bits": None}
        assert offers == {
            Client.REFERENCE: None,
            Client.ANDROID: {},
            Client.IOS: None,
            Client.WEB: browser,
            Client.WEB_CONTEXT: browser,
        }

    @pytest.mark.parametrize("compression", [BROWSER, Compression(window=False)])
    @pytest.mark.parametrize("server", [*product([None, 9, 12, 15], [None, 10], [False, True])])
    def test_whatever_a_server_makes_of_it_both_ends_understand_each_other(
        self, compression: Compression, server: tuple[int | None, int | None, bool]
    ) -> None:
        bits, ours, forgets = server
        factory = ServerPerMessageDeflateFactory(forgets, forgets, bits, ours)
        offer = Offer(compression)
        answer, theirs = factory.process_request_params(offer.get_request_params(), [])
        link = offer.process_response_params(answer, [])
        for text in [*EVENTS, NOISE]:
            sent = Frame(Opcode.TEXT, link.pack(text), rsv1=True)
            assert bytes(theirs.decode(sent, max_size=LIMIT).data) == text
            assert read(link, bytes(theirs.encode(Frame(Opcode.TEXT, text)).data)) == text

    def test_a_window_of_eight_bits_is_kept_to(self) -> None:
        """zlib has none, so nothing is looked for in it."""
        link = Offer(BROWSER).process_response_params([("client_max_window_bits", "8")], [])
        assert zlib.decompressobj(-8).decompress(link.pack(NOISE[:255] * 9) + TAIL) == (
            NOISE[:255] * 9
        )

    @pytest.mark.parametrize(
        "answer",
        [
            [("client_max_window_bits", "16")],
            [("client_max_window_bits", None)],
            [("server_max_window_bits", "7")],
            [("server_no_context_takeover", "1")],
            [("client_max_window_bits", "8"), ("client_max_window_bits", "9")],
            [("x", None)],
        ],
    )
    def test_an_answer_that_nobody_may_give_is_refused(
        self, answer: list[tuple[str, str | None]]
    ) -> None:
        with pytest.raises(NegotiationError):
            Offer(BROWSER).process_response_params(answer, [])

    def test_a_window_that_was_not_offered_is_refused(self) -> None:
        """As OkHttp does."""
        with pytest.raises(NegotiationError):
            Offer(Compression(window=False)).process_response_params(
                [("client_max_window_bits", "10")], []
            )
