"""The WebSocket endpoint: the upgrade with its refusals, and what is read from an open socket."""

import asyncio
from typing import Final, Literal

from aiohttp import WSMsgType, web

from loadkit.simulator.clock import Timer
from loadkit.simulator.frames import Frame, close_frame
from loadkit.simulator.http import error
from loadkit.simulator.journal import parse_cursor
from loadkit.simulator.registry import Registry
from loadkit.simulator.session import Session, Setting
from loadkit.simulator.tokens import Tokens

__all__ = ["Socket", "SocketEndpoint"]

_GOING_AWAY: Final = 1001
_UNSUPPORTED_DATA: Final = 1003
_TOO_BIG: Final = 1009
_READABLE: Final = 16  # times the limit; see Socket.converse

Upgraded = web.WebSocketResponse[Literal[False]]


class Socket:
    """One open socket of a session.

    Attributes:
        number: counts the server's sockets; the truth log's name for this one.
        client_code: the close code the client sent, 1005 for a close without one, None when it
            went away without a close.
        server_code: the close code we sent of our own accord, None when we sent none.
        sent: events and batches handed over.
        received: text frames read.
    """

    def __init__(
        self, number: int, upgraded: Upgraded, transport: asyncio.Transport, setting: Setting
    ) -> None:
        self.number = number
        self.client_code: int | None = None
        self.server_code: int | None = None
        self.sent = self.received = 0
        self._upgraded, self._transport = upgraded, transport
        self._dials, self._clock = setting.dials, setting.clock
        self._window_bits = int(upgraded.compress)  # 0 when no compression was agreed
        self._deadline: Timer | None = None

    def deliver(self, frame: Frame) -> None:
        """Hand one frame to the transport; nothing is raised when it is gone."""
        transport = self._transport
        if self.server_code is not None or transport.is_closing():
            return
        # Looked at before writing, so that a long replay is not mistaken for a slow reader.
        if transport.get_write_buffer_size() > self._dials.send_buffer_limit_bytes:
            transport.abort()
            return
        bits = self._window_bits
        transport.write(frame.deflated(bits) if bits else frame.plain)
        self.sent += 1

    def close(self, code: int) -> None:
        """Begin the close from our side; the connection is cut if the client never answers."""
        if self.server_code is not None or self._transport.is_closing():
            return
        self.server_code = code
        self._transport.write(close_frame(code))
        timeout = self._dials.close_timeout_seconds
        self._deadline = self._clock.later(timeout, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._transport.abort()

    async def converse(self, session: Session) -> None:
        """Read until the socket is closed, however that comes about."""
        limit = self._dials.max_message_size_bytes
        try:
            while True:
                message = await self._upgraded.receive()
                kind = message.type
                if kind is WSMsgType.TEXT:
                    self.received += 1
                    data: bytes = message.data
                    # aiohttp refuses far larger ones by itself. It then hangs up on a client
                    # that is still writing, and the reset can overtake the close code; read to
                    # the end, the client gets to see its 1009.
                    if len(data) > limit:
                        self.close(_TOO_BIG)
                    elif self.server_code is None:
                        session.hear(self, data)
                elif kind is WSMsgType.BINARY:
                    self.close(_UNSUPPORTED_DATA)
                elif kind is WSMsgType.CLOSE:
                    self._closed_by_client(message.data)
                    return
                else:  # CLOSED, ERROR: the connection is lost or the peer broke the framing
                    if self.server_code is None and self._upgraded.exception() is None:
                        self.server_code = self._framing_error()
                    return
        finally:
            if self._deadline is not None:
                self._deadline.cancel()

    def _closed_by_client(self, code: int) -> None:
        """Echo the client's code, as clients tell by it whose close it was; then hang up."""
        self.client_code = code or 1005
        if self.server_code is None and not self._transport.is_closing():
            self._transport.write(close_frame(code or None))
        self._transport.close()

    def _framing_error(self) -> int | None:
        """The code with which aiohttp itself refused what the client sent, if it did."""
        code = self._upgraded.close_code
        return code if code in {1002, 1007, 1009} else None


class SocketEndpoint:
    """`GET /ws`."""

    def __init__(self, setting: Setting, tokens: Tokens, registry: Registry) -> None:
        self._setting, self._tokens, self._registry = setting, tokens, registry
        self._made = 0
        self._open: set[Socket] = set()
        self._stopping = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrade a request that may be, and serve the socket until it is closed."""
        dials = self._setting.dials
        upgraded: Upgraded = web.WebSocketResponse(
            autoclose=False,  # it would answer 1000 whatever the client's code was
            compress=dials.compression,
            max_msg_size=_READABLE * dials.max_message_size_bytes,
            decode_text=False,
        )
        found = self._find(request, upgraded)
        if isinstance(found, web.Response):
            return found
        found.connections += 1
        try:
            try:
                await upgraded.prepare(request)
            except ConnectionError:  # gone before we could answer
                return upgraded
            transport = request.transport
            if transport is not None:
                await self._serve(found, upgraded, transport, parse_cursor(_one(request, "cursor")))
        finally:
            found.connections -= 1
        return upgraded

    async def close_all(self, grace: float) -> None:
        """Close every socket with 1001, and cut those that have not gone after `grace` seconds."""
        self._stopping = True
        for socket in self._open:
            socket.close(_GOING_AWAY)
        until = self._setting.clock.now() + grace
        while self._open and self._setting.clock.now() < until:
            await asyncio.sleep(0.01)
        for socket in self._open:
            socket.abort()

    def _find(self, request: web.Request, upgraded: Upgraded) -> Session | web.Response:
        session_id, token = _one(request, "session_id"), _one(request, "access_token")
        if not session_id or not token or not upgraded.can_prepare(request):
            return error(400, "invalid connection parameters")
        bearer = self._tokens.identify(token)
        if bearer is None:
            return error(401, "authentication failed")
        session = self._registry.find(session_id)
        if session is None:
            return error(404, "session not found")
        if session.owner != bearer:
            return error(401, "authentication failed")
        if session.connections >= self._setting.dials.max_connections_per_session:
            return error(429, "connection limit exceeded for session", retry_after=1)
        return session

    async def _serve(
        self, session: Session, upgraded: Upgraded, transport: asyncio.Transport, cursor: int
    ) -> None:
        self._made += 1
        socket = Socket(self._made, upgraded, transport, self._setting)
        self._open.add(socket)
        try:
            session.attach(socket, cursor)
            if self._stopping:  # it was in the middle of its upgrade when we began to stop
                socket.close(_GOING_AWAY)
            await socket.converse(session)
        finally:
            self._open.discard(socket)
            session.detach(socket)
            self._setting.truth.record(
                "socket_close",
                session_id=session.id,
                socket=socket.number,
                at=self._setting.clock.now(),
                client_code=socket.client_code,
                server_code=socket.server_code,
                sent=socket.sent,
                received=socket.received,
            )


def _one(request: web.Request, name: str) -> str | None:
    """A query parameter's value; None when it is absent."""
    return request.query.get(name)
