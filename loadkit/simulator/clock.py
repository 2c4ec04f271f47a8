"""Time as the simulator sees it: one monotonic clock and one way to be called later."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Timer"]


class Timer(Protocol):
    """A call that has been arranged and can still be called off."""

    def cancel(self) -> None:
        """Call it off; harmless when it has already happened."""


class Clock(Protocol):
    """What sessions and agents need from time, so that tests can turn the hands."""

    def now(self) -> float:
        """Seconds on `CLOCK_MONOTONIC`, which is one clock for all processes of a machine."""

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Arrange for `call` to happen `delay` seconds from now, never before this returns."""


class LoopClock:
    """The event loop's time. Delays are as fine as the loop's own: a millisecond on uvloop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    # The loop's own time is cached once per iteration and rounded to milliseconds: too coarse
    # for a log that clients' latencies are checked against.
    now = staticmethod(time.monotonic)

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        """See `Clock.later`."""
        return self._loop.call_later(delay, call)
