"""What typing looks like on the wire: which typing events a client sends for which keys."""

from typing import Final

from loadkit.actions import ActionKind, UserAction

REPEAT_S: Final = 3.0
"""The vendor's SDKs send STARTED at most this often while keys are pressed."""

STOP_AFTER_S: Final = 5.0
"""The vendor's SDKs send STOPPED this long after the last key, or when the message is sent."""


class Keyboard:
    """One person's typing, turned into acts.

    Times are seconds of the person's own, counted from the moment that the person reacts to; the
    acts carry them scaled, on the monotonic clock.
    """

    __slots__ = ("_at", "_last_key", "_open", "_scale", "acts", "started")

    def __init__(self, at: float, scale: float, started: float) -> None:
        """Begin `at` a moment, on the monotonic clock as is `started`: -inf for never.

        `scale` is seconds of the clock in a second of the person's.
        """
        self._at, self._scale = at, scale
        self.started = (started - at) / scale  # when STARTED was sent last
        self._last_key = 0.0
        self._open = False  # STARTED without a STOPPED yet
        self.acts: list[UserAction] = []  # what was typed and said so far, `due` never falling

    @property
    def started_at(self) -> float:
        """When STARTED was sent last, on the monotonic clock."""
        return self._at + self.started * self._scale

    def press(self, begin: float, end: float) -> None:
        """Press keys without a pause from `begin` to `end`."""
        if self._open and begin - self._last_key > STOP_AFTER_S:
            self.rest()
        now = max(begin, self.started + REPEAT_S)
        while now < end:
            self.acts.append(UserAction(self._at + now * self._scale, ActionKind.TYPING_STARTED))
            self.started, self._open = now, True
            now += REPEAT_S
        self._last_key = end

    def rest(self) -> float:
        """Press no key until the client notices; returns when it does."""
        now = self._last_key + STOP_AFTER_S
        self._stop(now)
        return now

    def say(self, now: float, text: str) -> None:
        """Send a message, typed or tapped."""
        self._stop(now)
        self.acts.append(UserAction(self._at + now * self._scale, ActionKind.SAY, text))

    def _stop(self, now: float) -> None:
        if self._open:
            self.acts.append(UserAction(self._at + now * self._scale, ActionKind.TYPING_STOPPED))
            self._open = False
