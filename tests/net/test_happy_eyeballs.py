"""Several addresses of one name: who answers first is talked to."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import gevent
import gevent.server
import gevent.socket
import pytest

from loadkit.net.http import happy_eyeballs
from loadkit.net.http import target as target_module
from loadkit.net.http.happy_eyeballs import Address, reach
from loadkit.net.http.target import Target

AF_INET = int(gevent.socket.AF_INET)


@pytest.fixture
def good() -> Iterator[Address]:
    """Somebody who accepts."""
    server = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: sock.recv(1))
    server.start()
    yield AF_INET, ("127.0.0.1", server.server_port)
    server.stop(timeout=1)


@pytest.fixture
def idle() -> Iterator[Any]:
    """Somebody who never accepts what the kernel queues for them."""
    with closing(gevent.socket.socket()) as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        yield listener


def fill(listener: Any) -> list[Any]:
    """Fill its queue: what else wants to connect, the kernel swallows."""
    waiting = []
    for _ in range(4):  # it takes one more than it was told
        sock = gevent.socket.socket()
        sock.settimeout(0.05)
        waiting.append(sock)
        try:
            sock.connect(listener.getsockname())
        except TimeoutError:
            return waiting
    pytest.fail("the queue never filled")


@pytest.fixture
def silent(idle: Any) -> Iterator[Address]:
    """Whoever connects there hears nothing."""
    waiting = fill(idle)
    yield AF_INET, idle.getsockname()
    for sock in waiting:
        sock.close()


@pytest.fixture
def deaf() -> Iterator[Address]:
    """Nobody listens there."""
    with closing(gevent.socket.socket()) as sock:
        sock.bind(("127.0.0.3", 0))
        yield AF_INET, sock.getsockname()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 0.02)


def connected(sock: Any) -> tuple[str, int]:
    with closing(sock):
        assert sock.gettimeout() is None
        assert sock.getsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY)
        peer: tuple[str, int] = sock.getpeername()
        return peer


def test_the_only_address_is_connected_to(good: Address) -> None:
    reached = reach([good])
    assert connected(reached.sock) == good[1]
    assert (reached.waits, reached.silent) == ({}, ())


def test_the_first_that_answers_costs_no_wait(good: Address, silent: Address) -> None:
    reached = reach([good, silent])
    assert connected(reached.sock) == good[1]
    assert (reached.address, reached.waits, reached.silent) == (good, {}, ())


@pytest.mark.usefixtures("soon")
def test_a_silent_address_is_overtaken_and_named(good: Address, silent: Address) -> None:
    with gevent.Timeout(5):
        reached = reach([silent, good])
    assert connected(reached.sock) == good[1]
    assert reached.silent == (silent,)
    assert reached.waits[silent] >= 0.02


def test_one_that_refuses_is_followed_at_once_and_is_not_called_silent(
    good: Address, deaf: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happy_eyeballs, "ATTEMPT_DELAY", 3600.0)
    with gevent.Timeout(5):
        reached = reach([deaf, good])
    assert connected(reached.sock) == good[1]
    assert reached.silent == ()
    assert list(reached.waits) == [deaf]


@pytest.mark.usefixtures("soon")
def test_one_that_was_only_slow_still_wins(idle: Any, silent: Address, deaf: Address) -> None:
    """What was tried first is still listened to when nobody else answers."""
    with gevent.Timeout(10):
        later = gevent.spawn(reach, [silent, deaf])
        gevent.sleep(0.05)  # it has been sent by now, and was swallowed
        while not later.ready():
            idle.settimeout(0.05)
            with suppress(TimeoutError):
                idle.accept()[0].close()
        reached = later.get()
    assert reached.address == silent
    assert (reached.waits, reached.silent) == ({}, ())
    reached.sock.close()


def test_the_last_refusal_is_told_when_all_refuse(deaf: Address) -> None:
    with pytest.raises(ConnectionRefusedError):
        reach([deaf])
    with gevent.Timeout(5), pytest.raises(ConnectionRefusedError):
        reach([deaf, (AF_INET, ("127.0.0.5", deaf[1][1]))])


@pytest.mark.usefixtures("soon")
def test_all_silent_is_the_callers_to_end_and_leaves_no_socket(
    silent: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Counted(gevent.socket.socket):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(happy_eyeballs.gevent.socket, "socket", Counted)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.2):
        reach([silent, silent])
    assert [sock.fileno() for sock in made] == [-1, -1]


class TestATarget:
    """What it makes of them over many connections."""

    @pytest.mark.usefixtures("soon")
    def test_a_silent_address_costs_one_wait_and_none_of_it_is_the_targets(
        self, good: Address, silent: Address, caplog: pytest.LogCaptureFixture
    ) -> None:
        target = Target(False, "twofold.test", 80, "", (silent, good))
        lost = []
        for _ in range(6):
            with gevent.Timeout(5):
                sock, lost_s = target.connect()
            assert connected(sock) == good[1]
            lost.append(lost_s)
        assert lost[0] >= 0.02
        assert lost[1:] == [0.0] * 5
        assert caplog.text.count("127.0.0.2, an address of twofold.test, did not answer") == 1

    @pytest.mark.usefixtures("soon")
    def test_it_is_tried_again_after_a_while(
        self, good: Address, silent: Address, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(target_module, "PASSED_OVER", 0.0)
        target = Target(False, "twofold.test", 80, "", (silent, good))
        lost = []
        for _ in range(4):
            with gevent.Timeout(5):
                sock, lost_s = target.connect()
            sock.close()
            lost.append(lost_s)
        assert [lost_s >= 0.02 for lost_s in lost] == [True, False, True, False]

    @pytest.mark.usefixtures("soon")
    def test_one_that_used_to_answer_is_slow_now_and_that_is_the_targets(
        self, good: Address, idle: Any
    ) -> None:
        target = Target(False, "twofold.test", 80, "", ((AF_INET, idle.getsockname()), good))
        with gevent.Timeout(5):
            first = target.connect().sock
            waiting = [first, *fill(idle), target.connect().sock]
            sock, lost_s = target.connect()
        assert connected(first) == idle.getsockname()
        assert connected(sock) == good[1]
        assert lost_s == 0.0
        for each in waiting:
            each.close()
