"""Who is heard at the port of the workers, and who is not."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import cache
from types import SimpleNamespace
from typing import Any, NoReturn

import gevent
import gevent.event
import gevent.server
import gevent.socket
import pytest
import zmq
import zmq.green
from locust.rpc import Message

from loadkit.errors import LoadkitError, UsageError
from loadkit.security.credentials import WORKER_KEY_VARIABLE
from loadkit.swarm.locust_internals import worker_port as module
from loadkit.swarm.locust_internals.worker_port import (
    _MasterSocket,
    _WorkerSocket,
    key_pair,
    shared_key,
)

KEY, OTHER = "a key that nobody else knows", "a key that somebody knows"
PAIRS = cache(key_pair)
LIMIT = 20.0  # seconds before a test gives up


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack, gevent.Timeout(LIMIT):
        yield stack


@pytest.fixture
def made(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make a socket of Locust's with a key in the environment; each costs some 50 ms only once."""
    monkeypatch.setattr(module, "key_pair", PAIRS)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.02)

    def make(kind: Any, key: str, *arguments: Any) -> Any:
        monkeypatch.setenv(WORKER_KEY_VARIABLE, key)
        sock = kind("127.0.0.1", *arguments)
        stack.callback(end, sock.socket)
        return sock

    return make


def end(sock: Any) -> None:
    """Close a socket with all that belongs to it, as Locust does by ending."""
    sock.close(linger=0)
    gevent.sleep(0.01)  # who watches it hears of that
    sock.context.destroy(linger=0)


def plain(stack: ExitStack, kind: int) -> Any:
    """A socket as Locust's own are."""
    sock = zmq.green.Context().socket(kind)
    stack.callback(end, sock)
    return sock


class Refused(SystemExit):
    """The end of a process, as the tests' own is to go on."""


@pytest.fixture(autouse=True)
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    def refuse(error: LoadkitError) -> NoReturn:
        told.append(str(error))
        raise Refused(2)

    monkeypatch.setattr(module, "refuse_to_start", refuse)
    return told


@pytest.fixture(autouse=True)
def at_exit(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Callable[[], None]]:
    """What is to be done as the process ends, by the socket that it is done for."""
    asked: dict[Any, Callable[[], None]] = {}
    monkeypatch.setattr(
        module.atexit, "register", lambda do, sock: asked.update({sock: lambda: do(sock)})
    )
    return asked


class Recorder:
    """A wire between a worker and its master on which somebody listens.

    Attributes:
        port: of the master, as the worker believes.
        heard: all that the worker sent.
    """

    def __init__(self, master: int) -> None:
        self._master, self.heard = master, b""
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._carry)
        self._server.start()
        self.port = self._server.server_port

    def close(self) -> None:
        self._server.stop(timeout=0)

    def _carry(self, worker: Any, _: object) -> None:
        with gevent.socket.create_connection(("127.0.0.1", self._master)) as master:
            back = gevent.spawn(self._pass_on, master, worker, lambda _: None)
            self._pass_on(worker, master, self._note)
            back.kill()

    def _note(self, data: bytes) -> None:
        self.heard += data

    @staticmethod
    def _pass_on(source: Any, sink: Any, note: Callable[[bytes], None]) -> None:
        while data := source.recv(65536):
            note(data)
            sink.sendall(data)


def nothing_comes(master: Any) -> bool:
    with gevent.Timeout(0.5, False):
        return master.recv_from_client() is None
    return True


# --- the key --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LocalHost.", "[::1]"]
)
def test_on_one_machine_no_key_is_needed(host: str) -> None:
    assert shared_key({}, host) == ""


@pytest.mark.parametrize(
    "host", ["*", "0.0.0.0", "::", "eth0", "192.0.2.1", "127.evil.example", ""]
)
def test_beyond_it_there_is_no_way_without_one(host: str) -> None:
    with pytest.raises(UsageError, match=r"LOADKIT_WORKER_KEY must be set .* `openssl rand"):
        shared_key({WORKER_KEY_VARIABLE: ""}, host)
    assert shared_key({WORKER_KEY_VARIABLE: KEY}, host) == KEY


def test_a_key_that_can_be_found_by_trying_is_none() -> None:
    with pytest.raises(UsageError, match="should have 16 characters or more"):
        shared_key({WORKER_KEY_VARIABLE: "0123456789abcde"}, "127.0.0.1")


def test_a_process_without_it_ends_before_it_opens_a_port(
    monkeypatch: pytest.MonkeyPatch, refusals: list[str]
) -> None:
    monkeypatch.delenv(WORKER_KEY_VARIABLE, raising=False)
    with pytest.raises(Refused):
        _MasterSocket("0.0.0.0", 0)
    with pytest.raises(Refused):
        _WorkerSocket("192.0.2.1", 5557, "worker")
    assert len(refusals) == 2


def test_a_key_may_be_in_any_encoding() -> None:
    """The environment's bytes are what counts."""
    assert key_pair(os.fsdecode(b"caf\xe9 and then some more")) != key_pair(KEY)


def test_each_key_makes_another_pair() -> None:
    assert key_pair(KEY) == key_pair(KEY)
    assert len({half for key in ("", KEY, OTHER) for half in key_pair(key)}) == 6


# --- who is heard ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", KEY])
def test_master_and_worker_of_one_key_hear_each_other(made: Callable[..., Any], key: str) -> None:
    master = made(_MasterSocket, key, 0)
    worker = made(_WorkerSocket, key, master.port, "w1")
    worker.send(Message("client_ready", {"more": [1]}, "w1"))
    who, said = master.recv_from_client()
    assert (who, said.type, said.data) == ("w1", "client_ready", {"more": [1]})
    master.send_to_client(Message("ack", None, "w1"))
    assert worker.recv().type == "ack"


@pytest.mark.parametrize("key", ["", OTHER])
def test_whoever_has_another_key_is_not_heard_and_told_so(
    made: Callable[..., Any], refusals: list[str], caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """Both say why: the worker as it ends, the master in its log."""
    master = made(_MasterSocket, KEY, 0)
    worker = made(_WorkerSocket, key, master.port, "w1")
    worker.send(Message("client_ready", "2.47", "w1"))
    with pytest.raises(Refused):
        gevent.event.Event().wait()  # it ends the greenlet that made it
    assert refusals == [
        f"the master at 127.0.0.1:{master.port} lets nobody in: "
        "set LOADKIT_WORKER_KEY to the text that it has there"
    ]
    while "whoever wants to join" not in caplog.text:
        gevent.sleep(0.05)
    assert nothing_comes(master)
    told = [each.getMessage() for each in caplog.records if each.name == module.__name__]
    assert len(told) == 1  # not once for each try
    assert "whoever wants to join as a worker has another LOADKIT_WORKER_KEY" in told[0]


def test_a_worker_of_locusts_own_is_not_heard(
    made: Callable[..., Any], stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    master = made(_MasterSocket, "", 0)
    while "does not run loadkit's locustfile" not in caplog.text:
        # It sees as well as the master that they do not fit. Where it hangs up before the master
        # has read that, there is nothing to tell: so another one comes.
        worker = plain(stack, zmq.DEALER)
        worker.connect(f"tcp://127.0.0.1:{master.port}")
        with suppress(zmq.Again):  # once it is turned away
            worker.send(b"", zmq.NOBLOCK)
            worker.send(Message("quit", None, "w1").serialize(), zmq.NOBLOCK)
        gevent.sleep(2 * module.LOOK_EVERY)
    assert nothing_comes(master)


def test_a_worker_does_not_listen_to_a_master_of_locusts_own(
    made: Callable[..., Any], stack: ExitStack, refusals: list[str]
) -> None:
    """It would send the secret wherever that one says."""
    port = plain(stack, zmq.ROUTER).bind_to_random_port("tcp://127.0.0.1")
    made(_WorkerSocket, KEY, port, "w1")
    with pytest.raises(Refused):
        gevent.event.Event().wait()
    assert "it does not run loadkit's locustfile" in refusals[0]


def test_what_is_said_can_neither_be_read_on_the_way_nor_said_again(
    made: Callable[..., Any], stack: ExitStack
) -> None:
    master = made(_MasterSocket, KEY, 0)
    wire = stack.enter_context(closing(Recorder(master.port)))
    worker = made(_WorkerSocket, KEY, wire.port, "w1")
    worker.send(Message("quit", "in so many words", "w1"))
    assert master.recv_from_client()[1].data == "in so many words"
    assert b"in so many words" not in wire.heard
    worker.close()
    with closing(gevent.socket.create_connection(("127.0.0.1", master.port))) as again:
        again.sendall(wire.heard)
        assert nothing_comes(master)


def test_a_worker_waits_for_a_master_behind_a_tunnel_that_leads_nowhere_yet(
    made: Callable[..., Any], stack: ExitStack, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other end hangs up at once, which is no word of a master's."""
    monkeypatch.setattr(module, "create_connection", gevent.socket.create_connection)
    asked: list[str | None] = []
    mechanism = module._mechanism
    monkeypatch.setattr(module, "_mechanism", lambda *at: asked.append(mechanism(*at)) or asked[-1])
    tunnel = gevent.server.StreamServer(("127.0.0.1", 0), lambda sock, _: sock.close())
    tunnel.start()
    stack.callback(tunnel.stop, timeout=0)
    made(_WorkerSocket, KEY, tunnel.server_port, "w1")
    while len(asked) < 2:
        gevent.sleep(0.05)
    assert (asked, refusals) == ([None, None], [])


IN_ANOTHERS_NAME = Message("quit", None, "w2").serialize()


@pytest.mark.parametrize(
    "nonsense", [b"", b"\xc1", b"\x05", b"\x91\x01", b"\x93\x01\x02\x03\x04", IN_ANOTHERS_NAME]
)
def test_a_message_that_is_none_is_left_out(made: Callable[..., Any], nonsense: bytes) -> None:
    """Of somebody who has the key; the listener goes on."""
    master = made(_MasterSocket, KEY, 0)
    worker = made(_WorkerSocket, KEY, master.port, "w1")
    worker.socket.send(nonsense)
    worker.send(Message("client_ready", None, "w1"))
    assert master.recv_from_client()[1].type == "client_ready"


def test_a_port_that_is_taken_is_named_with_the_option_for_another(
    made: Callable[..., Any], refusals: list[str]
) -> None:
    master = made(_MasterSocket, KEY, 0)
    with pytest.raises(Refused):
        made(_MasterSocket, KEY, master.port)
    assert refusals[0].startswith(f"workers cannot be awaited at 127.0.0.1:{master.port}: Address")
    assert "--master-bind-port" in refusals[0]


def test_each_reason_to_turn_somebody_away_is_told_once_whatever_others_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker that tries again and again with an old key hides no worker without one."""
    lacks, wrong = zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, zmq.PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID
    module._tell_of_strangers({"value": value} for value in (wrong, wrong, lacks, wrong, lacks))
    assert [record.getMessage().split(" as a worker ")[1] for record in caplog.records] == [
        f"has another {WORKER_KEY_VARIABLE}: set it to the text that the master has"
        " (1 tries were turned away so far)",
        "does not run loadkit's locustfile, or an older one: start it with the master's"
        " (3 tries were turned away so far)",
    ]


# --- the end --------------------------------------------------------------------------------------


def let_in(made: Callable[..., Any], at_exit: dict[Any, Callable[[], None]]) -> tuple[Any, Any]:
    """A master, and a worker that has its first word and may go at once."""
    master = made(_MasterSocket, KEY, 0)
    worker = made(_WorkerSocket, KEY, master.port, "w1")
    worker.send(Message("client_ready", None, "w1"))
    master.recv_from_client()
    assert worker.socket not in at_exit
    master.send_to_client(Message("ack", None, "w1"))
    worker.recv()
    return master, worker


def test_a_process_ends_when_all_it_said_has_left_it(
    made: Callable[..., Any], at_exit: dict[Any, Callable[[], None]]
) -> None:
    """Libzmq sends in a thread that ends with the process, whatever that has not sent."""
    master, worker = let_in(made, at_exit)
    worker.send(Message("stats", bytes(20_000_000), "w1"))
    worker.send(Message("quit", None, "w1"))
    at_exit[worker.socket]()
    assert worker.socket.context.closed  # its threads are gone
    assert [master.recv_from_client()[1].type for _ in range(2)] == ["stats", "quit"]
    assert master.socket in at_exit  # whose word to quit is one


def test_a_master_that_is_gone_keeps_no_worker_for_ever(
    made: Callable[..., Any],
    at_exit: dict[Any, Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LEAVES_WITHIN", 0.05)
    master, worker = let_in(made, at_exit)
    end(master.socket)
    worker.send(Message("quit", None, "w1"))
    at_exit[worker.socket]()
    assert worker.socket.context.closed


def test_a_master_that_is_known_to_be_gone_keeps_nobody(
    made: Callable[..., Any],
    at_exit: dict[Any, Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the one that forked a worker, or one that never let it in."""
    monkeypatch.setattr(module, "LEAVES_WITHIN", 10_000.0)
    master, worker = let_in(made, at_exit)
    end(master.socket)
    stranger = made(_WorkerSocket, KEY, master.port, "w2")
    for each in (worker, stranger):
        each.send(Message("quit", None, "w1"))
    assert stranger.socket not in at_exit
    monkeypatch.setattr(module.lifeline, "is_cut", lambda: True)
    at_exit[worker.socket]()
    assert worker.socket.context.closed


def test_no_signal_cuts_off_the_last_words() -> None:
    """One that comes meanwhile, from a terminal that closes for example, is heard behind them."""
    held: set[int] = set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    context = SimpleNamespace(
        closed=False,
        destroy=lambda linger: held.update(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    )
    module._close(SimpleNamespace(context=context))
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD} <= held
    assert signal.SIGALRM not in held  # which ends who takes too long
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
