"""Time as the simulator sees it: one clock, one way to be called later, scripts of what is done."""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Protocol


class Timer(Protocol):
    """A call that has been arranged."""

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


Script = Generator[float, None, None]
"""What is done, in order; it yields the seconds to wait before the next step."""


class Player:
    """Goes through one script at a time."""

    __slots__ = ("_clock", "_script", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._script: Script | None = None
        self._timer: Timer | None = None

    def play(self, script: Script) -> None:
        """Begin at once; what was being played is dropped. A script may begin another one."""
        self.stop()
        self._script = script
        self._step()

    def stop(self) -> None:
        """Go no further. Harmless from inside the script, which then runs to its next wait."""
        if self._timer is not None:
            self._timer.cancel()
        self._script = self._timer = None

    def _step(self) -> None:
        script, self._timer = self._script, None
        while script is not None and self._script is script:
            delay = next(script, None)
            if delay is None:
                if self._script is script:
                    self._script = None
                return
            if self._script is script and delay > 0:
                self._timer = self._clock.later(delay, self._step)
                return
