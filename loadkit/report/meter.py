"""How far a command is that reads for long."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final, Self

from rich.text import Text

from loadkit.output import remark, share_terminal
from loadkit.report.live import clock
from loadkit.report.screen import Screen

SOON: Final = 0.5  # seconds until something is drawn, and so long between two drawings
PATIENCE: Final = 5.0  # seconds until a line is told where nothing is drawn
EVERY: Final = 10.0  # seconds between two lines
_TELLING: Final = 0.02  # the share from which on the rest can be reckoned


class Meter:
    """Takes the share that is read, as often as anybody likes.

    On a terminal it is drawn anew, elsewhere a line is told on standard error now and then; what
    takes less than a moment is not told at all. Nothing of it is left when its block is over.

    Args:
        now: seconds that only rise.
    """

    def __init__(self, screen: Screen, now: Callable[[], float] = monotonic) -> None:
        self._screen, self._now, self._is_live = screen, now, screen.is_live
        self._next = now() + (SOON if self._is_live else PATIENCE)
        self._path: Path | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        if self._is_live:
            share_terminal()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            self._screen.stand(None)

    def __call__(self, path: Path, share: float) -> None:
        """So much of a file, or of a run's folder, is read: from 0 to 1."""
        now = self._now()
        if path != self._path:
            self._path, self._began = path, now
        if now < self._next:
            return
        text = f"reading {path}: {100 * share:.0f} %"
        if share > _TELLING:
            text += f", {clock((now - self._began) * (1 - share) / share)} left"
        if self._is_live:
            self._screen.stand(Text(text, no_wrap=True, overflow="ellipsis"))
        else:
            remark(text)
        self._next = now + (SOON if self._is_live else EVERY)
