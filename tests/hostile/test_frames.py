"""Floods of frames: each ends its own session by name, in bounded time and memory, and no other."""

import contextlib
import ssl
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import gevent
import pytest
import trustme
from persons import Notes, Script, driver
from processes import HOST, SECRETS, TOKEN, as_run, profile, run, summary

from loadkit.chat.personas import Compression
from loadkit.errors import Failure, RemoteError
from loadkit.figures import Count, Ending
from loadkit.net.http.target import Target
from loadkit.net.preflight.preflight import identify
from loadkit.net.websocket.flood_allowance import Allowance
from loadkit.net.websocket.link import Link, Traffic
from loadkit.network import Network
from loadkit.security.credentials import Credentials
from tests.hostile.memory import grows_less_than
from tests.rfc6455 import BINARY, CONT, PING, PONG, TEXT, frame

from .peer import Wire, converse, greet, peer, reply

ENDS = 120.0  # seconds in which anything here ends, on the busiest machine
STARVES = 5.0  # of the processor's seconds without a turn: a loop that gives no way takes them
MEMORY = 96 << 20  # bytes more: its allowance is 64 MiB, and a test notes every flaw
BYTES = 200 << 20  # that may have been sent it when it is cut off, on the busiest machine
SOUND = 3  # sessions beside it

HEARTBEAT = b'{"type":"EVENT_TYPE_HEARTBEAT","payload":{}}'
UNKNOWN = b'{"type":"EVENT_TYPE_NEWS","id":"1","timestamp":"2026","payload":{}}'
TYPING = b'{"type":"EVENT_TYPE_LIVE_AGENT_TYPING","id":null,"timestamp":"","payload":{}}'
BATCH = b'{"type":"EVENT_TYPE_EVENT_BATCH","payload":{"events":[%s]}}'


class Flood(NamedTuple):
    """What is sent without end, after what comes first."""

    unit: bytes
    first: bytes = b""


FLOODS = {
    "pings": Flood(frame(PING)),
    "pings of 125 bytes": Flood(frame(PING, b"p" * 125)),
    "pongs": Flood(frame(PONG)),
    "empty continuations": Flood(frame(CONT, fin=False), frame(TEXT, fin=False)),
    "fragments of a byte": Flood(frame(CONT, b" ", fin=False), frame(TEXT, b"{", fin=False)),
    "fragments and pings": Flood(
        frame(CONT, b" ", fin=False) + frame(PING), frame(TEXT, b"{", fin=False)
    ),
    "empty texts": Flood(frame(TEXT)),
    "empty binaries": Flood(frame(BINARY)),
    "empty texts in two fragments": Flood(frame(TEXT, fin=False) + frame(CONT)),
    "no JSON": Flood(frame(TEXT, b"{}")),
    "heartbeats": Flood(frame(TEXT, HEARTBEAT)),
    "heartbeats and pings": Flood(frame(TEXT, HEARTBEAT) + frame(PING)),
    "events nobody knows": Flood(frame(TEXT, UNKNOWN)),
    "somebody types": Flood(frame(TEXT, TYPING)),
    "empty batches": Flood(frame(TEXT, BATCH % b"")),
    "batches of nothing": Flood(frame(TEXT, BATCH % b",".join([b"{}"] * 20_000))),
    "batches of heartbeats": Flood(frame(TEXT, BATCH % b",".join([HEARTBEAT] * 20_000))),
    "big batches": Flood(frame(TEXT, BATCH % b",".join([b"{}"] * 300_000))),
    "big texts": Flood(frame(TEXT, HEARTBEAT[:-1] + b',"x":"%s"}' % (b"x" * 1_000_000))),
}
QUICK = ("pings of 125 bytes", "empty continuations", "heartbeats and pings", "big batches")


def floods(names: Any = FLOODS) -> list[Any]:
    """A row each, those marked slow that say the same of another kind of frame."""
    return [
        pytest.param(FLOODS[name], id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for name in names
    ]


class Loop:
    """What a worker does beside a hostile connection.

    Attributes:
        longest: seconds of this thread's processor time in which nothing else had its turn.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    def tick(self) -> None:
        at = thread_time()
        while True:
            gevent.sleep(0.005)
            self.longest, at = max(self.longest, thread_time() - at), thread_time()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Nobody starves, nothing grows, and all is over in time."""
    loop = Loop()
    ticking = gevent.spawn(loop.tick)
    try:
        with gevent.Timeout(ENDS), grows_less_than(MEMORY):
            yield
    finally:
        ticking.kill()
    assert loop.longest < STARVES


def flooding(wire: Wire, flood: Flood, *, greeted: bool = True) -> None:
    """A session that is sound as far as it goes, and then is none."""
    if greeted:
        greet(wire)
        wire.read_event("USER_MESSAGE")
    else:
        wire.upgrade()
    wire.send(flood.first)
    wire.flood(flood.unit)


def beside(hostile: str, *, person: Script | None = None) -> tuple[Notes, list[Notes]]:
    """Live a session there, and sound ones meanwhile; what each of them noted."""
    one, others = Notes(), [Notes() for _ in range(SOUND)]
    person = person or Script("Where is my order?", None)
    with peer() as sound, watched():
        every = [gevent.spawn(driver(hostile, person, one).run, perf_counter())]
        for notes in others:
            lines = Script("Where is my order?", "Thanks!", "Bye!", None)
            every.append(gevent.spawn(driver(sound.url, lines, notes).run, perf_counter()))
        gevent.joinall(every, raise_error=True)
    return one, others


def unharmed(others: list[Notes]) -> None:
    for notes in others:
        assert notes.endings == [Ending.USER_END]
        assert notes.counts[Count.TURNS_ANSWERED] == 3
        assert not notes.failures
        assert not notes.violations


@pytest.mark.parametrize("flood", floods())
def test_a_flood_ends_its_session_by_name_and_harms_no_other(flood: Flood) -> None:
    """It is not resumed, nor is anything blamed but the flood."""
    with peer(upgrade=partial(flooding, flood=flood)) as hostile:
        one, others = beside(hostile.url)
        flooded = [wire for wire in hostile.wires if wire.sent]
    assert one.failures == [Failure.FRAME_FLOOD]
    assert one.endings == [Ending.FAILED]
    assert one.counts[Count.TURNS_SENT] == one.counts[Count.TURNS_LOST] == 1
    assert len(flooded) == 1
    assert flooded[0].sent < BYTES
    unharmed(others)


@pytest.mark.parametrize("flood", floods(["pings of 125 bytes", "empty texts", "big texts"]))
def test_a_flood_in_place_of_the_history_does_the_same(flood: Flood) -> None:
    """The first deadline of a socket is at stake."""
    with peer(upgrade=partial(flooding, flood=flood, greeted=False)) as hostile:
        one, others = beside(hostile.url)
    assert one.failures == [Failure.FRAME_FLOOD]
    unharmed(others)


def bytewise(wire: Wire) -> None:
    """A message that is whole in an hour, a byte a segment."""
    greet(wire)
    wire.trickle(frame(TEXT, b" " * 1_000_000))


def compressed(wire: Wire) -> None:
    """A frame that says it is deflated, which nobody offered to read."""
    greet(wire)
    wire.send(bytes([0xC1, 4]) + b"\xca\x48\xcd\xc9")
    wire.silence()


def extended(wire: Wire) -> None:
    """An upgrade that chooses what was not offered."""
    wire.upgrade(headers=("Sec-WebSocket-Extensions: permessage-deflate",))
    wire.silence()


@pytest.mark.parametrize(
    ("upgrade", "failure"),
    [
        pytest.param(bytewise, Failure.FRAME_FLOOD, marks=pytest.mark.slow),
        (compressed, Failure.PROTOCOL_ERROR),
        (extended, Failure.PROTOCOL_ERROR),
    ],
)
def test_other_frames_that_no_chat_has(upgrade: Callable[[Wire], None], failure: Failure) -> None:
    """What is refused may be tried again; what floods may not."""
    with peer(upgrade=upgrade) as hostile, watched():
        notes = Notes()
        life = driver(hostile.url, Script(), notes, max_reconnect_attempts=0)
        life.run(perf_counter())
    assert notes.failures[0] is failure
    assert notes.endings == [Ending.FAILED]


def packed(size: int) -> bytes:
    """The deflated text of a heartbeat with so many blanks behind it, each for itself."""
    deflate = zlib.compressobj(9, wbits=-15)
    data = deflate.compress(HEARTBEAT + b" " * size) + deflate.flush(zlib.Z_FULL_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


def in_deflate(first: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame with the bit that says it is compressed."""
    plain = frame(first, payload, fin=fin)
    return bytes([plain[0] | 0x40]) + plain[1:]


BOMB = packed(20 << 20)
AGREED = ("Sec-WebSocket-Extensions: permessage-deflate",)
UNPACKED = {
    "a bomb": ([in_deflate(TEXT, BOMB)], Failure.FRAME_TOO_BIG),
    "a bomb in fragments": (
        [
            in_deflate(TEXT, BOMB[:100], fin=False),
            *(frame(CONT, BOMB[at : at + 100], fin=False) for at in range(100, len(BOMB), 100)),
            frame(CONT),
        ],
        Failure.FRAME_TOO_BIG,
    ),
    "no deflate": ([in_deflate(TEXT, b"\xff" * 20)], Failure.PROTOCOL_ERROR),
    "no deflate in a fragment": (
        [in_deflate(TEXT, packed(2000)[:9], fin=False), frame(CONT, b"\xff" * 20)],
        Failure.PROTOCOL_ERROR,
    ),
    "stream upon stream": ([in_deflate(TEXT, b"\x03\x00" * 500_000)], Failure.PROTOCOL_ERROR),
    "deflated in a continuation": (
        [in_deflate(TEXT, BOMB[:50], fin=False), in_deflate(CONT, BOMB[50:])],
        Failure.PROTOCOL_ERROR,
    ),
    "a deflated ping": ([in_deflate(PING, b"\x00")], Failure.PROTOCOL_ERROR),
    "not UTF-8": ([in_deflate(TEXT, b"\xfa\x0f\x00")], Failure.PROTOCOL_ERROR),
    "bombs that just fit, without end": (None, Failure.FRAME_FLOOD),
}


@pytest.mark.parametrize("name", UNPACKED)
def test_what_a_server_packs_is_bounded_by_what_it_unpacks_to(name: str) -> None:
    """Compression was agreed on: the sound sessions beside it have it, too."""
    blocks, failure = UNPACKED[name]

    def script(wire: Wire) -> None:
        greet(wire, headers=AGREED)
        wire.read_frame()
        if blocks is None:
            wire.flood(in_deflate(TEXT, packed(1_000_000)))
        else:
            wire.send(*blocks)
            wire.silence()

    with peer(upgrade=script) as hostile, watched():
        notes = Notes()
        life = driver(
            hostile.url,
            Script("Where is my order?"),
            notes,
            compression=Compression(at_least=1 << 20),
            max_reconnect_attempts=0,
        )
        life.run(perf_counter())
        sent = sum(wire.sent for wire in hostile.wires)
    assert notes.failures[0] is failure
    assert notes.endings == [Ending.FAILED]
    assert sent < 20 << 20  # most of it what the system holds: it unpacks to a thousand times that


def test_compression_that_was_agreed_need_not_be_used() -> None:
    """Neither side has to."""

    def script(wire: Wire) -> None:
        greet(wire, headers=AGREED)
        while reply(wire, wire.read_event()):
            pass
        wire.silence()

    with peer(upgrade=script) as plain:
        notes = Notes()
        person = Script("Where is my order?", None)
        compression = Compression(at_least=1 << 20)
        driver(plain.url, person, notes, compression=compression).run(perf_counter())
    assert notes.endings == [Ending.USER_END]
    assert notes.counts[Count.TURNS_ANSWERED] == notes.counts[Count.COMPRESSED] == 1
    assert not notes.failures
    assert not notes.violations


@pytest.mark.parametrize("flood", floods(["pings of 125 bytes", "empty texts", "big texts"]))
def test_a_link_that_is_closed_waits_no_longer_for_a_flood(flood: Flood) -> None:
    """It has two seconds, and pongs are owed to nobody."""

    def script(wire: Wire) -> None:
        wire.upgrade()
        wire.send(flood.first)
        wire.flood(flood.unit)

    with peer(upgrade=script) as hostile, watched():
        link = Link.open(Target.resolve(hostile.url), "", Traffic())
        link.close()
        assert link.closed is not None


def test_a_flood_behind_the_end_of_a_session_is_counted_too() -> None:
    """The session has ended well; who floods its closing is told."""

    def script(wire: Wire) -> None:
        greet(wire)
        wire.send(wire.echo(wire.read_event("USER_END_SESSION")))
        wire.send(wire.event("SESSION_END", {"reason": "REASON_USER_END"}))
        wire.flood(frame(PING))

    with peer(upgrade=script) as hostile, watched():
        notes = Notes()
        driver(hostile.url, Script(None), notes).run(perf_counter())
    assert notes.endings == [Ending.USER_END]
    assert notes.failures == [Failure.FRAME_FLOOD]
    assert not notes.violations


def test_a_flood_behind_tls_is_the_same(tmp_path: Path) -> None:
    """What is decrypted already wakes nobody, and is read all the same."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def script(wire: Wire) -> None:
        wire.upgrade()
        wire.flood(frame(PING))

    with peer(upgrade=script, context=context) as hostile, watched():
        target = Target.resolve(hostile.url, Network(ca=str(tmp_path / "ca.pem")))
        link = Link.open(target, "", Traffic())
        while link.closed is None:
            assert link.receive(perf_counter() + ENDS) == []
        link.drop()
    assert link.flooded


def test_a_deadline_that_has_passed_holds_under_a_flood() -> None:
    """Whoever is always late looks for one more message, and no longer."""

    def script(wire: Wire) -> None:
        wire.upgrade()
        wire.flood(frame(PING))

    endless = Allowance()
    endless.left = 1 << 62  # as if nothing were too much
    with peer(upgrade=script) as hostile, watched():
        link = Link.open(Target.resolve(hostile.url), "", Traffic(), allowance=endless)
        assert link.receive(perf_counter() - 1.0) == []
        assert link.closed is None
        link.drop()


def test_the_look_at_a_target_before_a_run_is_bounded_too() -> None:
    def script(wire: Wire) -> None:
        wire.upgrade()
        wire.flood(frame(PING))

    with (
        peer(upgrade=script) as hostile,
        watched(),
        pytest.raises(RemoteError, match="more than any chat is") as refusal,
    ):
        identify(Target.resolve(hostile.url), Credentials(TOKEN, HOST))
    assert refusal.value.kind is Failure.FRAME_FLOOD


def test_a_run_against_a_target_that_floods_blames_the_target(tmp_path: Path) -> None:
    """Half of its sessions are flooded; the others have their turns, nobody is told to scale."""

    def script(wire: Wire) -> None:
        sockets = sum(each.request.startswith("GET") for each in hostile.wires)
        if sockets % 2:  # the first is the look at the target before the load
            converse(wire)
        else:
            flooding(wire, FLOODS["heartbeats and pings"])

    with peer(upgrade=script) as hostile:
        path = profile(tmp_path, users=6, seconds=2, turns="{ min = 2, max = 2 }", pause="20ms")
        done = run(as_run(path, hostile.url, tmp_path / "results"), tmp_path, SECRETS)
    told = summary(tmp_path / "results")
    floods = told["errors"]["frame_flood"]
    assert floods >= 1
    assert told["turns"]["answered"] > floods
    assert set(told["errors"]) == {"frame_flood"}
    assert "frame_flood" in done.output
    blamed = " ".join(told["verdict"]["reasons"])
    assert "use more workers" not in blamed
    if told["verdict"]["validity"] != "invalid":  # users came in time: else the machine was busy
        assert done.code == 1, done.output
    assert told["generator"]["rss_mb"]["max"] < 400
