"""The port at which workers join: nobody without the run's key is heard there, or hears anything.

Locust takes whatever comes, from whomever. Here each connection is secured by CurveZMQ
(https://rfc.zeromq.org/spec/26/): no byte of a stranger gets past the handshake, which libzmq does
by itself; nothing can be read on the way, changed, or sent again later; and a worker knows its
master as much as the master knows its workers.

Both ends make the master's key pair of one shared text. Its public half is told to nobody, and
goes over no wire in clear: whoever can begin a handshake knows the text.
"""

import atexit
import hashlib
import logging
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from socket import create_connection
from time import perf_counter
from typing import Any, Final

import gevent
import zmq
from locust.exception import RPCError
from locust.rpc import Message, zmqrpc
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from loadkit.errors import UsageError
from loadkit.machine import lifeline
from loadkit.security.credentials import WORKER_KEY_VARIABLE
from loadkit.security.hosts import is_loopback
from loadkit.security.redaction import remember
from loadkit.swarm.process import is_on_its_own, refuse_to_start

logger = logging.getLogger(__name__)

SHORTEST_KEY: Final = 16  # characters: what is shorter can be found by trying
MAKE_ONE: Final = "openssl rand -hex 32"
TRIES: Final = 5  # handshakes that fail in a row, some 100 ms apart, before a worker gives up
GREETING: Final = 64  # bytes
LEAVES_WITHIN: Final = 3.0
"""Seconds that what was said gets to leave an ending process. While the other end is there it takes
some milliseconds, even if that is frozen; libzmq does not tell that there is none any more."""
LOOK_EVERY: Final = 0.2  # seconds between two looks at what became of connections
TOLD_EVERY: Final = 60.0  # seconds between two words about strangers, who may come by the thousand
LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a message that a master takes. Without a limit libzmq makes room for as many as somebody
announces, before it knows who that is."""

REFUSED: Final = zmq.Event.HANDSHAKE_FAILED_PROTOCOL  # what the other end said will not do
ENDED: Final = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL  # the other end hung up
ADMITTED: Final = zmq.Event.HANDSHAKE_SUCCEEDED


def shared_key(environment: Mapping[str, str], host: str) -> str:
    """The text that master and workers share; "" where all of them are on one machine, as `host`
    says, which a master binds or a worker connects to.

    Raises:
        UsageError: there is none though `host` is not this machine alone, or it is too short.
    """
    key = environment.get(WORKER_KEY_VARIABLE, "")
    remember(key)
    if key and len(key) < SHORTEST_KEY:
        raise UsageError(
            f"{WORKER_KEY_VARIABLE} should have {SHORTEST_KEY} characters or more: make one with "
            f"`{MAKE_ONE}`"
        )
    if not key and not is_loopback(host):
        raise UsageError(
            f"{WORKER_KEY_VARIABLE} must be set in the environment of the master and of each "
            f"worker, to one text that nobody else knows, as {host!r} is more than this machine "
            f"alone: make one with `{MAKE_ONE}`"
        )
    return key


def key_pair(key: str) -> tuple[bytes, bytes]:
    """The master's public and secret key of CurveZMQ, made of the shared text.

    scrypt (RFC 7914) makes each guess at a weak text cost 16 MB and some 50 ms.
    """
    salt = b"loadkit: the port of the workers"
    # As the environment has it, whatever encoding that is in.
    text = os.fsencode(key)
    secret = z85.encode(hashlib.scrypt(text, salt=salt, n=1 << 14, r=8, p=1, dklen=32))
    return zmq.curve_public(secret), secret


def secure_worker_port() -> None:
    """Have Locust's masters and workers speak only to those who share their key.

    To be called before Locust makes one; nothing changes the second time.
    """
    rpc: Any = zmqrpc
    rpc.Server, rpc.Client = _MasterSocket, _WorkerSocket


class _MasterSocket(zmqrpc.Server):
    """Locust's, for workers who have the key."""

    def __init__(self, host: str, port: int) -> None:
        public, secret = key_pair(_key_for(host))
        zmqrpc.BaseSocket.__init__(self, zmq.ROUTER, self.ipv4_only(host, port))
        _speak_to_the_end(self.socket)
        self.socket.curve_server = True
        self.socket.curve_publickey, self.socket.curve_secretkey = public, secret
        self.socket.maxmsgsize = LONGEST
        self._left_out, self._told_at = 0, -TOLD_EVERY
        events = _Events(self.socket, REFUSED)
        try:
            if port == 0:
                self.port = self.socket.bind_to_random_port(f"tcp://{host}")
            else:
                self.socket.bind(f"tcp://{host}:{port}")
                self.port = port
        except zmq.ZMQError as error:
            refuse_to_start(
                UsageError(
                    f"workers cannot be awaited at {host}:{port}: {error}; --master-bind-host and "
                    "--master-bind-port name another address"
                )
            )
        gevent.spawn(_tell_of_strangers, events)

    def recv_from_client(self) -> tuple[str, Message]:
        """Whose message it is, and the message. One that is none is left out.

        Locust's listener would end with it, and the master never hear of any worker again.
        """
        while True:
            try:
                worker, message = super().recv_from_client()  # type: ignore[no-untyped-call]
                if isinstance(message.type, str) and message.node_id == worker:
                    return worker, message
                self._leave_out("it is in somebody else's name")
            except RPCError:
                raise
            except Exception as error:  # as many as msgpack has, and of a message that is none
                self._leave_out(repr(error))

    def _leave_out(self, why: str) -> None:
        self._left_out += 1
        if perf_counter() - self._told_at >= TOLD_EVERY:
            self._told_at = perf_counter()
            logger.warning(
                "a message of a worker cannot be read and is left out: %s (%d so far)",
                why,
                self._left_out,
            )
        gevent.sleep(0)  # as long as there is another one, nobody else would have their turn


class _WorkerSocket(zmqrpc.Client):
    """Locust's, for the master who has the key."""

    def __init__(self, host: str, port: int, identity: str) -> None:
        masters, _ = key_pair(_key_for(host))
        zmqrpc.BaseSocket.__init__(self, zmq.DEALER, self.ipv4_only(host, port))
        self.socket.curve_serverkey = masters
        self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        if host == "localhost":  # often ::1 before all else, where no master waits unless told
            host = "127.0.0.1"
        events = _Events(self.socket, REFUSED | ENDED | ADMITTED)
        gevent.spawn(_give_up_in_time, events, host, port, gevent.getcurrent())
        self._has_heard = False
        self.socket.connect(f"tcp://{host}:{port}")

    def recv(self) -> Message:
        """What the master says; from its first word on there is somebody to hear our last."""
        message: Message = super().recv()  # type: ignore[no-untyped-call]
        if not self._has_heard:
            self._has_heard = True
            _speak_to_the_end(self.socket)
        return message


def _speak_to_the_end(socket: Any) -> None:
    """Have this process end only when all that was said has left it.

    `send` hands a message to a thread of libzmq's, and whatever that has not got round to is gone
    with the process: a worker's last words, on a machine that is busy.
    """
    socket.linger = int(LEAVES_WITHIN * 1000)
    atexit.register(_close, socket)


def _close(socket: Any) -> None:
    if socket.context.closed:
        return
    nobody_hears = lifeline.is_cut() and not is_on_its_own()
    # libzmq takes any signal for a reason not to wait.
    held = {*lifeline.stop_signals(), signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        socket.context.destroy(linger=0 if nobody_hears else None)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _key_for(host: str) -> str:
    try:
        return shared_key(os.environ, host)
    except UsageError as error:
        refuse_to_start(error)


class _Events:
    """What libzmq tells of a socket's connections, from now on until it is closed."""

    def __init__(self, socket: Any, kinds: int) -> None:
        self._socket, self._kinds = socket, kinds
        self._monitor = socket.get_monitor_socket(kinds | zmq.Event.MONITOR_STOPPED)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        while True:
            try:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                # To wait for it as pyzmq does under gevent misses one now and then, for 12 s.
                gevent.sleep(LOOK_EVERY)
                continue
            except zmq.ZMQError:
                return  # the socket is closed
            if not event["event"] & self._kinds:
                self.close()
                return
            yield event

    def close(self) -> None:
        """Want no more of it, and have libzmq fill no queue that is never emptied."""
        if not self._socket.closed:
            self._socket.disable_monitor()
        self._monitor.close(linger=0)


def _tell_of_strangers(events: Iterable[Mapping[str, Any]]) -> None:
    """Log why somebody who came to the master was turned away; one reason does not hide another."""
    turned_away, told_at = 0, dict[str, float]()
    for event in events:
        turned_away += 1
        why = (
            "does not run loadkit's locustfile, or an older one: start it with the master's"
            if event["value"] == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
            else f"has another {WORKER_KEY_VARIABLE}: set it to the text that the master has"
        )
        if perf_counter() - told_at.get(why, -TOLD_EVERY) < TOLD_EVERY:
            continue
        told_at[why] = perf_counter()
        logger.error(
            "whoever wants to join as a worker %s (%d tries were turned away so far)",
            why,
            turned_away,
        )


def _give_up_in_time(events: _Events, host: str, port: int, main: Any) -> None:
    """End a worker that its master will never let in; Locust would try for five minutes.

    libzmq says only that a handshake failed, as it does behind a tunnel whose other end is not
    there yet.
    """
    for tries, event in enumerate(events, start=1):
        if event["event"] == ADMITTED:
            events.close()
            return
        final = event["event"] == REFUSED  # libzmq tries no more
        mechanism = _mechanism(host, port) if final or tries % TRIES == 0 else None
        if mechanism is None:
            continue
        why = (
            f"set {WORKER_KEY_VARIABLE} to the text that it has there"
            if mechanism == "CURVE"
            else "it does not run loadkit's locustfile"
        )
        try:
            refuse_to_start(UsageError(f"the master at {host}:{port} lets nobody in: {why}"))
        except SystemExit as end:
            gevent.kill(main, end)


def _mechanism(host: str, port: int) -> str | None:
    """How the master that answers there wants a connection secured; None if none answers."""
    # The greeting of ZMTP 3 (https://rfc.zeromq.org/spec/23/): who has read our signature and major
    # version sends all of its own, with the mechanism at 12; ours would end the connection.
    theirs = b""
    with suppress(OSError), create_connection((host, port), timeout=2.0) as stream:
        stream.sendall(b"\xff" + bytes(8) + b"\x7f\x03")
        while len(theirs) < GREETING and (more := stream.recv(GREETING)):
            theirs += more
    known = len(theirs) >= GREETING and theirs[0] == 0xFF
    return theirs[12:32].rstrip(b"\0").decode("ascii", "replace") if known else None
