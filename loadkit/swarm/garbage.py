"""When a worker looks for garbage: hardly ever, as all its sessions stand still meanwhile.

A full collection takes 100 ms at 2,000 sessions, and a generator that stands still reports a slow
server. Sessions leave nothing to it, as they undo their own cycles. What others leave (a library's
exception that holds its own frame) is still bounded.
"""

import gc
import sys
from collections.abc import Callable
from typing import Final

__all__ = ["LOOK_EVERY", "PER_SESSION", "Rarely", "calm"]

LOOK_EVERY: Final = 10.0
"""Seconds between two looks at what there is; each takes some 40 µs."""

PER_SESSION: Final = 200
"""Blocks of memory that a session may have, at most: 180 with all kinds of people, measured."""

_NEVER: Final = 2**31 - 1  # middle collections from one full one to the next
_YOUNG: Final = (700, 10)  # CPython's own


def calm() -> "Rarely":
    """Have full collections only as `Rarely` asks, and never look at what is there already."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_YOUNG, _NEVER)
    return Rarely(sys.getallocatedblocks, gc.collect)


class Rarely:
    """A full collection each time that the process has twice of what it should have.

    By Python's own rule one comes when a quarter is new, which sessions that come and go add up
    to although none leaves anything. With this one, garbage never takes more than all else.

    Args:
        blocks: how many blocks of memory are in use.
        collect: does it.
    """

    def __init__(self, blocks: Callable[[], int], collect: Callable[[], object]) -> None:
        self._blocks, self._collect = blocks, collect
        self._before = self._left = blocks()

    def look(self, sessions: int) -> None:
        """Collect if it is time.

        Args:
            sessions: how many there are.
        """
        # What the last collection left was no garbage, whatever a session should have.
        expected = max(self._left, self._before + PER_SESSION * sessions)
        if self._blocks() >= 2 * expected:
            self._collect()
            self._left = self._blocks()
