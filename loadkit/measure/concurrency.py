"""How many sessions ran at once, over all workers, second by second."""

from array import array
from math import floor
from typing import Final

__all__ = ["Concurrency"]

_BLOCK: Final = 1024  # seconds


class Concurrency:
    """The largest sum, over workers, of the sessions each had live within one second of the run.

    A worker's report gives its highest number of live sessions within an interval; that number is
    taken for every second the interval touches, and a second's figure is the sum over workers of
    their highest. Workers need not have peaked at the same instant of that second, so with more
    than one worker the figure may be too high, by what their numbers moved within two intervals,
    and is never too low. Seconds are counted from the end of each worker's warm-up, since the
    clocks of two machines share no zero.

    A day costs about 350 KB a worker.
    """

    def __init__(self) -> None:
        # Blocks, since a clock's zero may lie anywhere and the second may be any number.
        self._workers: dict[str, dict[int, array[int]]] = {}

    def add(self, worker: str, start: float, end: float, peak: int) -> None:
        """Take that `worker` had at most `peak` sessions at once from `start` to `end` (s)."""
        blocks = self._workers.setdefault(worker, {})
        for second in range(floor(start), floor(end) + 1):
            number, place = divmod(second, _BLOCK)
            block = blocks.get(number)
            if block is None:
                block = blocks[number] = array("I", bytes(array("I").itemsize * _BLOCK))
            if peak > block[place]:
                block[place] = peak

    @property
    def peak(self) -> int:
        """The largest sum of any second so far."""
        numbers = {number for blocks in self._workers.values() for number in blocks}
        highest = 0
        for number in numbers:
            blocks = [every[number] for every in self._workers.values() if number in every]
            highest = max(highest, max(map(sum, zip(*blocks, strict=True))))
        return highest
