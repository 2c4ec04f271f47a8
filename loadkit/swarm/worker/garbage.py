"""When a worker looks for garbage: often for a moment, and hardly ever for long.

All its sessions stand still meanwhile, and a generator that stands still reports a slow server.
Python looks through what is young once 700 objects more were made than have gone. Where sessions
come and go that takes a quarter of a minute, in which tens of thousands are made: at 2,000 sessions
pauses of 40 ms, of 174 ms where the middle generation takes part. And through everything once a
quarter of it is new, which takes 100 ms, although sessions leave nothing to it, as they undo their
own cycles. What others leave (a library's exception that holds its own frame) is still found.
"""

import gc
import sys
from collections.abc import Callable
from typing import Final

SWEEP_EVERY: Final = 0.1
"""Seconds between two sweeps. The less was made in between, the shorter each is."""

MIDDLE_EVERY: Final = 10
"""Sweeps from one of the middle generation to the next."""

LOOK_EVERY: Final = 100
"""Sweeps from one look at how much there is, some 40 µs, to the next."""

PER_SESSION: Final = 200
"""Blocks of memory that a session may have, at most: 180 with all kinds of people, measured."""

_NEVER: Final = 2**31 - 1  # middle collections from one full one to the next
_BURSTS: Final = (700, 10)  # CPython's own, for what is made within one sweep's time


def calm() -> "Sweeper":
    """Leave full collections to the `Sweeper` alone, and what is there already out of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_BURSTS, _NEVER)
    return Sweeper(sys.getallocatedblocks, gc.collect)


class Sweeper:
    """Collects a little each time, and everything when there is twice of what there should be.

    So garbage never takes more than all else.

    Args:
        blocks: how many blocks of memory are in use.
        collect: collects a generation and those that are younger; 2 is everything.
    """

    def __init__(self, blocks: Callable[[], int], collect: Callable[[int], object]) -> None:
        self._blocks, self._collect = blocks, collect
        self._before = self._left = blocks()
        self._sweeps = 0

    def sweep(self, sessions: int) -> None:
        """Collect, with so many sessions; to be called every `SWEEP_EVERY` seconds."""
        self._sweeps += 1
        if self._sweeps % LOOK_EVERY == 0 and self._blocks() >= 2 * self._expected(sessions):
            self._collect(2)
            self._left = self._blocks()
        else:
            self._collect(1 if self._sweeps % MIDDLE_EVERY == 0 else 0)

    def _expected(self, sessions: int) -> int:
        # What the last collection left was no garbage, whatever a session should have.
        return max(self._left, self._before + PER_SESSION * sessions)
