"""The last frames of a session, to show what a violation came after."""

from collections import deque
from typing import Final

from loadkit.figures import VIOLATED, Origin
from loadkit.net.interfaces import Recorder

__all__ = ["Frames"]

REMEMBERED: Final = 8  # frames
LOOKED_AT: Final = 1 << 14  # bytes kept of each: more than is told


class Frames:
    """The last frames both ways, and what kinds of violations they were shown for.

    Attributes:
        since: when the session began (seconds, monotonic).
    """

    __slots__ = ("_last", "_violated", "since")

    def __init__(self) -> None:
        self._last: deque[tuple[float, str, bytes]] = deque(maxlen=REMEMBERED)
        self._violated: frozenset[str] = frozenset()
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

    def violated(
        self, recorder: Recorder, kind: str, detail: str, origin: Origin, *, shown: bool = True
    ) -> None:
        """Record a violation; the session counts as hit by its kind once.

        Args:
            kind, detail, origin: as of `loadkit.measure.recorder.Recorder.violate`.
            shown: whether these frames led to it.
        """
        recorder.violate(kind, detail, origin, self.lines if shown else tuple)
        if kind not in self._violated:
            self._violated |= {kind}
            recorder.count(f"{VIOLATED}.{kind}")
