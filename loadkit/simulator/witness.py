"""Sees why a connection was lost, which aiohttp keeps to itself."""

import asyncio

__all__ = ["Witness"]


class Witness(asyncio.Protocol):
    """Stands before the protocol of an open connection and lets everything through.

    Args:
        transport: the connection.

    Attributes:
        error: the system's own word for the loss; None while there is none, and for a connection
            that ended in order.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner: asyncio.Protocol | None = inner
        self.error: Exception | None = None
        # The very methods of the inner one: what is read often costs no call more.
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]
        transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol.connection_lost`."""
        inner, self._inner = self._inner, None
        self.error = exc
        del self.data_received, self.eof_received, self.pause_writing, self.resume_writing
        if inner is not None:
            inner.connection_lost(exc)
