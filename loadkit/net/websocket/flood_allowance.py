"""How much a session may be sent: far more than any chat is, and yet little to read.

Who sends frames without end would else have the worker do nothing but read them.
"""

from time import perf_counter
from typing import Final

FRAME: Final = 4096
"""Bytes that a frame costs besides its own: it is work however little it holds. So does a read that
brings no frame."""

EVENT: Final = 256
"""Bytes that an event of a batch costs at least, likewise. One that is whole has as many."""

AT_ONCE: Final = 64 << 20
"""Bytes: 16,000 small frames, or the history of a session that has talked for days."""

A_SECOND: Final = 512 << 10
"""Bytes that are added each second, up to `AT_ONCE`: 120 small frames, where an agent that streams
its answer sends some 50."""

A_MESSAGE: Final = 1 << 20
"""Bytes that are added for each frame that we send: 250 small ones to answer it."""

FLOODED: Final = "the server sent more than any chat is, and was cut off"


class Allowance:
    """What one session may still be sent: bytes `left`; below zero, ask `is_spent`."""

    __slots__ = ("_since", "left")

    def __init__(self) -> None:
        self.left = AT_ONCE
        self._since = perf_counter()

    def add_sent(self, frames: int = 1) -> None:
        """So many frames were sent that may be answered."""
        if self.left < AT_ONCE:
            self.left += frames * A_MESSAGE

    def is_spent(self) -> bool:
        """Whether more has come than may. What time has added is counted here alone."""
        if self.left >= 0:
            return False
        now = perf_counter()
        self.left = min(self.left + int((now - self._since) * A_SECOND), AT_ONCE)
        self._since = now
        return self.left < 0
