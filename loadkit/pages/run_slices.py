"""A run cut into slices of time, few enough to be drawn: added up from its files, row by row.

A day has 86,400 rows. None is left out: the slices are sums of the rows' own histograms and counts.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np

from loadkit.errors import UsageError
from loadkit.figures import PLACE_CLASSES, Phase
from loadkit.results.line_file import forwards
from loadkit.results.series import HISTOGRAMS, LOST, OPEN, SCHEDULE, TIMELINE
from loadkit.results.stored_series import Progress, unwatched
from loadkit.security.textfile import UnreadableError, clipped, open_file
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_sums import HistogramSums
from loadkit.stats.order_statistics import needed

MOST_SLICES: Final = 600
"""Slices of a chart: about as many as it has pixels on a small screen."""

FINEST: Final = 8
"""Slices that a chart of percentiles has at least, however few samples each of them gets."""

LADDER: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Rows of a slice."""

LONGEST_LINE: Final = 1 << 20

CURVES: Final = (
    str(Phase.RESPONSE),
    f"{SCHEDULE}{Phase.RESPONSE}",
    str(Phase.FIRST_CHUNK),
    str(Phase.CHUNK_GAP),
    str(Phase.HANDOFF_WAIT),
)
"""What is drawn over time, as percentiles."""

WHOLE: Final = (Phase.ECHO, Phase.THINKING, Phase.RECONNECT)
"""Phases of which the distribution over the whole run is drawn besides."""

SUMS: Final = frozenset(
    {
        "sessions_started",
        "arrivals_due",
        "arrivals_refused",
        "turns_sent",
        "turns_answered",
        "turns_lost",
        "errors",
        "violations",
        "disconnects_forced",
        "disconnects_recycled",
        "disconnects_unexpected",
        "reconnected",
        "gave_up",
        "ended_failed",
        "frames_sent",
        "frames_received",
        "handoffs_triggered",
        "handoffs_joined",
        *(f"place_{name}" for name in PLACE_CLASSES),
    }
)
HIGHEST: Final = frozenset(
    {
        "oldest_wait_s",
        "turns_open",
        "loop_lag_max_ms",
        "schedule_delay_max_ms",
        "busiest_worker_cpu_percent",
        "machine_cpu_max_percent",
        "rss_mb",
        "master_rss_mb",
        "gc_pause_max_ms",
    }
)
MEANS: Final = ("asked_users", "asked_arrivals_per_s", "sessions_mean", "workers")
STATES: Final = "state_"

Numbers = list[float | None]


@dataclass(slots=True)
class Curve:
    """Percentiles slice by slice, in milliseconds; None where a slice has too few samples.

    Attributes:
        count: the samples of each slice.
        p50, p95, p99, max: of them, by Kaplan and Meier where waits did not end in the slice.
    """

    count: list[int]
    p50: Numbers
    p95: Numbers
    p99: Numbers
    max: Numbers


@dataclass(slots=True)
class Slices:
    """What was measured slice by slice.

    Attributes:
        starts: the second of the run at which each begins.
        length: how long one is, in seconds.
        columns: by the name of a column of `timeline.csv`: sums of counts, means of loads, the
            highest of gauges.
        together: how many slices a point of a curve is made from, so that most have the samples
            that a p95 needs.
        curves: by what it is of, one of `CURVES`; without those that were never measured.
        heat: of responses: (slice, bin) → how many.
        bins: the edges of the bins in milliseconds, one more than there are.
        whole: the distributions of the whole run, by phase.
        wrong: what could not be read, in words; empty while all is well.
    """

    starts: list[float]
    length: float
    columns: dict[str, Numbers] = field(default_factory=dict)
    together: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    heat: dict[tuple[int, int], int] = field(default_factory=dict)
    bins: list[float] = field(default_factory=list)
    whole: dict[str, Distribution] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def read_slices(folder: Path, progress: Progress = unwatched) -> Slices:
    """Read the rows of a run and add them up.

    Never raises for the sake of a file: what cannot be read is in `wrong`.
    """
    path = folder / TIMELINE
    try:
        with open_file(path) as file:
            names, rows = _rows(forwards(file, LONGEST_LINE))
    except (OSError, UnreadableError, ValueError, csv.Error) as error:
        return Slices([], 1.0, wrong=[f"{path}: {clipped(str(error))}"])
    if not rows:
        return Slices([], 1.0, wrong=[f"{path} has no rows"])
    each = rows_of_a_slice(len(rows), MOST_SLICES)
    starts = [row[0] for row in rows[::each]]
    rough = rows[1][0] - rows[0][0] if len(rows) > 1 else rows[0][1] or 1.0
    slices = Slices(starts, round(rough * each, 6))
    slices.columns = dict(_columns(names, rows, each))
    try:
        starts_of_rows = [row[0] for row in rows]
        _histograms(folder / HISTOGRAMS, starts_of_rows, each, slices, progress)
    except (OSError, UnreadableError, UsageError, ValueError) as error:
        slices.wrong.append(f"{folder / HISTOGRAMS}: {clipped(str(error))}")
    return slices


def rows_of_a_slice(rows: int, most: int) -> int:
    """Return how many rows are added up so that there are so many slices at most."""
    least = ceil(rows / most)
    return next((each for each in LADDER if each >= least), least)


def _rows(lines: Iterator[bytes]) -> tuple[list[str], list[list[float]]]:
    """The names of the columns that are drawn, and their numbers; NaN where there is none."""
    table = csv.reader(line.decode() for line in lines)
    header = next(table, [])
    if header[:2] != ["elapsed_s", "length_s"]:
        raise ValueError("is no timeline of loadkit's")
    wanted = [
        at
        for at, name in enumerate(header)
        if at < 2 or name in SUMS or name in HIGHEST or name in MEANS or name.startswith(STATES)
    ]
    rows: list[list[float]] = []
    for number, line in enumerate(table, start=2):
        try:
            found = [float(line[at] or "nan") for at in wanted]
            if rows and not rows[-1][0] <= found[0] < 1e9:
                raise ValueError("elapsed_s goes back")
        except (ValueError, IndexError) as error:
            raise ValueError(f"line {number}: {error}") from error
        rows.append(found)
    return [header[at] for at in wanted], rows


def _columns(
    names: Sequence[str], rows: Sequence[Sequence[float]], each: int
) -> Iterator[tuple[str, Numbers]]:
    every = np.array(rows)
    begins = np.arange(0, len(rows), each)
    for at, name in enumerate(names):
        if at < 2:
            continue
        column = every[:, at]
        known = ~np.isnan(column)
        if not known.any():
            continue
        if name in HIGHEST:
            found = np.maximum.reduceat(np.where(known, column, -np.inf), begins)
        else:
            found = np.add.reduceat(np.where(known, column, 0.0), begins)
            if name not in SUMS:
                many = np.add.reduceat(known.astype(float), begins)
                found = np.where(many > 0, found / np.maximum(many, 1), -np.inf)
        yield name, [round(value, 3) if value > -np.inf else None for value in found.tolist()]


def _histograms(
    path: Path, rows: Sequence[float], each: int, slices: Slices, progress: Progress
) -> None:
    """Add up the histograms; those of waits that did not end are few, and read one by one."""
    tags = [*CURVES, *map(str, WHOLE)]
    number_of = {tag: number for number, tag in enumerate(tags)}
    sums, stride = HistogramSums(), len(slices.starts)
    lost: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    open_at: defaultdict[str, dict[int, Counter[int]]] = defaultdict(dict)
    edges, number = np.array(rows), 0
    with open_file(path) as file:
        for number, line in enumerate(forwards(file, LONGEST_LINE), start=1):
            if not line.startswith(b"Tag="):
                if line[:1] in (b"#", b'"', b"\n"):
                    continue
                raise ValueError(f"line {number} is none of an interval log")
            tag, start, _, _, text = line[4:].decode("ascii").rstrip("\n").split(",")
            of = tag.removeprefix(LOST).removeprefix(OPEN)
            if of not in number_of:
                continue
            row = int(np.searchsorted(edges, float(start) + 0.0005)) - 1
            if not number % 1_000:
                progress(path, max(0, row) / len(rows))
            place = max(0, row) // each
            try:
                if of is tag or of == tag:
                    sums.add(number_of[tag] * stride + place, text)
                    continue
                found = Distribution.decode(text)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            if tag.startswith(LOST):
                for value, count in found.counts.items():
                    lost[of][place, value] += count
            elif row % each == each - 1 or row == len(rows) - 1:  # the last row of its slice
                open_at[of][place] = Counter(dict(found.counts.items()))
    if not number:
        raise ValueError("is empty")
    counted = sums.sums()
    for tag, number in number_of.items():
        seen = {
            place: counted[number * stride + place]
            for place in range(stride)
            if number * stride + place in counted
        }
        unseen = {place for place, _ in lost[tag]} | set(open_at[tag])
        if not seen and not unseen:
            continue
        slices.whole[tag] = _whole(seen, lost[tag], open_at[tag], stride)
        if tag in CURVES:
            slices.together[tag] = together = _together(seen, stride)
            slices.curves[tag] = _curve(seen, lost[tag], open_at[tag], stride, together)
        if tag == Phase.RESPONSE:
            _heat(seen, slices)


Seen = Mapping[int, tuple[Any, Any]]


def _whole(
    seen: Seen,
    lost: Mapping[tuple[int, int], int],
    open_at: Mapping[int, Mapping[int, int]],
    many: int,
) -> Distribution:
    found = Counter[int]()
    for values, counts in seen.values():
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    given_up = Counter[int]()
    for (_, value), count in lost.items():
        given_up[value] += count
    whole = Distribution.of(found, given_up)
    if last := open_at.get(many - 1):
        whole.under_way({}, last)
    return whole


def _together(seen: Seen, many: int) -> int:
    """How many slices a point takes so that half of the points have samples enough for a p95."""
    counts = np.zeros(many)
    for place, (_, found) in seen.items():
        counts[place] = found.sum()
    for each in LADDER:
        if many < FINEST * each:
            break
        begins = np.arange(0, many, each)
        if np.median(np.add.reduceat(counts, begins)) >= needed(950):
            return each
    return max((each for each in LADDER if many >= FINEST * each), default=1)


def _curve(
    seen: Seen,
    lost: Mapping[tuple[int, int], int],
    open_at: Mapping[int, Mapping[int, int]],
    many: int,
    together: int,
) -> Curve:
    """One point for each `together` slices."""
    lost_at: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for (place, value), count in lost.items():
        lost_at[place // together][value] += count
    points = ceil(many / together)
    curve = Curve([0] * points, *(_nothing(points) for _ in range(4)))
    for point in range(points):
        counts = Counter[int]()
        for place in range(point * together, min(many, (point + 1) * together)):
            if place in seen:
                values, found = seen[place]
                for value, count in zip(values.tolist(), found.tolist(), strict=True):
                    counts[value] += count
        waits = Distribution.of(counts, lost_at.get(point, {}))
        begun = open_at.get(point * together - 1, {})
        still = open_at.get(min(many, (point + 1) * together) - 1, {})
        if begun or still:
            waits.under_way(begun, still)
        curve.count[point] = waits.count
        # Who was never answered waited too: a median above the highest would be nonsense.
        longest = max((waits.max if waits.count else 0, *waits.lost, *waits.open))
        if waits.count or waits.lost or waits.open:
            curve.max[point] = longest / 1000
        for name, per_mille in (("p50", 500), ("p95", 950), ("p99", 990)):
            if waits.enough(per_mille):
                getattr(curve, name)[point] = waits.percentile(per_mille)
    return curve


def _nothing(points: int) -> Numbers:
    return [None] * points


def _heat(seen: Seen, slices: Slices) -> None:
    """Bins of equal ratio, twenty for each factor of ten, over all that was measured."""
    lows = [values[0] for values, _ in seen.values()]
    highs = [values[-1] for values, _ in seen.values()]
    first = np.floor(20 * np.log10(max(min(lows, default=1), 1)))
    last = np.floor(20 * np.log10(max(*highs, 1, 1))) + 1
    edges = 10 ** (np.arange(first, last + 1) / 20)
    slices.bins = [float(f"{edge / 1000:.4g}") for edge in edges.tolist()]
    for place, (values, counts) in seen.items():
        bins = np.clip(np.floor(20 * np.log10(np.maximum(values, 1))) - first, 0, len(edges) - 2)
        for at, count in zip(bins.astype(int).tolist(), counts.tolist(), strict=True):
            slices.heat[place, at] = slices.heat.get((place, at), 0) + count
