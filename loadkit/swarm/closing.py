"""What is told on the terminal once a run is over: its result, and where the rest of it is."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from loadkit.capacity import document
from loadkit.errors import UsageError
from loadkit.output import command
from loadkit.profile.profile import objectives_at, profile_folders
from loadkit.report.annotations import lines as annotations
from loadkit.report.screen import Screen
from loadkit.report.terminal import render
from loadkit.swarm.run import Run

__all__ = ["tell"]

logger = logging.getLogger(__name__)


def tell(run: Run, profile: str, console: Screen) -> None:
    """Print how a run went.

    Args:
        run: one that is over.
        profile: its name or path, as it was asked for.
        console: where to.
    """
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


def _source(profile: str) -> tuple[str, dict[str, int]] | None:
    """Where the objectives are written, for whoever shows a problem beside its line."""
    with suppress(UsageError):  # the file may be gone by now
        path, lines = objectives_at(profile, profile_folders())
        with suppress(ValueError):  # elsewhere than in the folder that a CI system looks at
            path = str(Path(path).resolve().relative_to(Path.cwd()))
        return path, lines
    return None
