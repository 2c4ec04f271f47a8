"""What a run tells on the terminal: where it stands, then its result, and where the rest is."""

import json
import logging
import os
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadkit.capacity import document
from loadkit.capacity.adapter import CapacityAdapter
from loadkit.errors import UsageError
from loadkit.exit_codes import ExitCode
from loadkit.flags import Tell
from loadkit.output import command, remark, say
from loadkit.profile.profile import objectives_at, profile_folders
from loadkit.report.annotations import lines as annotations
from loadkit.report.live import line
from loadkit.report.live_view import search_view, view
from loadkit.report.screen import Screen
from loadkit.report.terminal import render, render_problems
from loadkit.report.verdict import verdict_document
from loadkit.security.escaping import in_json
from loadkit.swarm.run import Run
from loadkit.swarm.workers.membership import Membership

if TYPE_CHECKING:
    from loadkit.compare.comparison import Comparison

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
        if run.adapter is not None:
            self._say_step(now, f"capacity of {run.target}", run.adapter)
        elif self._is_live:
            self._console.stand(view(run.figures(now, users, membership)))
        elif self._is_time(now):
            figures = run.figures(now, users, membership)
            self._console.print(line(figures), soft_wrap=True)

    def _say_step(self, now: float, title: str, adapter: CapacityAdapter) -> None:
        """Tell where a capacity search stands; what a log has told is not repeated."""
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


def conclude(run: Run, options: Namespace, console: Screen) -> int:
    """Print how a run went that is over, and how it compares with its baseline where it has one.

    Returns:
        The exit code of the comparison; 0 without one.
    """
    how: Tell = options.tell
    if how != "json":
        _tell(run, options.profile, console, how)
    code, found = (
        (ExitCode.OK, None)
        if options.baseline is None
        else _compare(run, options.baseline, options.fail_on)
    )
    if how == "json":
        say(in_json(json.dumps(_document(run, found), ensure_ascii=False)))
    elif found is not None and (how == "all" or code):
        from loadkit.compare import terminal

        console.print()
        terminal.render(found, console)
    if run.unwritten is not None:
        logger.error("%s", run.unwritten)
    return code


def _tell(run: Run, profile: str, console: Screen, how: Tell) -> None:
    """`profile` is what was asked for, a name or a path."""
    summary = run.summary
    assert summary is not None
    if how == "quiet":
        render_problems(summary, console, run.ledger.examples)
    elif run.found is None:
        render(summary, console, run.ledger.examples)
    else:
        document.render(run.found, console)
    if how == "all" or summary.verdict.exit_code:
        console.print(f"results: {run.folder.path}", soft_wrap=True)
    for text in annotations(summary, os.environ, _source(profile)):
        command(text)


def _document(run: Run, compared: "Comparison | None") -> dict[str, Any]:
    """The same as one object."""
    assert run.summary is not None
    told = verdict_document(run.summary) | {"results": str(run.folder.path)}
    if run.found is not None:
        told |= {"capacity": run.found["capacity"], "sentence": document.sentence(run.found)}
    if compared is not None:
        told["comparison"] = compared.to_dict()
    return told


def _compare(run: Run, baseline: str, fail_on: Sequence[str]) -> tuple[int, "Comparison | None"]:
    """Compare it with another one; returns the exit code of that, too."""
    from loadkit.compare.command import compared  # numpy, which no worker is to pay for

    assert run.summary is not None
    if run.summary.stopped_early is not None or run.unwritten is not None:
        remark(f"not compared with {baseline}: the run was stopped, or is not all written")
        return ExitCode.OK, None  # its own code says so
    try:
        found = compared([Path(baseline), run.folder.path], fail_on)
    except UsageError as error:
        logger.error("not compared with %s: %s", baseline, error)
        return ExitCode.USAGE, None
    return found.exit_code, found


def _source(profile: str) -> tuple[str, dict[str, int]] | None:
    """Where the objectives are written, for whoever shows a problem beside its line."""
    with suppress(UsageError):  # the file may be gone by now
        path, lines = objectives_at(profile, profile_folders())
        with suppress(ValueError):  # elsewhere than in the folder that a CI system looks at
            path = str(Path(path).resolve().relative_to(Path.cwd()))
        return path, lines
    return None
