"""The rows of a run, read again from its `timeline.csv` and `latency.hlog`."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, Phase, State
from loadkit.measure.open_waits import Waiting
from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row
from loadkit.results.completion import LONGEST_LINE
from loadkit.results.line_file import forwards, reading
from loadkit.results.series import HISTOGRAMS, LOST, OPEN, RETRIED, SCHEDULE, TIMELINE
from loadkit.security.textfile import clipped, open_file
from loadkit.stats.distribution import Distribution

_COUNTS: Final[Mapping[str, str]] = {
    "sessions_started": Count.SESSIONS_STARTED,
    "turns_sent": Count.TURNS_SENT,
    "turns_answered": Count.TURNS_ANSWERED,
    "turns_lost": Count.TURNS_LOST,
    "disconnects_forced": Count.DISCONNECTS_FORCED,
    "disconnects_unexpected": Count.DISCONNECTS_UNEXPECTED,
    "reconnected": Count.DISCONNECTS_RECONNECTED,
    "violations": "violations",  # of every kind: which of them is not there
    **{f"ended_{ending}": f"ended.{ending}" for ending in Ending},
    **{f"error_{failure}": f"errors.{failure}" for failure in Failure},
    **{f"retried_{failure}": f"retried.{failure}" for failure in RETRIED},
}
"""Column → the count that it holds."""

_TAGS: Final = frozenset(f"{of}{phase}" for phase in Phase for of in ("", SCHEDULE, LOST, OPEN))


Progress = Callable[[Path, float], None]
"""Is told now and then what is read, and which share of it is."""


def unwatched(_: Path, __: float) -> None:
    """Nobody wants to know how far it is."""


def watched(folder: Path, seconds: float, progress: Progress) -> Iterator[Row]:
    """Return what `read_rows` does, and tell how far it is; `seconds` is how long the run was."""
    for row in read_rows(folder):
        progress(folder, min(1.0, row.start / max(1.0, seconds)))
        yield row


def read_rows(folder: Path) -> Iterator[Row]:
    """Read what the files hold: enough to look for drift and incidents once more.

    Which worker had what is not in them, so the workers count as one; nor are latencies by the
    session's age.

    Raises:
        UsageError: a file cannot be read, is none of loadkit's, or ends in half a line; the text
            names the line.
    """
    path = folder / TIMELINE
    latencies, waiting, end = _Histograms(folder / HISTOGRAMS), Waiting(), 0.0
    with closing(latencies):
        for number, line in enumerate(_table(path), start=2):
            try:
                start = _number(line, "elapsed_s", 1e9)
                if start < end - 1.0:
                    raise ValueError("elapsed_s goes back")
                row = _row(line, latencies.at(start), waiting)
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(path, number, error) from error
            waiting, end = row.waiting, row.start + row.length
            yield row


def _table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file of comma-separated values."""
    with reading(path), open_file(path) as file:
        rows = csv.reader(line.decode() for line in forwards(file, LONGEST_LINE))
        names = next(rows, [])
        for row in rows:
            if len(row) != len(names):
                raise ValueError(f"has {len(row)} columns, not {len(names)}")
            yield dict(zip(names, row, strict=True))


def _damaged(path: Path, line: int, error: Exception) -> UsageError:
    what = f"there is no column {error}" if isinstance(error, KeyError) else str(error)
    return UsageError(f"{path} is damaged, or was edited: line {line}: {clipped(what)}")


def _number(line: Mapping[str, str], column: str, most: float = 1e15) -> float:
    """A number of 0 or more."""
    if 0 <= (found := float(line[column])) <= most:
        return found
    raise ValueError(f"{column} is {clipped(line[column])}")


def _count(line: Mapping[str, str], column: str) -> int:
    _number(line, column)
    return int(line[column])


def _row(
    line: Mapping[str, str], tagged: Mapping[str, Distribution], waiting_before: Waiting
) -> Row:
    def known(column: str) -> float | None:
        return _number(line, column) if line[column] else None

    start, length = _number(line, "elapsed_s"), _number(line, "length_s", 1e6)
    if not length:
        raise ValueError("length_s is 0")
    asked = {"users": known("asked_users"), "arrivals_per_second": known("asked_arrivals_per_s")}
    states = {str(state): _count(line, f"state_{state}") for state in State}
    waiting = Waiting()
    waiting.turns = _count(line, "turns_open")
    latency: dict[str, Distribution] = {}
    for tag, found in tagged.items():
        if tag.startswith(OPEN):
            waiting.latency[tag.removeprefix(OPEN)] = Counter(found.counts)
        elif tag.startswith(LOST):
            at = latency.setdefault(tag.removeprefix(LOST), Distribution())
            at.lost = Counter(found.counts)
        elif not tag.startswith(SCHEDULE):
            latency.setdefault(tag, Distribution()).merge(found)
    for phase in {**waiting_before.latency, **waiting.latency}:
        at = latency.setdefault(phase, Distribution())
        at.under_way(waiting_before.latency.get(phase, {}), waiting.latency.get(phase, {}))
    all_workers = Standing(
        start + length, states, _count(line, "sessions"), known("rss_mb"), {"": waiting}
    )
    reported = {"workers": all_workers} if _count(line, "workers") else {}
    # Who is silent for a row, as on a busy machine, still has its sessions, and waits for answers.
    standing = {"workers": all_workers} if reported or all_workers.live or waiting.latency else {}
    return Row(
        start,
        length,
        asked={name: value for name, value in asked.items() if value is not None},
        latency=latency,
        counts=Counter({key: _count(line, of) for of, key in _COUNTS.items() if line[of] != "0"}),
        session_seconds=_number(line, "sessions_mean") * length,
        reported=reported,
        standing=standing,
        master_rss_mb=known("master_rss_mb"),
    )


class _Histograms:
    """`latency.hlog`, row by row; only the row that is asked for is decoded and kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = self._read(path)
        self._next = next(self._lines, None)

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def at(self, start: float) -> Mapping[str, Distribution]:
        """Return the distributions of the row that begins then; rows are asked for in order."""
        found = defaultdict[str, Distribution](Distribution)
        while self._next is not None and self._next[2] <= start + 0.0005:
            number, tag, at, text = self._next
            if abs(at - start) <= 0.0005:
                try:
                    found[tag] = Distribution.decode(text)
                except ValueError as error:
                    raise _damaged(self._path, number, error) from error
            self._next = next(self._lines, None)
        return found

    @staticmethod
    def _read(path: Path) -> Generator[tuple[int, str, float, str]]:
        with reading(path), open_file(path) as file:
            for number, line in enumerate(forwards(file, LONGEST_LINE), start=1):
                if line.startswith(b"Tag="):
                    yield (number, *_histogram(path, number, line))


def _histogram(path: Path, number: int, line: bytes) -> tuple[str, float, str]:
    try:
        tag, start, _, _, text = line.decode("ascii").rstrip("\n").split(",")
        if not 0 <= float(start) <= 1e9:
            raise ValueError(f"begins at {start}")
        if tag.removeprefix("Tag=") not in _TAGS:
            raise ValueError(f"has a {tag}")
    except ValueError as error:
        raise _damaged(path, number, error) from error
    return tag.removeprefix("Tag="), float(start), text
