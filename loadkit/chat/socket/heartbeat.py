"""The heartbeat on one socket: when the next is due, and what the echoes say of it.

An echo bears no id: with two heartbeats open nobody knows which came back. To take the oldest
would, once an echo is lost, make every later round trip an interval too long.
"""

from enum import Enum, auto
from typing import Final

from loadkit.chat.effects import Effect, Failed, Sample, Send, Violation
from loadkit.chat.states import NEVER
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Phase
from loadkit.protocol.encode import HEARTBEAT

SHORTEST_BEAT: Final = 0.1  # seconds; ours: a smaller interval is nonsense, and would be a flood


class Open(Enum):
    """Which heartbeats were sent whose echo has not come."""

    NONE = auto()
    ONE = auto()
    TWO = auto()
    ONE_OF_TWO = auto()  # an echo came for two, and the other has not followed


class Heartbeat:
    """The heartbeat of one session, every so many seconds (0 for none)."""

    __slots__ = ("_first", "_last", "due", "every", "open")

    def __init__(self) -> None:
        self.every = 30.0
        self.stop()

    def start(self, now: float) -> None:
        """A socket has opened; the first heartbeat is a full interval away."""
        self.due = now + self.every if self.every else NEVER
        self.open = Open.NONE

    def stop(self) -> None:
        """There is no socket."""
        self.due, self.open = NEVER, Open.NONE
        self._first = self._last = 0.0  # when the open ones were sent

    def change(self, every: float, opened_at: float, now: float) -> None:
        """The server names an interval. Said again, it must not disturb the beat."""
        if every != self.every and (every == 0 or every >= SHORTEST_BEAT):
            self.every = float(every)
            self.due = max(opened_at + every, now) if every else NEVER

    def beat(self, now: float, heard_at: float, out: list[Effect]) -> bool:
        """Send the one that is due.

        Returns False for a dead socket: neither two echoes came nor, since `heard_at`, anything.
        """
        unanswered = self.open is Open.TWO  # the first of them for two intervals
        if unanswered and heard_at <= self._first:
            out.append(Failed(Failure.HEARTBEAT_UNANSWERED))
            return False
        if unanswered or self.open is Open.ONE_OF_TWO:
            out.append(Violation(Wrong.HEARTBEAT_NOT_ECHOED, "", (self._first, HEARTBEAT)))
        out.append(Sample(Phase.HEARTBEAT_LATENESS, None, self.due, now))
        out.append(Send(HEARTBEAT))
        if self.open is Open.NONE or self.open is Open.ONE_OF_TWO:
            self._first, self.open = now, Open.ONE
        else:
            self._first, self.open = self._last, Open.TWO
        self._last = now
        # From the schedule, so that beats do not drift; from now when a whole beat was missed.
        following = self.due + self.every
        self.due = following if following > now else now + self.every
        return True

    def echoed(self, now: float, out: list[Effect]) -> None:
        """One came back."""
        if self.open is Open.ONE:
            out.append(Sample(Phase.HEARTBEAT, None, self._first, now))
        self.open = Open.ONE_OF_TWO if self.open is Open.TWO else Open.NONE
