"""A token bucket: how much may come in, with a second's worth at once."""

import math

from loadkit.simulator.clock import Clock

__all__ = ["TokenBucket"]


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
