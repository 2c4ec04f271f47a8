"""Strangers at the ports of a run: that of its workers, with and without the key, and its page."""

import contextlib
import hashlib
import pickle
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgpack
import psutil
import pytest
import zmq
from fleet_of_workers import Fleet
from processes import Finished, Truth, free_port, profile, simulator, summary, unless_busy
from zmq.utils import z85

KEY = "a text that nobody else knows"
MOST_MEMORY = 400.0  # megabytes of a master
SILENT = 500  # connections that say nothing, for as long as the run lasts
PATIENCE = 20.0
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01"  # of ZMTP 3.1 (rfc.zeromq.org/spec/37)
CURVE = GREETING + b"CURVE".ljust(20, b"\0") + bytes(32)
NULL = GREETING + b"NULL".ljust(20, b"\0") + bytes(32)


def curve_of(key: str) -> tuple[bytes, bytes]:
    """The master's keys as docs/security.md has them made, by other code than loadkit's."""
    salt = b"loadkit: the port of the workers"
    secret = z85.encode(hashlib.scrypt(key.encode(), salt=salt, n=16384, r=8, p=1, dklen=32))
    return zmq.curve_public(secret), secret


# Without the key.


@contextlib.contextmanager
def visit(port: int) -> Iterator[socket.socket]:
    """A connection, of which it does not matter if the other end hangs up."""
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", port), PATIENCE) as wire,
    ):
        yield wire


def raw(*pieces: bytes, again: int = 1) -> Callable[[int], None]:
    """Somebody who connects, writes this, and goes."""

    def attack(port: int) -> None:
        for _ in range(again):
            with visit(port) as wire:
                for piece in pieces:
                    wire.sendall(piece)

    return attack


def announced(port: int) -> None:
    """One frame of 64 MB and many that are announced as far larger, before any handshake."""
    for size in (1 << 26, 1 << 40, (1 << 63) - 1):
        with visit(port) as wire:
            wire.sendall(CURVE + b"\x06" + size.to_bytes(8))
            for _ in range(64):
                wire.sendall(bytes(1 << 20))


def dealer(key: str | None, *messages: bytes) -> Callable[[int], None]:
    """Somebody with a socket of ZeroMQ's own, and with a key or none."""

    def attack(port: int) -> None:
        with zmq.Context() as context:
            sock = joined(context, port, key)
            for message in messages:
                with contextlib.suppress(zmq.Again):
                    sock.send(message, zmq.NOBLOCK)
            sock.close()

    return attack


def joined(context: "zmq.Context[Any]", port: int, key: str | None, name: bytes = b"") -> Any:
    sock = context.socket(zmq.DEALER)
    sock.linger = 200  # milliseconds in which what was sent is delivered
    sock.sndhwm = 0
    if key is not None:
        sock.curve_serverkey, _ = curve_of(key)
        sock.curve_publickey, sock.curve_secretkey = zmq.curve_keypair()
    if name:
        sock.identity = name
    sock.connect(f"tcp://127.0.0.1:{port}")
    return sock


# With it.

ME = b"somebody"
NESTED = b"\x91" * 100_000 + b"\xc0"
NONSENSE: dict[str, bytes] = {
    "nothing": b"",
    "a byte that msgpack never uses": b"\xc1",
    "a number": b"\x05",
    "an array of one": b"\x91\x01",
    "an array of four": b"\x93\x01\x02\x03\x04",
    "an array of 4 G that is not there": b"\xdd\xff\xff\xff\xff",
    "a text of 4 GB that is not there": b"\xdb\xff\xff\xff\xff",
    "arrays in arrays": NESTED,
    "a map in its own key": msgpack.packb({"__datetime__": True, "as_str": "never"}),
    "a date that is none": msgpack.packb(["x", {"__datetime__": 1, "as_str": "x"}, "somebody"]),
    "an id of a database": msgpack.packb(["x", {"__ObjectId__": 1, "as_str": "x"}, "somebody"]),
    "text that is no UTF-8": b"\x93\xa1\xff\xc0\xa8somebody",
    "a pickle": pickle.dumps(["client_ready", None, "somebody"]),
    "JSON": b'["client_ready", null, "somebody"]',
    "something behind it": msgpack.packb(["heartbeat", None, "somebody"]) + b"\x00",
    "no sender": msgpack.packb(["client_stopped", None, None]),
    "a list for a sender": msgpack.packb(["client_stopped", None, ["somebody"]]),
    "a list for a kind": msgpack.packb([["client_stopped"], None, "somebody"]),
}
KINDS = [
    "heartbeat", "stats", "spawning", "spawning_complete", "logs", "quit", "exception",
    "client_stopped", "locustfile", "what nobody knows", "", "loadkit.interval", "loadkit.last",
    "loadkit.fault", "loadkit.own_code", "loadkit.sorry", "loadkit.hello",
]  # fmt: skip
DATA: list[Any] = [None, [], 7, "x", {"state": 1}, {"run": None, "text": "x", "trace": "x"}]


def messages_of(sender: str) -> list[bytes]:
    """Each kind that there is, with data that makes no sense, in somebody's name."""
    return [
        msgpack.packb([kind, data, sender])
        for kind in KINDS
        for data in DATA
        if not (kind == "loadkit.hello" and isinstance(data, dict))  # that is an older version's
    ]


def with_the_key(port: int, worker: str) -> None:
    """All of it by somebody who has the key, and who never said hello as a worker does."""
    with zmq.Context() as context:
        sock = joined(context, port, KEY, ME)
        for nonsense in NONSENSE.values():
            sock.send(nonsense)
            sock.send_multipart([nonsense, b"", nonsense])
        for message in (*messages_of(ME.decode()), *messages_of(worker), *messages_of("nobody")):
            sock.send(message)
        for _ in range(50_000):  # so many empty ones that nobody else would have their turn
            sock.send(b"")
        sock.linger = int(PATIENCE * 1000)
        sock.close()


STRANGERS: dict[str, Callable[[int], None]] = {
    "HTTP": raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(1000)),
    "TLS": raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    "nothing at all": raw(again=100),
    "half a greeting": raw(GREETING[:9], again=100),
    "a greeting and no more": raw(CURVE, again=100),
    "a greeting of ZMTP 1": raw(b"\x01\x00\x00", again=10),
    "no security": raw(NULL + b"\x04\x29\x05READY" + bytes(30)),
    "a handshake of zeros": raw(CURVE + b"\x04\xc8\x05HELLO" + bytes(194)),
    "a handshake too short": raw(CURVE + b"\x04\x06\x05HELLO"),
    "a message before the handshake": raw(CURVE + b"\x00\x00" * 1000),
    "frames that are announced": announced,
    "empty messages, without a key": dealer(None, b"", b"", b""),
    "the same of another key": dealer("a text that somebody knows", b"", b"\xc1"),
    "a worker without the key": dealer("", *messages_of("somebody")),
}


SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"
SCRAPERS: dict[str, Callable[[int], None]] = {
    "bytes": raw(b"\x00\xff\r\n\r\n"),
    "half a request": raw(SCRAPE[:20], again=20),
    "a line without end": raw(b"GET /" + b"a" * 3_000_000),
    "a header without end": raw(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 3_000_000),
    "headers without end": raw(b"GET /metrics HTTP/1.1\r\n" + b"X: a\r\n" * 500_000),
    "a body": raw(
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + bytes(100_000)
    ),
    "a name that is none": raw(b"GET /metrics?name[]=%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "many that are not read": raw(SCRAPE * 50, again=2),
}
"""Those at the port of the metrics."""


class Run(NamedTuple):
    """A run at whose port all of these were.

    Attributes:
        memory: the most that its master took, in megabytes.
        second: of the run, when the last of them had gone.
        scrape: the first line of an answer to a scrape after them.
    """

    master: Finished
    worker: Finished
    summary: dict[str, Any]
    truth: Truth
    memory: float
    second: int
    scrape: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("ports")
    path = profile(folder, users=4, seconds=10, pause="200ms")
    port = free_port()
    metrics = ("--metrics-port", str(port))
    with (
        simulator(folder) as server,
        Fleet(folder, server.url, path, 1, *metrics, key=KEY) as fleet,
    ):
        worker = fleet.worker()
        fleet.wait_for_second(0)
        with contextlib.ExitStack() as stack:
            for _ in range(SILENT):
                silent = socket.create_connection(("127.0.0.1", fleet.port), PATIENCE)
                stack.enter_context(silent)
            with_the_key(fleet.port, worker_of(fleet.master.output))
            for _ in range(50):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            with ThreadPoolExecutor() as crowd:
                comers = [crowd.submit(attack, fleet.port) for attack in STRANGERS.values()]
                comers += [crowd.submit(attack, port) for attack in SCRAPERS.values()]
            for comer in comers:
                comer.result()
            second = len(fleet.rows())
            with visit(port) as wire:
                wire.sendall(SCRAPE)
                scrape = wire.makefile().readline()
            memory = psutil.Process(fleet.master.group).memory_info().rss / 1e6
            master = fleet.master.finish()
        yield Run(
            master, worker.finish(), summary(fleet.out), Truth(server.truth), memory, second, scrape
        )


def worker_of(log: str) -> str:
    """The name of the worker that has joined, as the master told it."""
    found = re.search(r"(\S+_[0-9a-f]{32}) \(index 0\) reported as ready", log)
    assert found, log
    return found[1]


def test_a_run_goes_on_to_its_end_whoever_comes_to_its_port(run: Run) -> None:
    """Valid, with all that its own worker measured and nothing else."""
    told = run.summary
    assert run.second < 10, "they came too late to mean anything"
    assert run.master.code == unless_busy(0, told), run.master.output
    assert run.worker.code == 0, run.worker.output
    assert told["generator"]["workers_lost"] == told["generator"]["workers_refused"] == []
    assert told["generator"]["workers"] == 1
    assert run.scrape == "HTTP/1.1 200 OK\n"
    assert told["duration_s"] > 9.5
    assert told["errors"] == {}


def test_nothing_that_strangers_invent_is_counted(run: Run) -> None:
    """The server's own log has as many sessions and turns."""
    assert run.summary["sessions"]["started"] == len(run.truth.of("session"))
    sent = run.truth.of("turn") + run.truth.of("live_turn")
    assert run.summary["turns"]["sent"] == len(sent)


def test_strangers_take_no_memory_without_end(run: Run) -> None:
    """Nor fill the log, nor put a traceback there."""
    assert run.memory < MOST_MEMORY
    assert "Traceback" not in run.master.output
    assert len(run.master.output) < 20_000, run.master.output
    assert "cannot be read and is left out" in run.master.output
    assert "whoever wants to join as a worker" in run.master.output
