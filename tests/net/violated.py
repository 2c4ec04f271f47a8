"""Sessions that meet each kind of violation, and the frames that are to show it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from loadkit.chat.effects import Effect, Keep, Send, Violation
from loadkit.chat.inputs import ELAPSED, FORCED, START, Closed, Opened, Say
from loadkit.chat.personas import Policy
from loadkit.chat.session import Session
from loadkit.figures import NOWHERE
from loadkit.measure.recorder import Recorder
from loadkit.net.transcript import Frames
from loadkit.protocol import Flaw, FlawKind, decode
from loadkit.verdict.violation_details import smallest

Step = Any  # a frame, a flaw, an input, or the text that the person says
SYSTEM, JOIN = "SYSTEM_MESSAGE", "REQUEST_POLY_AGENT_JOIN"


class Visit:
    """A session that is fed frames as its driver feeds it, a second apart."""

    def __init__(self, *, streaming: bool = True) -> None:
        self.session = Session(Policy(), Random(1), streaming=streaming)
        self.frames, self.recorder = Frames(), Recorder()
        self.now, self.local_id = 0.0, ""
        self.effects: list[Effect] = []

    def do(self, *steps: Step) -> "Visit":
        for step in steps:
            self.now += 1.0
            if isinstance(step, str):
                self._feed(Say(step, self.now))
            elif callable(step):
                self.do(step(self))
            elif isinstance(step, bytes | Flaw):
                self.frames.came(self.now, step)
                for event in [step] if isinstance(step, Flaw) else decode(step):
                    self._feed(event)
                    self.frames.had(event)
                self.frames.read()
            else:
                if isinstance(step, Closed):
                    self.frames.closed(self.now, step.code)
                if step is ELAPSED:
                    self.now = max(self.now, self.session.deadline)
                self._feed(step)
        return self

    def _feed(self, happening: Any) -> None:
        for effect in self.session.step(self.now, happening):
            self.effects.append(effect)
            if isinstance(effect, Send):
                self.frames.sent(self.now, effect.frame)
                sent = json.loads(effect.frame)
                if "metadata" in sent:
                    self.local_id = sent["metadata"]["custom"]["local_id"]
            elif isinstance(effect, Violation):
                self.frames.violated(self.recorder, effect, NOWHERE, happening)
            elif isinstance(effect, Keep):
                self.frames.keep()

    def shown(self, kind: str, told: Callable[[str], str] = str) -> list[str]:
        """What the report shows of it, with each line as it is `told`."""
        evidence = [
            replace(one, frames=tuple(map(told, one.frames)))
            for one in self.recorder.take(self.now).evidence
        ]
        found: list[str] = smallest(kind, evidence)["frames"]
        return found


def event(kind: str, sequence: int | None = None, id: str | None = None, **payload: Any) -> bytes:
    told = {
        "type": f"EVENT_TYPE_{kind}",
        "id": f"{kind} {sequence}" if id is None else id,
        "sequence": sequence,
        "timestamp": "2026-01-01T00:00:00Z",
        "payload": payload,
    }
    return json.dumps(told).encode()


def batch(*events: bytes) -> bytes:
    told = {"events": [json.loads(each) for each in events]}
    return json.dumps({"type": "EVENT_TYPE_EVENT_BATCH", "payload": told}).encode()


def echo(sequence: int, text: str | None = None) -> Any:
    def build(visit: Visit) -> bytes:
        said = {"message_id": f"m-{sequence}", **({} if text is None else {"text": text})}
        told = json.loads(event("USER_MESSAGE", sequence, **said))
        return json.dumps(told | {"metadata": {"custom": {"local_id": visit.local_id}}}).encode()

    return build


def says(sequence: int, text: str = "Yes.", **more: Any) -> bytes:
    return event(
        "POLY_AGENT_MESSAGE", sequence, **{"message_id": f"m-{sequence}", "text": text, **more}
    )


def chunk(
    sequence: int, index: Any, text: str = "a", of: str = "s", *, last: bool = False
) -> bytes:
    told = {"chunk_index": index, "is_complete": last} if index else {"is_complete": last}
    return event("POLY_AGENT_MESSAGE_CHUNK", sequence, message_id=of, text=text, **told)


STARTED = batch(event("SESSION_START", 1, capabilities={"heartbeat_interval_seconds": 30}))
JOINED = event("POLY_AGENT_JOINED", 3)
GREETED: Final = (START, Opened(), STARTED, event(JOIN, 2), JOINED, says(4))
THINKS = event("POLY_AGENT_THINKING", id="t1")
ASKED: Final = (*GREETED, "Hi", echo(5))
TRIGGERED = event("POLY_AGENT_TRIGGERED_HANDOFF", 6)
HANDED: Final = (*ASKED, TRIGGERED, event("POLY_AGENT_LEFT", 7), event("HANDOFF_ACCEPTED", 8))
HUMAN = event("LIVE_AGENT_JOINED", 9)
PLACE = event("HANDOFF_QUEUE_STATUS", id="q1", position=2)
END = event("SESSION_END", 6, reason="REASON_NATURAL_END")
NUMBERED = [event("LANGUAGE_CHANGED", number, language_code="en") for number in range(1, 30)]
BEAT = b'{"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}'


def flaw(kind: FlawKind, detail: str) -> Flaw:
    return Flaw(kind, detail)


# What is done, and the frames that are shown: a word of each, "!" before the wrong one, and how
# many are left out.
ROWS: dict[str, tuple[Sequence[Step], Sequence[str | int]]] = {
    "malformed_json": ((*GREETED, b'{"half'), (5, '!{"half')),
    "malformed_envelope": (
        (*GREETED, b'{"type": "EVENT_TYPE_LANGUAGE_CHANGED", "payload": {}}'),
        (5, "!LANGUAGE_CHANGED"),
    ),
    "binary_frame": (
        (*GREETED, flaw(FlawKind.BINARY_FRAME, "7 bytes")),
        (5, "!(7 bytes in a binary frame)"),
    ),
    "session_start_repeated": (
        (*GREETED, event("SESSION_START", 5)),
        ("[1/1] SESSION_START 1", 4, "!SESSION_START 5"),
    ),
    "event_before_start": ((START, Opened(), batch(JOINED)), ("!POLY_AGENT_JOINED 3",)),
    "event_after_end": (
        (*ASKED, END, BEAT, says(7)),
        (7, "SESSION_END 6", 1, "!POLY_AGENT_MESSAGE 7"),
    ),
    "event_repeated": (
        (*GREETED, BEAT, BEAT, says(4)),
        (4, "POLY_AGENT_MESSAGE 4", 2, "!POLY_AGENT_MESSAGE 4"),
    ),
    "event_lost": (
        (*GREETED, FORCED, ELAPSED, Opened(), batch(NUMBERED[5], NUMBERED[6])),
        (4, "POLY_AGENT_MESSAGE 4", "![1/2] LANGUAGE_CHANGED 6"),
    ),
    "replay_before_cursor": (
        (*GREETED, FORCED, ELAPSED, Opened(), batch(event("LANGUAGE_CHANGED", 2), NUMBERED[4])),
        (4, "POLY_AGENT_MESSAGE 4", "![1/2] LANGUAGE_CHANGED 2"),
    ),
    "sequence_gap": (
        (*GREETED, *NUMBERED[5:15]),
        (4, "POLY_AGENT_MESSAGE 4", "!LANGUAGE_CHANGED 6", 8),
    ),
    "sequence_not_rising": (
        (*GREETED, NUMBERED[5], BEAT, NUMBERED[4]),
        (5, "LANGUAGE_CHANGED 6", 1, "!LANGUAGE_CHANGED 5"),
    ),
    "message_id_reused": (
        (*ASKED, THINKS, says(6), "And?", echo(7), says(8, message_id="m-6")),
        (8, "POLY_AGENT_MESSAGE 6", 2, "!POLY_AGENT_MESSAGE 8"),
    ),
    "unexpected_event": (
        (*GREETED, event("LIVE_AGENT_MESSAGE", 5)),
        (4, "POLY_AGENT_MESSAGE 4", "!LIVE_AGENT_MESSAGE 5"),
    ),
    "unknown_type": ((*GREETED, event("WEATHER", 5)), (5, "!WEATHER 5")),
    "unknown_reason": (
        (*ASKED, says(6), event("SESSION_END", 7, reason="REASON_BORED")),
        (8, "!REASON_BORED"),
    ),
    "echo_missing": (
        (
            *GREETED,
            "Where is it?",
            THINKS,
            *(chunk(at, at - 4, last=at == 25) for at in range(5, 26)),
        ),
        (5, "→ Where is it?", 21, '!is_complete": true'),
    ),
    "echo_altered": (
        (*GREETED, "Where?", echo(5, "Whence?")),
        (5, "→ Where?", "!Whence?"),
    ),
    "echo_to_nobody": (
        (*GREETED, event("USER_MESSAGE", 5, text="Not ours")),
        (5, "!Not ours"),
    ),
    "thinking_without_answer": (
        (
            *ASKED,
            THINKS,
            ELAPSED,
            ELAPSED,
            ELAPSED,
            "Well?",
            echo(6),
            event("POLY_AGENT_THINKING", id="t2"),
        ),
        (7, "t1", 4, "!t2"),
    ),
    "second_greeting": (
        (*ASKED, *(says(number) for number in range(6, 20)), event("POLY_AGENT_JOINED", 20)),
        (3, "POLY_AGENT_JOINED 3", 17, "!POLY_AGENT_JOINED 20"),
    ),
    "chunk_index_missing": (
        (*ASKED, chunk(6, 1), chunk(7, None)),
        (8, "!POLY_AGENT_MESSAGE_CHUNK 7"),
    ),
    "chunk_index_gap": (
        (*ASKED, chunk(6, 1), THINKS, chunk(7, 3)),
        (7, "CHUNK 6", 1, "!CHUNK 7"),
    ),
    "chunk_index_repeated": (
        (*ASKED, chunk(6, 1), chunk(7, 2), chunk(8, 1)),
        (7, "CHUNK 6", 1, "!CHUNK 8"),
    ),
    "chunk_after_complete": (
        (*ASKED, chunk(6, 1), chunk(7, 2, last=True), chunk(8, 3)),
        (8, "CHUNK 7", "!CHUNK 8"),
    ),
    "whole_beside_chunks": (
        (*ASKED, chunk(6, 1), chunk(7, 2, last=True), says(8, message_id="s")),
        (8, "CHUNK 7", "!MESSAGE 8"),
    ),
    "unasked_streaming": ((*ASKED, chunk(6, 1), chunk(7, 2)), (7, "!CHUNK 6")),
    "handoff_out_of_order": (
        (*ASKED, TRIGGERED, event("POLY_AGENT_LEFT", 7), event("LIVE_AGENT_JOINED", 8)),
        (7, "TRIGGERED_HANDOFF 6", 1, "!LIVE_AGENT_JOINED 8"),
    ),
    "queue_position_rose": (
        (
            *HANDED,
            PLACE,
            event("HANDOFF_QUEUE_STATUS", id="q2"),
            event("HANDOFF_QUEUE_STATUS", id="q3", position_in_queue=5),
        ),
        (10, "q1", 1, "!q3"),
    ),
    "bot_after_left": (
        (*HANDED, HUMAN, says(10)),
        (8, "POLY_AGENT_LEFT 7", 2, "!POLY_AGENT_MESSAGE 10"),
    ),
    "heartbeat_not_echoed": (
        (*GREETED, ELAPSED, NUMBERED[4], ELAPSED, NUMBERED[5], ELAPSED),
        (5, "!→ HEARTBEAT", 3),
    ),
    "wrong_close_code": (
        (*ASKED, says(6), event("SESSION_END", 7, reason="REASON_NATURAL_END"), BEAT, Closed(1011)),
        (8, "SESSION_END 7", 1, "!(close 1011)"),
    ),
    "not_closed": ((*ASKED, END, ELAPSED, ELAPSED), (7, "!SESSION_END 6")),
}


def read(lines: Sequence[str]) -> Iterator[str | int]:
    """Lines as a row has them; each frame as it is."""
    for line in lines:
        if line.startswith("… "):
            yield int(line.split(" ")[1])
        else:
            mark, stamp, rest = ("!" if line[0] == "►" else ""), *line[2:].split(" ", 1)
            float(stamp)
            yield mark + rest


def told_in(line: str) -> Any:
    return json.loads(line[2:].split(" ", 2)[2])
