"""The last frames of a session, to show what a violation came after."""

from typing import Final

from loadkit.chat.effects import Violation
from loadkit.figures import VIOLATED, Origin, RecorderLike
from loadkit.net.excerpt import NotedFrame, excerpt, kept
from loadkit.protocol import Event, EventType, Flaw

REMEMBERED: Final = 8  # frames

_LANDMARKS: Final = frozenset(
    {
        EventType.POLY_AGENT_JOINED,
        EventType.POLY_AGENT_THINKING,
        EventType.POLY_AGENT_TRIGGERED_HANDOFF,
        EventType.POLY_AGENT_LEFT,
        EventType.HANDOFF_QUEUE_STATUS,
        EventType.LIVE_AGENT_JOINED,
        EventType.SESSION_END,
    }
)
"""What is held against an event long afterwards: the frame with the last of each is kept."""

_Plain = tuple[int, float, str, bytes]  # as `NotedFrame`, in a fifth of the time
_MESSAGE: Final = b'{"type":"EVENT_TYPE_USER_MESSAGE"'


class Frames:
    """The last frames both ways, and what kinds of violations they were shown for.

    Args:
        of: the frames of the session whose further tab this is; None for a session's own socket.

    Attributes:
        since: when the session began (seconds, monotonic).
    """

    __slots__ = ("_kept", "_landmarks", "_last", "_number", "_of", "_violated", "_whole", "since")

    def __init__(self, of: "Frames | None" = None) -> None:
        self._last: list[_Plain] = []  # a deque would take 760 bytes from its first element on
        self._landmarks: dict[str, _Plain] = {}
        self._kept: tuple[_Plain, ...] = ()
        self._violated: frozenset[str] = frozenset()
        self._number = 0
        self._whole: bytes | None = None
        self._of = of
        self.since = 0.0

    def sent(self, stamp: float, frame: bytes) -> None:
        """Remember one that went to the server at `stamp` (seconds, monotonic)."""
        self._note(stamp, "→", frame)
        if frame.startswith(_MESSAGE):
            self._landmarks["→"] = self._last[-1]

    def came(self, stamp: float, frame: bytes | Flaw) -> None:
        """Remember one that came from the server; it is the one being read until `read`."""
        if isinstance(frame, Flaw):
            frame = f"({frame.detail} in a binary frame)".encode()
        self._note(stamp, "←" if self._of is None else "←tab", frame)
        self._whole = frame

    def closed(self, stamp: float, code: int, way: str = "←") -> None:
        """Remember that a socket was closed."""
        self._note(stamp, way, b"(close %d)" % code)

    def had(self, event: Event | Flaw) -> None:
        """The frame that is being read had this event, which may be worth to be kept for longer."""
        if type(event) is Event and event.type in _LANDMARKS:
            self._landmarks[event.type] = self._last[-1]

    def read(self) -> None:
        self._whole = None

    def keep(self) -> None:
        """Remember those that came last until it is known what they show."""
        self._kept = tuple(self._last)

    def _note(self, stamp: float, way: str, frame: bytes) -> None:
        self._number += 1
        self._last.append((self._number, stamp, way, kept(frame)))
        if len(self._last) > REMEMBERED:
            del self._last[0]

    def lines(self, violation: Violation, happening: object = None) -> list[str]:
        """What led to a violation, found at an event or a flaw: as of `loadkit.net.excerpt`."""
        noted = self._noted()
        if self._of is not None and happening is None:  # held against the session's own socket
            both = sorted([*noted, *self._of._noted()], key=lambda each: each.stamp)
            noted = [each._replace(number=number) for number, each in enumerate(both, 1)]
        since = self.since if self._of is None else self._of.since
        return excerpt(violation, noted, happening, REMEMBERED, since)

    def _noted(self) -> list[NotedFrame]:
        every = {each[0]: each for each in (*self._landmarks.values(), *self._kept, *self._last)}
        noted = [NotedFrame._make(every[number]) for number in sorted(every)]
        if self._whole is not None:
            came = max(at for at, each in enumerate(noted) if each.way[0] == "←")
            noted[came] = noted[came]._replace(frame=self._whole)
        return noted

    def violated(
        self, recorder: RecorderLike, violation: Violation, origin: Origin, happening: object = None
    ) -> None:
        """Record a violation; the session counts as hit by its kind once."""
        kind, session = violation.kind, self._of or self
        recorder.violate(kind, violation.detail, origin, lambda: self.lines(violation, happening))
        if kind not in session._violated:
            session._violated |= {kind}
            recorder.count(f"{VIOLATED}.{kind}")
