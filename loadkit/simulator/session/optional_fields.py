"""The fields of an event that may be there and need not.

Some are usually there, and others are not; where the dice say so an event departs from what is
usual. Clients of the vendor's know all of them.
"""

from typing import Any, Final, NamedTuple

from loadkit.protocol.types import EventType
from loadkit.simulator.session.habits import Habits

__all__ = ["vary"]


class _Fields(NamedTuple):
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
