"""The rows of a run, read again from its `timeline.csv` and `latency.hlog`."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, State
from loadkit.measure.distribution import Distribution
from loadkit.measure.timeline import Row, Standing
from loadkit.measure.waiting import Waiting
from loadkit.report.series import HISTOGRAMS, RETRIED, TIMELINE

__all__ = ["read_rows"]

_COUNTS: Final[Mapping[str, str]] = {
    "sessions_started": Count.SESSIONS_STARTED,
    "turns_sent": Count.TURNS_SENT,
    "turns_answered": Count.TURNS_ANSWERED,
    "turns_lost": Count.TURNS_LOST,
    "disconnects_forced": Count.DISCONNECTS_FORCED,
    "disconnects_unexpected": Count.DISCONNECTS_UNEXPECTED,
    "reconnected": Count.DISCONNECTS_RECONNECTED,
    **{f"ended_{ending}": f"ended.{ending}" for ending in Ending},
    **{f"error_{failure}": f"errors.{failure}" for failure in Failure},
    **{f"retried_{failure}": f"retried.{failure}" for failure in RETRIED},
}
"""Column → the count that it holds."""

_SCHEDULE: Final = "from_schedule."
_LOST, _OPEN = "lost.", "open."


def read_rows(folder: Path) -> Iterator[Row]:
    """Read what the files hold: enough to look for drift and incidents once more.

    Which worker had what is not in them, so the workers count as one; nor are latencies by the
    session's age.

    Args:
        folder: the run's; its files hold whole lines only.

    Raises:
        UsageError: a file cannot be read, or is none of loadkit's.
    """
    try:
        with (folder / TIMELINE).open(encoding="utf-8", newline="") as file:
            latencies, waiting = _Histograms(folder / HISTOGRAMS), Waiting()
            for line in csv.DictReader(file):
                row = _row(line, latencies.at(line["elapsed_s"]), waiting)
                waiting = row.waiting
                yield row
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{folder / TIMELINE} is no file of loadkit: {error!r}") from error


def _row(
    line: Mapping[str, str], tagged: Mapping[str, Distribution], waiting_before: Waiting
) -> Row:
    def known(column: str) -> float | None:
        return float(line[column]) if line[column] else None

    start, length = float(line["elapsed_s"]), float(line["length_s"])
    asked = {"users": known("asked_users"), "arrivals_per_second": known("asked_arrivals_per_s")}
    states = {str(state): int(line[f"state_{state}"]) for state in State}
    waiting = Waiting()
    waiting.turns = int(line["turns_open"])
    latency: dict[str, Distribution] = {}
    for tag, found in tagged.items():
        if tag.startswith(_OPEN):
            waiting.latency[tag.removeprefix(_OPEN)] = Counter(found.counts)
        elif tag.startswith(_LOST):
            at = latency.setdefault(tag.removeprefix(_LOST), Distribution())
            at.lost = Counter(found.counts)
        elif not tag.startswith(_SCHEDULE):
            latency.setdefault(tag, Distribution()).add(found.to_wire())
    for phase in {**waiting_before.latency, **waiting.latency}:
        at = latency.setdefault(phase, Distribution())
        at.under_way(waiting_before.latency.get(phase, {}), waiting.latency.get(phase, {}))
    all_workers = Standing(
        start + length, states, int(line["sessions"]), known("rss_mb"), {"": waiting}
    )
    standing = {"workers": all_workers} if int(line["workers"]) else {}
    return Row(
        start,
        length,
        asked={name: value for name, value in asked.items() if value is not None},
        latency=latency,
        counts=Counter({key: int(line[of]) for of, key in _COUNTS.items() if line[of] != "0"}),
        session_seconds=float(line["sessions_mean"]) * length,
        reported=standing,
        standing=standing,
        master_rss_mb=known("master_rss_mb"),
    )


class _Histograms:
    """`latency.hlog`, row by row; only the row that is asked for is decoded and kept."""

    def __init__(self, path: Path) -> None:
        self._lines = self._read(path)
        self._next = next(self._lines, None)

    def at(self, elapsed_s: str) -> Mapping[str, Distribution]:
        """Return the distributions of the row that begins then; rows are asked for in order."""
        start, found = float(elapsed_s), defaultdict[str, Distribution](Distribution)
        while self._next is not None and self._next[1] <= start + 0.0005:
            tag, at, text = self._next
            if abs(at - start) <= 0.0005:
                found[tag] = Distribution.decode(text)
            self._next = next(self._lines, None)
        return found

    @staticmethod
    def _read(path: Path) -> Iterator[tuple[str, float, str]]:
        with path.open(encoding="ascii") as file:
            for line in file:
                if line.startswith("Tag="):
                    tag, start, _, _, text = line.rstrip("\n").split(",")
                    yield tag.removeprefix("Tag="), float(start), text
