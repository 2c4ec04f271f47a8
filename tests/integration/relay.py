"""A network that fails on command: a TCP relay in front of a target, in a thread of its own."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from processes import free_port

_BLOCK = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
T = TypeVar("T")


class _Connection:
    """A client's connection and the one to the target behind it."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = list(writers)
        self.swallowed = False

    def reset(self) -> None:
        for writer in self.writers:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


class Relay:
    """Passes bytes on, unless it is told otherwise. Every method may be called from any thread.

    Attributes:
        url: where clients go in place of the target.
        reset: connections that were open when `cut` struck.
        answered: requests that it answered itself.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target = host, int(port)
        self._loop = asyncio.new_event_loop()
        self._open: set[_Connection] = set()
        self._answers: list[tuple[bytes, bytes]] = []  # start of a request, the whole answer
        self._pause = 0.0
        self._server: asyncio.Server | None = None
        # To which it comes back after it has refused: so none that a client may take meanwhile.
        self._address = "127.0.0.1", free_port()
        self.reset = self.answered = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._begin)
        self.accept()
        self.url = f"http://127.0.0.1:{self._address[1]}"

    def freeze(self) -> None:
        """Nothing passes in either direction, and nothing is lost."""
        self._call(lambda: _done(self._thawed.clear()))

    def thaw(self) -> None:
        """What was held up passes on."""
        self._call(lambda: _done(self._thawed.set()))

    def slow(self, seconds: float) -> None:
        """Hold each block of bytes for so long."""
        self._pause = seconds

    def cut(self) -> None:
        """Reset every connection."""

        async def cut() -> None:
            self.reset += len(self._open)
            for connection in list(self._open):
                connection.reset()

        self._call(cut)

    def swallow(self) -> None:
        """Half-open: those connections that are there stay so, and nothing passes on them."""

        async def swallow() -> None:
            for connection in self._open:
                connection.swallowed = True

        self._call(swallow)

    def refuse(self) -> None:
        """Nobody listens any more; what is open goes on."""

        async def refuse() -> None:
            assert self._server is not None
            self._server.close()
            self._server = None

        self._call(refuse)

    def accept(self) -> None:
        """Listen, again at the same port."""

        async def accept() -> None:
            self._server = await asyncio.start_server(self._serve, *self._address, backlog=512)

        self._call(accept)

    def answer(self, request: str, status: str, *headers: str) -> None:
        """Answer new connections in the target's place.

        Args:
            request: how the first request on them begins: `GET /ws`.
            status: such as `503 Service Unavailable`.
            headers: such as `Retry-After: 1`.
        """
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close"])
        self._answers.append((request.encode(), f"{head}\r\nContent-Length: 0\r\n\r\n".encode()))

    def pass_on(self) -> None:
        """Answer nothing any more."""
        self._answers.clear()

    def close(self) -> None:
        """Let go of everything."""

        async def close() -> None:
            if self._server is not None:
                self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._call(close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, what: Callable[[], Awaitable[T]]) -> T:
        async def call() -> T:
            return await what()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    async def _begin(self) -> None:
        self._thawed = asyncio.Event()
        self._thawed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._open.add(connection)
        try:
            await self._thawed.wait()
            first = await reader.read(_BLOCK)
            for request, answer in self._answers:
                if first.startswith(request):
                    self.answered += 1
                    writer.write(answer)
                    return
            there, to_target = await asyncio.open_connection(*self._target)
            connection.writers.append(to_target)
            to_target.write(first)
            await asyncio.gather(
                self._pump(connection, reader, to_target), self._pump(connection, there, writer)
            )
        except OSError:
            connection.reset()
        finally:
            self._open.discard(connection)
            for each in connection.writers:
                with contextlib.suppress(OSError):
                    each.close()

    async def _pump(
        self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(_BLOCK):
            await self._thawed.wait()
            if self._pause:
                await asyncio.sleep(self._pause)
            if not connection.swallowed:
                sink.write(data)
                await sink.drain()
        await self._thawed.wait()
        if sink.can_write_eof() and not sink.is_closing():
            sink.write_eof()


async def _done(_: Any) -> None:
    """What was to be done in the loop's thread is done."""


@contextlib.contextmanager
def relay(target: str) -> Iterator[Relay]:
    """A relay that is gone when the block is over."""
    running = Relay(target)
    try:
        yield running
    finally:
        running.close()
