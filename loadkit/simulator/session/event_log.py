"""What happened in one session, in order, so that it can be told again."""

from bisect import bisect_right
from typing import Final

__all__ = ["SessionLog", "parse_cursor"]

_LONGEST: Final = 18  # digits; no journal gets there, and int() of thousands of them is slow


def parse_cursor(text: str | None) -> int:
    """The sequence a client has seen last: `seq:n` or `n`; anything else means none, 0."""
    digits = (text or "").removeprefix("seq:")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST:
        return 0
    return int(digits)


class SessionLog:
    """The session's lasting events. Sequences start at 1 and rise by 1, but for skipped ones.

    Attributes:
        size: of all of them, in bytes.
    """

    __slots__ = ("_events", "_skipped", "size")

    def __init__(self) -> None:
        self.size = 0
        self._events: list[bytes] = []
        self._skipped: list[int] = []

    def __len__(self) -> int:
        return len(self._events)

    @property
    def last(self) -> int:
        """The highest sequence that is taken, 0 when there is none."""
        return len(self._events) + len(self._skipped)

    def append(self, event: bytes) -> None:
        """Keep an event that was encoded with the sequence `last + 1`."""
        self._events.append(event)
        self.size += len(event)

    def skip(self) -> None:
        """Take the sequence `last + 1` for nothing."""
        self._skipped.append(self.last + 1)

    def after(self, cursor: int) -> list[bytes]:
        """The events with a higher sequence than `cursor`, in order."""
        return self._events[self._count(cursor) :]

    def up_to(self, cursor: int) -> bytes | None:
        """The last event with a sequence that is not higher than `cursor`."""
        count = min(self._count(cursor), len(self._events))
        return self._events[count - 1] if count else None

    def _count(self, cursor: int) -> int:
        """How many events a client with this cursor has seen."""
        return cursor - bisect_right(self._skipped, cursor)
