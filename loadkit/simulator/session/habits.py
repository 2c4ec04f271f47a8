"""What a right server does some of the time: drawn apart from what its agents say."""

from hashlib import blake2b
from typing import Any, Final

from loadkit.protocol.types import EventType

__all__ = ["Habits", "receipts_of"]

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
