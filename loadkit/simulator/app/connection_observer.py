"""Sees when bytes came and why a connection was lost, both of which aiohttp keeps to itself."""

import asyncio

from loadkit.simulator.clock import Clock

__all__ = ["ConnectionObserver"]


class ConnectionObserver(asyncio.Protocol):
    """Stands before the protocol of an open connection and lets everything through.

    Args:
        transport: the connection.

    Attributes:
        read_at: when the loop had the last bytes, in monotonic seconds. What is in them gets to
            its reader a turn of the loop later, which under load is milliseconds.
        error: the system's own word for the loss; None while there is none, and for a connection
            that ended in order.
    """

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner: asyncio.Protocol | None = inner
        self.error: Exception | None = None
        self._now, self._take = clock.now, inner.data_received
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
