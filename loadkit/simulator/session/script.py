"""What someone does over time, as a generator that says how long it waits before each step."""

from collections.abc import Generator

from loadkit.simulator.clock import Clock, Timer

__all__ = ["Player", "Script"]

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
