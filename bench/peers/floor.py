"""The floor: a bare picows client on asyncio that sends the script, parses what comes and counts.

It checks nothing, keeps no event, and has one figure: how long each response took. What a tool
costs above it is what that tool does for its user. Settings come from the environment, see
`bench/script.py`; runs with the packages of `make bench-peers`.
"""

import asyncio
import json
import os
import time
from urllib.parse import urlsplit

import orjson
import uvloop
from picows import WSListener, ws_connect

ENV = os.environ
TARGET, TEXT = ENV["TARGET"], ENV["TEXT"]
USERS, TURNS, KEYS = int(ENV["USERS"]), int(ENV["TURNS"]), int(ENV["KEYS"])
START, RAMP = float(ENV["START"]), float(ENV["RAMP"])
THINK, KEY_S, SPREAD = (float(ENV[name]) for name in ("THINK", "KEY_S", "SPREAD"))
BEGIN, END, QUIET = (float(ENV[name]) for name in ("BEGIN", "END", "QUIET"))
STREAMING = ENV["STREAMING"] == "1"
HOST, PORT = urlsplit(TARGET).hostname, urlsplit(TARGET).port
WAITS: list[float] = []
PHI = 0.618034  # a multiple's fraction is spread evenly, however many there are


def frame(kind: str, payload: object, **more: object) -> bytes:
    """What goes out as one text frame."""
    return orjson.dumps({"type": f"EVENT_TYPE_{kind}", "payload": payload, **more})


JOIN, BYE, BEAT = (
    frame(kind, {}) for kind in ("REQUEST_POLY_AGENT_JOIN", "USER_END_SESSION", "HEARTBEAT")
)
STARTED, STOPPED = (
    frame("USER_TYPING", {"state": f"TYPING_STATE_{state}"}) for state in ("STARTED", "STOPPED")
)


class Chat(WSListener):
    """One session."""

    def __init__(self, number: int, over: asyncio.Future[None]) -> None:
        self.number, self.over = number, over
        self.said, self.sent, self.measured = 0, 0.0, False
        self.loop = asyncio.get_running_loop()
        self.beating: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        self.transport.send(1, data)

    def on_ws_connected(self, transport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport) -> None:
        if self.beating is not None:
            self.beating.cancel()
        if not self.over.done():
            self.over.set_result(None)

    def on_ws_frame(self, transport, frame) -> None:
        now = time.perf_counter()
        event = orjson.loads(frame.get_payload_as_memoryview()) if frame.msg_type == 1 else {}
        kind = event.get("type")
        if kind == "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK":
            if event["payload"]["is_complete"]:
                self.answered(now)
        elif kind == "EVENT_TYPE_POLY_AGENT_MESSAGE":
            self.answered(now)
        elif kind == "EVENT_TYPE_EVENT_BATCH":
            for one in event["payload"]["events"]:
                if one["type"] == "EVENT_TYPE_SESSION_START":
                    self.send(JOIN)
                    self.interval = one["payload"]["capabilities"]["heartbeat_interval_seconds"]
                    if self.interval:
                        self.beating = self.loop.call_later(self.interval, self.beat)
        elif kind == "EVENT_TYPE_SESSION_END":
            transport.disconnect()

    def answered(self, now: float) -> None:
        if self.said and self.measured:
            WAITS.append(now - self.sent)
        if TURNS and self.said == TURNS:
            self.send(BYE)
            return
        if not self.said and SPREAD:
            left = self.number * PHI % 1 * SPREAD  # until the message
            keys = min(KEYS, int(left / KEY_S))
            self.loop.call_later(left - keys * KEY_S, self.type, KEYS - keys)
        elif THINK:
            self.loop.call_later(THINK, self.type, 0)
        else:
            self.type(0)

    def type(self, key: int) -> None:
        if time.time() >= END:
            return
        while key < KEYS:
            self.send(STARTED)
            key += 1
            if KEY_S:
                self.loop.call_later(KEY_S, self.type, key)
                return
        if KEYS:
            self.send(STOPPED)
        self.said += 1
        self.measured = time.time() >= BEGIN
        name = f"{'measured' if self.measured else 'before'}-{self.number}-{self.said}"
        data = frame("USER_MESSAGE", {"text": TEXT}, metadata={"custom": {"local_id": name}})
        self.sent = time.perf_counter()
        self.send(data)

    def beat(self) -> None:
        self.send(BEAT)
        self.beating = self.loop.call_later(self.interval, self.beat)


async def post(reader, writer, path: str, body: bytes, headers: str) -> dict:
    """One REST call on a connection that stays open."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += f"{headers}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return orjson.loads(await reader.readexactly(length))


async def live(number: int) -> None:
    """A user: one session after the other."""
    await asyncio.sleep(max(0.0, START + number / USERS * RAMP - time.time()))
    while time.time() < END:
        reader, writer = await asyncio.open_connection(HOST, PORT)
        identity = (
            f"X-Token: {ENV['POLY_CONNECTOR_TOKEN']}\r\nX-Host: {ENV['POLY_HOST_IDENTIFIER']}"
        )
        token = (await post(reader, writer, "/api/v1/access-token", b"{}", identity))[
            "access_token"
        ]
        wishes = json.dumps({"streaming_enabled": STREAMING, "platform": "web"}).encode()
        bearer = f"Authorization: Bearer {token}"
        session = (await post(reader, writer, "/api/v1/sessions", wishes, bearer))["session_id"]
        writer.close()
        over = asyncio.get_running_loop().create_future()
        url = f"{TARGET.replace('http', 'ws', 1)}/ws?session_id={session}&access_token={token}"
        await ws_connect(lambda o=over: Chat(number, o), url)
        await over


async def main() -> None:
    """All users, up to the end."""
    users = [asyncio.create_task(live(number)) for number in range(USERS)]
    await asyncio.sleep(max(0.0, END + QUIET - time.time()))
    for user in users:
        user.cancel()
    with open(ENV["SUMMARY"], "w", encoding="utf-8") as file:
        json.dump([wait * 1000 for wait in WAITS], file)
    os._exit(0)


uvloop.run(main())
