"""What one worker measures."""

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Origin, Phase
from loadkit.measure.interval import GAUGES, Interval
from loadkit.measure.occurrence import Occurrence
from loadkit.measure.recorder import EXAMPLE_LENGTH, Recorder
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import HIGHEST
from loadkit.stats.histogram import Histogram
from tests.answers import answered


def stats(found: Histogram) -> dict[str, float]:
    distribution = Distribution()
    distribution.merge(found)
    return distribution.stats()


def test_a_sample_with_a_due_time_gives_all_three_durations() -> None:
    """Latency is end - sent, from_schedule is end - due, the generator's delay is sent - due."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=10.0, sent=10.25, end=11.0)
    taken = recorder.take(12.0)
    assert stats(taken.latency["response"])["max"] == 750.0
    assert stats(taken.from_schedule["response"])["max"] == 1000.0
    assert stats(taken.generator["schedule_delay_ms"])["max"] == 250.0


def test_a_sample_without_a_due_time_says_nothing_of_the_schedule() -> None:
    """Only what has a schedule can be late."""
    recorder = Recorder()
    recorder.sample(Phase.ECHO, due=None, sent=1.0, end=1.1)
    taken = recorder.take(2.0)
    assert list(taken.latency) == ["echo"]
    assert taken.from_schedule == {}
    assert taken.generator == {}


def test_sent_early_is_not_late() -> None:
    """A timer that fires a moment too soon is a delay of zero, not a fault."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=10.001, sent=10.0, end=11.0)
    delay = recorder.take(12.0).generator["schedule_delay_ms"]
    assert (delay.negative, delay.max) == (0, 0)


def test_what_was_sent_in_the_warm_up_is_left_out() -> None:
    """The stamp that decides is the one at which it was sent."""
    recorder = Recorder(measure_from=10.0)
    recorder.sample(Phase.RESPONSE, due=9.0, sent=9.999, end=30.0)
    recorder.loop_lag(0.5, at=9.0)
    recorder.gauge("cpu_percent", 99.0, at=9.0)
    taken = recorder.take(31.0)
    assert (taken.latency, taken.generator) == ({}, {})
    recorder.sample(Phase.RESPONSE, due=None, sent=10.0, end=30.0)
    assert list(recorder.take(32.0).latency) == ["response"]


def test_a_turn_of_the_warm_up_is_counted_neither_as_sent_nor_as_answered() -> None:
    """`since` is when the turn began, so both counts leave it out together."""
    recorder = Recorder(measure_from=10.0)
    recorder.count(Count.TURNS_SENT, since=9.0)
    recorder.count(Count.TURNS_ANSWERED, since=9.0)
    recorder.count(Count.TURNS_SENT, since=10.0)
    recorder.count(Count.DISCONNECTS_FORCED, n=2)
    assert recorder.take(11.0).counts == {"turns.sent": 1, "disconnects.forced": 2}


def test_a_response_counts_by_the_age_of_its_session_when_it_was_asked_for() -> None:
    """Where it is known when that began."""
    recorder = Recorder(measure_from=10.0)
    recorder.sample(
        Phase.RESPONSE, due=None, sent=110.0, end=111.0, turn=answered(90.0)
    )  # 20 s: class 1
    recorder.sample(
        Phase.RESPONSE, due=None, sent=190.0, end=192.0, turn=answered(90.0)
    )  # 100 s: class 3
    recorder.sample(Phase.RESPONSE, due=None, sent=111.0, end=113.0)
    recorder.sample(
        Phase.RESPONSE, due=None, sent=9.0, end=11.0, turn=answered(8.0)
    )  # of the warm-up
    taken = recorder.take(200.0)
    assert {age: found.total for age, found in taken.ages.items()} == {1: 1_000_000, 3: 2_000_000}
    assert taken.latency["response"].total == 5_000_000
    assert recorder.take(201.0).ages == {}


def test_only_the_first_text_of_a_kind_is_kept() -> None:
    """Texts do not pile up in a long run, nor over intervals."""
    recorder = Recorder()
    recorder.fail(Failure.UNANSWERED, "turn 1")
    recorder.fail(Failure.UNANSWERED, "turn 2")
    recorder.violate("missing_echo", "no echo of a1")
    first = recorder.take(1.0)
    recorder.fail(Failure.UNANSWERED, "turn 3")
    second = recorder.take(2.0)
    assert first.counts == {"errors.unanswered": 2, "violations.missing_echo": 1}
    assert first.examples == {
        "errors.unanswered": "turn 1",
        "violations.missing_echo": "no echo of a1",
    }
    assert second.counts == {"errors.unanswered": 1}
    assert second.examples == {}


def test_the_first_of_each_kind_are_kept_with_where_they_happened() -> None:
    """Three a worker, however long the run; the frames are asked for no oftener than that."""
    recorder, asked = Recorder(wall=lambda: 1_800_000_000.25), 0

    def frames() -> list[str]:
        nonlocal asked
        asked += 1
        return ["0.1 ← {}"]

    for number in range(5):
        origin = Origin("HandoffChat", f"session-{number}", f"call-{number}")
        recorder.fail(Failure.UNANSWERED, "late", origin)
        recorder.violate("gap", "a hole", origin, frames)
        if number == 1:
            first = recorder.take(1.0).evidence
    assert first[0] == Occurrence(
        of="errors",
        kind="unanswered",
        at="2027-01-15T08:00:00.250Z",
        detail="late",
        user_class="HandoffChat",
        session="session-0",
        correlation_id="call-0",
    )
    assert (first[1].of, first[1].frames) == ("violations", ("0.1 ← {}",))
    assert [one.session for one in recorder.take(2.0).evidence] == 2 * ["session-2"]
    assert asked == 3


def test_an_example_is_one_short_printable_line() -> None:
    """A server's text cannot fill a log, break a line or move the cursor."""
    recorder = Recorder()
    recorder.fail(Failure.INTERNAL, "a\r\n\x1b[31m b\ud800" + "x" * 10_000)
    example = recorder.take(1.0).examples["errors.internal"]
    assert example.startswith(r"a \x1b[31m b\ud800x")
    assert len(example) == EXAMPLE_LENGTH


def test_the_peak_is_of_the_interval_and_starts_from_who_is_there() -> None:
    """A session that begins and ends between two takes is seen in the peak."""
    recorder = Recorder()
    for _ in range(3):
        recorder.session_started()
    recorder.session_ended(Ending.USER_END)
    first = recorder.take(1.0)
    recorder.session_ended(Ending.FAILED)
    second = recorder.take(2.0)
    assert (first.live, first.peak) == (2, 3)
    assert (second.live, second.peak) == (1, 2)
    assert first.counts == {"sessions.started": 3, "ended.user_end": 1}


def test_an_interval_starts_where_the_one_before_ended() -> None:
    """The stamps leave no gap; the first interval has no length."""
    recorder = Recorder()
    spans = [(i.start, i.end) for i in (recorder.take(3.0), recorder.take(4.5))]
    assert spans == [(3.0, 3.0), (3.0, 4.5)]


def test_a_take_starts_afresh_but_for_totals() -> None:
    """Nothing is given out twice; frames are totals on purpose."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=1.0, sent=1.0, end=2.0)
    recorder.loop_lag(0.001)
    recorder.gauge("cpu_percent", 50.0)
    recorder.frames_sent = 7
    recorder.take(1.0)
    again = recorder.take(2.0)
    assert (again.latency, again.from_schedule, again.generator, again.counts) == ({}, {}, {}, {})
    assert again.frames["sent"] == 7


@pytest.mark.parametrize("name", GAUGES)
def test_a_gauge_comes_out_in_the_unit_of_its_name(name: str) -> None:
    """Percent, milliseconds or megabytes: what went in is what is shown."""
    recorder = Recorder()
    recorder.gauge(name, 37.5)
    recorder.gauge(name, 85.2)
    shown = stats(recorder.take(1.0).generator[name])
    assert (shown["count"], shown["min"], shown["max"]) == (2, 37.5, 85.2)


def test_a_gauge_that_nobody_knows_is_a_mistake() -> None:
    """A misspelt figure would be missing from every report."""
    with pytest.raises(KeyError):
        Recorder().gauge("cpu", 1.0)


@settings(deadline=None, max_examples=50)  # a busy machine is no fault
@given(st.floats(0, 20))
def test_a_late_probe_stands_for_those_it_kept_waiting(seconds: float) -> None:
    """The same samples as HdrHistogram's own correction for coordinated omission gives."""
    reference = HdrHistogram(1, HIGHEST, 3)
    reference.record_corrected_value(round(seconds * 1e6), expected_interval=100_000)
    recorder = Recorder()
    recorder.loop_lag(seconds)
    told = Distribution()
    told.merge(recorder.take(1.0).generator["loop_lag_ms"])
    assert list(HdrHistogram.decode(told.encode()).counts) == list(reference.counts)


def test_a_stall_of_a_second_is_ten_probes() -> None:
    """1,000, 900, … 100 ms: one sample would vanish among a run's thousands."""
    recorder = Recorder()
    recorder.loop_lag(1.0)
    shown = stats(recorder.take(1.0).generator["loop_lag_ms"])
    assert (shown["count"], shown["min"], shown["mean"], shown["max"]) == (10, 100, 550, 1000)


moments = st.floats(0, 100).map(lambda second: round(second, 3))


@settings(max_examples=40)
@given(st.lists(st.tuples(moments, moments), max_size=30), st.lists(moments, max_size=10))
def test_session_seconds_are_what_every_session_lived(
    lives: list[tuple[float, float]], takes: list[float]
) -> None:
    """Whenever the intervals are taken, each holds the parts of all lives within it."""
    lives = [(min(life), max(life)) for life in lives]
    now = 0.0
    recorder = Recorder(clock=lambda: now)
    starts = [(start, 0, recorder.session_started) for start, _ in lives]
    ends = [(end, 1, lambda: recorder.session_ended(Ending.USER_END)) for _, end in lives]
    taken: list[Interval] = []
    closes = [(at, 2, lambda: taken.append(recorder.take(now))) for at in [*takes, 100.0]]
    for at, _, act in sorted([*starts, *ends, *closes], key=lambda event: event[:2]):
        now = at
        act()
    for one in taken:
        lived = [max(0.0, min(end, one.end) - max(start, one.start)) for start, end in lives]
        assert one.session_seconds == pytest.approx(sum(lived), abs=1e-6)
    assert taken[0].start == 0.0


def test_without_a_clock_an_interval_is_lived_by_who_is_there_at_its_end() -> None:
    """The next best guess, for whoever feeds a recorder by hand."""
    recorder = Recorder()
    recorder.take(1.0)
    recorder.session_started()
    assert recorder.take(3.0).session_seconds == 2.0


def test_the_states_are_those_of_the_moment() -> None:
    """The caller sets them before a take, as it sets the frames."""
    recorder = Recorder()
    recorder.states = {"waiting": 3, "ready": 2}
    assert recorder.take(1.0).states == {"waiting": 3, "ready": 2}


def test_who_is_not_watched_records_with_all_others() -> None:
    """Only the classes that an objective names cost anything."""
    recorder = Recorder(watched=frozenset({"HandoffChat"}))
    assert recorder.scoped("CompleteChat") is recorder
    assert recorder.scoped("HandoffChat") is not recorder


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_is_counted_under_its_name(ending: Ending) -> None:
    """`ended.<name>` holds for the whole closed list."""
    recorder = Recorder()
    recorder.session_started()
    recorder.session_ended(ending)
    assert recorder.take(1.0).counts[f"ended.{ending.value}"] == 1


def test_a_message_was_sent_late_once_however_much_of_its_answer_was_timed() -> None:
    """first_chunk and response begin with the same message."""
    recorder = Recorder()
    for phase in (Phase.FIRST_CHUNK, Phase.RESPONSE):
        recorder.sample(phase, 1.0, 1.2, 2.0)
    delay = recorder.take(3.0).generator["schedule_delay_ms"]
    assert delay.count == 1
