"""What a run leaves behind second by second: `timeline.csv` and `latency.hlog`.

Both grow while the run goes on, so that a run which is killed has left what it knew. A disk that
fills up ends the files and not the run.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from loadkit.errors import Failure
from loadkit.figures import PLACE, PLACE_CLASSES, Count, Ending, Phase, State
from loadkit.measure.timeline import Row
from loadkit.results.line_file import LineFile
from loadkit.stats.distribution import Distribution

TIMELINE: Final = "timeline.csv"
HISTOGRAMS: Final = "latency.hlog"

SCHEDULE, LOST, OPEN = "from_schedule.", "lost.", "open."
"""How the tag of a phase begins that is of latencies from the schedule, or of waits that were lost
or are open."""

PHASES: Final = (
    Phase.RESPONSE,
    Phase.FIRST_CHUNK,
    Phase.CHUNK_GAP,
    Phase.ECHO,
    Phase.LIVE_RESPONSE,
    Phase.CONNECT,
    Phase.RECONNECT,
)
"""The phases with columns of their own; `latency.hlog` has them all."""

RETRIED: Final = (
    Failure.CONNECT_REFUSED,
    Failure.CONNECT_TIMEOUT,
    Failure.CONNECTION_LOST,
    Failure.RATE_LIMITED,
    Failure.HTTP_SERVER_ERROR,
    Failure.ANSWER_TOO_BIG,
)
"""What a client asks again after; each such failure that was not the last has a column too."""

PERCENTILES: Final = {"p50": 500, "p95": 950, "p99": 990}

FORMAT: Final = "1.3"
"""The version of HdrHistogram's interval log that is written: the first with tags is 1.2."""

Value = float | str | None
Column = Callable[[Row], Value]


class Series:
    """Writes the rows of a run as they are closed.

    Args:
        folder: the run's folder.
        started: the wall clock's time at second 0 of the run; a label, no figure hangs on it.
        pause: called after each step, to let others run: a step takes up to a millisecond,
            and a row some hundred of them, which a process that also loads would see in its
            delays. What raises from it, as when a greenlet is killed, loses nothing: the rest is
            written by the next call.
        since: files that are there already and are to be gone on with, by name, and from which
            second of the run on they lack rows.
    """

    def __init__(
        self,
        folder: Path,
        started: datetime,
        pause: Callable[[], None] = lambda: None,
        since: Mapping[str, float] | None = None,
    ) -> None:
        self._since = since or {}
        self._pause = pause
        self._rows: deque[Row] = deque()
        self._steps = self._work()
        self._columns = columns(started)
        self._timeline = self._open(folder / TIMELINE, ",".join(self._columns) + "\n")
        self._histograms = self._open(folder / HISTOGRAMS, _preamble(started))

    @property
    def failed(self) -> str | None:
        """Why something could not be written, in words."""
        return self._timeline.failed or self._histograms.failed

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows, in their order. Never raises for the sake of a disk: see `failed`."""
        self._rows.extend(rows)
        while next(self._steps):
            self._pause()

    def close(self) -> None:
        """Write what is left and end the files."""
        while next(self._steps):
            pass
        for file in (self._timeline, self._histograms):
            file.close()

    def _work(self) -> Iterator[bool]:
        """Write rows step by step; each time it yields whether there was anything to do."""
        while True:
            while self._rows:
                row, values = self._rows.popleft(), []
                if self._lacks(TIMELINE, row):
                    for column in self._columns.values():
                        values.append(_text(column(row)))
                        yield True
                    self._timeline.append_or_end(",".join(values) + "\n")
                if self._lacks(HISTOGRAMS, row):
                    for line in _histogram_lines(row):
                        self._histograms.append_or_end(line)
                        yield True
            yield False

    def _lacks(self, name: str, row: Row) -> bool:
        return row.start + row.length / 2 > self._since.get(name, 0.0)

    def _open(self, path: Path, head: str) -> LineFile:
        file = LineFile(path, go_on=path.name in self._since)
        if path.name not in self._since:
            file.append_or_end(head)
        return file


def columns(started: datetime) -> Mapping[str, Column]:
    """Return the columns of `timeline.csv`: how each is called, and what it holds of a row."""
    return {
        "elapsed_s": lambda row: row.start,
        "length_s": lambda row: row.length,
        "utc": lambda row: _utc(started + timedelta(seconds=row.start)),
        "asked_users": lambda row: row.asked.get("users"),
        "asked_arrivals_per_s": lambda row: row.asked.get("arrivals_per_second"),
        "sessions": lambda row: row.live,
        "sessions_mean": lambda row: row.mean_live,
        **{f"state_{state}": _in_state(state) for state in State},
        "sessions_started": _count(Count.SESSIONS_STARTED),
        "arrivals_due": _count(Count.ARRIVALS_DUE),
        "arrivals_refused": _count(Count.ARRIVALS_REFUSED),
        **{f"ended_{ending}": _count(f"ended.{ending}") for ending in Ending},
        "turns_sent": _count(Count.TURNS_SENT),
        "turns_answered": _count(Count.TURNS_ANSWERED),
        "turns_lost": _count(Count.TURNS_LOST),
        "turns_open": lambda row: row.waiting.turns,
        "oldest_wait_s": lambda row: row.waiting.oldest_s() or None,
        **{
            f"{phase}_{name}": column
            for phase in PHASES
            for name, column in _latency(phase, lambda row: row.latency).items()
        },
        **{
            f"{Phase.RESPONSE}_from_schedule_{name}": column
            for name, column in _latency(Phase.RESPONSE, lambda row: row.from_schedule).items()
            if name != "count"
        },
        "handoffs_triggered": _count(Count.HANDOFFS_TRIGGERED),
        "handoffs_joined": _count(Count.HANDOFFS_JOINED),
        **{f"place_{name}": _count(f"{PLACE}.{name}") for name in PLACE_CLASSES},
        "errors": _sum("errors."),
        **{f"error_{failure}": _count(f"errors.{failure}") for failure in Failure},
        **{f"retried_{failure}": _count(f"retried.{failure}") for failure in RETRIED},
        "violations": _sum("violations."),
        "disconnects_forced": _count(Count.DISCONNECTS_FORCED),
        "disconnects_recycled": _count(Count.DISCONNECTS_RECYCLED),
        "disconnects_unexpected": _count(Count.DISCONNECTS_UNEXPECTED),
        "reconnected": _count(Count.DISCONNECTS_RECONNECTED),
        "gave_up": _count(Count.DISCONNECTS_GAVE_UP),
        "frames_sent": lambda row: row.frames["sent"],
        "frames_received": lambda row: row.frames["received"],
        "bytes_sent": lambda row: row.frames["bytes_sent"],
        "bytes_received": lambda row: row.frames["bytes_received"],
        "workers": lambda row: len(row.reported),
        "loop_lag_max_ms": _highest("loop_lag_ms"),
        "schedule_delay_p99_ms": lambda row: _percentile(
            row.generator.get("schedule_delay_ms"), 990
        ),
        "schedule_delay_max_ms": _highest("schedule_delay_ms"),
        "busiest_worker_cpu_percent": _highest("cpu_percent"),
        "machine_cpu_max_percent": _highest("machine_cpu_percent"),
        "rss_mb": lambda row: row.rss_mb,
        "master_rss_mb": lambda row: row.master_rss_mb,
        "gc_pause_max_ms": _highest("gc_pause_ms"),
        "files_max_percent": _highest("files_percent"),
        "ports_max_percent": _highest("ports_percent"),
    }


def _in_state(state: State) -> Column:
    return lambda row: row.in_state(state)


def _count(key: str) -> Column:
    return lambda row: row.counts[key]


def _sum(prefix: str) -> Column:
    return lambda row: sum(n for key, n in row.counts.items() if key.startswith(prefix))


def _highest(name: str) -> Column:
    return lambda row: _maximum(row.generator.get(name))


def _latency(phase: Phase, part: Callable[[Row], Mapping[str, Distribution]]) -> dict[str, Column]:
    def at(per_mille: int) -> Column:
        return lambda row: _percentile(part(row).get(phase), per_mille)

    def count(row: Row) -> Value:
        found = part(row).get(phase)
        return found.count if found is not None else 0

    return {
        "count": count,
        **{f"{name}_ms": at(per_mille) for name, per_mille in PERCENTILES.items()},
        "max_ms": lambda row: _maximum(part(row).get(phase)),
    }


def _percentile(found: Distribution | None, per_mille: int) -> Value:
    """A percentile; None where the samples of the row are too few to support it."""
    return found.percentile(per_mille) if found is not None and found.enough(per_mille) else None


def _maximum(found: Distribution | None) -> Value:
    return found.max / 1000 if found is not None and found.count else None


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _preamble(started: datetime) -> str:
    # With a base time the stamps of the lines count from the start of the run; readers that
    # know nothing of a base time guess the same from the start time.
    since_epoch = f"{started.timestamp():.3f} (seconds since epoch)"
    return (
        "#[loadkit: latencies by phase, in microseconds; Interval_Max in milliseconds]\n"
        f"#[Histogram log format version {FORMAT}]\n"
        f"#[StartTime: {since_epoch}, {_utc(started)}]\n"
        f"#[BaseTime: {since_epoch}]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def _histogram_lines(row: Row) -> Iterator[str]:
    """One line for each phase in which something was measured.

    Not by hdrh's own writer: it knows no tags and writes the maximum rounded down.
    """
    every = {
        **row.latency,
        **{f"{SCHEDULE}{key}": d for key, d in row.from_schedule.items()},
        **{f"{LOST}{key}": Distribution.of(pairs) for key, pairs in row.unseen.items()},
        **{f"{OPEN}{key}": Distribution.of(ages) for key, ages in row.waiting.latency.items()},
    }
    for tag, found in sorted(every.items()):
        if found.count:
            highest_ms = found.max / 1000
            yield f"Tag={tag},{row.start:.3f},{row.length:.3f},{highest_ms:.3f},{found.encode()}\n"
