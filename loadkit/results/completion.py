"""What a killed run's `timeline.csv` and `latency.hlog` lack, put at their ends."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from math import inf, isfinite
from pathlib import Path
from typing import Final

from loadkit.errors import UsageError
from loadkit.measure.timeline import Row
from loadkit.results.line_file import backwards, written
from loadkit.results.series import HISTOGRAMS, TIMELINE, Series
from loadkit.security.textfile import clipped, open_file

LONGEST_LINE: Final = 1024 * 1024
"""Bytes; the longest that is ever written has 200 KB, a histogram with all of its buckets."""


def complete(folder: Path, started: datetime, rows: Iterable[Row], damaged: list[str]) -> int:
    """Write the rows that the files of a run's folder lack.

    The last row in a file may have been cut short, a phase's histogram for one: it is written
    anew if it is among `rows`.

    Args:
        started: see `Series`.
        rows: consecutive ones, up to the last that there is; the files may have the first of them.
        damaged: takes what is wrong with a file that is none of loadkit's, or cannot be written;
            that file is left as it is.

    Returns:
        How many half-written lines were left out.

    Raises:
        UsageError: a file cannot be written.
    """
    half, unwritten = 0, iter(rows)
    first = next(unwritten, None)
    if first is None:
        return half
    since = {}
    for name in (TIMELINE, HISTOGRAMS):
        try:
            lacks_from, cut = _tail(folder / name, first.start)
        except UsageError as error:
            damaged.append(f"{error}; it is left as it is")
            lacks_from, cut = inf, 0
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
    """Give the lines of a file from the last to the first, as `backwards` does.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ordinary file, or has a line that is longer than any of ours.
    """
    if os.path.lexists(path):
        with open_file(path) as file:
            yield from backwards(file, LONGEST_LINE)


def _tail(path: Path, first: float) -> tuple[float | None, int]:
    try:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise ValueError("it is no ordinary file, and nothing is written through a link")
        return _cut(path, first)
    except OSError as error:
        raise UsageError(f"cannot repair {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(
            f"{path} is no file of loadkit, or was edited: {clipped(str(error))}"
        ) from error


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
    if not (isfinite(float(start)) and isfinite(float(length))):
        raise ValueError("a row begins at no time, or lasts for none")
    return float(start), float(length)
