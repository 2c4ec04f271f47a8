"""What happened in one session, in order, so that it can be told again."""

from collections.abc import Iterator
from typing import Final

__all__ = ["Journal", "parse_cursor"]

_LONGEST: Final = 18  # digits; no journal gets there, and int() of thousands of them is slow


def parse_cursor(text: str | None) -> int:
    """The sequence a client has seen last: `seq:n` or `n`; anything else means none, 0."""
    digits = (text or "").removeprefix("seq:")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST:
        return 0
    return int(digits)


class Journal:
    """The session's lasting events. Sequences start at 1 and rise by 1."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: list[bytes] = []

    @property
    def last(self) -> int:
        """The sequence of the newest event, 0 when there is none."""
        return len(self._events)

    def append(self, event: bytes) -> None:
        """Keep an event that was encoded with the sequence `last + 1`."""
        self._events.append(event)

    def after(self, cursor: int, size: int) -> Iterator[list[bytes]]:
        """The events with a higher sequence than `cursor`, in order, at most `size` at a time."""
        for start in range(cursor, len(self._events), size):
            yield self._events[start : start + size]
