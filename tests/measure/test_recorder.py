"""What one worker measures."""

import json
from typing import Any

import pytest

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.histogram import Distribution
from loadkit.measure.recorder import EXAMPLE_LENGTH, Recorder


def stats(wire: dict[str, Any]) -> dict[str, float]:
    distribution = Distribution()
    distribution.add(wire)
    return distribution.stats()


def test_a_sample_with_a_due_time_gives_all_three_durations() -> None:
    """Latency is end - sent, from_schedule is end - due, the generator's delay is sent - due."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=10.0, sent=10.25, end=11.0)
    taken = recorder.take(12.0)
    assert stats(taken["latency"]["response"])["max"] == 750.0
    assert stats(taken["from_schedule"]["response"])["max"] == 1000.0
    assert stats(taken["generator"]["schedule_delay_ms"])["max"] == 250.0


def test_a_sample_without_a_due_time_says_nothing_of_the_schedule() -> None:
    """Only what has a schedule can be late."""
    recorder = Recorder()
    recorder.sample(Phase.ECHO, due=None, sent=1.0, end=1.1)
    taken = recorder.take(2.0)
    assert list(taken["latency"]) == ["echo"]
    assert taken["from_schedule"] == {}
    assert taken["generator"] == {}


def test_sent_early_is_not_late() -> None:
    """A timer that fires a moment too soon is a delay of zero, not a fault."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=10.001, sent=10.0, end=11.0)
    delay = recorder.take(12.0)["generator"]["schedule_delay_ms"]
    assert (delay["negative"], delay["max"]) == (0, 0)


def test_what_was_sent_in_the_warm_up_is_left_out() -> None:
    """The stamp that decides is the one at which it was sent."""
    recorder = Recorder(measure_from=10.0)
    recorder.sample(Phase.RESPONSE, due=9.0, sent=9.999, end=30.0)
    recorder.loop_lag(0.5, at=9.0)
    recorder.resources(99.0, 1, at=9.0)
    assert recorder.take(31.0)["latency"] == {}
    recorder.sample(Phase.RESPONSE, due=None, sent=10.0, end=30.0)
    assert list(recorder.take(32.0)["latency"]) == ["response"]


def test_a_turn_of_the_warm_up_is_counted_neither_as_sent_nor_as_answered() -> None:
    """`since` is when the turn began, so both counts leave it out together."""
    recorder = Recorder(measure_from=10.0)
    recorder.count(Count.TURNS_SENT, since=9.0)
    recorder.count(Count.TURNS_ANSWERED, since=9.0)
    recorder.count(Count.TURNS_SENT, since=10.0)
    recorder.count(Count.DISCONNECTS_FORCED, n=2)
    assert recorder.take(11.0)["counts"] == {"turns.sent": 1, "disconnects.forced": 2}


def test_only_the_first_text_of_a_kind_is_kept() -> None:
    """Texts do not pile up in a long run, nor over intervals."""
    recorder = Recorder()
    recorder.fail(Failure.UNANSWERED, "turn 1")
    recorder.fail(Failure.UNANSWERED, "turn 2")
    recorder.violate("missing_echo", "no echo of a1")
    first = recorder.take(1.0)
    recorder.fail(Failure.UNANSWERED, "turn 3")
    second = recorder.take(2.0)
    assert first["counts"] == {"errors.unanswered": 2, "violations.missing_echo": 1}
    assert first["examples"] == {
        "errors.unanswered": "turn 1",
        "violations.missing_echo": "no echo of a1",
    }
    assert second["counts"] == {"errors.unanswered": 1}
    assert second["examples"] == {}


def test_an_example_is_one_short_printable_line() -> None:
    """A server's text cannot fill a log, break a line or move the cursor."""
    recorder = Recorder()
    recorder.fail(Failure.INTERNAL, "a\r\n\x1b[31m b\ud800" + "x" * 10_000)
    example = recorder.take(1.0)["examples"]["errors.internal"]
    assert example.startswith("a [31m b x")
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
    assert (first["live"], first["peak"]) == (2, 3)
    assert (second["live"], second["peak"]) == (1, 2)
    assert first["counts"] == {"sessions.started": 3, "ended.user_end": 1}


def test_an_interval_starts_where_the_one_before_ended() -> None:
    """The stamps leave no gap; the first interval has no length."""
    recorder = Recorder()
    spans = [(i["from"], i["to"]) for i in (recorder.take(3.0), recorder.take(4.5))]
    assert spans == [(3.0, 3.0), (3.0, 4.5)]


def test_a_take_starts_afresh_but_for_totals() -> None:
    """Nothing is given out twice; frames are totals on purpose."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=1.0, sent=1.0, end=2.0)
    recorder.loop_lag(0.001)
    recorder.resources(50.0, 10_000_000)
    recorder.frames_sent = 7
    recorder.take(1.0)
    again = recorder.take(2.0)
    assert [again[k] for k in ("latency", "from_schedule", "generator", "counts")] == [{}] * 4
    assert again["frames"]["sent"] == 7


def test_resources_are_percent_and_megabytes() -> None:
    """The master's figures come out in the units of their names."""
    recorder = Recorder()
    recorder.resources(cpu_percent=37.5, rss_bytes=85_200_000)
    generator = recorder.take(1.0)["generator"]
    assert stats(generator["cpu_percent"])["max"] == 37.5
    assert stats(generator["rss_mb"])["max"] == 85.2


def test_an_interval_is_plain_enough_for_json() -> None:
    """No enum, no object: what comes out of JSON is what went in."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=1.0, sent=1.0, end=2.0)
    recorder.count(Count.TURNS_SENT)
    recorder.session_started()
    taken = recorder.take(1.0)
    assert json.loads(json.dumps(taken)) == taken
    assert {type(key) for part in ("counts", "latency") for key in taken[part]} == {str}


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_is_counted_under_its_name(ending: Ending) -> None:
    """`ended.<name>` holds for the whole closed list."""
    recorder = Recorder()
    recorder.session_started()
    recorder.session_ended(ending)
    assert recorder.take(1.0)["counts"][f"ended.{ending.value}"] == 1
