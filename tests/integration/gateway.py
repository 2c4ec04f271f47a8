"""A company's network around a target: a proxy to pass, and a gateway that asks who comes."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trustme

_BLOCK = 65536


class Papers(NamedTuple):
    """Files of certificates.

    Attributes:
        ca: who signs them all.
        client: a client certificate with its key.
        client_cert, client_key: the same in two files.
    """

    ca: Path
    client: Path
    client_cert: Path
    client_key: Path


class Gateway:
    """Both, in a thread of their own. The proxy knows every name, and leads to the gateway.

    Attributes:
        papers: what a client may need.
        port: of the gateway, which speaks TLS for `shop.test` and wants a client certificate.
        proxy_port: of the proxy.
        refusal: what the proxy answers to CONNECT; None opens the tunnel.
        tunnels: heads of the requests that the proxy had.
        heads: of the first request on each connection that the gateway passed on.
    """

    def __init__(self, target: str, folder: Path) -> None:
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target = host, int(port)
        authority = trustme.CA()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("shop.test").configure_cert(self._tls)
        authority.configure_trust(self._tls)
        self._tls.verify_mode = ssl.CERT_REQUIRED
        names = ("ca.pem", "client.pem", "client.crt", "client.key")
        self.papers = Papers(*(folder / name for name in names))
        authority.cert_pem.write_to_path(self.papers.ca)
        client = authority.issue_cert("tester@shop.test")
        client.private_key_and_cert_chain_pem.write_to_path(self.papers.client)
        client.cert_chain_pems[0].write_to_path(self.papers.client_cert)
        client.private_key_pem.write_to_path(self.papers.client_key)
        self.refusal: bytes | None = None
        self.tunnels: list[str] = []
        self.heads: list[str] = []
        self._pumping: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._begin())

    async def _begin(self) -> None:
        gate = await asyncio.start_server(self._gate, "127.0.0.1", 0, ssl=self._tls)
        proxy = await asyncio.start_server(self._proxy, "127.0.0.1", 0)
        self._servers = gate, proxy
        self.port, self.proxy_port = (each.sockets[0].getsockname()[1] for each in (gate, proxy))

    async def _proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.tunnels.append(head)
            if self.refusal is not None:
                writer.write(self.refusal)
                return
            port = int(head.split(" ")[1].rpartition(":")[2])
            there, onward = await asyncio.open_connection("127.0.0.1", port)
            async with _closing(onward):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._join(_pump(reader, onward), _pump(there, writer))

    async def _gate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            there, onward = await asyncio.open_connection(*self._target)
            async with _closing(onward):
                onward.write(head)
                await self._join(_pump(reader, onward), _pump(there, writer))

    async def _join(self, *pumps: Coroutine[Any, Any, None]) -> None:
        """Pass on until one side is through: what is done then with one, both have heard."""
        tasks = {self._loop.create_task(pump) for pump in pumps}
        self._pumping |= tasks  # the loop itself would let them be collected
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._pumping -= tasks

    def _call(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # some begin meanwhile
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Let go of everything."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    except (OSError, asyncio.IncompleteReadError):
        pass  # whoever came has gone
    finally:
        with contextlib.suppress(OSError):
            writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_BLOCK):
        sink.write(data)
        await sink.drain()


@contextlib.contextmanager
def gateway(target: str, folder: Path) -> Iterator[Gateway]:
    """One that is gone when the block is over."""
    running = Gateway(target, folder)
    try:
        yield running
    finally:
        running.close()
