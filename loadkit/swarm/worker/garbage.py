"""When a worker looks for garbage: often for a moment, and hardly ever for long.

All its sessions stand still meanwhile, and a generator that stands still reports a slow server.
Python looks through what is young once 700 objects more were made than have gone. Where sessions
come and go that takes a quarter of a minute, in which tens of thousands are made: at 2,000 sessions
pauses of 40 ms, of 174 ms where the middle generation takes part. And through everything once a
quarter of it is new, which takes 100 ms, although sessions leave nothing to it, as they undo their
own cycles. What others leave (a library's exception that holds its own frame) is still found.

The middle generation is set aside in place of being looked through: that took 4 ms a second at
2,000 sessions, a tenth of all that they cost, and found nothing. What dies there in a cycle waits
for everything to be looked through.
"""

import gc
import sys
from collections.abc import Callable
from typing import Final

SWEEP_EVERY: Final = 0.1
"""Seconds between two sweeps. The less was made in between, the shorter each is."""

ASIDE_EVERY: Final = 10
"""Sweeps from one time that what is left is set aside to the next."""

LOOK_EVERY: Final = 100
"""Sweeps from one look at how much there is, some 40 µs, to the next."""

PER_SESSION: Final = 200
"""Blocks of memory that a session may have, at most: 180 with all kinds of people, measured."""

_NEVER: Final = 2**31 - 1  # middle collections from one full one to the next
_BURSTS: Final = (700, 10)  # CPython's own, for what is made within one sweep's time


def calm() -> "Sweeper":
    """Leave full collections to the `Sweeper` alone, and what is there already out of them."""
    _collect_all()
    gc.set_threshold(*_BURSTS, _NEVER)
    return Sweeper(sys.getallocatedblocks, lambda: gc.collect(0), gc.freeze, _collect_all)


def _collect_all() -> None:
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Sweeper:
    """Collects a little each time, and everything when there is twice of what there should be.

    So garbage never takes more than all else.

    Args:
        blocks: how many blocks of memory are in use.
        collect_young: collects what was made since the last sweep.
        set_aside: leaves all that there is to `collect_all`.
        collect_all: collects everything.
    """

    def __init__(
        self,
        blocks: Callable[[], int],
        collect_young: Callable[[], object],
        set_aside: Callable[[], object],
        collect_all: Callable[[], object],
    ) -> None:
        self._blocks, self._collect_young = blocks, collect_young
        self._set_aside, self._collect_all = set_aside, collect_all
        self._before = self._left = blocks()
        self._sweeps = 0

    def sweep(self, sessions: int) -> None:
        """Collect, with so many sessions; to be called every `SWEEP_EVERY` seconds."""
        self._sweeps += 1
        if self._sweeps % LOOK_EVERY == 0 and self._blocks() >= 2 * self._expected(sessions):
            self._collect_all()
            self._left = self._blocks()
            return
        self._collect_young()
        if self._sweeps % ASIDE_EVERY == 0:
            self._set_aside()

    def _expected(self, sessions: int) -> int:
        # What the last collection left was no garbage, whatever a session should have.
        return max(self._left, self._before + PER_SESSION * sessions)
