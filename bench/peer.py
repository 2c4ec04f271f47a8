"""The same exchange as a plain Locust user would do it, with the websocket-client library.

It has its advantages: one task that loops, so that Locust's own scheduling costs nothing, one
figure recorded an exchange, and no check of what came. The library's default is to check each
message's UTF-8 in Python, byte by byte; `UncheckedChat` turns that off.
"""

from locust import User, task  # first: it replaces what the others would have taken hold of

# isort: split
import json
import os
import uuid
from time import perf_counter
from typing import Any, ClassVar
from urllib.parse import urlencode

import requests
import websocket

from bench import TEXT


class PlainChat(User):
    """Joins one session and keeps talking, with the library's defaults."""

    unchecked: ClassVar[bool] = False

    @task
    def chat(self) -> None:
        """Token, session, socket, join, and then one exchange after the other."""
        sock = self._open()
        self._await(sock, "EVENT_TYPE_EVENT_BATCH")
        self._send(sock, "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", {})
        self._await(sock, "EVENT_TYPE_POLY_AGENT_MESSAGE")
        while True:
            began = perf_counter()
            custom = {"custom": {"local_id": str(uuid.uuid4())}}
            self._send(sock, "EVENT_TYPE_USER_MESSAGE", {"text": TEXT}, metadata=custom)
            self._await(sock, "EVENT_TYPE_POLY_AGENT_MESSAGE")
            self.environment.events.request.fire(
                request_type="chat",
                name="response",
                response_time=(perf_counter() - began) * 1000,
                response_length=0,
                exception=None,
                context={},
            )

    def _open(self) -> websocket.WebSocket:
        host = str(self.environment.host)
        api = f"{host}/api/v1"
        identity = {
            "X-Token": os.environ["POLY_CONNECTOR_TOKEN"],
            "X-Host": os.environ["POLY_HOST_IDENTIFIER"],
        }
        with requests.Session() as http:
            answer = http.post(f"{api}/access-token", json={}, headers=identity, timeout=30)
            token = answer.json()["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            wishes: dict[str, Any] = {"streaming_enabled": False, "platform": "web"}
            answer = http.post(f"{api}/sessions", json=wishes, headers=bearer, timeout=30)
            query = urlencode({"access_token": token, "session_id": answer.json()["session_id"]})
        url = f"{host.replace('http', 'ws', 1)}/ws?{query}"
        return websocket.create_connection(url, skip_utf8_validation=self.unchecked)

    def _send(self, sock: Any, kind: str, payload: dict[str, str], **more: Any) -> None:
        sock.send(json.dumps({"type": kind, "payload": payload, **more}))

    def _await(self, sock: Any, kind: str) -> None:
        while json.loads(sock.recv())["type"] != kind:
            pass


class UncheckedChat(PlainChat):
    """The same without the check of UTF-8, which loadkit does make."""

    unchecked = True
