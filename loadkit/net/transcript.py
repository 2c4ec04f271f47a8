"""The last frames of a session, to show what a violation came after."""

from collections import deque
from typing import Final

__all__ = ["Frames"]

REMEMBERED: Final = 8  # frames
LOOKED_AT: Final = 1 << 14  # bytes kept of each: more than is told


class Frames:
    """The last frames both ways.

    Attributes:
        since: when the session began (seconds, monotonic).
    """

    __slots__ = ("_last", "since")

    def __init__(self) -> None:
        self._last: deque[tuple[float, str, bytes]] = deque(maxlen=REMEMBERED)
        self.since = 0.0

    def note(self, stamp: float, way: str, frame: bytes) -> None:
        """Remember one.

        Args:
            stamp: when it came or went (seconds, monotonic).
            way: an arrow: from the server, or to it.
        """
        self._last.append((stamp, way, frame[:LOOKED_AT]))

    def lines(self) -> list[str]:
        """All that are remembered, with the seconds from the session's start."""
        return [
            f"{stamp - self.since:.6f} {way} {frame.decode(errors='replace')}"
            for stamp, way, frame in self._last
        ]
