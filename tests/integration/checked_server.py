"""A whole server apart from the simulator, sound or wrong in one thing, for checks of servers."""

import json
import threading
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from processes import TOKEN

from tests.hostile.peer import Wire, answer, token
from tests.rfc6455 import CLOSE, TEXT, close_frame, frame

CAPABILITIES = {
    "max_message_size_bytes": 131072,
    "max_reconnect_attempts": 10,
    "heartbeat_interval_seconds": 30,
}
NESTED = b"[" * 990 + b"]" * 990  # as deep as it may be read, and no text


class Talk:
    """One session: its journal, and the sockets that are open on it."""

    def __init__(self, token: str, streaming: bool) -> None:
        self.token, self.streaming = token, streaming
        self.journal: list[dict[str, Any]] = []
        self.wires: list[Wire] = []
        self.lock = threading.RLock()
        self.connected = 0  # how often
        self.over = False


class Server:
    """What it does besides being sound is its `way`, a word of the tests' tables."""

    def __init__(self, way: str = "") -> None:
        self.way = way
        self.tokens: set[str] = set()
        self.talks: dict[str, Talk] = {}
        self.scripts = {"token": self.grant, "session": self.create, "upgrade": self.connect}

    def grant(self, wire: Wire) -> None:
        if wire.header("X-Token") != TOKEN and self.way != "any connector":
            wire.send(answer(401, {"error": "Connector token does not exist"}))
            return
        self.tokens.add(new := "nonsense" if self.way == "no JWT" else token())
        wire.send(answer(200, {"access_token": new, "expires_in": 3600, "token_type": "Bearer"}))

    def create(self, wire: Wire) -> None:
        bearer = (wire.header("Authorization") or "").removeprefix("Bearer ")
        if self.way == "no sessions":
            wire.send(answer(500, {"error": "Failed to create session"}))
        elif bearer not in self.tokens and self.way != "any token":
            wire.send(answer(401, {"error": "Invalid access token"}))
        else:
            name = str(uuid.uuid4())
            self.talks[name] = Talk(bearer, json.loads(wire.body)["streaming_enabled"])
            self.note(self.talks[name], "SESSION_START", self.started(self.talks[name]))
            wire.send(answer(200, {"session_id": name}))

    def started(self, talk: Talk) -> dict[str, Any]:
        if self.way == "nothing announced":
            return {}
        streams = talk.streaming and self.way != "never streams"
        told = CAPABILITIES | {"streaming": streams}
        if self.way == "capabilities as texts":
            told |= {"heartbeat_interval_seconds": "30"}
        return {"capabilities": told}

    def connect(self, wire: Wire) -> None:
        query = parse_qs(urlsplit(wire.request.split(" ")[1]).query)
        talk = self.talks.get(query["session_id"][0])
        known = talk is not None and query["access_token"] == [talk.token]
        if not known and self.way != "any token upgrades":
            wire.send(answer(401, {"error": "authentication failed"}))
            return
        assert talk is not None
        if talk.over and self.way not in ("lives on", "shows an ended session"):
            wire.send(answer(404, {"error": "session not found"}))
            return
        talk.connected += 1
        second = talk.connected == 2 and not talk.streaming  # there the first one has gone
        if self.way == "one socket" and second:
            wire.send(answer(400, {"error": "invalid connection parameters"}))
            return
        if self.way == "socket limit" and second:
            wire.send(answer(429, {"error": "connection limit exceeded for session"}))
            return
        with talk.lock:
            if self.way == "replaces" and talk.wires:
                for old in talk.wires:
                    with suppress(OSError):
                        old.send(close_frame(4000))
            wire.upgrade(*self.history(talk, query.get("cursor", ["0"])[0]))
            talk.wires.append(wire)
        if talk.over and self.way == "shows an ended session":
            wire.send(close_frame(1000))
        try:
            self.serve(wire, talk)
        finally:
            with talk.lock, suppress(ValueError):
                talk.wires.remove(wire)

    def history(self, talk: Talk, cursor: str) -> list[bytes]:
        number = int(cursor.removeprefix("seq:"))
        if self.way == "cursor ignored" or (self.way == "bare cursor unread" and ":" not in cursor):
            number = 0
        events = [each for each in talk.journal if (each["sequence"] or 1) > number]
        if self.way == "replay without its first" and number:
            events = events[1:]
        if self.way == "history without a batch" and not (number or talk.streaming):
            return [frame(TEXT, json.dumps(each).encode()) for each in events]
        batch = {"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": events}}
        return [frame(TEXT, json.dumps(batch).encode())]

    def serve(self, wire: Wire, talk: Talk) -> None:
        while True:
            opcode, data = wire.read_frame()
            if opcode == CLOSE:
                if self.way == "a close ends it" and data[:2] == b"\x03\xe8":
                    talk.over = True  # before the client knows that it is closed
                back = close_frame(1000) if self.way == "another close back" else frame(CLOSE, data)
                wire.send(back)
                return
            if opcode == TEXT:
                self.take(wire, talk, json.loads(data))

    def take(self, wire: Wire, talk: Talk, event: dict[str, Any]) -> None:
        kind = event["type"].removeprefix("EVENT_TYPE_")
        if kind == "HEARTBEAT":
            if self.way != "heartbeats unanswered":
                wire.send(frame(TEXT, json.dumps(event).encode()))
        elif kind == "REQUEST_POLY_AGENT_JOIN":
            self.join(talk)
        elif kind == "USER_TYPING":
            if self.way == "typing echoed":
                self.note(talk, "USER_TYPING", event["payload"])
        elif kind == "USER_MESSAGE":
            self.message(talk, event)
        elif kind == "USER_END_SESSION":
            self.end(talk)
        elif self.way == "bad events unanswered":
            pass
        elif self.way == "closes at bad events":
            wire.send(close_frame(1008))
        elif self.way == "nested":
            self.system(talk, "NESTED")
        else:
            self.system(talk, "Unknown event type or invalid message format")

    def join(self, talk: Talk) -> None:
        way = "" if talk.streaming else self.way  # what never comes is waited for once
        if way != "join unechoed":
            self.note(talk, "REQUEST_POLY_AGENT_JOIN")
        if self.way == "high load":
            self.system(talk, "Our system is experiencing high load. Please try again in a moment.")
            return
        if way == "no agent":
            return
        self.note(talk, "POLY_AGENT_JOINED", {"agent_name": "Ada"})
        if way != "no greeting":
            self.says(talk, "Hello")
        if self.way == "greets twice":
            self.says(talk, "", response_suggestions=[{"message_text": "Yes"}])

    def message(self, talk: Talk, event: dict[str, Any]) -> None:
        payload = event["payload"] | {"message_id": str(uuid.uuid4())}
        if self.way == "another text back":
            payload["text"] = "?"
        self.note(
            talk,
            "USER_MESSAGE",
            payload,
            metadata={} if self.way == "no local_id" else event["metadata"],
        )
        if self.way == "many events":
            for _ in range(3000):
                self.note(talk, "LANGUAGE_CHANGED", {"language_code": "en"})
        if self.way == "receipts":
            self.note(talk, "USER_RECEIVED_MESSAGE", {"message_id": payload["message_id"]})
        if self.way == "an event without an id":
            self.send(talk, {"type": "EVENT_TYPE_LANGUAGE_CHANGED", "payload": {}})
        if self.way == "a type of its own":
            self.note(talk, "WEATHER_REPORT")
        if self.way == "agent error":
            self.system(talk, "Sorry, I encountered an error. Please try again.")
            return
        if self.way != "thinks in secret":
            self.send(talk, self.envelope("POLY_AGENT_THINKING", {}, None))
        if (talk.streaming and self.way != "never streams") or self.way == "always streams":
            self.chunks(talk)
        else:
            self.says(talk, "It is on its way.")
        if self.way == "follows up":
            self.says(talk, "One more thing.")
        if self.way == "ends by itself":
            self.over(talk, "REASON_NATURAL_END")
        if self.way == "closes after an answer":
            self.close(talk, 1000)

    def chunks(self, talk: Talk) -> None:
        name = str(uuid.uuid4())
        first = 0 if self.way == "chunks from 0" else 1
        for index, text in enumerate(("It is ", "on its way", "")):
            payload = {"message_id": name, "text": text, "chunk_index": index + first}
            payload["is_complete"] = not text
            self.note(talk, "POLY_AGENT_MESSAGE_CHUNK", payload)

    def end(self, talk: Talk) -> None:
        if self.way != "end unechoed":
            self.note(talk, "USER_END_SESSION")
        reasons = {"another reason": "REASON_BORED", "nested": "NESTED"}
        self.over(talk, reasons.get(self.way, "REASON_USER_END"))

    def over(self, talk: Talk, reason: str) -> None:
        self.note(talk, "SESSION_END", {"reason": reason})
        talk.over = True
        if self.way == "speaks after the end":
            self.says(talk, "Bye")
        if self.way == "surveys after the end":
            self.note(talk, "SHOW_CSAT_REQUEST")
        if self.way != "stays open" or talk.streaming:
            self.close(talk, 1011 if self.way == "another close code" else 1000)

    # --- what these say ---------------------------------------------------------------------------

    def says(self, talk: Talk, text: str, **fields: Any) -> None:
        payload = {"message_id": str(uuid.uuid4()), "text": text, **fields}
        self.note(talk, "POLY_AGENT_MESSAGE", payload)

    def system(self, talk: Talk, text: str) -> None:
        payload = {"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": text}
        self.send(talk, self.envelope("SYSTEM_MESSAGE", payload, None))

    def note(self, talk: Talk, kind: str, payload: Any = None, **fields: Any) -> None:
        with talk.lock:
            number = len(talk.journal) + 1
            if self.way == "numbers that stand still" and kind == "POLY_AGENT_MESSAGE":
                number -= 1
            talk.journal.append(self.envelope(kind, payload or {}, number, **fields))
            self.send(talk, talk.journal[-1])

    def envelope(
        self, kind: str, payload: Any, sequence: int | None, **fields: Any
    ) -> dict[str, Any]:
        return {
            "type": f"EVENT_TYPE_{kind}",
            "id": str(uuid.uuid4()),
            "sequence": None if self.way == "no numbers" else sequence,
            "timestamp": "2026-01-01T00:00:00Z",
            "payload": payload,
            **fields,
        }

    def close(self, talk: Talk, code: int) -> None:
        with talk.lock:
            for wire in talk.wires:
                with suppress(OSError):  # one that is gone keeps no other from its close
                    wire.send(close_frame(code))

    def send(self, talk: Talk, event: dict[str, Any]) -> None:
        with talk.lock:
            for wire in talk.wires:
                with suppress(OSError):
                    wire.send(frame(TEXT, json.dumps(event).encode().replace(b'"NESTED"', NESTED)))
