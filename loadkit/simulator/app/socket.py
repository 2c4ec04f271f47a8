"""One open WebSocket: what is read from it, what is written to it, and how it dies."""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from loadkit.simulator.app.frame_reader import NO_CODE, FrameError, FrameReader, Opcode, read_close
from loadkit.simulator.app.frame_writer import Frame, close_frame, ping_frame, pong_frame
from loadkit.simulator.clock import Clock, Timer
from loadkit.simulator.session.session import ServerSession
from loadkit.simulator.shared import SharedState

TURN: Final = 32
"""Frames that are read of one socket before the others have their turn."""
UNREAD_PONGS: Final = 10_000
"""Pongs that a client may leave unread. They are counted, as each is two bytes on the wire and some
fifty in memory."""

GOING_AWAY: Final = 1001
_UNSUPPORTED_DATA: Final = 1003
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # linger for 0 seconds: RST instead of FIN


class ConnectionObserver(asyncio.Protocol):
    """Stands before the protocol of an open connection and lets everything through.

    It sees when bytes came and why the connection was lost, both of which aiohttp keeps to itself.
    """

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner: asyncio.Protocol | None = inner
        # The system's own word for the loss; None for a connection that ended in order.
        self.error: Exception | None = None
        self._now, self._take = clock.now, inner.data_received
        # When the loop had the last bytes, in monotonic seconds. What is in them gets to its
        # reader a turn of the loop later, which under load is milliseconds.
        self.read_at = clock.now()
        # The very methods of the inner one, so that they cost no call more.
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        self.read_at = self._now()
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol.connection_lost`."""
        inner, self._inner = self._inner, None
        self.error = exc
        del self._take, self.eof_received, self.pause_writing, self.resume_writing
        if inner is not None:
            inner.connection_lost(exc)


class Socket:
    """One open socket of a session.

    It is what aiohttp takes for a parser: fed with what comes after the handshake.
    """

    def __init__(
        self,
        number: int,
        session: ServerSession,
        transport: asyncio.Transport,
        setting: SharedState,
        window_bits: int,
    ) -> None:
        self.number = number  # counts the server's sockets; the truth log's name for this one
        # That the client sent, 1005 for a close without one; None when it went without a close.
        self.client_code: int | None = None
        self.server_code: int | None = None  # that we sent of our own accord
        self.sent = self.received = 0  # events and batches handed over; text frames read
        self.how: str | None = None  # it died, as docs/simulator.md lists it
        self.frozen = False  # neither read nor written any more, though it is open
        self._session, self._transport = session, transport
        self._dials, self._clock = setting.dials, setting.clock
        self._witness = ConnectionObserver(transport, self._clock)
        self._window_bits = window_bits  # 0 when no compression was agreed
        limit = self._dials.max_message_size_bytes
        self._reader: FrameReader | None = FrameReader(limit, deflate=bool(window_bits))
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()
        self._waits_its_turn = False
        self._pongs = 0
        self._deadline: Timer | None = None
        self._pinging: Timer | None = None
        self._unanswered: Timer | None = None  # a ping of ours
        self._ageing: Timer | None = None
        if self._dials.max_connection_seconds > 0:
            self._ageing = self._clock.later(self._dials.max_connection_seconds, self._expire)
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

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what came. What is beyond one turn stays until the others have had theirs."""
        if self._reader is not None:
            self._reader.push(data)
            if not self._waits_its_turn:
                self._read()
        return False, b""

    def feed_eof(self) -> None:
        """The connection is gone."""
        if not self._gone.done():
            self._gone.set_result(None)

    async def closed(self) -> None:
        """Wait until the socket is closed, however that comes about."""
        try:
            await self._gone
            if self.how is None:
                lost = "reset" if self._witness.error is not None else "fin"
                self.how = lost if self.server_code is None or lost == "reset" else "server"
        finally:
            self._reader = None
            timers = (self._deadline, self._pinging, self._unanswered, self._ageing)
            for timer in (*timers, self._watching):
                if timer is not None:
                    timer.cancel()

    def _read(self) -> None:
        """Take a turn of frames."""
        ping = None
        for _ in range(TURN):
            reader = self._reader
            if reader is None or self._transport.is_closing():
                return
            try:
                frame = reader.read()
                if frame is None:
                    break
                opcode, payload = frame
                if opcode == Opcode.PING:
                    ping = payload  # the newest answers those before it (RFC 6455, section 5.5.3)
                    continue
                self._pong(ping)
                ping = None
                if not self.frozen:
                    self._take(opcode, payload)
            except FrameError as error:
                self._refuse(error)
                return
        else:
            self._yield()
        self._pong(ping)

    def _yield(self) -> None:
        self._waits_its_turn = True
        self._transport.pause_reading()
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        self._waits_its_turn = False
        self._read()
        if not (self._waits_its_turn or self.frozen or self._transport.is_closing()):
            self._transport.resume_reading()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.TEXT:
            self.received += 1
            # What was under way when a socket went for its age is heard, and in the replay.
            if self.server_code in (None, GOING_AWAY):
                self._session.hear(self, payload, self._witness.read_at)
        elif opcode == Opcode.BINARY:
            self.close(_UNSUPPORTED_DATA)
        elif opcode == Opcode.PONG:
            if self._unanswered is not None:
                self._unanswered.cancel()
                self._unanswered = None
        elif opcode == Opcode.CLOSE:
            self._closed_by_client(read_close(payload))

    def _refuse(self, error: FrameError) -> None:
        """Fail the connection (RFC 6455, section 7.1.7) in a way that the client gets to see why.

        A client that is still writing would be reset, and the reset can overtake the close code:
        what it writes is read and dropped until it hangs up.
        """
        self._reader = None
        if self.frozen or self._transport.is_closing():
            return
        self.close(error.code)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _closed_by_client(self, code: int) -> None:
        """Echo the client's code, as clients tell by it whose close it was; then hang up."""
        self.client_code = code
        self.how = self.how or ("close_frame" if self.server_code is None else "server")
        if self.server_code is None and not self._transport.is_closing():
            self._transport.write(close_frame(None if code == NO_CODE else code))
        self._transport.close()

    def _pong(self, ping: bytes | None) -> None:
        """Answer a ping, if there is one."""
        if ping is None:
            return
        if not self._transport.get_write_buffer_size():
            self._pongs = 0
        self._pongs += 1
        if self._pongs > UNREAD_PONGS:
            self.abort("stalled")
        else:
            self._control(pong_frame(ping))

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
                wait = self._dials.pong_timeout_seconds
                if wait > 0 and self._unanswered is None:
                    self._unanswered = self._clock.later(wait, self._unheard)
            self._pinging = self._clock.later(interval, self._ping)

    def _unheard(self) -> None:
        """No pong came."""
        if self.server_code is None:
            self.abort("half_open")

    def _expire(self) -> None:
        """The socket is as old as one may get; what its session says now is in the replay."""
        if self.server_code is None and not self.frozen:
            self._session.sever(self)
            self.close(GOING_AWAY)

    def _control(self, frame: bytes) -> None:
        if self.server_code is None and not self.frozen and not self._transport.is_closing():
            self._transport.write(frame)
