"""The WebSocket endpoint: the upgrade with its refusals, and every socket that is open."""

import asyncio
from typing import Final

from aiohttp import web

from loadkit.simulator.http import UNAVAILABLE, error
from loadkit.simulator.journal import parse_cursor
from loadkit.simulator.registry import Registry
from loadkit.simulator.session import Session
from loadkit.simulator.setting import Setting
from loadkit.simulator.socket import READABLE, Socket, Upgraded
from loadkit.simulator.tokens import Tokens

__all__ = ["SocketEndpoint"]

_GOING_AWAY: Final = 1001
_FAULTS: Final = ("refused_upgrade", "slow_upgrade")


class SocketEndpoint:
    """`GET /ws`."""

    def __init__(self, setting: Setting, tokens: Tokens, registry: Registry) -> None:
        self._setting, self._tokens, self._registry = setting, tokens, registry
        self._faults = setting.faults("ws")
        self._made = 0
        self._open: dict[Socket, Session] = {}
        self._stopping = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrade a request that may be, and serve the socket until it is closed."""
        dials = self._setting.dials
        upgraded = Upgraded(
            autoclose=False,  # it would answer 1000 whatever the client's code was
            autoping=False,  # a ping is a sign of life, which it would keep to itself
            compress=dials.compression,
            max_msg_size=READABLE * dials.max_message_size_bytes,
            decode_text=False,
        )
        found = self._find(request, upgraded)
        if isinstance(found, Session):
            fault = self._faults.draw(_FAULTS)
            if fault is not None:
                refusal = await self._befall(fault, found)
                found = refusal or self._find(request, upgraded)  # it may be over by now
        if isinstance(found, web.Response):
            return found
        found.upgrading += 1
        try:
            await upgraded.prepare(request)
        except ConnectionError:  # gone before we could answer
            upgraded.over = True
            return upgraded
        finally:
            found.upgrading -= 1
        transport = request.transport
        if transport is not None:
            self._made += 1
            socket = Socket(self._made, upgraded, transport, self._setting)
            await self._serve(found, socket, parse_cursor(_one(request, "cursor")))
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

    def _find(self, request: web.Request, upgraded: Upgraded) -> Session | web.Response:
        session_id, token = _one(request, "session_id"), _one(request, "access_token")
        if not session_id or not token or not upgraded.can_prepare(request):
            return self._refuse(session_id, 400, "invalid connection parameters")
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
            return self._refuse(session_id, 429, text, retry_after=1)
        if self._setting.drift.spent:
            return self._refuse(session_id, 503, UNAVAILABLE)
        return session

    def _refuse(
        self, session_id: str | None, status: int, text: str, *, retry_after: int | None = None
    ) -> web.Response:
        self._setting.refused("ws", status, session_id)
        return error(status, text, retry_after=retry_after)

    async def _befall(self, fault: str, session: Session) -> web.Response | None:
        """Let a fault befall an upgrade; the answer when it is refused."""
        self._faults.note(fault, session_id=session.id)
        if fault == "refused_upgrade":
            return error(503, UNAVAILABLE)
        await asyncio.sleep(self._setting.dials.faults.slow_upgrade_delay.sample(self._faults.rng))
        return None

    async def _serve(self, session: Session, socket: Socket, cursor: int) -> None:
        self._open[socket] = session
        try:
            session.attach(socket, cursor)
            if self._stopping:  # it was in the middle of its upgrade when we began to stop
                socket.close(_GOING_AWAY)
            await socket.converse(session)
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
            )


def _one(request: web.Request, name: str) -> str | None:
    """A query parameter's value; None when it is absent."""
    return request.query.get(name)
