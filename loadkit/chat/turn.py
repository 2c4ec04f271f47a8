"""What the far side owes: the join, an answer, or the end of the session."""

__all__ = ["Turn"]


class Turn:
    """One thing asked of the far side, and what was seen of the answer so far.

    Attributes:
        frame: what was sent; kept so that it can be sent again.
        local_id: ties the echo to it; None for what carries no metadata.
        due, sent: when the plan wanted it and when it went out (seconds, monotonic).
    """

    __slots__ = ("answered", "due", "echoed", "frame", "local_id", "resends", "sent", "thought")

    def __init__(self, frame: bytes, local_id: str | None, due: float | None, sent: float) -> None:
        self.frame, self.local_id, self.due, self.sent = frame, local_id, due, sent
        self.echoed = self.thought = self.answered = False
        self.resends = 0
