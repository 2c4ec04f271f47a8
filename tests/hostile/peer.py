"""A server that does as a script says, byte by byte: whatever a stranger on the network could do.

It shares no code with loadkit. It lives in threads of the test's own process, with the system's own
sockets, so that a client which stops giving way does not stop it as well.

    def pings(wire):
        wire.upgrade()
        wire.flood(frame(PING) * 1000)

    with peer(upgrade=pings) as hostile:
        ...  # hostile.url: both REST calls are answered in order, each WebSocket is flooded
"""

import base64
import contextlib
import json
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from gevent.monkey import get_original

from tests.rfc6455 import CLOSE, TEXT, accepted, close_frame, exactly, frame, read_frame, read_raw

PATIENCE = 60.0  # seconds before a script gives up; nothing waits for it to pass
REASONS = {101: "Switching Protocols", 200: "OK"}
FATAL_ALERT = bytes.fromhex("15 0303 0002 02 28")  # a TLS record: handshake_failure
BLOCK = 1 << 16  # bytes that a flood writes at once, at least

_new_socket: Any = get_original("socket", "socket")  # whatever gevent has made of these
_start: Any = get_original("_thread", "start_new_thread")
_sleep: Any = get_original("time", "sleep")


def answer(status: int, body: Any = b"", *headers: str) -> bytes:
    """A whole HTTP answer; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'No')}", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


def token(lives: float = 3600.0) -> str:
    """An access token that a client believes."""
    claims = json.dumps({"exp": time.time() + lives}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


class Wire:
    """One connection, at the server's end. Its scripts may raise OSError and EOFError.

    Attributes:
        sock: the socket, TLS or not.
        number: of connections before it.
        request: the head of the last request, as text.
        body: of that request.
        sent: bytes that a flood has got rid of.
    """

    def __init__(self, sock: Any, number: int, peer: "Peer") -> None:
        self.sock, self.number, self._peer = sock, number, peer
        self.request, self.body = "", b""
        self.sent = self._sequence = 0
        self.is_open = True

    # --- reading ----------------------------------------------------------------------------------

    def read_request(self) -> str:
        """The next request's head; its body too."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(self.sock, 1)
        self.request = head.decode("latin-1")
        self.body = exactly(self.sock, int(self.header("Content-Length") or 0))
        return self.request

    def header(self, name: str) -> str | None:
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def read_frame(self) -> tuple[int, bytes]:
        """A client's frame: opcode and unmasked payload."""
        return read_frame(self.sock)

    def read_raw(self) -> tuple[int, bytes]:
        """A client's frame: its first byte and its unmasked payload."""
        return read_raw(self.sock)

    def read_event(self, *kinds: str) -> dict[str, Any]:
        """The client's next event of one of these kinds (`USER_MESSAGE`); of any if none is named.

        EOFError when it closes instead; the close is not answered.
        """
        while True:
            opcode, data = self.read_frame()
            if opcode == CLOSE:
                raise EOFError
            if opcode == TEXT:
                event: dict[str, Any] = json.loads(data)
                if not kinds or event["type"].removeprefix("EVENT_TYPE_") in kinds:
                    return event

    # --- writing ----------------------------------------------------------------------------------

    def send(self, *blocks: bytes) -> None:
        self.sock.sendall(b"".join(blocks))

    def trickle(self, data: bytes, size: int = 1, pause: float = 0.0) -> None:
        """Send so many bytes a segment, so many seconds apart."""
        for at in range(0, len(data), size):
            self.sock.sendall(data[at : at + size])
            if pause:
                _sleep(pause)

    def flood(self, unit: bytes, *, most: float = float("inf"), seconds: float = PATIENCE) -> None:
        """Send the same again and again, until the client is gone, or enough was sent."""
        block = unit * max(1, BLOCK // len(unit))
        until = time.monotonic() + seconds
        while self.sent < most and time.monotonic() < until and not self._peer.stopped:
            self.sock.sendall(block)
            self.sent += len(block)

    def upgrade(self, *then: bytes, headers: tuple[str, ...] = ()) -> None:
        """Answer 101, with `then` in the same segment. The request has been read."""
        key = accepted(self.header("Sec-WebSocket-Key") or "")
        accept = f"Sec-WebSocket-Accept: {key}"
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        self.send("\r\n".join([*lines, accept, *headers, "", ""]).encode(), *then)

    def event(
        self, kind: str, payload: Any = None, *, numbered: bool = True, **fields: Any
    ) -> bytes:
        """A server's event as a frame, the next in order; `kind` without its prefix."""
        self._sequence += numbered
        envelope = {
            "type": f"EVENT_TYPE_{kind}",
            "id": str(uuid.uuid4()),
            "sequence": self._sequence if numbered else None,
            "timestamp": "2026-01-01T00:00:00Z",
            "payload": payload or {},
            **fields,
        }
        return frame(TEXT, json.dumps(envelope).encode())

    def numbered_from(self, sequence: int) -> None:
        """Go on behind an event of another connection of the session."""
        self._sequence = sequence

    def echo(self, event: dict[str, Any]) -> bytes:
        """What a server gives back of a client's event."""
        kind = event["type"].removeprefix("EVENT_TYPE_")
        if kind == "HEARTBEAT":
            return frame(TEXT, json.dumps(event).encode())
        payload = event["payload"] | ({"message_id": str(uuid.uuid4())} if kind[-1] == "E" else {})
        metadata = {"metadata": event["metadata"]} if "metadata" in event else {}
        return self.event(kind, payload, **metadata)

    # --- ends -------------------------------------------------------------------------------------

    def fin(self) -> None:
        """End in order; behind TLS without a word of it."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def notify(self) -> None:
        """End a TLS connection in order, as its standard has it."""
        self.is_open = False
        with contextlib.suppress(OSError, ValueError):
            self.sock.unwrap()
        self.sock.close()

    def reset(self) -> None:
        """End by a TCP reset."""
        self.is_open = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def silence(self) -> None:
        """Say nothing any more, until the client goes or the peer is stopped."""
        self.is_open = False
        with contextlib.suppress(OSError):
            while self.sock.recv(BLOCK):
                pass
        self.sock.close()

    def deaf(self) -> None:
        """Neither read nor write any more, until the peer is stopped."""
        self.is_open = False
        while not self._peer.stopped:
            _sleep(0.05)
        self.sock.close()

    def alert(self) -> None:
        """Send a fatal TLS alert, in clear, as boxes on the way do, and end."""
        with _new_socket(fileno=socket.dup(self.sock.fileno())) as below:
            below.sendall(FATAL_ALERT)
        self.fin()


Script = Callable[[Wire], object]


def grant(wire: Wire) -> None:
    """A token."""
    wire.send(answer(200, {"access_token": token(), "expires_in": 3600, "token_type": "Bearer"}))


def create(wire: Wire) -> None:
    """A session."""
    wire.send(answer(200, {"session_id": str(uuid.uuid4())}))


def greet(wire: Wire, *, beat: float = 30.0, headers: tuple[str, ...] = ()) -> None:
    """Upgrade, start the session, and have the agent join and greet."""
    told = {"capabilities": {"streaming": False, "heartbeat_interval_seconds": beat}}
    start = wire.event("SESSION_START", told)
    events = [json.loads(start[start.index(b"{") :])]
    batch = wire.event("EVENT_BATCH", {"events": events}, numbered=False)
    wire.upgrade(batch, headers=headers)
    wire.send(wire.echo(wire.read_event("REQUEST_POLY_AGENT_JOIN")))
    wire.send(wire.event("POLY_AGENT_JOINED", {"agent_name": "Ada"}))
    wire.send(wire.event("POLY_AGENT_MESSAGE", {"message_id": str(uuid.uuid4()), "text": "Hello"}))


def reply(wire: Wire, event: dict[str, Any]) -> bool:
    """Answer one event of the client as a sound server does; False when that ends the session."""
    kind = event["type"].removeprefix("EVENT_TYPE_")
    if kind == "USER_TYPING":
        return True
    wire.send(wire.echo(event))
    if kind == "USER_MESSAGE":
        said = {"message_id": str(uuid.uuid4()), "text": "It is on its way."}
        wire.send(wire.event("POLY_AGENT_MESSAGE", said))
    elif kind == "USER_END_SESSION":
        wire.send(wire.event("SESSION_END", {"reason": "REASON_USER_END"}), close_frame(1000))
        return False
    return True


def converse(wire: Wire) -> None:
    """A whole sound session, to its end."""
    greet(wire)
    while reply(wire, wire.read_event()):
        pass
    wire.silence()


class Peer:
    """The server. It does one script a request, and one a connection before anything is read.

    Attributes:
        url: where it is.
        wires: of all connections so far.
        stopped: all is over.
        failures: what scripts raised that has nothing to do with the client's going.
    """

    def __init__(
        self,
        *,
        connected: Script | None = None,
        token: Script = grant,
        session: Script = create,
        upgrade: Script = converse,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            connected: done on each connection before anything is read; it may end it.
            token, session, upgrade: done for the request that has been read. A connection goes on
                to its next request after the first two, unless they end it.
            context: for TLS; `connected` is done before the handshake, on a plain socket.
        """
        self._connected, self._context = connected, context
        self._scripts = {"access-token": token, "sessions": session, "ws": upgrade}
        self.stopped = False
        self.wires: list[Wire] = []
        self.failures: list[BaseException] = []
        self._listener = _new_socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(512)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if context is not None:
            self.url = f"https://localhost:{self.port}"
        _start(self._accept, ())

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # What is sent has left when the connection is reset.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(sock, len(self.wires), self)
            self.wires.append(wire)
            _start(self._serve, (wire,))

    def _serve(self, wire: Wire) -> None:
        try:
            wire.sock.settimeout(PATIENCE)
            if self._connected is not None:
                self._connected(wire)
            if wire.is_open and self._context is not None:
                wire.sock = self._context.wrap_socket(wire.sock, server_side=True)
            while wire.is_open and not self.stopped:
                path = wire.read_request().split(" ")[1].partition("?")[0]
                name = path.rpartition("/")[2]
                self._scripts[name](wire)
                if name == "ws":
                    break
        except (OSError, EOFError):
            pass  # the client has gone, or the peer was stopped
        except BaseException as error:
            self.failures.append(error)
        finally:
            if wire.is_open:
                wire.fin()

    def stop(self) -> None:
        """Cut everything off."""
        self.stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in self.wires:
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def peer(**scripts: Any) -> Iterator[Peer]:
    """One that is gone when the block is over; what its scripts did wrong fails the test."""
    running = Peer(**scripts)
    try:
        yield running
    finally:
        running.stop()
    assert not running.failures, running.failures
