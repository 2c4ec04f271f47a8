"""How much is let in: so many at one time, first come first served, or so many a second."""

import math
from collections import OrderedDict
from collections.abc import Callable

from loadkit.simulator.clock import Clock


class Grant:
    """A slot, or a place in the line for one."""

    __slots__ = ("_call", "_done", "_held", "_pool")

    def __init__(self, pool: "Pool", call: Callable[[], None], *, held: bool) -> None:
        self._pool, self._call, self._held, self._done = pool, call, held, False

    def release(self) -> None:
        """Give the slot to the next in line, or leave the line; harmless the second time."""
        if self._done:
            return
        self._done = True
        if self._held:
            self._pool._free()
        else:
            self._pool._leave(self)

    def _take(self) -> None:
        self._held = True
        # Later, not now: a long line of quick answers must not become a deep stack.
        self._pool._clock.later(0, self._start)

    def _start(self) -> None:
        if not self._done:
            self._call()


class Pool:
    """Slots for agents at work.

    Args:
        slots: how many, 0 for no limit.
        queue_limit: how many may wait; None for no limit.
    """

    def __init__(self, slots: int, queue_limit: int | None, clock: Clock) -> None:
        self._slots, self._queue_limit, self._clock = slots, queue_limit, clock
        self._busy = 0
        self._line: OrderedDict[Grant, None] = OrderedDict()

    def request(self, call: Callable[[], None]) -> Grant | None:
        """Ask for a slot; `call` happens, later, once it is held.

        Returns:
            What to release when done, or None when too many wait already.
        """
        grant = Grant(self, call, held=False)
        if self._slots == 0 or self._busy < self._slots:
            self._busy += 1
            grant._take()
        elif self._queue_limit is None or len(self._line) < self._queue_limit:
            self._line[grant] = None
        else:
            return None
        return grant

    def place(self, grant: Grant) -> int:
        """A grant's place in the line, from 1; 0 when it is not in the line any more."""
        for place, each in enumerate(self._line, start=1):
            if each is grant:
                return place
        return 0

    def _free(self) -> None:
        if self._line:
            self._line.popitem(last=False)[0]._take()
        else:
            self._busy -= 1

    def _leave(self, grant: Grant) -> None:
        self._line.pop(grant, None)


class TokenBucket:
    """Lets through `rate` a second; 0 lets everything through."""

    __slots__ = ("_at", "_clock", "_left", "_rate")

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate, self._clock = rate, clock
        self._left = max(rate, 1.0)
        self._at = clock.now()

    def take(self) -> int:
        """Ask for one.

        Returns:
            0 when it was granted, else the whole seconds after which to ask again.
        """
        if self._rate == 0:
            return 0
        now = self._clock.now()
        self._left = min(self._left + (now - self._at) * self._rate, max(self._rate, 1.0))
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self._rate))
