"""A simulator to talk to, and a client that shares no code with it or with this tool's own."""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import uvloop
from websockets.sync.client import ClientConnection, connect

from loadkit.simulator import ConnectorCredentials, Simulator, load_dials

TOKEN, HOST = "a-connector-token", "shop.example"
CREDENTIALS = ConnectorCredentials(TOKEN, HOST)
ASKING = {"X-Token": TOKEN, "X-Host": HOST}  # the headers that a token is asked for with
ACCESS, SESSIONS = "/api/v1/access-token", "/api/v1/sessions"
QUICK = (
    "agent.join=10ms",
    "agent.greeting=20ms",
    "agent.thinking=5ms",
    "agent.first_response=20ms",
    "agent.gap=5ms",
)
PATIENCE = 10.0  # seconds before a test gives up; nothing waits for it to pass


def records_of(truth: Path, kind: str) -> list[dict[str, Any]]:
    """The records of a kind in a truth log; all are there once the server has stopped."""
    records = (json.loads(line) for line in truth.read_text().splitlines())
    return [record for record in records if record["kind"] == kind]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """Speaks to one server as a program of someone else's would."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 0))

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, json.loads(response.read()))

    def token(self) -> str:
        headers = {**ASKING, "Content-Type": "application/json"}
        return str(self.request("POST", ACCESS, headers, "{}").body["access_token"])

    def session(self, token: str, *, streaming: bool = False) -> str:
        body = json.dumps({"streaming_enabled": streaming, "platform": "web"})
        headers = {"Authorization": f"Bearer {token}"}
        return str(self.request("POST", SESSIONS, headers, body).body["session_id"])

    def place(self, *, streaming: bool = False) -> tuple[str, str]:
        """The session_id and the access token of a new session."""
        token = self.token()
        return self.session(token, streaming=streaming), token

    def connect(
        self, place: tuple[str, str], cursor: str | None = None, **options: Any
    ) -> contextlib.AbstractContextManager[ClientConnection]:
        query = {"session_id": place[0], "access_token": place[1]}
        if cursor is not None:
            query["cursor"] = cursor
        url = f"ws://{self.address[0]}:{self.address[1]}/ws?{urlencode(query)}"
        options = {"compression": None, "proxy": None, "ping_interval": None, **options}
        return connect(url, open_timeout=PATIENCE, close_timeout=PATIENCE, **options)


@contextlib.contextmanager
def simulators(
    *settings: str, truths: Sequence[Path | None], knows: ConnectorCredentials = CREDENTIALS
) -> Iterator[list[Client]]:
    """Servers that are alike, each on a port of its own, all in one thread of this process."""
    dials = load_dials(None, [*QUICK, *settings])
    ready, urls = threading.Event(), list[str]()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        try:
            async with contextlib.AsyncExitStack() as stack:
                for truth in truths:
                    server = Simulator(dials, truth=truth, credentials=knows)
                    await stack.enter_async_context(server)
                    urls.append(server.url)
                ready.set()
                await stopped.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: uvloop.run(run()))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield [Client(url) for url in urls]
    finally:
        stop[0]()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextlib.contextmanager
def simulator(
    *settings: str, truth: Path | None = None, knows: ConnectorCredentials = CREDENTIALS
) -> Iterator[Client]:
    """One of them."""
    with simulators(*settings, truths=[truth], knows=knows) as (client,):
        yield client


@contextlib.contextmanager
def process(
    *settings: str, truth: Path | None = None, port: int = 0, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and the line it printed."""
    program = (
        "import sys; from pathlib import Path; from loadkit.simulator import load_dials, serve;"
        "truth = Path(sys.argv[2]) if sys.argv[2] else None;"
        "serve(load_dials(None, sys.argv[3:]), port=int(sys.argv[1]), truth=truth)"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(port), str(truth or "")]
    credentials = {"POLY_CONNECTOR_TOKEN": TOKEN, "POLY_HOST_IDENTIFIER": HOST}
    server = subprocess.Popen(
        [*command, *QUICK, *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **credentials, **environ},
    )
    with server:
        assert server.stdout is not None
        try:
            yield server, server.stdout.readline()
        finally:
            if server.poll() is None:
                server.kill()


def event(kind: str, payload: Any = None, **custom: str) -> str:
    message: dict[str, Any] = {"type": f"EVENT_TYPE_{kind}", "payload": payload or {}}
    if custom:
        message["metadata"] = {"custom": custom}
    return json.dumps(message)


def says(text: str, **custom: str) -> str:
    return event("USER_MESSAGE", {"text": text}, **custom)


JOIN, HEARTBEAT, END = (
    event("REQUEST_POLY_AGENT_JOIN"),
    event("HEARTBEAT"),
    event("USER_END_SESSION"),
)


def receive(link: ClientConnection) -> dict[str, Any]:
    """The next frame as it is."""
    frame = link.recv(timeout=PATIENCE)
    assert isinstance(frame, str), "a binary frame"
    message: dict[str, Any] = json.loads(frame)
    return message


def events_until(link: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """Events, batches flattened, up to and with the first of a type."""
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["type"] != f"EVENT_TYPE_{kind}":
        message = receive(link)
        batch = message["type"] == "EVENT_TYPE_EVENT_BATCH"
        heard += message["payload"]["events"] if batch else [message]
    return heard


def types(events: Sequence[dict[str, Any]]) -> list[str]:
    return [each["type"].removeprefix("EVENT_TYPE_") for each in events]


class RawSocket:
    """A WebSocket client of bare bytes, for what well-behaved libraries will not do."""

    def __init__(self, client: Client, place: tuple[str, str], **headers: str) -> None:
        self.socket = socket.create_connection(client.address, timeout=PATIENCE)
        # Form-encoded, the token first, as the vendor's SDK writes it.
        query = urlencode({"access_token": place[1], "session_id": place[0]})
        lines = {
            "Host": "simulator",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        }
        text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        self.socket.sendall(f"GET /ws?{query} HTTP/1.1\r\n{text}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = dict[str, str]()
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, payload: bytes, *, opcode: int = 1, fin: bool = True) -> None:
        size = len(payload)
        first = opcode | (0x80 if fin else 0)
        if size < 126:
            header = struct.pack("!BB", first, 0x80 | size)
        elif size < 65536:
            header = struct.pack("!BBH", first, 0xFE, size)
        else:
            header = struct.pack("!BBQ", first, 0xFF, size)
        self.socket.sendall(header + bytes(4) + payload)

    def send_close(self, code: int | None) -> None:
        self.send(b"" if code is None else struct.pack("!H", code), opcode=8)

    def receive(self) -> tuple[int, bytes]:
        """The opcode and payload of the next frame; opcode -1 at the end of the stream."""
        header = self.file.read(2)
        if len(header) < 2:
            return -1, b""
        size = header[1]
        if size == 126:
            size = struct.unpack("!H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.file.read(8))[0]
        return header[0] & 15, self.file.read(size)

    def until_close(self) -> tuple[list[dict[str, Any]], int | None]:
        """Events, batches flattened, up to the server's close frame, and its code."""
        heard: list[dict[str, Any]] = []
        while True:
            opcode, payload = self.receive()
            if opcode == 8:
                return heard, struct.unpack("!H", payload[:2])[0] if payload else None
            assert opcode == 1, "the stream ended without a close frame"
            message = json.loads(payload)
            batch = message["type"] == "EVENT_TYPE_EVENT_BATCH"
            heard += message["payload"]["events"] if batch else [message]

    def at_end(self) -> bool:
        """Whether the server has hung up."""
        return self.receive()[0] == -1
