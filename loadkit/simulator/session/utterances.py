"""What an utterance of the agent's looks like on the wire: whole or in chunks, sound or flawed."""

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from loadkit.protocol.types import EventType
from loadkit.simulator.dials import AgentDials
from loadkit.simulator.faults.dice import Faults
from loadkit.simulator.session import texts as talk
from loadkit.simulator.session.room import Room

_CHUNK: Final = EventType.POLY_AGENT_MESSAGE_CHUNK


class Part(NamedTuple):
    """One event of an utterance."""

    wait: float  # seconds after the part before it
    kind: EventType
    payload: dict[str, Any]
    fault: str | None = None  # that is complete once this part was sent

    def but(self, **changed: Any) -> "Part":
        """The same with another payload."""
        return self._replace(payload={**self.payload, **changed})


def compose(
    reply: talk.Reply, name: str, dials: AgentDials, rng: Random, *, streaming: bool
) -> list[Part]:
    """The events of an utterance whose `message_id` is `name`, in chunks where it is streamed."""
    if not streaming or not reply.text:  # chunks have no number to call
        return [_whole(reply, name, dials)]
    texts = talk.split(reply.text, rng.randint(dials.chunks.min, dials.chunks.max))
    if dials.chunk_spaces == "stripped":
        texts = [text.strip(" ") for text in texts]
    if dials.empty_last_chunk:
        texts.append("")
    bare = talk.Reply("")
    parts, wait = [], 0.0
    for index, text in enumerate(texts, start=1):
        last = index == len(texts)
        payload = _payload(reply if last else bare, name, text, dials)
        payload["chunk_index"], payload["is_complete"] = index, last
        parts.append(Part(wait, _CHUNK, payload))
        if not last:
            wait = dials.gap.sample(rng)
    return parts


def single(reply: talk.Reply, name: str, dials: AgentDials, *, streaming: bool) -> Part:
    """An utterance in one event."""
    if not streaming:
        return _whole(reply, name, dials)
    payload = _payload(reply, name, reply.text, dials)
    return Part(0.0, _CHUNK, {**payload, "chunk_index": 1, "is_complete": True})


def _whole(reply: talk.Reply, name: str, dials: AgentDials) -> Part:
    payload = {
        **_payload(reply, name, reply.text, dials),
        "avatar_url": dials.avatar_url,
        "chat_call_actions": [{"title": "Call us", "contact_number": "+15550100"}],
    }
    if reply.ends:  # chunks have no such field
        payload["end_conversation"] = True
    return Part(0.0, EventType.POLY_AGENT_MESSAGE, payload)


def _payload(reply: talk.Reply, name: str, text: str, dials: AgentDials) -> dict[str, Any]:
    return {
        "message_id": name,
        "text": text,
        "attachments": reply.attachments,
        "response_suggestions": reply.suggestions,
        "agent_name": dials.name,
    }


class Case(NamedTuple):
    """What a fault has to work with."""

    parts: list[Part]  # of what is said
    reply: talk.Reply
    dials: AgentDials
    room: Room
    faults: Faults
    greets: bool  # it is the greeting, not an answer
    previous: str | None  # the `message_id` of the agent's utterance before this one

    @property
    def streams(self) -> bool:
        return self.room.streaming

    def shifted(self, at: int) -> Part:
        """A part whose `chunk_index` is one higher."""
        part = self.parts[at]
        return part.but(chunk_index=part.payload["chunk_index"] + 1)

    def another(self) -> Part:
        """The same words once more, as an utterance of their own."""
        reply, name = talk.Reply(self.reply.text), self.room.new_message_id()
        return single(reply, name, self.dials, streaming=self.streams)


def flawed(case: Case) -> list[Part]:
    """Let at most one fault befall an utterance.

    Returns:
        The events to send instead; none at all when the answer stays away.
    """
    fault = case.faults.draw(name for name, (fits, _) in _FLAWS.items() if fits(case))
    if fault is None:
        return case.parts
    changed = _FLAWS[fault][1](case)
    if changed and not any(part.fault for part in changed):
        changed[-1] = changed[-1]._replace(fault=fault)
    return changed


_BARE: Final[dict[str, Any]] = {"is_complete": False, "attachments": [], "response_suggestions": []}


def _reused(case: Case) -> list[Part]:
    return [part.but(message_id=case.previous) for part in case.parts]


def _greets_again(case: Case) -> list[Part]:
    payload = {"agent_name": case.dials.name, "agent_avatar_url": case.dials.avatar_url}
    return [*case.parts, Part(0.0, EventType.POLY_AGENT_JOINED, payload), case.another()]


def _unasked(case: Case) -> list[Part]:
    return [single(case.reply, _name_of(case), case.dials, streaming=True)]


def _gap(case: Case) -> list[Part]:
    count = len(case.parts)
    at = case.faults.rng.randrange(1, count) if count > 1 else 0
    return [*case.parts[:at], *(case.shifted(index) for index in range(at, count))]


def _repeated(case: Case) -> list[Part]:
    at = case.faults.rng.randrange(len(case.parts))
    part = case.parts[at]
    return [*case.parts[:at], part.but(**_BARE), part._replace(wait=0.0), *case.parts[at + 1 :]]


def _trailing(case: Case) -> list[Part]:
    return [*case.parts, case.shifted(-1).but(text="", **_BARE)._replace(wait=0.0)]


def _beside(case: Case) -> list[Part]:
    return [*case.parts, _whole(case.reply, _name_of(case), case.dials)]


def _severed(case: Case) -> list[Part]:
    at = case.faults.rng.randrange(len(case.parts) - 1)
    parts = list(case.parts)
    parts[at] = parts[at]._replace(fault="mid_stream_drop")
    return parts


def _name_of(case: Case) -> str:
    return str(case.parts[0].payload["message_id"])


def _answers(case: Case) -> bool:
    return not case.greets


def _streamed(case: Case) -> bool:
    return not case.greets and case.streams


_FLAWS: Final[dict[str, tuple[Callable[[Case], bool], Callable[[Case], list[Part]]]]] = {
    "second_greeting": (lambda case: case.greets, _greets_again),
    "missing_answer": (_answers, lambda case: []),
    "message_id_reused": (lambda case: _answers(case) and case.previous is not None, _reused),
    "unprompted_message": (_answers, lambda case: [*case.parts, case.another()]),
    "unasked_streaming": (lambda case: _answers(case) and not case.streams, _unasked),
    "wrong_chunk_index": (_streamed, _gap),
    "repeated_chunk_index": (_streamed, _repeated),
    "chunk_after_complete": (_streamed, _trailing),
    "whole_beside_chunks": (_streamed, _beside),
    "mid_stream_drop": (lambda case: _streamed(case) and len(case.parts) > 1, _severed),
}
"""Name → where it can befall an utterance, and the events that are then sent instead."""
