"""What a link reads and writes, held against the parser of `websockets` alone."""

import struct
import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from loadkit.net.websocket.deflate import Deflate
from loadkit.net.websocket.flood_allowance import Allowance
from loadkit.net.websocket.frames import Inbox, Traffic, cut, masked
from loadkit.net.websocket.text_protocol import TextProtocol
from loadkit.protocol import Flaw, FlawKind
from tests.rfc6455 import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame

CLOSED = frame(CLOSE, b"\x03\xe8because")
LIMIT = 300  # bytes of a message; more than the 125 that fit the shortest header
SIZES = [0, 1, 125, 126, 65535, 65536]  # where the header's form changes, and beside


ODD = {
    "cut off in its text": frame(TEXT, b"whole")[:-1],
    "cut off in its header": frame(TEXT, b"x" * 200)[:3],
    "cut off after a byte": frame(TEXT)[:1],
    "too big": frame(TEXT, b"x" * (LIMIT + 1)),
    "too big, by its header": frame(TEXT, b"x" * 65536)[:10],
    "longer than anything": bytes([0x81, 127]) + b"\xff" * 8,
    "not UTF-8": frame(TEXT, b"\xc3("),
    "not UTF-8 but for a surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "a fragment": frame(TEXT, b"a", fin=False),
    "a continuation": frame(CONT, b"a"),
    "binary": frame(BINARY, b"a"),
    "a ping": frame(PING, b"a"),
    "a close": frame(CLOSE, b"\x03\xe8"),
    "masked": bytes([0x81, 0x81, 0, 0, 0, 0, 65]),
    "masked, and long": bytes([0x81, 0x8C]) + bytes(16),
    "with a reserved bit": bytes([0xC1, 1, 65]),
    "a reserved opcode": frame(3, b"a"),
}


class TestCut:
    @pytest.mark.parametrize("size", SIZES)
    def test_a_text_of_any_size_is_cut_out_whole(self, size: int) -> None:
        """`websockets` writes it, with each form that a length can have."""
        text = b"x" * size
        data = Frame(Opcode.TEXT, text).serialize(mask=False)
        assert cut(data + data, 1 << 20) == ([text, text], 2 * len(data))

    @given(st.lists(st.text(max_size=200)))
    def test_texts_come_out_in_their_order(self, texts: list[str]) -> None:
        """Whatever the language."""
        said = [text.encode() for text in texts]
        data = b"".join(Frame(Opcode.TEXT, text).serialize(mask=False) for text in said)
        assert cut(data, 1 << 20) == (said, len(data))

    @pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
    def test_it_ends_where_anything_else_begins(self, odd: bytes) -> None:
        """The texts before are handed out; those behind it are not its business."""
        before = frame(TEXT, b"one") + frame(TEXT, "zwölf".encode())
        assert cut(before + odd, LIMIT) == ([b"one", "zwölf".encode()], len(before))
        assert cut(odd, LIMIT) == ([], 0)

    def test_a_text_may_have_the_size_of_the_limit(self) -> None:
        """One byte more is for the protocol to refuse."""
        data = frame(TEXT, b"x" * LIMIT)
        assert cut(data, LIMIT) == ([b"x" * LIMIT], len(data))
        assert cut(data, LIMIT - 1) == ([], 0)


@pytest.mark.parametrize("size", [1, *SIZES])
def test_a_compressed_text_differs_in_a_bit(size: int) -> None:
    """Whatever the form of its length."""
    plain, packed = masked(b"x" * size, b"mask"), masked(b"x" * size, b"mask", packed=True)
    assert (plain[0] | 0x40, plain[1:]) == (packed[0], packed[1:])


@given(st.binary(max_size=300) | st.sampled_from([b"x" * size for size in SIZES]), st.binary())
def test_a_server_reads_what_was_masked(text: bytes, more: bytes) -> None:
    """By the parser of `websockets`: one whole text frame, and nothing left over."""
    server = Protocol(SERVER)
    mask = more[:4].ljust(4, b"\x5a")
    server.receive_data(masked(text, mask) + masked(b"next", mask))
    frames = server.events_received()
    assert [Frame(Opcode.TEXT, text), Frame(Opcode.TEXT, b"next")] == frames


def client() -> TextProtocol:
    return TextProtocol(max_size=LIMIT)


def alone() -> Protocol:
    return Protocol(CLIENT, max_size=LIMIT)


@dataclass
class Plain:
    """Makes messages of what `websockets` alone makes of the stream: the truth.

    It is given byte by byte, so that a text that is not UTF-8 fails the connection before anything
    behind it is looked at, as RFC 6455 has it (7.1.7, 8.1), whatever was read at once.
    """

    protocol: Protocol = field(default_factory=alone)
    traffic: Traffic = field(default_factory=Traffic)
    parts: list[Frame] = field(default_factory=list)

    def take(self, data: bytes) -> list[bytes | tuple[FlawKind, str]]:
        messages: list[bytes | tuple[FlawKind, str]] = []
        for at in range(len(data)):
            self.protocol.receive_data(data[at : at + 1])
            for one in self.protocol.events_received():
                assert isinstance(one, Frame)
                self.traffic.frames_received += 1
                if one.opcode < CLOSE:
                    messages += self.assembled(one)
        self.traffic.bytes_received += len(data)
        return messages

    def assembled(self, part: Frame) -> list[bytes | tuple[FlawKind, str]]:
        self.parts.append(part)
        if not part.fin:
            return []
        whole = b"".join(part.data for part in self.parts)
        kind = self.parts[0].opcode
        self.parts.clear()
        if kind == BINARY:
            return [(FlawKind.BINARY_FRAME, f"{len(whole)} bytes")]
        try:
            whole.decode()
        except UnicodeDecodeError:
            self.protocol.fail(1007, "invalid UTF-8")
            return []
        return [whole]


def answers(protocol: Protocol) -> list[bytes]:
    """What it wants to send, without the masks, which are drawn; no answer is longer than 125."""
    frames = []
    for data in protocol.data_to_send():
        mask, payload = data[2:6], data[6:]
        plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        frames.append(data[:2] + plain)
    return frames


def standing(protocol: Protocol, traffic: Traffic) -> list[object]:
    """Where a stream has come to."""
    return [
        protocol.state,
        protocol.close_sent,
        protocol.close_rcvd,
        answers(protocol),
        traffic.frames_received,
        traffic.bytes_received,
    ]


def plainly(message: bytes | Flaw) -> bytes | tuple[FlawKind, str]:
    return (message.kind, message.detail) if isinstance(message, Flaw) else message


payloads = st.one_of(
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=8),
    st.integers(120, 2 * LIMIT).map(lambda size: b"x" * size),
    st.text(max_size=8).map(lambda text: b"x" + frame(TEXT, text.encode())),  # a text in a text
)
closes = st.builds(
    lambda code, reason: frame(CLOSE, struct.pack("!H", code) + reason),
    st.sampled_from([1000, 1001, 1005, 1006, 1011, 3999, 4001, 7000]) | st.integers(0, 65535),
    st.binary(max_size=4) | st.just(b"because"),
)
pieces = st.one_of(
    st.text(max_size=40).map(lambda text: frame(TEXT, text.encode())),
    st.text(max_size=40).map(lambda text: frame(TEXT, text.encode())),  # as often as in life
    st.builds(frame, st.sampled_from([TEXT, CONT, BINARY]), payloads, fin=st.booleans()),
    st.builds(
        frame,
        st.sampled_from([TEXT, BINARY, PING]),
        st.binary(max_size=130),
        form=st.sampled_from([126, 127]),
    ),
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(
        lambda opening, inside, ending: b"".join([opening, *inside, ending]),
        st.builds(frame, st.sampled_from([TEXT, BINARY]), payloads, fin=st.just(False)),
        st.lists(st.binary(max_size=5).map(lambda data: frame(PING, data)), max_size=2),
        st.builds(frame, st.just(CONT), payloads),
    ),
)
hostile = st.one_of(closes, st.sampled_from(list(ODD.values())), st.binary(max_size=20))
streams = st.builds(
    lambda fine, wrong, rest: b"".join([*fine, *wrong, *rest]),
    st.lists(pieces, max_size=10),
    st.lists(hostile, max_size=2),
    st.lists(pieces, max_size=3),
)


@st.composite
def chunked(draw: st.DrawFn) -> list[bytes]:
    """Any stream, read in any portions; often one begins with what may be a whole text."""
    data = draw(streams)
    ends = draw(st.sets(st.integers(1, max(1, len(data))), max_size=12))
    texts = [at for at, byte in enumerate(data) if byte == frame(TEXT)[0]]
    if texts:
        ends |= draw(st.sets(st.sampled_from(texts)))
    bounds = [0, *sorted(ends | {len(data)})]
    return [data[a:b] for a, b in pairwise(bounds) if b > a]


class TestInbox:
    @given(chunked(), st.none() | st.integers(0, 3))
    @example([frame(TEXT, b"\xff") + frame(PING) + frame(CLOSE, b"\x03\xe8")], None)
    @example([frame(PING, b"", form=126), frame(TEXT, b"a")[:2], b"a" + frame(TEXT)], None)
    @example([frame(TEXT, b"a", fin=False), frame(TEXT, b"b")], None)
    @example([frame(BINARY, b"x" + frame(TEXT, b"a"))[:3], frame(TEXT, b"a")], None)
    @example([frame(TEXT, b"a"), frame(TEXT, b"b"), frame(CLOSE), frame(TEXT, b"c")], 1)
    @example([frame(TEXT, b"\xff", fin=False) + frame(CONT) + frame(TEXT, b"a") * 256], None)
    @example([frame(TEXT, b"\xff") + frame(PING, b"x" * 125) * 4 + CLOSED], None)
    @example([frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x") + CLOSED], None)
    @example([frame(TEXT, b"\xc3", fin=False), frame(CONT, b"\xa9x") + CLOSED], None)
    @example([frame(PING)[:1], frame(PING)[1:] + frame(TEXT, b"\xff") + CLOSED], 0)
    def test_it_makes_of_any_stream_what_the_protocol_alone_does(
        self, chunks: list[bytes], leaves: int | None
    ) -> None:
        """Read for read: the messages, the answers, the close codes and the counts.

        Args:
            chunks: what is read, one after the other.
            leaves: before which of them this side sends its close; None for never.
        """
        truth = Plain()
        protocol, traffic = client(), Traffic()
        inbox = Inbox(protocol, traffic, Allowance(), LIMIT)
        for number, chunk in enumerate(chunks):
            if number == leaves:
                for one in (protocol, truth.protocol):
                    if one.state is State.OPEN:
                        one.send_close(1000)
            assert truth.take(chunk) == [plainly(message) for message in inbox.take(chunk)]
            assert standing(truth.protocol, truth.traffic) == standing(protocol, traffic)
        for one in (protocol, truth.protocol):
            one.receive_eof()
        assert truth.protocol.close_code == protocol.close_code
        assert truth.protocol.close_reason == protocol.close_reason

    def test_the_protocol_sees_nothing_of_whole_texts(self) -> None:
        """That is what makes them cheap."""
        watched = Watched()
        assert watched.take(frame(TEXT, b"one") + frame(TEXT, b"two")) == [b"one", b"two"]
        assert watched.given == b""

    @pytest.mark.parametrize(
        "chunks",
        [
            [frame(PING, b"?")],
            [frame(TEXT, b"cut in two")[:5], frame(TEXT, b"cut in two")[5:]],
            [frame(TEXT, b"x" * 200)[:3], frame(TEXT, b"x" * 200)[3:]],
            [frame(TEXT, b"a", fin=False), frame(PING), frame(CONT, b"b")],
            [frame(BINARY, b"a")],
            [frame(PING) + frame(TEXT, b"behind it")],
        ],
        ids=["ping", "cut in its text", "cut in its header", "fragments", "binary", "text behind"],
    )
    def test_the_protocol_lets_go_of_the_stream_at_the_end_of_a_message(
        self, chunks: list[bytes]
    ) -> None:
        """It has all from the first odd byte on, up to the next read that begins with a message."""
        watched = Watched()
        for chunk in chunks:
            watched.take(chunk)
        assert b"".join(chunks) == watched.given
        assert watched.take(frame(TEXT, b"next")) == [b"next"]
        assert b"".join(chunks) == watched.given

    @pytest.mark.parametrize("size", SIZES)
    def test_the_protocol_lets_go_of_a_text_of_any_size(self, size: int) -> None:
        """One that came in two reads, of which neither is a frame."""
        watched = Watched(1 << 20)
        data = frame(TEXT, b"x" * size)
        assert watched.take(data[:1]) == []
        assert watched.take(data[1:]) == [b"x" * size]
        assert watched.take(frame(TEXT, b"next")) == [b"next"]
        assert data == watched.given

    @pytest.mark.parametrize(
        ("unit", "most"),
        [
            (frame(PING), 2 * 256),
            (frame(TEXT, b"a") + frame(PING), 2 * 256),
            (frame(TEXT, b"a"), 64),
            (frame(TEXT, b"a" * 40), 64),
        ],
    )
    def test_it_takes_a_moments_work_at_a_time_and_loses_nothing(
        self, unit: bytes, most: int
    ) -> None:
        """What was read stays in order, whatever it is taken with."""
        truth, traffic = Plain(), Traffic()
        inbox, rest = Inbox(client(), traffic, Allowance(), LIMIT), unit * 400
        expected, messages = truth.take(rest), []
        while rest:
            before = traffic.frames_received
            messages += [plainly(message) for message in inbox.take(rest)]
            assert 0 < traffic.frames_received - before <= most
            rest = inbox.rest
        assert messages == expected
        assert traffic.frames_received == truth.traffic.frames_received
        assert traffic.bytes_received == 400 * len(unit)

    @given(st.lists(st.binary(min_size=1, max_size=30), min_size=1))
    def test_no_bytes_whatever_raise_an_exception(self, chunks: list[bytes]) -> None:
        """A server may send anything."""
        inbox = Inbox(client(), Traffic(), Allowance(), LIMIT)
        for chunk in chunks:
            inbox.take(chunk)


class Watched:
    """An inbox, and what its protocol was given."""

    def __init__(self, limit: int = LIMIT, protocol: TextProtocol | None = None) -> None:
        self.given = b""
        protocol = protocol or TextProtocol(max_size=limit)
        receive = protocol.receive_data

        def overhear(data: bytes | bytearray) -> None:
            self.given += data
            receive(data)

        protocol.receive_data = overhear  # type: ignore[method-assign]
        self.take = Inbox(protocol, Traffic(), Allowance(), limit).take


P = TypeVar("P", bound=Protocol)


def agreed(protocol: P) -> P:
    """With compression."""
    protocol.extensions = [Deflate(0, forgets=False, forgotten=False, window=15, theirs=15)]
    return protocol


class Server:
    """Writes messages as a server that agreed to compress them, and kept its window."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(wbits=-15)

    def packed(self, text: bytes) -> bytes:
        data = self._pack.compress(text) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(b"\x00\x00\xff\xff")

    def text(self, text: bytes, *cuts: int) -> bytes:
        """Compressed, in one frame or in fragments that end there."""
        data = self.packed(text)
        ends = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        frames = [
            frame(CONT if a else TEXT, data[a:b], fin=b == len(data)) for a, b in pairwise(ends)
        ]
        return b"".join([bytes([frames[0][0] | 0x40]), frames[0][1:], *frames[1:]])


@st.composite
def compressed(draw: st.DrawFn) -> list[bytes]:
    """A stream of compressed and of plain messages, and of what is wrong, in any portions."""
    server, data = Server(), b""
    for _ in range(draw(st.integers(1, 8))):
        text = draw(st.text(max_size=40).map(str.encode) | payloads)
        kind = draw(st.integers(0, 9))
        cuts = draw(st.lists(st.integers(1, 30), max_size=3, unique=True))
        if kind < 4:
            data += server.text(text)
        elif kind < 6:
            data += server.text(text, *cuts)
        elif kind < 8:
            data += draw(pieces)
        else:
            data += frame(draw(st.sampled_from([TEXT, BINARY, CONT, PING])) | 0x40, text[:125])
    ends = draw(st.sets(st.integers(1, max(1, len(data))), max_size=12))
    bounds = [0, *sorted(ends | {len(data)})]
    return [data[a:b] for a, b in pairwise(bounds) if b > a]


class TestCompressed:
    @given(compressed())
    @example([Server().text(b"\xff") + frame(PING)])
    @example([Server().text(b"x" * (LIMIT + 1))])
    @example([frame(PING) + Server().text(b"one", 1) + frame(CONT, b"\xff")])
    @example([Server().text(b"one") + frame(CONT, b"\xff")])
    @example([Server().text(b"x" * LIMIT, 2), Server().text(b"x" * (LIMIT + 1), 2)])
    @example([frame(TEXT | 0x40, b"\xff" * 5) + frame(CLOSE, b"\x03\xe8")])
    @example([Server().text(b"one")[:1], Server().text(b"one")[1:] + frame(TEXT, b"two")])
    def test_it_makes_of_any_stream_what_the_protocol_alone_does(self, chunks: list[bytes]) -> None:
        """Where one unpacks by hand what the other has its extension unpack."""
        truth = Plain(agreed(alone()))
        protocol, traffic = agreed(client()), Traffic()
        inbox = Inbox(protocol, traffic, Allowance(), LIMIT)
        for chunk in chunks:
            assert truth.take(chunk) == [plainly(message) for message in inbox.take(chunk)]
            assert standing(truth.protocol, truth.traffic) == standing(protocol, traffic)

    def test_whole_texts_are_read_by_hand_and_all_else_by_the_protocol(self) -> None:
        """In whatever order they come: there is one window."""
        server, watched = Server(), Watched(protocol=agreed(client()))
        assert watched.take(server.text(b"one") + frame(TEXT, b"two") + server.text(b"one")) == [
            b"one",
            b"two",
            b"one",
        ]
        assert watched.given == b""
        fragments = server.text(b"one, two, three", 3, 5)
        assert watched.take(fragments) == [b"one, two, three"]
        assert watched.given == fragments
        assert watched.take(server.text(b"one, two, three, four")) == [b"one, two, three, four"]
        assert watched.given == fragments

    @pytest.mark.parametrize("cuts", [(), (2,)], ids=["whole", "fragments"])
    def test_what_a_message_unpacks_to_is_charged(self, cuts: tuple[int, ...]) -> None:
        """And the link's traffic is what went over the wire."""
        allowance, traffic = Allowance(), Traffic()
        before = allowance.left
        data = Server().text(b"x" * 100_000, *cuts)
        inbox = Inbox(agreed(TextProtocol(max_size=1 << 20)), traffic, allowance, 1 << 20)
        assert inbox.take(data) == [b"x" * 100_000]
        assert traffic.bytes_received == len(data) < 1000
        assert before - allowance.left > 100_000

    def test_a_moment_unpacks_no_more_than_a_moment_does(self) -> None:
        """Whoever packs a hundred million bytes into one read has them taken one by one."""
        server = Server()
        rest = server.text(b"x" * 900_000) * 100
        inbox = Inbox(agreed(TextProtocol(max_size=1 << 20)), Traffic(), Allowance(), 1 << 20)
        takes = 0
        while rest:
            assert len(inbox.take(rest)) == 1
            rest, takes = inbox.rest, takes + 1
        assert takes == 100

    def test_without_agreement_nothing_is_unpacked(self) -> None:
        protocol = client()
        inbox = Inbox(protocol, Traffic(), Allowance(), LIMIT)
        assert inbox.take(frame(TEXT, b"one") + Server().text(b"two")) == [b"one"]
        assert protocol.close_sent is not None
        assert protocol.close_sent.code == 1002
