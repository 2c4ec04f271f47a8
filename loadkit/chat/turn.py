"""What the far side owes: the join, an answer, or the end of the session."""

from loadkit.chat.stream import Stream

__all__ = ["Turn"]


class Turn:
    """One thing asked of the far side, and what was seen of the answer so far.

    Attributes:
        frame: what was sent; kept so that it can be sent again.
        local_id: ties the echo to it; None for what carries no metadata.
        due, sent: when the plan wanted it and when it went out (seconds, monotonic).
    """

    __slots__ = ("due", "echoed", "frame", "local_id", "resends", "sent", "stream", "thought")

    def __init__(self, frame: bytes, local_id: str | None, due: float | None, sent: float) -> None:
        self.frame, self.local_id, self.due, self.sent = frame, local_id, due, sent
        self.echoed = self.thought = False
        self.resends = 0
        self.stream: Stream | None = None
