"""The run cut into rows, held against the ledger's sums over the whole run."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.capacity.step import Stretch
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline
from loadkit.stats.distribution import Distribution
from tests.sizes import size_of


class Clocked:
    """A worker whose clock shows `zero` when the run begins, fed at seconds of the run."""

    def __init__(self, zero: float = 0.0) -> None:
        self.zero = self.now = zero
        self.recorder = Recorder(clock=lambda: self.now)

    def take(self, at: float) -> Interval:
        self.now = self.zero + at
        return self.recorder.take(self.now)


def seconds_of(length: int, zero: float = 0.0, phase: float = 0.0) -> list[Interval]:
    """A worker's reports of one turn a second, each of a second, `phase` after the run's own."""
    worker, reports = Clocked(zero + phase), []
    for second in range(1, length + 1):
        worker.recorder.count(Count.TURNS_SENT)
        reports.append(worker.take(float(second)))
    return reports


def turns(rows: list[Row]) -> list[int]:
    return [row.counts[Count.TURNS_SENT] for row in rows]


def merged(rows: list[Row], part: str) -> dict[str, list[Any]]:
    """All rows' distributions added up, without the help of what is tested."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        for key, one in getattr(row, part).items():
            known = found.setdefault(key, [Counter(), 0, 0, 0])
            known[0].update(one.counts)
            for index, number in enumerate((one.total, one.negative, one.overflow), start=1):
                known[index] += number
    return found


def whole(distributions: dict[str, Distribution]) -> dict[str, list[Any]]:
    return {
        key: [Counter(one.counts), one.total, one.negative, one.overflow]
        for key, one in distributions.items()
    }


reports = st.lists(
    st.tuples(
        st.integers(0, 2),  # the worker
        st.floats(0.01, 7),  # how long its interval is
        st.floats(0, 25),  # how long the report is under way
        st.lists(st.floats(-0.1, 700), max_size=4),  # what took how long in it
        st.integers(-1, 1),  # sessions begun or ended
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(reports, st.sampled_from([0.1, 1.0, 5.0]), st.floats(0, 5), st.randoms())
def test_rows_add_up_to_the_run_exactly(
    script: list[tuple[int, float, float, list[float], int]],
    length: float,
    look_every: float,
    chance: random.Random,
) -> None:
    """Whatever the order, delays and doublings, and whenever rows are asked for."""
    timeline = Timeline(length)
    ledger = Ledger(timeline)
    workers = [Clocked(zero) for zero in (0.0, 1e6, 123.4)]
    ends, numbers = [0.0] * 3, [0] * 3
    arrivals: list[tuple[float, str, int, Interval]] = []
    for number, lasts, delay, durations, sessions in script:
        ends[number] += lasts
        numbers[number] += 1
        recorder = workers[number].recorder
        recorder.frames_sent += len(durations)
        for took in durations:
            recorder.sample(Phase.RESPONSE, 10.0, 10.05, 10.0 + took)
            recorder.count(Count.TURNS_SENT)
        if sessions > 0:
            recorder.session_started()
        elif sessions < 0:
            recorder.session_ended(Ending.USER_END)
        report = workers[number].take(ends[number])
        for again in range(1 + chance.randrange(2)):
            at = ends[number] + delay + again
            arrivals.append((at, f"w{number}", numbers[number], report))
    rows: list[Row] = []
    looked = 0.0
    for at, worker, seq, report in sorted(arrivals, key=lambda arrival: arrival[0]):
        ledger.add(worker, seq, report, at)
        if at >= looked + look_every:
            rows += timeline.closed(at)
            looked = at
    rows += timeline.finish()

    assert [row.start for row in rows] == [number * length for number in range(len(rows))]
    for part in ("latency", "from_schedule", "generator", "ages"):
        assert merged(rows, part) == whole(getattr(ledger, part))
    assert sum((row.counts for row in rows), Counter()) == ledger.counts
    assert sum(row.session_seconds for row in rows) == pytest.approx(ledger.session_seconds)
    assert sum(row.frames["sent"] for row in rows) == ledger.frames["sent"]


def test_a_row_holds_its_second() -> None:
    """Reports of a second each, one a row."""
    timeline = Timeline()
    for second, report in enumerate(seconds_of(4)):
        timeline.add("a", report, second, second + 1)
    assert turns(timeline.finish()) == [1, 1, 1, 1]


def test_an_interval_that_straddles_goes_where_its_middle_is() -> None:
    """It is never cut."""
    timeline = Timeline()
    timeline.add("a", seconds_of(1)[0], 1.4, 2.2)
    timeline.add("b", seconds_of(1)[0], 1.8, 2.4)
    assert turns(timeline.finish()) == [0, 1, 1]


def test_an_interval_longer_than_a_row_leaves_the_others_empty() -> None:
    """Its length tells that it cannot be had more finely."""
    timeline = Timeline(0.5)
    timeline.add("a", seconds_of(1)[0], 0.0, 2.0)
    assert turns(timeline.finish()) == [0, 0, 1]


def test_short_intervals_are_gathered() -> None:
    """Rows may be longer than a worker's reports."""
    timeline = Timeline(5.0)
    for second, report in enumerate(seconds_of(10)):
        timeline.add("a", report, second, second + 1)
    assert turns(timeline.finish()) == [5, 5]


@pytest.mark.parametrize("jitter", [0.02, 0.2])
def test_jitter_at_a_border_sends_no_interval_to_and_fro(jitter: float) -> None:
    """A worker whose middles lie on the borders of rows still has one interval in each."""
    timeline, chance, start = Timeline(), random.Random(1), 0.5
    for second, report in enumerate(seconds_of(50), start=1):
        end = second + 0.5 + chance.uniform(-jitter, jitter)
        timeline.add("a", report, start, end)
        start = end
    rows = turns(timeline.finish())
    assert rows.count(1) == 50
    assert set(rows) <= {0, 1}


def test_a_row_is_closed_when_every_worker_has_reported_past_it() -> None:
    """Not before, and each row once."""
    timeline, a, b = Timeline(), seconds_of(3), seconds_of(3)
    timeline.add("a", a[0], 0, 1)
    timeline.add("b", b[0], 0, 1)
    timeline.add("a", a[1], 1, 2)
    assert turns(timeline.closed(3.5)) == [2]
    timeline.add("b", b[1], 1, 2)
    assert turns(timeline.closed(3.6)) == [2]
    assert timeline.closed(3.7) == []


def test_a_row_waits_a_moment_for_workers_not_heard_of_yet() -> None:
    """At the start one worker's first report comes before the other's."""
    timeline = Timeline()
    timeline.add("a", seconds_of(1)[0], 0, 1)
    assert timeline.closed(1.01) == []
    timeline.add("b", seconds_of(1)[0], 0, 1)
    assert turns(timeline.closed(2.0)) == [2]


def test_a_silent_worker_is_waited_for_ten_seconds_once() -> None:
    """From then on the others' rows are closed as they come."""
    timeline, closed = Timeline(), []
    timeline.add("dead", seconds_of(1)[0], 0, 1)
    for second, report in enumerate(seconds_of(15)):
        timeline.add("a", report, second, second + 1)
        closed.append(len(timeline.closed(second + 1.5)))
    assert closed == [0, 1, *[0] * 8, 9, 1, 1, 1, 1]


def test_before_anybody_has_reported_rows_stay_open() -> None:
    """Workers that take their time to start do not find the first rows closed."""
    timeline = Timeline()
    assert timeline.closed(8.0) == []
    timeline.add("a", seconds_of(1)[0], 0, 1)
    assert turns(timeline.closed(8.1)) == [1]


def test_what_comes_too_late_is_in_the_oldest_open_row() -> None:
    """It is in the wrong row rather than in none."""
    timeline = Timeline()
    late = seconds_of(1)[0]
    for second, report in enumerate(seconds_of(3)):
        timeline.add("a", report, second, second + 1)
    assert turns(timeline.closed(4.0)) == [1, 1, 1]
    timeline.add("late", late, 0, 1)
    assert turns(timeline.finish()) == [1]


def test_sessions_are_those_at_the_end_of_a_row() -> None:
    """By state, over all workers, each by its latest interval within the row."""
    timeline = Timeline()
    for worker, waiting in (("a", 3), ("b", 4)):
        clocked = Clocked()
        clocked.recorder.session_started()
        clocked.recorder.states = {"waiting": 9}
        timeline.add(worker, clocked.take(0.4), 0.0, 0.4)
        clocked.recorder.session_started()
        clocked.recorder.states = {"waiting": waiting, "ready": 1}
        timeline.add(worker, clocked.take(0.9), 0.4, 0.9)
    (row,) = timeline.finish()
    assert (row.live, row.in_state("waiting"), row.in_state("ready")) == (4, 7, 2)
    assert row.in_state("queued") == 0


def test_a_silent_worker_keeps_its_sessions_for_a_moment() -> None:
    """Then it is taken as gone, and they with it."""
    timeline = Timeline()
    worker = Clocked()
    worker.recorder.session_started()
    timeline.add("dead", worker.take(1.0), 0, 1)
    for second, report in enumerate(seconds_of(14)):
        timeline.add("a", report, second, second + 1)
    assert [row.live for row in timeline.finish()] == [1] * 3 + [0] * 11


def test_mean_sessions_are_the_integral_over_the_row() -> None:
    """Half a second of two sessions is one on average."""
    timeline, worker = Timeline(), Clocked()
    worker.now = 0.5
    for _ in range(2):
        worker.recorder.session_started()
    timeline.add("a", worker.take(1.0), 0, 1)
    (row,) = timeline.finish()
    assert row.mean_live == 1.0


def test_the_last_row_is_as_long_as_it_was_measured() -> None:
    """So that its averages are not those of a run that went on."""
    timeline, worker = Timeline(), Clocked()
    worker.recorder.session_started()
    for start, end in ((0.0, 1.0), (1.0, 1.25)):
        timeline.add("a", worker.take(end), start, end)
    last = timeline.finish()[-1]
    assert (last.length, last.mean_live) == (0.25, 1.0)


def test_memory_is_summed_over_workers_and_the_busiest_core_is_one() -> None:
    """Both by the row's own reports."""
    timeline = Timeline()
    for worker, cpu in (("a", 20.0), ("b", 70.0)):
        clocked = Clocked()
        clocked.recorder.gauge("cpu_percent", cpu)
        clocked.recorder.gauge("rss_mb", 100.0)
        timeline.add(worker, clocked.take(1.0), 0, 1)
    (row,) = timeline.finish()
    assert (row.rss_mb, row.generator["cpu_percent"].max) == (200.0, 70_000)


def test_the_masters_memory_is_that_of_the_moment_at_which_a_row_is_closed() -> None:
    """None while it has not been told, as where the leading process loads too; the summary has it
    as a distribution."""
    timeline = Timeline()
    ledger = Ledger(timeline)
    reports = seconds_of(3)
    found = []
    for second, memory in enumerate([None, 80.0, 81.5], start=1):
        if memory is not None:
            ledger.lead(memory)
        ledger.add("a", second, reports[second - 1], float(second))
        found += timeline.closed(second + 1.0)
    assert [row.master_rss_mb for row in found] == [None, 80.0, 81.5]
    stats = ledger.generator["master_rss_mb"].stats()
    assert (stats["count"], stats["min"], stats["max"]) == (2, 80.0, 81.5)


def test_frames_are_what_was_added_to_the_totals() -> None:
    """A total that comes late or again adds nothing."""
    timeline, worker, found = Timeline(), Clocked(), []
    for total in (10, 30, 60):
        worker.recorder.frames_received = total
        found.append(worker.take(float(total)))
    timeline.add("a", found[0], 0, 1)
    timeline.add("a", found[2], 2, 3)
    timeline.add("a", found[1], 1, 2)
    assert [row.frames["received"] for row in timeline.finish()] == [10, 0, 50]


def test_a_row_knows_the_load_that_was_asked_for_in_its_middle() -> None:
    """The caller says by what name."""
    timeline = Timeline(2.0, asked=lambda second: {"users": 10 * second})
    timeline.add("a", seconds_of(1)[0], 2.5, 3.5)
    assert [row.asked for row in timeline.finish()] == [{"users": 10.0}, {"users": 30.0}]


def test_memory_does_not_grow_with_the_run() -> None:
    """After a quarter of an hour of two workers there is no more of it than after half of that."""
    chance = random.Random(5)
    recorder = Recorder(watched=frozenset({"HandoffChat"}))
    reports = []
    for _ in range(100):
        recorder.scoped("HandoffChat").sample(Phase.RESPONSE, 0.9, 1.0, 1.0 + chance.random())
        recorder.fail(Failure.UNANSWERED, "text")
        recorder.frames_sent += 3
        reports.append(recorder.take(0.0))
    timeline = Timeline()
    ledger = Ledger(timeline)
    sizes, rows = [], 0
    for second in range(1, 901):
        report = replace(reports[second % 100], start=second - 1.0, end=float(second))
        for worker in ("a", "b"):
            ledger.add(worker, second, report, float(second))
        rows += len(timeline.closed(float(second)))
        if second in (450, 900):
            sizes.append(size_of(ledger))
    assert rows > 850
    assert sizes[0] > 50_000  # so that something was measured
    assert sizes[1] < 1.2 * sizes[0]


# --- waits that are under way ---------------------------------------------------------------------


def waiting_run(
    lives: list[tuple[float, float]], seconds: int, dies_at: int | None = None
) -> tuple[Ledger, list[Row]]:
    """Two workers' turns, each (since when, how long); the second worker may die."""
    timeline = Timeline()
    ledger, workers = Ledger(timeline), [Clocked(), Clocked(500.0)]
    rows: list[Row] = []
    for second in range(1, seconds + 1):
        for number, worker in enumerate(workers):
            if number == 1 and dies_at is not None and second > dies_at:
                continue
            now = worker.zero + second
            for since, lasts in lives[number::2]:
                sent = worker.zero + since
                if second - 1 <= since < second:
                    worker.recorder.count(Count.TURNS_SENT, since=sent)
                if second - 1 < since + lasts <= second:
                    worker.recorder.sample(Phase.RESPONSE, None, sent, sent + lasts)
                elif since < second < since + lasts:
                    wait = Wait(Phase.RESPONSE, None, sent)
                    worker.recorder.see_waiting("CompleteChat", now, [wait], [sent])
            ledger.add(f"w{number}", second, worker.take(float(second)), float(second))
        rows += timeline.closed(float(second))
    return ledger, rows + timeline.finish()


@given(
    st.lists(st.tuples(st.floats(0, 9.9), st.floats(0.001, 30)), min_size=1, max_size=40),
    st.integers(10, 14),
)
@settings(max_examples=40, deadline=None)
def test_the_rows_of_a_run_add_up_to_its_waits(
    lives: list[tuple[float, float]], seconds: int
) -> None:
    """Each row begins with what was open at the end of the one before."""
    ledger, rows = waiting_run(lives, seconds)
    whole = Stretch(rows).latency.get("response", Distribution())
    mine = ledger.latency.get("response", Distribution())
    assert whole.waits == mine.waits == len(lives)
    assert (dict(whole.open), dict(whole.entered)) == (dict(mine.open), {})
    assert whole.stats() == mine.stats()
    assert rows[-1].waiting.turns == ledger.counts["turns.open"]


def test_what_a_worker_waited_for_that_died_is_open_no_longer_in_the_rows_after() -> None:
    """Nobody knows what became of it; the run as a whole keeps it as open."""
    ledger, rows = waiting_run([(0.5, 60.0), (0.5, 60.0)], 9, dies_at=3)
    assert [row.waiting.turns for row in rows] == [2, 2, 2, 2, 2, 1, 1, 1, 1]
    assert ledger.counts["turns.open"] == 2
    assert all(row.latency["response"].waits == 0 for row in rows[1:])
