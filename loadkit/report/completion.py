"""What a killed run's `timeline.csv` and `latency.hlog` lack, put at their ends."""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from loadkit.errors import UsageError
from loadkit.measure.timeline import Row
from loadkit.report.lines import written
from loadkit.report.series import HISTOGRAMS, TIMELINE, Series

__all__ = ["complete", "last_lines"]


def complete(folder: Path, started: datetime, rows: Iterable[Row]) -> int:
    """Write the rows that a run's files lack.

    The last row in a file may have been cut short, a phase's histogram for one: it is written
    anew if it is among `rows`.

    Args:
        folder: the run's.
        started: see `Series`.
        rows: consecutive ones, up to the last that there is; the files may have the first of them.

    Returns:
        How many half-written lines were left out.

    Raises:
        UsageError: a file cannot be written, or is none of loadkit's.
    """
    half, unwritten = 0, iter(rows)
    first = next(unwritten, None)
    if first is None:
        return half
    since = {}
    for name in (TIMELINE, HISTOGRAMS):
        lacks_from, cut = _tail(folder / name, first.start)
        half += cut
        if lacks_from is not None:
            since[name] = lacks_from
    with closing(Series(folder, started, since=since)) as series:
        series.write([first])
        for row in unwritten:
            series.write([row])
    if series.failed is not None:
        raise UsageError(series.failed)
    return half


def last_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Give the lines of a file from the last to the first; a half-written one comes too.

    Yields:
        Where it begins and ends in the file, its end included, and the line with its end.
    """
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        while end:
            begin = data.rfind(b"\n", 0, end - 1) + 1
            yield begin, end, data[begin:end]
            end = begin


def _tail(path: Path, first: float) -> tuple[float | None, int]:
    try:
        return _cut(path, first)
    except OSError as error:
        raise UsageError(f"cannot repair {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no file of loadkit, or was edited: {error}") from error


def _cut(path: Path, first: float) -> tuple[float | None, int]:
    """Cut off what is half-written, and the last row if it does not begin before `first`.

    Returns:
        From which second on the file lacks rows, None if it has not even one; and how many lines
        were half-written.
    """
    half, last, keep = 0, None, 0
    for _, end, line in last_lines(path):
        if not line.endswith(b"\n"):
            half = 1
            continue
        span = _span(path, line)
        if span is None:
            break
        start, length = span
        if last is None and start < round(first, 3):
            last, keep = start + length, end
            break
        if last is not None and start < last:
            keep = end
            break
        last = start
    if not keep:
        return None, half
    with written(path, go_on=True) as file:
        file.truncate(keep)
    return last, half


def _span(path: Path, line: bytes) -> tuple[float, float] | None:
    """When the row of a line begins, and how long it is; None for a line of the file's head."""
    if line.startswith((b"elapsed_s", b"#", b'"')):
        return None
    start, length = line.split(b",", 3)[1:3] if path.name == HISTOGRAMS else line.split(b",", 2)[:2]
    return float(start), float(length)
