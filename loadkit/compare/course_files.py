"""A run's course, read from its `timeline.csv` and `latency.hlog`: a day of it in some seconds."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from loadkit.compare.course import MOST, Course, Floats, PhaseCourse
from loadkit.figures import Count, Ending, Phase
from loadkit.results.completion import LONGEST_LINE
from loadkit.results.line_file import forwards, reading
from loadkit.results.series import HISTOGRAMS, LOST, OPEN, SCHEDULE, TIMELINE
from loadkit.security.textfile import clipped, open_file
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import index_of, lowest_at
from loadkit.stats.hdr_sums import HistogramSums

_COUNTED: Final = {
    "sessions_started": (Count.SESSIONS_STARTED,),
    "turns_sent": (Count.TURNS_SENT,),
    "turns_answered": (Count.TURNS_ANSWERED,),
    "turns_lost": (Count.TURNS_LOST,),
    "violations": ("violations",),
    **{f"ended_{ending}": ("ended",) for ending in Ending},
    f"ended_{Ending.FAILED}": ("ended", "failed"),
}
"""Column -> what it counts towards."""

_MOST_STRETCHES: Final = 4 * MOST
"""That a folder may have: a run has 240, and what goes on for longer was put together."""

_PHASES: Final = tuple(map(str, Phase))
_TAGS: Final = frozenset(f"{of}{phase}" for phase in _PHASES for of in ("", SCHEDULE, LOST, OPEN))


def read_course(
    folder: Path, stretch: float, warmup: float, progress: Callable[[float], None]
) -> Course:
    """Read what a run measured.

    Args:
        folder: the run's.
        stretch: seconds of the stretches that it is cut into.
        warmup: seconds that are left out of latencies and turns.
        progress: told now and then at which second of the run the reading is.

    Raises:
        UsageError: a file cannot be read, is damaged, or is of another run.
    """
    with reading(folder / TIMELINE), open_file(folder / TIMELINE) as file:
        lines = (line.decode() for line in forwards(file, LONGEST_LINE))
        counts, stretches, last = _counts(csv.reader(lines), stretch)
    with reading(folder / HISTOGRAMS), open_file(folder / HISTOGRAMS) as file:
        phases = _phases(forwards(file, LONGEST_LINE), stretch, stretches, last, progress)
    return Course(phases, counts, stretches, min(int(warmup / stretch), stretches))


def _counts(rows: Iterator[list[str]], stretch: float) -> tuple[dict[str, Floats], int, float]:
    """What was counted in each stretch, how many there are, and when the last row begins."""
    place = {name: at for at, name in enumerate(next(rows, []))}
    lacking = [name for name in ("elapsed_s", "length_s", *_COUNTED) if name not in place]
    if lacking:
        raise ValueError(f"there is no column {lacking[0]!r}")
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    start = 0.0
    for number, row in enumerate(rows, start=2):
        if len(row) != len(place):
            raise ValueError(f"line {number} has {len(row)} columns, not {len(place)}")
        start = float(row[place["elapsed_s"]])
        here = found[_stretch(start, float(row[place["length_s"]]), stretch)]
        for name, keys in _COUNTED.items():
            if (text := row[place[name]]) != "0":
                for key in keys:
                    here[key] += _count(text)
    stretches = max(found, default=0) + 1
    counts = {key: np.zeros(stretches) for keys in _COUNTED.values() for key in keys}
    for at, here in found.items():
        for key, many in here.items():
            counts[key][at] = many
    return counts, stretches, start


def _phases(
    lines: Iterator[bytes],
    stretch: float,
    stretches: int,
    last: float,
    progress: Callable[[float], None],
) -> dict[str, PhaseCourse]:
    """The waits of each phase: those whose end was seen, those given up, and those still open."""
    seen, lost = HistogramSums(), HistogramSums()
    still: dict[str, Distribution] = {}  # by phase, those that are open at the end of the last row
    number_of = {phase: number for number, phase in enumerate(_PHASES)}
    for number, line in enumerate(lines, start=1):
        if not line.startswith(b"Tag="):
            continue
        try:
            tag, begin, length, _, text = line[4:].decode("ascii").rstrip("\n").split(",")
            if tag not in _TAGS:
                raise ValueError(f"has a Tag={tag}")
            at = _stretch(float(begin), float(length), stretch)
            if at >= stretches:
                raise ValueError("is of no row of the timeline")
            if tag in number_of:
                seen.add(number_of[tag] * stretches + at, text)
            elif tag.startswith(LOST):
                lost.add(number_of[tag.removeprefix(LOST)] * stretches + at, text)
            elif tag.startswith(OPEN) and abs(float(begin) - last) <= 0.0005:
                still[tag.removeprefix(OPEN)] = Distribution.decode(text)
        except ValueError as error:
            raise ValueError(f"line {number}: {clipped(str(error))}") from error
        if not number % 1000:
            progress(float(begin))
    ended, given_up = seen.sums(), lost.sums()
    phases = {}
    for phase, number in number_of.items():
        places = range(number * stretches, (number + 1) * stretches)
        parts = [(at, *ended[place]) for at, place in enumerate(places) if place in ended]
        gone = [(at, *given_up[place]) for at, place in enumerate(places) if place in given_up]
        if parts or gone:
            whole = Distribution.of(_sum(parts), _sum(gone))
            if parts:  # as far as the buckets tell
                whole.max = lowest_at(index_of(whole.max) + 1) - 1
            if phase in still:
                whole.open = dict(still[phase].counts.items())
            phases[phase] = _course(whole, [*parts, *gone])
    return phases


_Parts = list[tuple[int, np.ndarray, np.ndarray]]  # stretch, values, how many of each


def _course(whole: Distribution, parts: _Parts) -> PhaseCourse:
    at = np.repeat([place for place, *_ in parts], [len(values) for _, values, _ in parts])
    values = np.concatenate([values for _, values, _ in parts])
    return PhaseCourse(whole, at, values, np.concatenate([many for *_, many in parts]))


def _sum(parts: _Parts) -> Counter[int]:
    found = Counter[int]()
    for _, values, many in parts:
        found.update(dict(zip(values.tolist(), many.tolist(), strict=True)))
    return found


def _stretch(start: float, length: float, stretch: float) -> int:
    if not (0 <= start <= 1e9 and 0 < length <= 1e6):
        raise ValueError(f"begins at {start:g} and lasts {length:g} s")
    if (at := int((start + length / 2) / stretch)) > _MOST_STRETCHES:
        raise ValueError("is long after the run's end")
    return at


def _count(text: str) -> int:
    if not 0 <= (found := int(text)) <= 10**15:
        raise ValueError(f"there is a count of {clipped(text)}")
    return found
