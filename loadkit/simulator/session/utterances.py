"""What an utterance of the agent's looks like on the wire: whole or in chunks, sound or flawed."""

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from loadkit.protocol.types import EventType
from loadkit.simulator.dials import AgentDials
from loadkit.simulator.faults.dice import Faults
from loadkit.simulator.session import texts as talk

__all__ = ["Part", "compose", "flawed", "single"]

_CHUNK: Final = EventType.POLY_AGENT_MESSAGE_CHUNK


class Part(NamedTuple):
    """One event of an utterance.

    Attributes:
        wait: seconds after the part before it.
        kind: its type.
        payload: its payload.
        fault: the fault that is complete once this part was sent.
    """

    wait: float
    kind: EventType
    payload: dict[str, Any]
    fault: str | None = None


def compose(
    reply: talk.Reply, name: str, dials: AgentDials, rng: Random, *, streaming: bool
) -> list[Part]:
    """The events of an utterance.

    Args:
        reply: what is said.
        name: its `message_id`.
        dials: how many chunks, and their pace.
        rng: what these are drawn from.
        streaming: in chunks, not whole.
    """
    if not streaming or not reply.text:  # chunks have no number to call
        return [_whole(reply, name, dials)]
    texts = talk.split(reply.text, rng.randint(dials.chunks.min, dials.chunks.max))
    if dials.chunk_spaces == "stripped":
        texts = [text.strip(" ") for text in texts]
    if dials.empty_last_chunk:
        texts.append("")
    bare = talk.Reply("", [], [])
    parts, wait = [], 0.0
    for index, text in enumerate(texts, start=1):
        last = index == len(texts)
        payload = _payload(reply if last else bare, name, text, dials)
        payload["chunk_index"], payload["is_complete"] = index, last
        parts.append(Part(wait, _CHUNK, payload))
        if not last:
            wait = dials.gap.sample(rng)
    return parts


def single(
    reply: talk.Reply, name: str, dials: AgentDials, *, streaming: bool, fault: str | None = None
) -> Part:
    """An utterance in one event."""
    if not streaming:
        return _whole(reply, name, dials)._replace(fault=fault)
    payload = _payload(reply, name, reply.text, dials)
    return Part(0.0, _CHUNK, {**payload, "chunk_index": 1, "is_complete": True}, fault)


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


class _Case(NamedTuple):
    """What a fault has to work with."""

    parts: list[Part]
    reply: talk.Reply
    dials: AgentDials
    rng: Random
    streaming: bool
    previous: str | None
    new_name: Callable[[], str]

    @property
    def name(self) -> str:
        return str(self.parts[0].payload["message_id"])

    def with_index(self, at: int, shift: int) -> Part:
        """A part whose `chunk_index` is shifted."""
        part = self.parts[at]
        return part._replace(
            payload={**part.payload, "chunk_index": part.payload["chunk_index"] + shift}
        )


def flawed(
    reply: talk.Reply,
    parts: list[Part],
    faults: Faults,
    dials: AgentDials,
    *,
    greeting: bool,
    streaming: bool,
    previous: str | None,
    new_name: Callable[[], str],
) -> list[Part]:
    """Let at most one fault befall an utterance.

    Args:
        reply: what is said.
        parts: its events.
        faults: the dice.
        dials: the agent's.
        greeting: whether it is the greeting, not an answer.
        streaming: whether the session streams.
        previous: the `message_id` of the agent's utterance before this one.
        new_name: makes another `message_id`.

    Returns:
        The events to send instead; none at all when the answer stays away.
    """
    case = _Case(parts, reply, dials, faults.rng, streaming, previous, new_name)
    fault = faults.draw(name for name, (fits, _) in _FLAWS.items() if fits(case, greeting))
    if fault is None:
        return parts
    changed = _FLAWS[fault][1](case)
    if changed and not any(part.fault for part in changed):
        changed[-1] = changed[-1]._replace(fault=fault)
    return changed


def _missing(case: _Case) -> list[Part]:
    return []


def _reused(case: _Case) -> list[Part]:
    return [
        part._replace(payload={**part.payload, "message_id": case.previous}) for part in case.parts
    ]


def _another(case: _Case) -> list[Part]:
    reply = talk.Reply(case.reply.text, [], [])
    return [
        *case.parts,
        single(reply, case.new_name(), case.dials, streaming=case.streaming),
    ]


def _greets_again(case: _Case) -> list[Part]:
    payload = {"agent_name": case.dials.name, "agent_avatar_url": case.dials.avatar_url}
    greeting, again = case.parts, _another(case)[-1]
    return [*greeting, Part(0.0, EventType.POLY_AGENT_JOINED, payload), again]


def _unasked(case: _Case) -> list[Part]:
    return [single(case.reply, case.name, case.dials, streaming=True)]


def _gap(case: _Case) -> list[Part]:
    count = len(case.parts)
    at = case.rng.randrange(1, count) if count > 1 else 0
    return [*case.parts[:at], *(case.with_index(index, 1) for index in range(at, count))]


def _repeated(case: _Case) -> list[Part]:
    at = case.rng.randrange(len(case.parts))
    part = case.parts[at]
    first = part._replace(
        payload={
            **part.payload,
            "is_complete": False,
            "attachments": [],
            "response_suggestions": [],
        }
    )
    return [*case.parts[:at], first, part._replace(wait=0.0), *case.parts[at + 1 :]]


def _trailing(case: _Case) -> list[Part]:
    payload = {
        **case.with_index(-1, 1).payload,
        "text": "",
        "attachments": [],
        "response_suggestions": [],
        "is_complete": False,
    }
    return [*case.parts, Part(0.0, _CHUNK, payload)]


def _beside(case: _Case) -> list[Part]:
    return [*case.parts, _whole(case.reply, case.name, case.dials)]


def _severed(case: _Case) -> list[Part]:
    at = case.rng.randrange(len(case.parts) - 1)
    parts = list(case.parts)
    parts[at] = parts[at]._replace(fault="mid_stream_drop")
    return parts


_Fits = Callable[[_Case, bool], bool]
_ANSWER: Final[_Fits] = lambda case, greeting: not greeting  # noqa: E731
_GREETING: Final[_Fits] = lambda case, greeting: greeting  # noqa: E731
_STREAMED: Final[_Fits] = lambda case, greeting: not greeting and case.streaming  # noqa: E731

_FLAWS: Final[dict[str, tuple[_Fits, Callable[[_Case], list[Part]]]]] = {
    "second_greeting": (_GREETING, _greets_again),
    "missing_answer": (_ANSWER, _missing),
    "message_id_reused": (
        lambda case, greeting: not greeting and case.previous is not None,
        _reused,
    ),
    "unprompted_message": (_ANSWER, _another),
    "unasked_streaming": (
        lambda case, greeting: not greeting and not case.streaming,
        _unasked,
    ),
    "wrong_chunk_index": (_STREAMED, _gap),
    "repeated_chunk_index": (_STREAMED, _repeated),
    "chunk_after_complete": (_STREAMED, _trailing),
    "whole_beside_chunks": (_STREAMED, _beside),
    "mid_stream_drop": (
        lambda case, greeting: not greeting and case.streaming and len(case.parts) > 1,
        _severed,
    ),
}
