"""What Locust's own table gets to see."""

import time
from collections.abc import Iterator

import pytest
from locust.env import Environment
from locust.event import Events
from locust.stats import setup_distributed_stats_event_listeners

from loadkit.errors import Failure
from loadkit.figures import NOWHERE, Answered, Phase, TurnSeen
from loadkit.swarm.worker.locust_recorder import METHOD, SwarmRecorder
from tests.sizes import size_of


@pytest.fixture
def environment() -> Iterator[Environment]:
    environment = Environment(events=Events())
    runner = environment.create_local_runner()  # which lets `request` events into the statistics
    setup_distributed_stats_event_listeners(environment.events, environment.stats)
    yield environment
    runner.greenlet.kill()


def test_the_headline_alone_makes_the_total(environment: Environment) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    for phase in Phase:
        recorder.sample(phase, None, 1.0, 1.25)
    recorder.sample(Phase.RESPONSE, None, 2.0, 2.75)
    recorder.take(3.0)
    total, response = environment.stats.total, environment.stats.get("response", METHOD)
    assert total.num_requests == response.num_requests == 2
    assert total.avg_response_time == response.avg_response_time == pytest.approx(500)


def test_every_other_phase_has_a_row_of_its_own(environment: Environment) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    for phase in Phase:
        recorder.sample(phase, None, 1.0, 1.25)
    recorder.take(2.0)
    for phase in Phase:
        assert environment.stats.get(phase.value, METHOD).num_requests == 1


def test_who_listens_to_requests_hears_each_answer_and_the_table_has_each_once(
    environment: Environment,
) -> None:
    """From the interval on that follows the listener's coming."""
    heard = []
    recorder = SwarmRecorder(environment, measure_from=0.0)
    for second in range(1, 4):
        recorder.sample(Phase.RESPONSE, None, second, second + 0.25, Answered(0.0, 1, seen))
        if second == 1:
            environment.events.request.add_listener(lambda **told: heard.append(told))
        recorder.take(second + 1.0)
    assert [(told["name"], told["response_time"]) for told in heard] == [("response", 250.0)] * 2
    total, response = environment.stats.total, environment.stats.get("response", METHOD)
    assert total.num_requests == response.num_requests == 3


def seen() -> TurnSeen:
    return TurnSeen(NOWHERE)


@pytest.mark.parametrize("kind", [Failure.UNANSWERED, Failure.UNACKNOWLEDGED])
def test_a_lost_turn_is_a_failed_request_without_a_time(
    environment: Environment, kind: Failure
) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    recorder.sample(Phase.RESPONSE, None, 1.0, 1.25)
    recorder.fail(kind, "whatever the server said")
    recorder.take(2.0)
    total = environment.stats.total
    assert (total.num_requests, total.num_failures) == (2, 1)
    assert total.get_response_time_percentile(0.99) == 250  # nothing dragged it down


def test_all_that_fails_a_run_is_a_failure_in_locusts_header(environment: Environment) -> None:
    """Each has a row of its own, and none drags the response times down."""
    recorder = SwarmRecorder(environment, measure_from=0.0)
    recorder.sample(Phase.RESPONSE, None, 1.0, 1.25)
    recorder.fail(Failure.CONNECT_REFUSED, "id 1")
    recorder.fail(Failure.CONNECT_REFUSED, "id 2")
    recorder.violate("unexpected_event", "id 3")
    recorder.take(2.0)
    total = environment.stats.total
    assert (total.num_requests, total.num_failures, total.fail_ratio) == (4, 3, 0.75)
    assert total.get_response_time_percentile(0.5) == 250
    assert environment.stats.get("response", METHOD).num_failures == 0
    listed = {(e.name, e.error): e.occurrences for e in environment.stats.errors.values()}
    assert listed == {("session", "connect_refused"): 2, ("violation", "unexpected_event"): 1}


def test_errors_are_listed_by_their_kind_so_that_a_soak_cannot_grow_them(
    environment: Environment,
) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    for number in range(100):
        recorder.fail(Failure.UNANSWERED, f"message {number}")
        recorder.fail(Failure.GAVE_UP, f"session {number}")
    assert len(environment.stats.errors) == 2


def test_what_locust_shows_is_recorded_for_the_summary_too(environment: Environment) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    recorder.sample(Phase.RESPONSE, 0.5, 1.0, 1.25)
    recorder.fail(Failure.UNANSWERED, "why")
    recorder.violate("unexpected_event", "what")
    taken = recorder.take(2.0)
    assert set(taken.latency) == {"response"}
    assert taken.counts == {"errors.unanswered": 1, "violations.unexpected_event": 1}


def test_a_watched_class_is_in_locusts_table_as_any_other(environment: Environment) -> None:
    recorder = SwarmRecorder(environment, 0.0, watched=frozenset({"HandoffChat"}))
    scoped = recorder.scoped("HandoffChat")
    scoped.sample(Phase.RESPONSE, None, 1.0, 1.25)
    scoped.fail(Failure.UNANSWERED, "why")
    recorder.take(2.0)
    total = environment.stats.total
    assert (total.num_requests, total.num_failures) == (2, 1)


def test_sessions_are_timed_by_the_workers_own_clock(environment: Environment) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    recorder.session_started()
    taken = recorder.take(time.perf_counter())
    assert 0 < taken.session_seconds <= taken.end - taken.start


def test_what_counts_from_the_schedule_gets_a_row_once_it_differs(environment: Environment) -> None:
    """All of it, the samples included that came before there was a difference."""
    recorder = SwarmRecorder(environment, measure_from=0.0)
    row = ("response from planned time", METHOD)
    for second in range(1, 4):
        recorder.sample(Phase.RESPONSE, second, second, second + 0.25)
        recorder.take(second + 1)
        assert row not in environment.stats.entries
    recorder.sample(Phase.RESPONSE, 4.0, 4.5, 4.75)  # half a second late
    recorder.take(5.0)
    recorder.sample(Phase.RESPONSE, 5.0, 5.0, 5.25)
    recorder.take(6.0)
    shown = environment.stats.entries[row]
    assert (shown.num_requests, shown.max_response_time) == (5, 750)
    assert environment.stats.total.num_requests == 5  # it stays out of the headline's total
    assert environment.stats.total.max_response_time == 250


def test_a_day_without_a_difference_leaves_nothing_behind(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be shown is as large after six minutes as after ten seconds."""
    now = 1_000_000.0
    monkeypatch.setattr("loadkit.swarm.worker.locust_recorder.time.time", lambda: now)
    recorder, sizes = SwarmRecorder(environment, measure_from=0.0), {}
    for second in range(1, 361):
        now += 1.0
        for phase in (Phase.TOKEN, Phase.RESPONSE, Phase.END):
            recorder.sample(phase, second, second, second + 0.25)
        recorder.take(second + 1.0)
        environment.stats.clear_all()  # as with each of a worker's reports
        if second in (10, 360):
            sizes[second] = size_of(recorder._from_due)
    assert sizes[360] < 1.05 * sizes[10]


def test_a_run_in_which_nothing_but_failures_came_shows_100_percent(
    environment: Environment,
) -> None:
    recorder = SwarmRecorder(environment, measure_from=0.0)
    recorder.fail(Failure.HTTP_CLIENT_ERROR, "401")
    assert environment.stats.total.fail_ratio == 1


def test_responses_of_every_class_are_kept_apart(environment: Environment) -> None:
    """All phases of those that an objective names, of the others what tells how they fare."""
    recorder = SwarmRecorder(
        environment, 0.0, frozenset({"HandoffChat"}), frozenset({"HandoffChat", "IdleChat"})
    )
    for name in ("HandoffChat", "IdleChat"):
        for phase in (Phase.RESPONSE, Phase.ECHO):
            recorder.scoped(name).sample(phase, None, 1.0, 1.25)
    scopes = recorder.take(2.0).scopes
    assert set(scopes["HandoffChat"].latency) == {"response", "echo"}
    assert set(scopes["IdleChat"].latency) == {"response"}
