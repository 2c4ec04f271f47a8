"""What a run tells on the terminal: while it goes on one line, drawn anew or appended; then its
result, and where the rest of it is."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadkit.capacity import document
from loadkit.errors import UsageError
from loadkit.exit_codes import ExitCode
from loadkit.figures import Count, Phase
from loadkit.measure.overdue import overdue
from loadkit.output import command
from loadkit.profile.profile import objectives_at, profile_folders
from loadkit.report.annotations import lines as annotations
from loadkit.report.live import line
from loadkit.report.screen import Screen
from loadkit.report.terminal import render
from loadkit.swarm.run import Run

__all__ = ["Progress", "compare", "tell"]

logger = logging.getLogger(__name__)

PLAIN_EVERY: Final = 5  # seconds between two lines where a line cannot be redrawn


class Progress:
    """The line, on a terminal or in a log."""

    def __init__(self, console: Screen) -> None:
        self._console = console
        self._told = ""

    def say(self, now: float, run: Run, users: int) -> None:
        """Tell how a run stands at a second of it; to be called once in each."""
        if not self._is_time(now):
            return
        ledger, profile = run.ledger, run.profile
        response = ledger.latency.get(Phase.RESPONSE)
        due = ledger.from_schedule.get(Phase.RESPONSE)
        text = line(
            elapsed_s=now,
            total_s=profile.load.duration_s,
            users=users,
            turns=ledger.counts[Count.TURNS_ANSWERED],
            response_ms=response.stats() if response is not None else {},
            from_schedule_ms=due.stats() if due is not None else {},
            errors=sum(ledger.under("errors").values()),
            disconnects=ledger.counts[Count.DISCONNECTS_UNEXPECTED],
            violations=sum(ledger.under("violations").values()),
            late=overdue(ledger.waiting, [(each.metric, each.limit) for each in profile.slo]),
        )
        end = "\r" if self._console.is_terminal else "\n"
        self._console.print(text, end=end, soft_wrap=True)

    def say_step(self, now: float, state: str) -> None:
        """Tell where a capacity search stands, likewise; what a log has told is not repeated."""
        if self._console.is_terminal:
            self._console.print(f"{now:5.0f} s  {state:<70}", end="\r")
        elif self._is_time(now) and state != self._told:
            self._console.print(f"{now:,.0f} s  {state}", soft_wrap=True)
            self._told = state

    def clear(self) -> None:
        """Make room for the result."""
        if self._console.is_terminal:
            self._console.print(" " * 79, end="\r")

    def _is_time(self, now: float) -> bool:
        return self._console.is_terminal or not round(now) % PLAIN_EVERY


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
