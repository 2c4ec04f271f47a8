"""The results of a run that was killed, made from what it left."""

from pathlib import Path
from typing import Final

from loadkit.errors import UsageError
from loadkit.measure.chronicle import Chronicle
from loadkit.measure.summary import Summary
from loadkit.recovery.replay import Replay
from loadkit.recovery.series import read_rows
from loadkit.report.completion import complete
from loadkit.report.files import write
from loadkit.report.journal import JOURNAL, hold

__all__ = ["needed", "rebuild"]

REASON: Final = "the process that led it was killed, or its disk was full"


def needed(folder: Path) -> bool:
    """Tell whether a folder is that of a run which never came to its summary."""
    return (folder / JOURNAL).is_file() and not (folder / "summary.json").exists()


def rebuild(folder: Path) -> Summary:
    """Write all results of a run that was killed, and delete its journal.

    They are what the run itself would have written, had it ended where its journal does. Should
    this be killed as well, it can be done again.

    Args:
        folder: the run's.

    Raises:
        UsageError: the run is going on, its journal is damaged, or something cannot be written.
    """
    try:
        with hold(folder / JOURNAL) as over:
            if not over:
                raise UsageError(
                    f"the run in {folder} is still going on: wait for its end, or look at it with "
                    f"`loadkit status {folder}`"
                )
            summary = _rebuild(folder)
            (folder / JOURNAL).unlink()
            return summary
    except OSError as error:
        raise UsageError(f"cannot make the report of {folder}: {error}") from error


def _rebuild(folder: Path) -> Summary:
    replay = Replay(folder)
    half = complete(folder, replay.started, replay.rows()) + replay.left_out
    cut = {
        "at_s": round(replay.at_s, 3),
        "asked_s": replay.asked_s,
        "reason": REASON,
        "sessions_live": replay.ledger.live,
        "half_written_lines": half,
    }
    # Only now the files have every row.
    chronicle = Chronicle(replay.warmup_s, replay.asked_at)
    chronicle.add(read_rows(folder), replay.at_s)
    summary = replay.summary(cut, chronicle)
    ledger = replay.ledger
    write(folder, summary, replay.head["run"], ledger.examples, ledger.evidence)
    return summary
