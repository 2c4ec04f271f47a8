"""The WebSocket endpoint: the upgrade with its refusals, and every socket that is open."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from loadkit.simulator.app.handshake import agree, objection
from loadkit.simulator.app.registry import Registry
from loadkit.simulator.app.rest_api import UNAVAILABLE, error
from loadkit.simulator.app.socket import GOING_AWAY, Socket
from loadkit.simulator.app.tokens import Tokens
from loadkit.simulator.session.channel import parse_cursor
from loadkit.simulator.session.session import ServerSession
from loadkit.simulator.shared import SharedState

_FAULTS: Final = ("refused_upgrade", "slow_upgrade")
_MALFORMED: Final = "invalid connection parameters"


class SocketEndpoint:
    """`GET /ws`."""

    def __init__(self, setting: SharedState, tokens: Tokens, registry: Registry) -> None:
        self._setting, self._tokens, self._registry = setting, tokens, registry
        self._faults = setting.faults("ws")
        self._made = 0
        self._open: dict[Socket, ServerSession] = {}
        self._stopping = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrade a request that may be, and serve the socket until it is closed."""
        found = self._find(request)
        if isinstance(found, ServerSession):
            fault = self._faults.draw(_FAULTS)
            if fault is not None:
                refusal = await self._befall(fault, found)
                found = refusal or self._find(request)  # it may be over by now
        if isinstance(found, web.Response):
            return found
        answer, window_bits = agree(request, compression=self._setting.dials.compression)
        found.upgrading += 1
        try:
            await answer.prepare(request)
        except ConnectionError:  # gone before we could answer
            return answer
        finally:
            found.upgrading -= 1
        transport = request.transport
        if transport is not None:
            self._made += 1
            socket = Socket(self._made, found, transport, self._setting, window_bits)
            await self._serve(found, socket, request)
        return answer

    async def close_all(self, grace: float) -> None:
        """Close every socket with 1001, and cut those that have not gone after `grace` seconds."""
        self._stopping = True
        for socket in self._open:
            socket.close(GOING_AWAY)
        until = self._setting.clock.now() + grace
        while self._open and self._setting.clock.now() < until:
            await asyncio.sleep(0.01)
        for socket in self._open:
            socket.abort()

    def fall_silent(self) -> None:
        """Neither read nor write any socket that is open now; they stay open."""
        for socket, session in self._open.items():
            session.sever(socket)
            socket.fail("half_open")

    def cut_all(self) -> None:
        """Cut every socket without a word."""
        for socket, session in self._open.items():
            session.sever(socket)
            socket.abort()

    def _find(self, request: web.Request) -> ServerSession | web.Response:
        session_id, token = request.query.get("session_id"), request.query.get("access_token")
        if not session_id or not token:
            return self._refuse(session_id, 400, _MALFORMED)
        flaw = objection(request)
        if flaw is not None:
            return self._refuse(session_id, flaw.status, _MALFORMED, flaw.headers)
        bearer = self._tokens.identify(token)
        if bearer is None:
            return self._refuse(session_id, 401, "authentication failed")
        session = self._registry.find(session_id)
        if session is None:
            return self._refuse(session_id, 404, "session not found")
        if session.owner != bearer:
            return self._refuse(session_id, 401, "authentication failed")
        if session.connections >= self._setting.dials.max_connections_per_session:
            text = "connection limit exceeded for session"
            return self._refuse(session_id, 429, text, {"Retry-After": "1"})
        if self._setting.drift.spent:
            return self._refuse(session_id, 503, UNAVAILABLE)
        return session

    def _refuse(
        self,
        session_id: str | None,
        status: int,
        text: str,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        self._setting.refused("ws", status, session_id)
        return error(status, text, headers)

    async def _befall(self, fault: str, session: ServerSession) -> web.Response | None:
        """Let a fault befall an upgrade; the answer when it is refused."""
        self._faults.note(fault, session_id=session.id)
        if fault == "refused_upgrade":
            return error(503, UNAVAILABLE)
        await asyncio.sleep(self._setting.dials.faults.slow_upgrade_delay.sample(self._faults.rng))
        return None

    async def _serve(self, session: ServerSession, socket: Socket, request: web.Request) -> None:
        self._open[socket] = session
        self._registry.met(session)
        try:
            session.attach(socket, parse_cursor(request.query.get("cursor")))
            if self._stopping:  # it was in the middle of its upgrade when we began to stop
                socket.close(GOING_AWAY)
            protocol = request.protocol
            protocol.keep_alive(False)
            protocol.set_parser(socket)  # type: ignore[arg-type]  # all that it asks of one
            await socket.closed()
        finally:
            self._open.pop(socket, None)
            session.detach(socket)
            self._setting.truth.record(
                "socket_close",
                session_id=session.id,
                socket=socket.number,
                at=self._setting.clock.now(),
                how=socket.how or "server",
                client_code=socket.client_code,
                server_code=socket.server_code,
                sent=socket.sent,
                received=socket.received,
                typing=session.typing,
                heartbeats=session.heartbeats,
            )
