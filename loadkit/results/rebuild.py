"""The results of a run that was killed, made from what it left."""

import os
from pathlib import Path
from typing import Final

from loadkit.errors import UsageError
from loadkit.results.completion import complete
from loadkit.results.journal import JOURNAL
from loadkit.results.journal_lock import hold
from loadkit.results.replay import Replay
from loadkit.results.run_folder import write
from loadkit.results.stored_series import Progress, unwatched, watched
from loadkit.security.textfile import UnreadableError
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.verdict.run_facts import Cut
from loadkit.verdict.summary import Summary

REASON: Final = "the process that led it was killed, or its disk was full"

_TOLD: Final = 20
"""Of what was left out, so many lines are in the summary."""


def needed(folder: Path) -> bool:
    """Tell whether a folder's run never came to its summary."""
    return os.path.lexists(folder / JOURNAL) and not os.path.lexists(folder / "summary.json")


def rebuild(folder: Path, left_out: list[str], progress: Progress = unwatched) -> Summary:
    """Write all results of a run that was killed, and delete its journal.

    They are what the run itself would have written, had it ended where its journal does. Should
    this be killed as well, it can be done again.

    Args:
        left_out: takes what was damaged and is not in the results, a line each; the results name it
            as well, and the journal is kept then.
        progress: told how far it is.

    Raises:
        UsageError: the run is going on, its journal is damaged where it begins, or something cannot
            be written.
    """
    try:
        with hold(folder / JOURNAL) as over:
            if not over:
                raise UsageError(
                    f"the run in {folder} is still going on: wait for its end, or look at it with "
                    f"`loadkit status {folder}`"
                )
            summary = _rebuild(folder, left_out, progress)
            if not left_out:
                (folder / JOURNAL).unlink()
            return summary
    except UnreadableError as error:
        raise UsageError(f"{folder / JOURNAL} {error}") from error
    except OSError as error:
        raise UsageError(f"cannot make the report of {folder}: {error}") from error


def _rebuild(folder: Path, left_out: list[str], progress: Progress) -> Summary:
    replay = Replay(folder)
    half = complete(folder, replay.head.started, replay.rows(), left_out) + replay.left_out
    left_out += (f"{each}; left out: what that line told" for each in replay.damaged)
    analysis = _analysis(folder, replay, left_out, progress)  # only now the files have every row
    cut = Cut(
        at_s=round(replay.at_s, 3),
        asked_s=replay.asked_s,
        reason=REASON,
        sessions_live=replay.ledger.live,
        half_written_lines=half,
        left_out=tuple(left_out[:_TOLD]),
    )
    summary = replay.summary(cut, analysis)
    ledger = replay.ledger
    write(folder, summary, replay.head.run, ledger.examples, ledger.evidence, ledger.slow)
    return summary


def _analysis(
    folder: Path, replay: Replay, left_out: list[str], progress: Progress
) -> RunAnalysis | None:
    analysis = RunAnalysis(replay.warmup_s, replay.asked_at)
    try:
        analysis.add(watched(folder, replay.at_s, progress), replay.at_s)
    except UsageError as error:
        left_out.append(f"{error}; left out: drift, incidents, and the load over time")
        return None
    return analysis
