"""Hostile HTTP answers, to whatever asks: bounded in bytes and in time, and nobody else waits."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gevent
import psutil
import pytest
from processes import SECRETS, as_run, profile, run, summary, unless_busy

from loadkit.errors import Failure, RemoteError, TargetError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.preflight.preflight import preflight
from loadkit.net.websocket.link import Link, Traffic
from loadkit.network import Network
from loadkit.security.credentials import Credentials
from tests.hostile.peer import Wire, answer, grant, peer, token

CREDENTIALS = Credentials("connector-secret-9f2c", "shop.example")
QUERY = "access_token=e30.e30.c2ln&session_id=1"
LONGEST_GAP = 2.0  # seconds between two beats of another greenlet; without trouble they are 0.01
MOST_MEMORY = 64e6  # bytes
MOST_SENT = 16 << 20  # bytes that a peer gets rid of: what is read, and what sockets hold
ENDLESS = 96 << 20  # bytes after which a peer gives up

TOO_BIG, BAD = Failure.ANSWER_TOO_BIG, Failure.HTTP_BAD_ANSWER
REFUSED, BROKEN = Failure.UPGRADE_REFUSED, Failure.PROTOCOL_ERROR
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"
GRANTED = {"access_token": token()}


@dataclass
class Pulse:
    """Another greenlet of this process, and what it sees."""

    gap: float = 0.0
    grown: float = 0.0
    _process: Any = field(default_factory=psutil.Process)

    def beat(self) -> None:
        begun, last = self._process.memory_info().rss, time.perf_counter()
        while True:
            gevent.sleep(0.01)
            now = time.perf_counter()
            self.gap, last = max(self.gap, now - last), now
            self.grown = max(self.grown, self._process.memory_info().rss - begun)


@pytest.fixture(autouse=True)
def pulse() -> Iterator[None]:
    """Whatever a peer does: the other greenlets go on, and the process stays small."""
    pulse = Pulse()
    beating = gevent.spawn(pulse.beat)
    yield
    gevent.sleep(0.02)  # a gap ends with a beat
    beating.kill()
    assert pulse.gap < LONGEST_GAP
    assert pulse.grown < MOST_MEMORY


def endless(begin: str, unit: str) -> Callable[[Wire], None]:
    def script(wire: Wire) -> None:
        wire.send(begin.encode())
        wire.flood(unit.encode(), most=ENDLESS)

    return script


def whole(data: bytes) -> Callable[[Wire], None]:
    return lambda wire: wire.send(data)


def stalled(data: str) -> Callable[[Wire], None]:
    def script(wire: Wire) -> None:
        wire.send(data.encode())
        wire.silence()

    return script


def lines(count: int, body: Any) -> bytes:
    return answer(200, body, *(f"X-{number:05}: abcd" for number in range(count)))


def bomb(unpacked: int) -> bytes:
    """Of zeros, packed without ever being whole in memory."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(unpacked >> 20))
    return packed + packer.flush()


BOMB = bomb(64 << 20)
BOMBS = [answer(status, BOMB, "Content-Encoding: gzip") for status in (200, 503)]

ATTACKS: Final[dict[str, tuple[Callable[[Wire], None], Failure | None, Failure]]] = {
    # what the peer does; what that is to a REST call (None: it is read), and to an upgrade
    "a status line without end": (endless("HTTP/1.1 200 ", "A" * 1000), TOO_BIG, TOO_BIG),
    "empty lines without end": (endless("", "\r\n"), TOO_BIG, BROKEN),
    "a header without end": (endless(f"{OK}X-A: ", "b" * 1000), TOO_BIG, TOO_BIG),
    "a header's name without end": (endless(OK, "X" * 1000), TOO_BIG, TOO_BIG),
    "headers without end": (endless(OK, "X-A: b\r\n"), TOO_BIG, TOO_BIG),
    "interim answers without end": (endless("", "HTTP/1.1 100 Go on\r\n\r\n"), TOO_BIG, REFUSED),
    "early hints without end": (
        endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        TOO_BIG,
        REFUSED,
    ),
    "a body without end": (endless(f"{OK}\r\n", "x" * 1000), TOO_BIG, TOO_BIG),
    "an error page without end": (
        endless("HTTP/1.1 404 Not Found\r\n\r\n", "<p>"),
        TOO_BIG,
        TOO_BIG,
    ),
    "a body behind its length": (whole(answer(200, GRANTED) + b"x" * 300_000), None, REFUSED),
    "chunks of a byte": (endless(CHUNKED, "1\r\nx\r\n"), TOO_BIG, TOO_BIG),
    "a chunk's extension without end": (endless(f"{CHUNKED}1;", "a=b;"), TOO_BIG, TOO_BIG),
    "a chunk of 2^64 bytes": (stalled(f"{CHUNKED}ffffffffffffffff\r\nx"), TOO_BIG, TOO_BIG),
    "a chunk of more than that": (stalled(f"{CHUNKED}{'f' * 40}\r\nx"), BAD, TOO_BIG),
    "a chunk of no size": (stalled(f"{CHUNKED}-1\r\nx"), BAD, BROKEN),
    "trailers without end": (endless(f"{CHUNKED}1\r\nx\r\n0\r\n", "X-A: b\r\n"), TOO_BIG, TOO_BIG),
    "10^18 bytes announced": (stalled(f"{OK}Content-Length: {10**18}\r\n\r\n{{"), TOO_BIG, TOO_BIG),
    "10^19 bytes announced": (stalled(f"{OK}Content-Length: {10**19}\r\n\r\n{{"), TOO_BIG, TOO_BIG),
    "10^40 bytes announced": (stalled(f"{OK}Content-Length: {10**40}\r\n\r\n{{"), BAD, TOO_BIG),
    "a negative length": (stalled(f"{OK}Content-Length: -1\r\n\r\n{{"), BAD, BROKEN),
    "10,000 headers": (whole(lines(10_000, GRANTED)), TOO_BIG, TOO_BIG),
    "1,000 headers": (whole(lines(1_000, GRANTED)), None, TOO_BIG),
    "a header of 64 KB": (whole(answer(200, GRANTED, f"X-A: {'b' * 65536}")), None, TOO_BIG),
    "a gzip bomb": (whole(BOMBS[0]), TOO_BIG, REFUSED),
    "two answers": (whole(answer(200, GRANTED) + answer(401)), None, REFUSED),
    "another protocol": (
        stalled("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
        BAD,
        BROKEN,
    ),
}


def asked(url: str, **options: Any) -> RemoteError | str:
    api = Api(Target.resolve(url), CREDENTIALS, **options)
    try:
        return api.access_token()
    except RemoteError as error:
        return error
    finally:
        api.close()


def upgraded(url: str, **options: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        Link.open(Target.resolve(url), QUERY, Traffic(), **options)
    return caught.value


@pytest.mark.parametrize("name", ATTACKS)
def test_a_rest_call_reads_so_much_and_no_more(name: str) -> None:
    """And it fails at once, by its name and without a retry."""
    script, kind, _ = ATTACKS[name]
    with peer(token=script) as hostile:
        outcome = asked(hostile.url)
    if kind is None:
        assert outcome == GRANTED["access_token"]
    else:
        assert isinstance(outcome, RemoteError)
        assert outcome.kind == kind
    assert len(hostile.wires) == 1
    assert hostile.wires[0].sent < MOST_SENT


@pytest.mark.parametrize("name", ATTACKS)
def test_an_upgrade_reads_so_much_and_no_more(name: str) -> None:
    """An upgrade that is hostile does not cost more than one that is refused."""
    script, _, kind = ATTACKS[name]
    with peer(upgrade=script) as hostile:
        assert upgraded(hostile.url).kind == kind
    assert hostile.wires[0].sent < MOST_SENT


@pytest.mark.parametrize(
    ("head", "delay"),
    [
        ("HTTP/1.1 503 Busy\r\n\r\n", 1.0),
        ("HTTP/1.1 429 Wait\r\n\r\n", 5.0),
        ("HTTP/1.1 403 No\r\n\r\n", None),
    ],
)
def test_a_status_that_was_told_keeps_its_meaning(head: str, delay: float | None) -> None:
    """An error page without end changes nothing about whether its call is tried again."""
    waits: list[float] = []
    with peer(token=endless(head, "x" * 1000)) as hostile:
        error = asked(hostile.url, sleep=waits.append)
    assert isinstance(error, RemoteError)
    assert (error.kind, error.status) == (TOO_BIG, int(head[9:12]))
    assert waits == ([] if delay is None else [delay] * 3)
    assert "no more than 128 KB are read" in error.detail


@pytest.mark.parametrize("data", [answer(200, GRANTED), b"HTTP/1.1 100 Go on\r\n\r\n" * 99])
def test_a_byte_now_and_then_does_not_put_the_limit_off(data: bytes) -> None:
    """A drip of bytes keeps nobody longer than silence does."""
    with peer(token=lambda wire: wire.trickle(data, pause=0.05)) as hostile:
        error = asked(hostile.url, answer_timeout=0.15, sleep=lambda _: None)
    assert isinstance(error, RemoteError)
    assert error.kind == Failure.CONNECT_TIMEOUT
    with peer(upgrade=lambda wire: wire.trickle(data, pause=0.05)) as hostile:
        assert upgraded(hostile.url, timeout=0.15).kind == Failure.CONNECT_TIMEOUT


@pytest.mark.parametrize("surplus", [answer(401), b"\0", b"x" * 99])
def test_what_was_not_asked_for_answers_nothing(surplus: bytes) -> None:
    """Not the next call either: its connection is not kept."""
    with peer(token=whole(answer(200, GRANTED) + surplus)) as hostile:
        api = Api(Target.resolve(hostile.url), CREDENTIALS)
        api.access_token()
        api.create_session(api.access_token(), streaming=False)
        api.close()
    assert len(hostile.wires) == 3


def test_an_error_page_that_is_a_bomb_says_nothing() -> None:
    """It is an error all the same."""
    with peer(token=whole(BOMBS[1]), upgrade=whole(BOMBS[1])) as hostile:
        error = asked(hostile.url, sleep=lambda _: None)
        assert isinstance(error, RemoteError)
        assert (error.kind, error.detail) == (Failure.HTTP_SERVER_ERROR, "")
        error = upgraded(hostile.url)
        assert (error.kind, error.status, error.detail) == (REFUSED, 503, "")


@pytest.mark.parametrize("name", ["headers without end", "10^18 bytes announced", "a gzip bomb"])
def test_the_first_token_of_a_run_tells_it_in_a_sentence(name: str) -> None:
    """With what to look at, before any load."""
    with peer(token=ATTACKS[name][0]) as hostile, pytest.raises(TargetError) as refused:
        preflight(hostile.url, CREDENTIALS, print)
    words = str(refused.value)
    assert words.startswith(f"{hostile.url} cannot be used: answer_too_big")
    assert words.endswith("; check the address: what answers there is no Messaging API")


@pytest.mark.parametrize(
    ("begin", "unit", "kind"),
    [
        ("HTTP/1.1 200 ", "A" * 1000, TOO_BIG),
        ("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", TOO_BIG),
        ("", "\r\n", Failure.PROXY_REFUSED),
        ("", "HTTP/1.1 100 Go on\r\n\r\n", Failure.PROXY_REFUSED),
        ("HTTP/1.1 407 No\r\n\r\n", "<p>", Failure.PROXY_REFUSED),
    ],
)
def test_a_proxy_reads_out_no_novels(begin: str, unit: str, kind: Failure) -> None:
    """And it is the proxy that is named."""
    with peer(connected=lambda wire: (wire.read_request(), endless(begin, unit)(wire))) as hostile:
        network = Network(proxies={"HTTPS_PROXY": hostile.url})
        target = Target.resolve("https://agents.example", network)
        with pytest.raises(RemoteError) as caught:
            target.connect()
    assert caught.value.kind == kind
    assert hostile.url in caught.value.detail
    assert hostile.wires[0].sent < MOST_SENT


def test_a_run_says_that_it_was_the_target(tmp_path: Path) -> None:
    """Half of its users meet resets, the others answers without end; neither is our own fault."""
    before_the_load = iter([grant])

    def give(wire: Wire) -> None:
        called = wire.header("X-Polyai-Correlation-Id") or ""
        next(before_the_load, Wire.reset if called[0] < "8" else grant)(wire)

    plan = profile(tmp_path, seconds=4, users=8)
    with peer(token=give, session=ATTACKS["headers without end"][0]) as hostile:
        finished = run(as_run(plan, hostile.url, tmp_path / "out"), tmp_path, SECRETS)
    told = summary(tmp_path / "out")
    assert set(told["errors"]) == {"connection_lost", "answer_too_big"}, finished.output
    assert told["counts"]["retried.connection_lost"] >= 3 * told["errors"]["connection_lost"]
    assert told["sessions"]["completed"] == 0
    assert finished.code == unless_busy(1, told), finished.output
    assert "connection_lost: Connection reset by peer, before an answer" in finished.output
    assert "answer_too_big: an answer that goes on: no more than 128 KB are read" in finished.output


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("HTTP/1.1 400 No\r\nX-A: b\r\n", "does not speak TLS at port {}, but plain HTTP"),
        ("\r\n", "cannot be used: tls_failed"),
        ("\x16\x03\x03\x00\x04\x02\x00\x00\x00", "cannot be used: tls_failed"),
        ("\x15\x03\x03\x00\x02\x01\x00", "cannot be used: "),  # alerts that are mere warnings
        ("\x14\x03\x03\x00\x01\x01", "cannot be used: tls_failed"),
    ],
)
def test_a_handshake_of_tls_is_bounded_too(
    unit: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is each look at who answers there, by TLS and without."""
    monkeypatch.setattr("loadkit.net.http.retry._NETWORK_DELAY", 0.01)
    with peer(connected=lambda wire: wire.flood(unit.encode(), most=ENDLESS)) as hostile:
        url = hostile.url.replace("http:", "https:")
        with pytest.raises(TargetError) as refused:
            preflight(url, CREDENTIALS, print)
    assert words.format(hostile.port) in str(refused.value)
    assert all(wire.sent < MOST_SENT for wire in hostile.wires)
