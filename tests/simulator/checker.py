"""A checking client: it counts everything that a server can get wrong, each under a name.

Written from the protocol and from nothing of the simulator's, so that a fault which does more than
its name says is found out.
"""

from collections import Counter
from typing import Any

from .doubles import Ear

TOLERATED = {"LANGUAGE_CHANGED", "SESSION_IDLE_WARNING", "USER_RECEIVED_MESSAGE"}
KNOWN = TOLERATED | {
    "SESSION_START",
    "SESSION_END",
    "REQUEST_POLY_AGENT_JOIN",
    "USER_MESSAGE",
    "USER_END_SESSION",
    "HEARTBEAT",
    "POLY_AGENT_JOINED",
    "POLY_AGENT_THINKING",
    "POLY_AGENT_MESSAGE",
    "POLY_AGENT_MESSAGE_CHUNK",
    "POLY_AGENT_LEFT",
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "HANDOFF_ACCEPTED",
    "HANDOFF_QUEUE_STATUS",
    "LIVE_AGENT_JOINED",
    "LIVE_AGENT_TYPING",
    "LIVE_AGENT_MESSAGE",
    "LIVE_AGENT_LEFT",
    "SYSTEM_MESSAGE",
}


class Checker:
    """Reads what one session's sockets heard, one after the other.

    Attributes:
        flaws: what was wrong, counted.
        answers: messages of the agent's that were complete, the greeting included.
        tolerated: events that mean nothing, counted by type.
    """

    def __init__(self, *, streaming: bool = False) -> None:
        self.flaws: Counter[str] = Counter()
        self.tolerated: Counter[str] = Counter()
        self.answers = 0
        self._streaming = streaming
        self._ear: Ear | None = None
        self._read = 0
        self._said: list[str] = []  # sent, without an echo so far
        self._ids: set[str] = set()
        self._messages: set[str] = set()
        self._sequences: set[int] = set()
        self._chunks: dict[str, dict[int, str]] = {}
        self._complete: set[str] = set()
        self._place: int | None = None
        self._owed = 0
        self._beats = 0
        self._joined = False
        self._states: set[str] = set()
        self.cursor = 0

    def asks(self, text: str | None = None) -> None:
        """The client sends its join, or a message."""
        self._owed += 1
        if text is not None:
            self._said.append(text)

    def beats(self) -> None:
        """The client sends a heartbeat."""
        self._beats += 1

    def listen(self, ear: Ear, *, resumed_at: int | None = None) -> None:
        """Take in what a socket heard since it was listened to last.

        Args:
            resumed_at: the cursor it was opened with.
        """
        if ear is not self._ear:
            self._ear, self._read = ear, 0
        for frame in ear.frames[self._read :]:
            batch = frame["type"] == "EVENT_TYPE_EVENT_BATCH"
            for event in frame["payload"]["events"] if batch else [frame]:
                self._hear(event, resumed_at if batch else None)
        self._read = len(ear.frames)
        self.flaws["malformed_json"] += ear.noise.pop("text", 0)
        self.flaws["binary_frame"] += ear.noise.pop("binary", 0)

    def closed(self, code: int | None) -> None:
        """The server closed the socket."""
        self.flaws["wrong_close_code"] += code != 1000

    def sum_up(self) -> dict[str, int]:
        """All flaws, with what never came."""
        self.flaws["missing_answer"] += max(self._owed, 0)
        self.flaws["missing_echo"] += len(self._said)
        self.flaws["heartbeat_not_echoed"] += self._beats
        return {name: count for name, count in self.flaws.items() if count}

    def _hear(self, event: dict[str, Any], replayed_from: int | None) -> None:
        kind = event["type"].removeprefix("EVENT_TYPE_")
        if "id" not in event:
            self.flaws["malformed_envelope"] += 1
            return
        sequence = event["sequence"]
        if replayed_from is not None and sequence is not None and sequence <= replayed_from:
            self.flaws["replay_before_cursor"] += 1
            return
        if event["id"] in self._ids:
            self.flaws["duplicate_event"] += 1
            return
        self._ids.add(event["id"])
        if sequence is not None:
            if sequence in self._sequences:
                self.flaws["sequence_not_rising"] += 1
            elif sequence < self.cursor:
                self.flaws["reordered_event"] += 1
                self.flaws["sequence_gap"] -= 1  # which it fills
            elif sequence > self.cursor + 1:
                lost = replayed_from is not None
                self.flaws["event_lost_on_resume" if lost else "sequence_gap"] += 1
            self._sequences.add(sequence)
            self.cursor = max(self.cursor, sequence)
        if kind not in KNOWN:
            self.flaws["unknown_type"] += 1
        elif kind in TOLERATED:
            self.tolerated[kind] += 1
        else:
            self._take(kind, event["payload"])

    def _take(self, kind: str, payload: dict[str, Any]) -> None:
        if "SESSION_END" in self._states:
            self.flaws["event_after_end"] += 1
        elif kind != "SESSION_START" and "SESSION_START" not in self._states:
            self.flaws["event_before_start"] += 1
        self._states.add(kind)
        match kind:
            case "POLY_AGENT_JOINED":
                self.flaws["second_greeting"] += self._joined
                self._owed += self._joined  # the greeting that it brings
                self._joined = True
            case "USER_MESSAGE":
                self._echo(payload["text"])
            case "HEARTBEAT":
                self._beats -= 1
            case "POLY_AGENT_MESSAGE":
                self._message(payload)
            case "POLY_AGENT_MESSAGE_CHUNK":
                self._chunk(payload)
            case "SYSTEM_MESSAGE":
                text = payload["message"]
                name = "conversation_not_found" if "not found" in text else "high_load"
                self.flaws[name] += 1
                self._joined &= name != "conversation_not_found"
                self._owed -= 1
            case "HANDOFF_ACCEPTED" if "LIVE_AGENT_JOINED" in self._states:
                self.flaws["handoff_out_of_order"] += 1
            case "HANDOFF_QUEUE_STATUS":
                place = payload["position_in_queue"]
                if self._place is not None and place > self._place:
                    self.flaws["handoff_out_of_order"] += 1
                self._place = place
            case "LIVE_AGENT_MESSAGE" | "POLY_AGENT_TRIGGERED_HANDOFF":
                self._owed -= 1

    def _echo(self, text: str) -> None:
        if text in self._said:
            self._said.remove(text)
        elif self._said:
            self._said.pop(0)
            self.flaws["altered_echo"] += 1

    def _message(self, payload: dict[str, Any]) -> None:
        name = payload["message_id"]
        if self._streaming and name in self._complete:
            self.flaws["whole_beside_chunks"] += 1
        else:
            self._answered(name)

    def _chunk(self, payload: dict[str, Any]) -> None:
        name, index = payload["message_id"], payload["chunk_index"]
        if not self._streaming:
            self.flaws["unasked_streaming"] += 1
        if name in self._complete and index != 1:
            self.flaws["chunk_after_complete"] += 1
            return
        if index == 1 and name in self._complete:
            del self._chunks[name]  # a new stream under an old name
            self._complete.remove(name)
        heard = self._chunks.setdefault(name, {})
        if index in heard:
            self.flaws["repeated_chunk_index"] += 1
        elif index != len(heard) + 1 and index - 1 not in heard:
            self.flaws["wrong_chunk_index"] += 1
        heard[index] = payload["text"]
        if payload["is_complete"]:
            self._complete.add(name)
            self._answered(name)

    def _answered(self, name: str) -> None:
        if "POLY_AGENT_LEFT" in self._states:
            self.flaws["bot_after_left"] += 1
        elif self._owed > 0:
            self._owed -= 1
            self.answers += 1
        else:
            self.flaws["unprompted_message"] += 1
        if name in self._messages:
            self.flaws["message_id_reused"] += 1
        self._messages.add(name)
