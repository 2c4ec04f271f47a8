"""What a run tells on the terminal: where it stands, then its result, and where the rest is."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadkit.capacity import document
from loadkit.capacity.adapter import CapacityAdapter
from loadkit.errors import UsageError
from loadkit.exit_codes import ExitCode
from loadkit.output import command
from loadkit.profile.profile import objectives_at, profile_folders
from loadkit.report.annotations import lines as annotations
from loadkit.report.live import line
from loadkit.report.live_view import search_view, view
from loadkit.report.screen import Screen
from loadkit.report.terminal import render
from loadkit.swarm.run import Run
from loadkit.swarm.workers.membership import Membership

__all__ = ["Progress", "compare", "tell"]

logger = logging.getLogger(__name__)

PLAIN_EVERY: Final = 10  # seconds between two lines where a line cannot be redrawn


class Progress:
    """Where a run stands: on a terminal drawn anew each second, in a log a line now and then.

    Args:
        quiet: whether nobody wants to know.
    """

    def __init__(self, console: Screen, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._is_live = console.is_live and not quiet
        self._told = ""

    def say(self, now: float, run: Run, users: int, membership: Membership | None) -> None:
        """Tell how a run stands at a second of it; to be called once in each."""
        if self._is_live:
            self._console.stand(view(run.figures(now, users, membership)))
        elif self._is_time(now):
            figures = run.figures(now, users, membership)
            self._console.print(line(figures), soft_wrap=True)

    def say_step(self, now: float, title: str, adapter: CapacityAdapter) -> None:
        """Tell where a capacity search stands, likewise; what a log has told is not repeated."""
        if self._is_live:
            told = (("now", adapter.state), ("known", adapter.known))
            rows = [*told, ("time left", adapter.time_left(now))]
            self._console.stand(search_view(title, now, rows))
        elif self._is_time(now) and adapter.state != self._told:
            self._told = adapter.state
            text = f"{now:,.0f} s  {adapter.state}; {adapter.known}; {adapter.time_left(now)}"
            self._console.print(text, soft_wrap=True)

    def clear(self) -> None:
        """Make room for the result."""
        self._console.stand(None)

    def _is_time(self, now: float) -> bool:
        return not self._quiet and not round(now) % PLAIN_EVERY


def tell(run: Run, profile: str, console: Screen) -> None:
    """Print how a run went that is over; `profile` is what was asked for, a name or a path."""
    assert run.summary is not None
    if run.found is None:
        render(run.summary, console, run.ledger.examples)
    else:
        document.render(run.found, console)
    console.print(f"results: {run.folder.path}", soft_wrap=True)
    for text in annotations(run.summary, os.environ, _source(profile)):
        command(text)
    if run.unwritten is not None:
        logger.error("%s", run.unwritten)


def compare(run: Run, baseline: str, fail_on: Sequence[str], console: Screen) -> int:
    """Compare a run that is over with another one, and tell; returns the exit code of that."""
    from loadkit.compare.command import compare_runs  # numpy, which no worker is to pay for

    assert run.summary is not None
    if run.summary.stopped_early is not None or run.unwritten is not None:
        console.print(f"not compared with {baseline}: the run was stopped, or is not all written")
        return ExitCode.OK  # its own code says so
    console.print()
    try:
        return compare_runs(console, [Path(baseline), run.folder.path], fail_on)
    except UsageError as error:
        logger.error("not compared with %s: %s", baseline, error)
        return ExitCode.USAGE


def _source(profile: str) -> tuple[str, dict[str, int]] | None:
    """Where the objectives are written, for whoever shows a problem beside its line."""
    with suppress(UsageError):  # the file may be gone by now
        path, lines = objectives_at(profile, profile_folders())
        with suppress(ValueError):  # elsewhere than in the folder that a CI system looks at
            path = str(Path(path).resolve().relative_to(Path.cwd()))
        return path, lines
    return None
