"""One open WebSocket: what is read from it, what is written to it, and how it dies."""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Final, Literal

from aiohttp import WSCloseCode, WSMsgType, web

from loadkit.simulator.clock import Timer
from loadkit.simulator.frames import Frame, close_frame, ping_frame, pong_frame
from loadkit.simulator.session import Session
from loadkit.simulator.setting import Setting
from loadkit.simulator.witness import Witness

__all__ = ["READABLE", "Socket", "Upgraded"]

READABLE: Final = 16
"""What aiohttp lets in, in times of the limit; see `Socket.converse`."""

_UNSUPPORTED_DATA: Final = 1003
_TOO_BIG: Final = 1009
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # linger for 0 seconds: RST instead of FIN


class Upgraded(web.WebSocketResponse[Literal[False]]):
    """aiohttp's part of a socket.

    Attributes:
        over: whether the socket is dead. aiohttp would close it once more, fail, and keep the
            exception: a circle of some thirty objects a session, for which the garbage collector
            held up everyone's answers by a quarter of a second.
    """

    over = False

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close it, unless it is over."""
        return not self.over and await super().close(code=code, message=message, drain=drain)


class Socket:
    """One open socket of a session.

    Attributes:
        number: counts the server's sockets; the truth log's name for this one.
        client_code: the close code the client sent, 1005 for a close without one, None when it
            went away without a close.
        server_code: the close code we sent of our own accord, None when we sent none.
        sent: events and batches handed over.
        received: text frames read.
        how: how it died, as docs/simulator.md lists it; None while it lives.
        frozen: it is neither read nor written any more, though it is open.
    """

    def __init__(
        self, number: int, upgraded: Upgraded, transport: asyncio.Transport, setting: Setting
    ) -> None:
        self.number = number
        self.client_code: int | None = None
        self.server_code: int | None = None
        self.sent = self.received = 0
        self.how: str | None = None
        self.frozen = False
        self._upgraded, self._transport = upgraded, transport
        self._dials, self._clock = setting.dials, setting.clock
        self._witness = Witness(transport, self._clock)
        self._window_bits = int(upgraded.compress)  # 0 when no compression was agreed
        self._deadline: Timer | None = None
        self._pinging: Timer | None = None
        # After the session's own look at its silence: a client that only sleeps hears of the end.
        self._patience = self._dials.idle_timeout_seconds + self._dials.close_timeout_seconds
        self._watching = self._clock.later(self._patience, self._watch)
        self._ping()

    def deliver(self, frame: Frame) -> None:
        """Hand one frame to the transport; nothing is raised when it is gone."""
        transport = self._transport
        if self.server_code is not None or self.frozen or transport.is_closing():
            return
        # Looked at before writing, so that a long replay is not mistaken for a slow reader.
        if transport.get_write_buffer_size() > self._dials.send_buffer_limit_bytes:
            self.abort("stalled")
            return
        bits = self._window_bits
        transport.write(frame.deflated(bits) if bits else frame.plain)
        self.sent += 1

    def close(self, code: int) -> None:
        """Begin the close from our side; the connection is cut if the client never answers."""
        if self.server_code is not None or self.frozen or self._transport.is_closing():
            return
        self.server_code = code
        self._transport.write(close_frame(code))
        self._deadline = self._clock.later(self._dials.close_timeout_seconds, self._give_up)

    def fail(self, how: str) -> None:
        """Break on purpose: `reset`, `half_open` or `cut`."""
        if self._transport.is_closing():
            return
        self.frozen = True
        if how == "half_open":
            self._transport.pause_reading()
            return
        if how == "reset":
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
        self.how = "fault"
        self._transport.close()  # what was written before goes out first

    def abort(self, how: str = "server") -> None:
        """Cut the connection without a word."""
        self.how = self.how or ("fault" if self.frozen else how)
        self._transport.abort()

    async def converse(self, session: Session) -> None:
        """Read until the socket is closed, however that comes about."""
        limit = self._dials.max_message_size_bytes
        try:
            while True:
                message = await self._upgraded.receive()
                kind = message.type
                if kind in _LOST:
                    self._lost()
                    return
                if self.frozen:
                    continue
                if kind is WSMsgType.TEXT:
                    self.received += 1
                    data: bytes = message.data
                    # aiohttp refuses far larger ones by itself. It then hangs up on a client
                    # that is still writing, and the reset can overtake the close code; read to
                    # the end, the client gets to see its 1009.
                    if len(data) > limit:
                        self.close(_TOO_BIG)
                    elif self.server_code is None:
                        session.hear(self, data, self._witness.read_at)
                elif kind is WSMsgType.BINARY:
                    self.close(_UNSUPPORTED_DATA)
                elif kind is WSMsgType.PING:
                    self._control(pong_frame(message.data))
                elif kind is WSMsgType.CLOSE:
                    self._closed_by_client(message.data)
                    return
        finally:
            self._upgraded.over = True
            for timer in (self._deadline, self._pinging, self._watching):
                if timer is not None:
                    timer.cancel()

    def _closed_by_client(self, code: int) -> None:
        """Echo the client's code, as clients tell by it whose close it was; then hang up."""
        self.client_code = code or 1005
        self.how = self.how or ("close_frame" if self.server_code is None else "server")
        if self.server_code is None and not self._transport.is_closing():
            self._transport.write(close_frame(code or None))
        self._transport.close()

    def _lost(self) -> None:
        """The connection is gone, or the peer broke the framing and aiohttp has closed it."""
        if self.server_code is None and self._upgraded.exception() is None:
            code = self._upgraded.close_code
            self.server_code = code if code in {1002, 1007, 1009} else None
        if self.how is None and self._witness.error is not None:
            self.how = "reset"
        elif self.how is None:
            self.how = "fin" if self.server_code is None else "server"

    def _give_up(self) -> None:
        """Our close was not answered."""
        silence = self._clock.now() - self._witness.read_at
        self.abort("half_open" if silence >= self._dials.idle_timeout_seconds else "server")

    def _watch(self) -> None:
        """Look again when the silence could be long enough."""
        left = self._witness.read_at + self._patience - self._clock.now()
        if left > 0:
            self._watching = self._clock.later(left, self._watch)
        elif self.server_code is None:
            self.abort("half_open")

    def _ping(self) -> None:
        interval = self._dials.ping_interval_seconds
        if interval > 0:
            if self._pinging is not None:
                self._control(ping_frame())
            self._pinging = self._clock.later(interval, self._ping)

    def _control(self, frame: bytes) -> None:
        if self.server_code is None and not self.frozen and not self._transport.is_closing():
            self._transport.write(frame)


_LOST: Final = frozenset({WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR})
