"""The script as a plain Locust user writes it, with the websocket-client library.

Its check of each message's UTF-8 in Python, byte by byte, is off, and JSON is read and written by
orjson: what a skilled user would do. Settings come from the environment, see `bench/script.py`.
"""

from locust import FastHttpUser, constant, events, task  # first: it replaces what others hold

# isort: split
import json
import os
import time
from typing import Any
from urllib.parse import urlencode

import gevent
import orjson
import websocket

ENV = os.environ
TEXT = ENV["TEXT"]
USERS, TURNS, KEYS = int(ENV["USERS"]), int(ENV["TURNS"]), int(ENV["KEYS"])
START, RAMP = float(ENV["START"]), float(ENV["RAMP"])
THINK, KEY_S, SPREAD = (float(ENV[name]) for name in ("THINK", "KEY_S", "SPREAD"))
BEGIN, END, QUIET = (float(ENV[name]) for name in ("BEGIN", "END", "QUIET"))
WISHES = {"streaming_enabled": ENV["STREAMING"] == "1", "platform": "web"}
WAITS: list[float] = []
PHI = 0.618034  # a multiple's fraction is spread evenly, however many there are


def frame(kind: str, payload: dict[str, str], **more: Any) -> str:
    """What goes out as one text frame."""
    return orjson.dumps({"type": f"EVENT_TYPE_{kind}", "payload": payload, **more}).decode()


JOIN, BYE, BEAT = (
    frame(kind, {}) for kind in ("REQUEST_POLY_AGENT_JOIN", "USER_END_SESSION", "HEARTBEAT")
)
STARTED, STOPPED = (
    frame("USER_TYPING", {"state": f"TYPING_STATE_{state}"}) for state in ("STARTED", "STOPPED")
)


class PlainChat(FastHttpUser):
    """One session after the other."""

    wait_time = constant(0)
    numbers = 0

    def on_start(self) -> None:
        """Come in one's own time: Locust starts users in bursts of a second."""
        self.number = PlainChat.numbers
        PlainChat.numbers += 1
        gevent.sleep(max(0.0, START + self.number / USERS * RAMP - time.time()))

    @task
    def chat(self) -> None:
        """Token, session, socket, join, greeting, and then turns."""
        if time.time() >= END:
            gevent.sleep(QUIET)
            return
        sock = self.open()
        beating = None
        for event in self.hear(sock, "EVENT_BATCH")["payload"]["events"]:
            if event["type"] == "EVENT_TYPE_SESSION_START":
                interval = event["payload"]["capabilities"]["heartbeat_interval_seconds"]
                sock.send(JOIN)
                if interval:
                    beating = gevent.spawn(self.beat, sock, interval)
        self.answered(sock)
        said = 0
        while time.time() < END and (not TURNS or said < TURNS):
            wait, keys = THINK, KEYS
            if not said and SPREAD:
                wait = self.number * PHI % 1 * SPREAD  # until the message
                keys = min(KEYS, int(wait / KEY_S))
                wait -= keys * KEY_S
            gevent.sleep(wait)
            for _ in range(keys):
                if time.time() >= END:
                    break
                sock.send(STARTED)
                gevent.sleep(KEY_S)
            if time.time() >= END:
                break
            if KEYS:
                sock.send(STOPPED)
            said += 1
            measured = time.time() >= BEGIN
            name = f"{'measured' if measured else 'before'}-{self.number}-{said}"
            began = time.perf_counter()
            sock.send(
                frame("USER_MESSAGE", {"text": TEXT}, metadata={"custom": {"local_id": name}})
            )
            self.answered(sock)
            waited = (time.perf_counter() - began) * 1000
            if measured:
                WAITS.append(waited)
            self.environment.events.request.fire(
                request_type="chat",
                name="response",
                response_time=waited,
                response_length=0,
                exception=None,
                context={},
            )
        if TURNS and said == TURNS:
            sock.send(BYE)
            self.hear(sock, "SESSION_END")
        elif time.time() >= END:
            gevent.sleep(QUIET)
        if beating is not None:
            beating.kill()
        sock.close()

    def beat(self, sock: websocket.WebSocket, interval: float) -> None:
        """Say that one is still there, up to the end."""
        while True:
            gevent.sleep(interval)
            sock.send(BEAT)

    def open(self) -> websocket.WebSocket:
        """Ask for a token and a session, and open its socket."""
        identity = {"X-Token": ENV["POLY_CONNECTOR_TOKEN"], "X-Host": ENV["POLY_HOST_IDENTIFIER"]}
        answer = self.client.post("/api/v1/access-token", json={}, headers=identity)
        token = answer.json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        answer = self.client.post("/api/v1/sessions", json=WISHES, headers=bearer)
        query = urlencode({"access_token": token, "session_id": answer.json()["session_id"]})
        url = f"{str(self.environment.host).replace('http', 'ws', 1)}/ws?{query}"
        return websocket.create_connection(url, skip_utf8_validation=True)

    def hear(self, sock: websocket.WebSocket, kind: str) -> Any:
        """Read up to an event of a kind."""
        while True:
            event = orjson.loads(sock.recv())
            if event["type"] == f"EVENT_TYPE_{kind}":
                return event

    def answered(self, sock: websocket.WebSocket) -> None:
        """Read up to the end of an answer, streamed or not."""
        while True:
            event = orjson.loads(sock.recv())
            kind = event["type"]
            if kind == "EVENT_TYPE_POLY_AGENT_MESSAGE" or (
                kind == "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK" and event["payload"]["is_complete"]
            ):
                return


def write(**_: Any) -> None:
    """Leave the waits for the bench (a listener of `init`)."""
    gevent.sleep(max(0.0, END + QUIET - time.time()))
    with open(ENV["SUMMARY"], "w", encoding="utf-8") as file:
        json.dump(WAITS, file)
    os._exit(0)


events.init.add_listener(lambda **_: gevent.spawn(write))
