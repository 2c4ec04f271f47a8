"""Something the user did that somebody owes an answer, and what came of it."""

from typing import Any

__all__ = ["Sent", "ServerTurn"]

Sent = dict[str, Any]
"""One event as the truth log tells it: `type`, `sequence`, `at`, `sockets`."""


class ServerTurn:
    """A join, a message, or a request for a person.

    Attributes:
        kind: its kind in the truth log: `join`, `turn`, `live_turn` or `handoff`.
        text: what the user said; empty for a join.
        custom: the `metadata.custom` it came with.
        message_id: the server's name for the message; None for a join.
        received: when it arrived, in monotonic seconds.
        events: what was sent because of it, in order.
    """

    __slots__ = ("custom", "events", "kind", "message_id", "received", "text")

    def __init__(
        self,
        kind: str,
        received: float,
        *,
        text: str = "",
        custom: dict[str, str] | None = None,
        message_id: str | None = None,
    ) -> None:
        self.kind, self.received, self.text = kind, received, text
        self.custom, self.message_id = custom, message_id
        self.events: list[Sent] = []
