"""What a right server does some of the time: drawn apart from what its agents say."""

from hashlib import blake2b
from typing import Any, Final, NamedTuple

from loadkit.protocol.types import EventType

_BYTES: Final = 6


class Habits:
    """The dice of one session.

    They are hashes of a counter: a generator is kilobytes, and every session has these.

    Args:
        seed: what is drawn from. A habit that is turned on changes nothing of what an agent says.
    """

    __slots__ = ("_drawn", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed, self._drawn = seed, 0

    def has(self, rate: float) -> bool:
        """Whether what happens at this rate happens here; at 0 nothing is drawn."""
        return rate > 0 and self.share() < rate

    def share(self) -> float:
        """Draw a number from 0 to below 1."""
        self._drawn += 1
        drawn = blake2b(f"{self._seed}/{self._drawn}".encode(), digest_size=_BYTES).digest()
        return int.from_bytes(drawn) / 256**_BYTES


_RECEIPTS: Final = {
    EventType.USER_MESSAGE: (EventType.USER_RECEIVED_MESSAGE, EventType.USER_READ_MESSAGE),
    EventType.POLY_AGENT_MESSAGE: (
        EventType.POLY_AGENT_RECEIVED_MESSAGE,
        EventType.POLY_AGENT_READ_MESSAGE,
    ),
    EventType.LIVE_AGENT_MESSAGE: (
        EventType.LIVE_AGENT_RECEIVED_MESSAGE,
        EventType.LIVE_AGENT_READ_MESSAGE,
    ),
}


def receipts_of(kind: EventType, payload: dict[str, Any]) -> tuple[EventType, ...]:
    """The receipts that an event can have: none unless a message is complete with it."""
    if kind is EventType.POLY_AGENT_MESSAGE_CHUNK and payload["is_complete"]:
        kind = EventType.POLY_AGENT_MESSAGE
    return _RECEIPTS.get(kind, ())


class _Fields(NamedTuple):
    """Of an event, those that may be there and need not; clients of the vendor's know all."""

    usual: frozenset[str]
    unusual: frozenset[str]


def _fields(usual: str = "", unusual: str = "") -> _Fields:
    return _Fields(frozenset(usual.split()), frozenset(unusual.split()))


_OPTIONAL: Final = {
    EventType.SESSION_START: _fields(unusual="context_id"),
    EventType.POLY_AGENT_MESSAGE: _fields("agent_name", "avatar_url chat_call_actions"),
    EventType.POLY_AGENT_MESSAGE_CHUNK: _fields("agent_name"),
    EventType.POLY_AGENT_LEFT: _fields(unusual="reason"),
    EventType.HANDOFF_ACCEPTED: _fields("queue_name"),
    EventType.HANDOFF_QUEUE_STATUS: _fields(
        "queue_name position_in_queue estimated_wait_seconds display_message"
    ),
    EventType.CLIENT_HANDOFF_REQUIRED: _fields("reason queue_name"),
    EventType.HANDOFF_FAILED: _fields("reason"),
    EventType.HANDOFF_TIMEOUT: _fields("reason"),
    EventType.LIVE_AGENT_JOINED: _fields(),
    EventType.LIVE_AGENT_TYPING: _fields(unusual="agent_name"),
    EventType.LIVE_AGENT_MESSAGE: _fields("agent_name", "avatar_url"),
    EventType.LIVE_AGENT_LEFT: _fields(unusual="agent_id agent_name reason"),
}


def vary(kind: EventType, payload: dict[str, Any], habits: Habits, rate: float) -> dict[str, Any]:
    """An event's payload as it is sent.

    Args:
        payload: with every field that it may have.
        rate: share of the optional fields that are there though usually they are not, or the
            other way round. At 0 nothing is drawn.
    """
    fields = _OPTIONAL.get(kind)
    if fields is None:
        return payload
    only = "chat_call_actions" if not payload.get("text") else None  # what is left is said
    sent = {
        name: value
        for name, value in payload.items()
        if not (name in fields.usual and habits.has(rate))
        and not (name in fields.unusual and name != only and not habits.has(rate))
    }
    match kind:
        case EventType.HANDOFF_QUEUE_STATUS if "position_in_queue" in sent and habits.has(rate):
            sent["position"] = sent.pop("position_in_queue")  # the older key
        case EventType.LIVE_AGENT_JOINED if habits.has(rate):  # flat, as it is also known
            agent = sent.pop("agent")
            names = {"id": "agent_id", "name": "agent_name"}
            sent |= {names.get(name, name): value for name, value in agent.items()}
        case EventType.POLY_AGENT_MESSAGE | EventType.POLY_AGENT_MESSAGE_CHUNK:
            sent["response_suggestions"] = [
                {**each, "payload": each["message_text"].lower()} if habits.has(rate) else each
                for each in sent["response_suggestions"]
            ]
    return sent
