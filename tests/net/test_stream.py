"""The bytes of one connection: what is written while nobody reads."""

import socket
from collections.abc import Iterator
from time import perf_counter

import gevent
import gevent.socket
import pytest

from loadkit.net.websocket.flood_allowance import Allowance
from loadkit.net.websocket.stream import ByteStream

PONGS = [b"\x8a\x7d" + b"%0125d" % number for number in range(20_000)]
TEXT = b"\x81\x02hi"


@pytest.fixture
def ends() -> Iterator[tuple[ByteStream, socket.socket]]:
    """A stream, and the other end, which nobody reads."""
    near, far = gevent.socket.socketpair()
    with far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        near.settimeout(0.0)
        stream = ByteStream(near, secure=False, opened_at=perf_counter(), allowance=Allowance())
        yield stream, far
        sock = stream.detach()
        if sock is not None:
            sock.close()


def read(far: socket.socket) -> bytes:
    """All there is."""
    data = b""
    far.settimeout(0.0)
    try:
        while more := far.recv(1 << 20):
            data += more
    except BlockingIOError:
        pass
    return data


def test_of_what_is_offered_to_nobody_the_newest_waits_alone(ends) -> None:
    """Frames stay whole and in order; what there was no room for is forgotten."""
    stream, far = ends
    for pong in PONGS:
        stream.offer(pong)
    assert len(stream._begun) + len(stream._next) <= 2 * len(PONGS[0])
    first = read(far)
    stream.write(TEXT, None)
    got = first + read(far)
    assert got.endswith(TEXT)
    pongs = got.removesuffix(TEXT)
    frames = [pongs[at : at + 127] for at in range(0, len(pongs), 127)]
    known = {pong: number for number, pong in enumerate(PONGS)}
    numbers = [known[frame] for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(PONGS) - 1
    assert len(numbers) < len(PONGS) / 10


def test_what_there_is_room_for_is_sent_at_once(ends) -> None:
    stream, far = ends
    stream.offer(PONGS[0])
    stream.offer(PONGS[1])
    assert read(far) == PONGS[0] + PONGS[1]


@pytest.mark.parametrize("promptly", [False, True])
def test_what_has_come_is_read_however_late_somebody_looks(ends, promptly: bool) -> None:
    stream, far = ends
    far.sendall(TEXT)
    assert stream.read(perf_counter() - 1.0, promptly) == TEXT
    assert stream.read(perf_counter() + 0.01, promptly) is None
    gevent.spawn_later(0.01, far.sendall, TEXT)
    assert stream.read(perf_counter() + 10.0, promptly) == TEXT


def test_an_alarm_of_an_earlier_wait_ends_no_later_one(ends) -> None:
    stream, far = ends
    gevent.spawn_later(0.001, far.sendall, TEXT)
    assert stream.read(perf_counter() + 0.05) == TEXT
    until = perf_counter() + 0.1
    assert stream.read(until) is None
    assert perf_counter() >= until


def test_what_comes_while_nobody_reads_wakes_nobody_and_is_there_for_the_next(ends) -> None:
    """A loop that is told of it again and again would have turned thousands of times."""
    stream, far = ends
    assert stream.read(perf_counter() + 0.001) is None
    loop = gevent.get_hub().loop
    far.sendall(TEXT)
    turns = loop.iteration
    gevent.sleep(0.1)
    assert loop.iteration - turns < 50
    assert stream.read(None) == TEXT
