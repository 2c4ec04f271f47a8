"""`timeline.csv` and `latency.hlog`, read back by others than who wrote them."""

import csv
import random
import re
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadkit.figures import Count, Ending, Phase
from loadkit.measure.interval import GAUGES
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline
from loadkit.results.series import HISTOGRAMS, TIMELINE, Series, columns
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import HIGHEST

STARTED = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def run_of(seconds: int, per_second: int = 30) -> tuple[Ledger, list[Row]]:
    """Two workers' seconds of samples in several phases."""
    timeline = Timeline(asked=lambda second: {"users": 2 * second})
    ledger, chance = Ledger(timeline), random.Random(3)
    for worker in ("a", "b"):
        now = 0.0
        recorder = Recorder(clock=lambda: now)  # noqa: B023
        for second in range(1, seconds + 1):
            recorder.session_started()
            for _ in range(per_second):
                took = chance.lognormvariate(0, 0.7)
                recorder.sample(Phase.RESPONSE, 0.99, 1.0, 1.0 + took)
                recorder.sample(Phase.ECHO, None, 1.0, 1.0 + took / 100)
                recorder.count(Count.TURNS_ANSWERED)
            recorder.frames_sent += per_second
            now = float(second)
            ledger.add(worker, second, recorder.take(now), now)
    return ledger, timeline.finish()


def written(folder: Path, rows: list[Row]) -> Series:
    series = Series(folder, STARTED)
    series.write(rows)
    series.close()
    return series


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / TIMELINE).open(newline="") as file:
        return list(csv.DictReader(file))


def intervals(folder: Path) -> Iterator[HdrHistogram]:
    reader = HistogramLogReader(str(folder / HISTOGRAMS), HdrHistogram(1, HIGHEST, 3))
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            yield histogram
    finally:
        reader.close()


def test_the_intervals_of_a_tag_add_up_to_the_summary(tmp_path: Path) -> None:
    """Bucket by bucket, in both kinds of tags."""
    ledger, rows = run_of(3)
    written(tmp_path, rows)
    sums: dict[str, Counter[int]] = {}
    for histogram in intervals(tmp_path):
        found = sums.setdefault(histogram.get_tag(), Counter())
        found.update(
            {item.value_iterated_to: item.count_at_value_iterated_to for item in histogram}
        )
    whole = {**ledger.latency, "from_schedule.response": ledger.from_schedule["response"]}
    assert sums == {tag: highest_of_buckets(one) for tag, one in whole.items()}


def highest_of_buckets(distribution: Distribution) -> dict[int, int]:
    """The counts by the highest value of each bucket, which is how hdrh names it."""
    name = HdrHistogram(1, HIGHEST, 3).get_highest_equivalent_value
    return {name(value): count for value, count in distribution.counts.items()}


def test_stamps_of_the_log_count_from_the_start_and_are_dated_by_it(tmp_path: Path) -> None:
    """The reader adds the base time."""
    _, rows = run_of(3)
    written(tmp_path, rows)
    spans = {(h.get_start_time_stamp(), h.get_end_time_stamp()) for h in intervals(tmp_path)}
    began = STARTED.timestamp() * 1000
    assert spans == {(began + 1000 * s, began + 1000 * (s + 1)) for s in range(3)}


def test_the_head_of_the_log_and_a_line(tmp_path: Path) -> None:
    """As HdrHistogram's own writer has it; the maximum is exact and in milliseconds."""
    timeline, recorder = Timeline(), Recorder()
    recorder.sample(Phase.RESPONSE, None, 1.0, 1.812345)
    timeline.add("a", recorder.take(2.0), 0.0, 1.0)
    written(tmp_path, timeline.finish())
    lines = (tmp_path / HISTOGRAMS).read_text().splitlines()
    assert lines[1:5] == [
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1795360014.000 (seconds since epoch), 2026-11-22T15:06:54.000Z]",
        "#[BaseTime: 1795360014.000 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    assert [line.rpartition(",")[0] for line in lines[5:]] == ["Tag=response,0.000,1.000,812.345"]


def test_what_was_no_sample_is_not_in_the_log(tmp_path: Path) -> None:
    """Negative and too long durations are counters of the summary."""
    timeline, recorder = Timeline(), Recorder()
    recorder.sample(Phase.RESPONSE, None, 2.0, 1.0)
    recorder.sample(Phase.ECHO, None, 1.0, 1000.0)
    timeline.add("a", recorder.take(2.0), 0.0, 1.0)
    written(tmp_path, timeline.finish())
    assert list(intervals(tmp_path)) == []


def test_a_row_of_the_table(tmp_path: Path) -> None:
    """Each figure in its column, in its unit."""
    timeline = Timeline(asked=lambda _: {"users": 25.0})
    now = 0.0
    recorder = Recorder(clock=lambda: now)
    for _ in range(3):
        recorder.session_started()
    now = 0.5
    recorder.session_ended(Ending.USER_END)
    recorder.states = {"waiting": 2}
    for number in range(100):
        recorder.sample(Phase.RESPONSE, 0.9, 1.0, 1.1 + number / 1000)
    recorder.count(Count.TURNS_SENT, 7)
    recorder.count("errors.unanswered", 2)
    recorder.count("errors.internal")
    recorder.loop_lag(0.25)
    recorder.gauge("cpu_percent", 12.5)
    recorder.gauge("rss_mb", 80)
    recorder.bytes_sent = 12_345
    now = 1.0
    timeline.add("a", recorder.take(1.0), 0.0, 1.0)
    timeline.master_rss_mb = 91.25
    written(tmp_path, timeline.finish())
    (row,) = table(tmp_path)
    told = {
        "elapsed_s": "0",
        "length_s": "1",
        "utc": "2026-11-22T15:06:54.000Z",
        "asked_users": "25",
        "asked_arrivals_per_s": "",
        "sessions": "2",
        "sessions_mean": "2.5",
        "state_waiting": "2",
        "state_ready": "0",
        "sessions_started": "3",
        "ended_user_end": "1",
        "turns_sent": "7",
        "response_count": "100",
        "response_p50_ms": "149.055",  # the middle of its bucket
        "response_max_ms": "199",
        "response_from_schedule_max_ms": "299",
        "echo_count": "0",
        "echo_max_ms": "",
        "errors": "3",
        "violations": "0",
        "bytes_sent": "12345",
        "workers": "1",
        "loop_lag_max_ms": "250",
        "schedule_delay_max_ms": "100",
        "busiest_worker_cpu_percent": "12.5",
        "rss_mb": "80",
        "master_rss_mb": "91.25",
        "gc_pause_max_ms": "",
    }
    assert {name: row[name] for name in told} == told


def test_a_percentile_stands_only_where_the_row_supports_it(tmp_path: Path) -> None:
    """Of 100 samples there is a p95, and no p99."""
    _, rows = run_of(1, per_second=50)
    written(tmp_path, rows)
    (row,) = table(tmp_path)
    assert row["response_count"] == "100"
    assert row["response_p95_ms"] != ""
    assert row["response_p99_ms"] == ""


def test_a_row_takes_no_more_than_docs_results_says(tmp_path: Path) -> None:
    """Not even with 650,000 samples of every phase, spread evenly over every bucket there is."""
    page = (ROOT / "docs" / "results.md").read_text()
    (said,) = re.findall(r"a row of at most (\S+) .* (\S+) lines of at most (\S+) bytes", page)
    row_of, lines, line_of = (int(number.replace(",", "")) for number in said)
    chance, full, lowest = random.Random(9), Distribution(), 0
    while lowest <= HIGHEST:
        full.counts[lowest] = chance.randint(1, 63)
        lowest += 1 << max(0, lowest.bit_length() - 11)
    full.max = HIGHEST
    row = Row(123_456.0, 1.0, {"users": 1234.567, "arrivals_per_second": 1234.567})
    row.latency = {phase.value: full for phase in Phase}
    row.from_schedule = {phase.value: full for phase in Phase}
    row.generator = dict.fromkeys(GAUGES, full)
    row.counts = Counter(dict.fromkeys((*Count, *(f"ended.{how}" for how in Ending)), 10**9))
    row.frames = Counter(
        dict.fromkeys(("sent", "received", "bytes_sent", "bytes_received"), 10**12)
    )
    written(tmp_path, [])
    empty = {name: (tmp_path / name).stat().st_size for name in (TIMELINE, HISTOGRAMS)}
    written(tmp_path, [row])
    took = {name: (tmp_path / name).stat().st_size - size for name, size in empty.items()}
    assert took[TIMELINE] < row_of
    assert full.count > 600_000
    found = (tmp_path / HISTOGRAMS).read_text().splitlines()[5:]
    assert len(found) == lines
    assert max(map(len, found)) < line_of


def test_the_table_adds_up(tmp_path: Path) -> None:
    """Counts of the rows are those of the run."""
    ledger, rows = run_of(20)
    written(tmp_path, rows)
    told = table(tmp_path)
    assert [row["elapsed_s"] for row in told] == [str(second) for second in range(20)]
    for column, truth in (
        ("turns_answered", ledger.counts["turns.answered"]),
        ("sessions_started", ledger.counts["sessions.started"]),
        ("response_count", ledger.latency["response"].count),
        ("frames_sent", ledger.frames["sent"]),
    ):
        assert sum(int(row[column]) for row in told) == truth


def test_rows_are_in_the_files_at_once(tmp_path: Path) -> None:
    """A run that is killed has left what it knew."""
    _, rows = run_of(2)
    series = Series(tmp_path, STARTED)
    series.write(rows[:1])
    assert len(table(tmp_path)) == 1
    assert len(list(intervals(tmp_path))) == 3
    series.close()


def test_others_may_run_while_a_row_is_written(tmp_path: Path) -> None:
    """A process that loads as well must not be held up by a whole row."""
    pauses: list[int] = []
    _, rows = run_of(2)
    series = Series(tmp_path, STARTED, pause=lambda: pauses.append(len(list(intervals(tmp_path)))))
    series.write(rows)
    series.close()
    assert set(pauses) == set(range(7))  # between any two lines of three tags and two rows


@pytest.mark.parametrize("steps", [1, 30, 72, 100, 140])
def test_a_writer_that_is_killed_in_the_midst_of_a_row_loses_nothing(
    tmp_path: Path, steps: int
) -> None:
    """Whoever closes the files finishes it; no line is written twice."""
    _, rows = run_of(2)
    left = iter(range(steps))

    def killed() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    series = Series(tmp_path, STARTED, pause=killed)
    with pytest.raises(KeyboardInterrupt):
        series.write(rows)
    series.close()
    (tmp_path / "whole").mkdir()
    written(tmp_path / "whole", rows)
    for name in (TIMELINE, HISTOGRAMS):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@contextmanager
def no_file_longer_than(length: int) -> Iterator[None]:
    """The system refuses to write further, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_file_with_a_whole_line_and_not_the_run(tmp_path: Path) -> None:
    """Nothing is raised; the reason is kept, and what was written can be read."""
    _, rows = run_of(20)
    series = Series(tmp_path, STARTED)
    with no_file_longer_than(6_000):
        for row in rows:
            series.write([row])
    series.close()
    assert series.failed is not None
    assert str(tmp_path) in series.failed
    assert "make room" in series.failed
    for name in (TIMELINE, HISTOGRAMS):
        assert 0 < (tmp_path / name).stat().st_size <= 6_000
        assert (tmp_path / name).read_text().endswith("\n")
    assert 0 < len(list(intervals(tmp_path))) < 60


def test_a_folder_that_is_gone_is_told_and_not_raised(tmp_path: Path) -> None:
    """As any other failure to write."""
    series = written(tmp_path / "gone", run_of(1)[1])
    assert series.failed is not None
    assert TIMELINE in series.failed


def test_a_disk_that_is_well_has_nothing_to_tell(tmp_path: Path) -> None:
    """Silence is success."""
    assert written(tmp_path, run_of(1)[1]).failed is None


def test_every_column_is_explained() -> None:
    """docs/results.md names it, or its pattern where there is one column a phase or a state."""
    page = (ROOT / "docs" / "results.md").read_text()
    assert [
        column
        for column in columns(STARTED)
        if f"| `{column}` |" not in page and f"| `{pattern_of(column)}` |" not in page
    ] == []


def pattern_of(column: str) -> str:
    pattern = re.sub(rf"^({'|'.join(Phase)})_(?=count|p\d|max)", "<phase>_", column)
    pattern = re.sub(r"^state_.*", "state_<state>", pattern)
    pattern = re.sub(r"^ended_.*", "ended_<ending>", pattern)
    pattern = re.sub(r"^place_.*", "place_<class>", pattern)
    pattern = re.sub(r"^error_.*", "error_<kind>", pattern)
    return re.sub(r"^retried_.*", "retried_<kind>", pattern)
