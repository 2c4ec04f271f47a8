"""permessage-deflate as each client has it, on the wire and against a server that may decline."""

import zlib
from pathlib import Path
from time import perf_counter
from typing import Any

import gevent
import pytest
from fleet import FLAKY, HUMAN, RESUMING, STREAMED, WHOLE, SessionKind, drive, profile, under
from processes import HOST, TOKEN, Truth, simulator

from loadkit.chat.personas import PERSONAS, Compression
from loadkit.chat.socket import reconnect
from loadkit.figures import Client, Count
from loadkit.measure.interval import Interval
from loadkit.net.http.target import Target
from loadkit.net.websocket.link import Link, Traffic
from tests.hostile.peer import Wire, peer
from tests.rfc6455 import CONT, PING, PONG, TEXT, frame

OFFER = "Sec-WebSocket-Extensions"
TAIL = b"\x00\x00\xff\xff"
DEFLATED = 0x40
ENDS = 60.0  # seconds in which anything here ends
ANDROID, WEB = (PERSONAS[client].compression for client in (Client.ANDROID, Client.WEB))
TABS = SessionKind("FlakyNetworkChat", streaming=True, tabs=1)  # lives long enough for one
LINES = ["hello " * 3, "hello " * 3, "word " * 300, "zwölf 😀 " * 200]


@pytest.fixture(autouse=True)
def back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cut off comes back after a tenth of the time that people wait."""
    monkeypatch.setattr(reconnect, "_FIRST", 0.1)


class Deflated:
    """The server's side of it, by zlib alone."""

    def __init__(self, bits: int, *, forgets: bool) -> None:
        self._bits, self._forgets = bits, forgets
        self._begin()

    def _begin(self) -> None:
        self._pack = zlib.compressobj(wbits=-self._bits)
        self._unpack = zlib.decompressobj(-self._bits)

    def read(self, first: int, data: bytes) -> bytes:
        if self._forgets:
            self._begin()
        return self._unpack.decompress(data + TAIL) if first & DEFLATED else data

    def frames(self, text: bytes, *, parts: int = 1) -> list[bytes]:
        """A compressed message in so many frames."""
        data = self._pack.compress(text) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        data = data.removesuffix(TAIL)
        size = -(-len(data) // parts)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        frames = [
            frame(CONT if at else TEXT, piece, fin=at == len(pieces) - 1)
            for at, piece in enumerate(pieces)
        ]
        return [bytes([frames[0][0] | DEFLATED]) + frames[0][1:], *frames[1:]]


def exchanged(
    answer: str | None, compression: Compression | None, bits: int = 15
) -> tuple[Wire, list[tuple[bool, bytes]]]:
    """Send the lines to a server that agrees to this; each as it came, and whether deflated.

    The server says each of them back: deflated in one frame, in three with pings between, or plain.
    """
    heard: list[tuple[bool, bytes]] = []

    def script(wire: Wire) -> None:
        wire.upgrade(headers=() if answer is None else (f"{OFFER}: {answer}",))
        theirs = Deflated(bits, forgets="no_context" in (answer or ""))
        while len(heard) < len(LINES):
            first, data = wire.read_raw()
            if first & 0x0F == PONG:
                continue
            text = theirs.read(first, data)
            heard.append((bool(first & DEFLATED), text))
            if answer is None or len(heard) == 2:
                wire.send(frame(TEXT, text))
            else:
                wire.send(frame(PING).join(theirs.frames(text, parts=len(heard))))
        wire.silence()

    with peer(upgrade=script) as server, gevent.Timeout(ENDS):
        link = Link.open(Target.resolve(server.url), "", Traffic(), compression=compression)
        assert link.compressed is (answer is not None)
        for line in LINES:
            link.send(line.encode())
        said: list[Any] = []
        while len(said) < len(LINES):
            said += link.receive(perf_counter() + ENDS)
            assert link.closed is None
        link.drop()
    assert said == [line.encode() for line in LINES]
    assert [text for _, text in heard] == said
    return server.wires[0], heard


@pytest.mark.parametrize(
    ("compression", "offer", "deflated"),
    [
        (ANDROID, "permessage-deflate", [False, False, True, True]),
        (WEB, "permessage-deflate; client_max_window_bits", [True] * 4),
    ],
    ids=["android", "web"],
)
def test_a_client_offers_what_it_is_known_for_and_deflates_from_its_size_on(
    compression: Compression, offer: str, deflated: list[bool]
) -> None:
    """Both ends keep their windows, unless the server says that they do not."""
    for more in ("", "; server_no_context_takeover; client_no_context_takeover"):
        wire, heard = exchanged(f"permessage-deflate{more}", compression)
        assert wire.header(OFFER) == offer
        assert [each for each, _ in heard] == deflated


@pytest.mark.parametrize("bits", [9, 10, 15])
def test_a_server_chooses_the_windows(bits: int) -> None:
    """The client keeps to what it was told, and reads what was announced."""
    answer = f"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}"
    _, heard = exchanged(answer, WEB, bits)
    assert all(deflated for deflated, _ in heard)


@pytest.mark.parametrize("compression", [ANDROID, WEB, None], ids=["android", "web", "none"])
def test_a_server_that_does_not_agree_is_spoken_to_plainly(compression: Compression) -> None:
    """Whether it was asked or not."""
    wire, heard = exchanged(None, compression)
    assert (wire.header(OFFER) is None) is (compression is None)
    assert not any(deflated for deflated, _ in heard)


def lived(folder: Path, client: str, agrees: bool, chaos: dict[str, Any]) -> tuple[Interval, Truth]:
    """Whole sessions of one client against a simulator that agrees to compress, or does not."""
    plan = profile(clients={client: 1}, conversation={"patience": 30.0}, chaos=chaos)
    dials = ["handoff.wait=20ms", "handoff.live_response=5ms", "handoff.queue_interval=5ms"]
    session_kinds = [WHOLE, STREAMED, HUMAN, RESUMING, FLAKY, TABS]
    with simulator(folder, f"compression={str(agrees).lower()}", *dials) as server:
        interval = drive(server.url, TOKEN, HOST, session_kinds, plan)
        return interval, server.stop()


@pytest.mark.parametrize(
    ("client", "agrees"),
    [
        (Client.ANDROID, True),
        pytest.param(Client.WEB, True, marks=pytest.mark.slow),
        (Client.WEB, False),
    ],
)
def test_whole_sessions_are_the_same_with_it_and_without(
    tmp_path: Path, client: Client, agrees: bool
) -> None:
    """Resumes, cold ones too, further tabs and humans; the server knows the number of sockets."""
    chaos = {"per_turn": 0.5, "at": {"mid_stream": 0.5}, "how": {"close": 1, "fin": 1, "reset": 1}}
    told, truth = lived(tmp_path, client, agrees, chaos)
    assert not under(told, "violations")
    assert not under(told, "errors")
    counts = told.counts
    assert counts[Count.TURNS_ANSWERED] == counts[Count.TURNS_SENT] > 0
    assert counts[Count.DISCONNECTS_RECONNECTED] > 0
    sockets = len(truth.of("socket_open")) - counts["tabs.opened"] - counts.get("tabs.reopened", 0)
    assert counts.get(Count.COMPRESSED, 0) == (sockets if agrees else 0)


def test_what_is_compressed_takes_fewer_bytes_both_ways(tmp_path: Path) -> None:
    """The same people, saying the same."""
    sizes = {}
    for agrees in (True, False):
        with simulator(tmp_path, f"compression={str(agrees).lower()}") as server:
            told = drive(server.url, TOKEN, HOST, [WHOLE] * 5, profile(clients={"web": 1}))
        assert told.counts[Count.TURNS_ANSWERED] > 10
        sizes[agrees] = [told.frames[each] for each in ("bytes_sent", "bytes_received")]
    (sent, received), (plainly_sent, plainly_received) = sizes[True], sizes[False]
    assert sent < 0.6 * plainly_sent
    assert received < 0.9 * plainly_received


def test_the_profile_decides_whether_it_is_offered(tmp_path: Path) -> None:
    """`[connection] deflate` is above the client's own way."""
    agreed = {}
    with simulator(tmp_path, "compression=true") as server:
        for client in ("reference", "web"):
            for asked in (True, False):
                plan = profile(clients={client: 1}, connection={"deflate": asked})
                told = drive(server.url, TOKEN, HOST, [WHOLE], plan)
                agreed[client, asked] = told.counts.get(Count.COMPRESSED, 0)
    assert agreed == {
        ("reference", True): 1,
        ("reference", False): 0,
        ("web", True): 1,
        ("web", False): 0,
    }
