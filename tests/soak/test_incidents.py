"""Incidents found in the rows of targets whose faults are known to the second."""

import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, State
from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row
from loadkit.profile.stages import users_at
from loadkit.profile.tables import Load
from loadkit.soak.incident import DISCONNECTED, FORCED
from loadkit.soak.incidents import CALM, LISTED, Incidents
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram

USERS = 100
LENGTHS = [600, pytest.param(3600, marks=pytest.mark.slow)]
"""Rows without a fault in which there is to be no incident: ten minutes, an hour."""
Fault = Callable[[int], Mapping[str, Any]]


def answers(rng: Random, number: int, slowest: float) -> Distribution:
    tally, found = Histogram(), Distribution()
    for _ in range(number):
        tally.record(rng.uniform(0, slowest))
    found.merge(tally)
    return found


def second(
    at: float,
    *,
    asked: float = USERS,
    live: int = USERS,
    away: int = 0,
    answered: int = 50,
    slowest: float = 1.0,
    rng: Random | None = None,
    workers: tuple[str, ...] = ("a", "b"),
    model: str = "users",
    length: float = 1.0,
    **counts: int,
) -> Row:
    """A row; `counts` are kinds of failures, and the endings and turns by these names."""
    named = {
        "dropped": Count.DISCONNECTS_UNEXPECTED.value,
        "forced": Count.DISCONNECTS_FORCED.value,
        "failed": f"ended.{Ending.FAILED}",
        "lost": Count.TURNS_LOST.value,
        "started": Count.SESSIONS_STARTED.value,
    }
    every = {named.get(key, f"errors.{key}"): n for key, n in counts.items()}
    share = live // len(workers)
    lives = [live - share * (len(workers) - 1), *[share] * (len(workers) - 1)]
    standing = {
        worker: Standing(at + length, {State.READY: mine}, mine, None)
        for worker, mine in zip(workers, lives, strict=True)
    }
    states = {State.READY: lives[0] - away, State.RECONNECTING: away}
    standing[workers[0]] = replace(standing[workers[0]], states=states)
    return Row(
        at,
        length,
        {model: asked},
        latency={} if rng is None else {"response": answers(rng, answered, slowest)},
        counts=Counter({Count.TURNS_ANSWERED.value: answered, **every}),
        session_seconds=live * length,
        standing=standing,
    )


def run(seconds: int, fault: Fault = lambda _: {}, **usual: Any) -> list[dict[str, Any]]:
    """The incidents of a run; `fault` says what is otherwise than usual in a second."""
    incidents, rng = Incidents(), Random(7)
    for at in range(seconds):
        incidents.add(second(float(at), rng=rng, **{**usual, **fault(at)}))
    return list(incidents.to_dicts())


def between(begin: int, end: int, **fault: Any) -> Fault:
    return lambda at: fault if begin <= at < end else {}


class TestABurstOfFailures:
    def test_is_an_incident_from_its_first_row_to_its_last(self) -> None:
        """To the second, with what was counted in it."""
        (found,) = run(120, between(60, 72, upgrade_refused=20, dropped=5))
        assert (found["begin_s"], found["end_s"]) == (60, 72)
        assert found["causes"] == {Failure.UPGRADE_REFUSED: 240, DISCONNECTED: 60}

    def test_has_its_causes_in_the_order_of_their_number(self) -> None:
        """What happened most is told first."""
        (found,) = run(90, between(60, 63, connect_refused=3, session_lost=9, unanswered=6))
        assert list(found["causes"]) == ["session_lost", "unanswered", "connect_refused"]

    def test_has_its_losses(self) -> None:
        """Sessions and turns."""
        (found,) = run(90, between(60, 65, connection_lost=9, failed=4, lost=7))
        assert found["sessions"]["lost"] == 20
        assert found["turns_lost"] == 35

    def test_of_calls_that_were_tried_again_is_one_too(self) -> None:
        """A 429 that waits for its Retry-After is no error yet, and no good news either."""
        incidents = Incidents()
        for at in range(90):
            row = second(float(at))
            if 60 <= at < 66:
                row.counts["retried.rate_limited"] = 12
                row.counts["refused.429"] = 12
            incidents.add(row)
        (found,) = incidents.to_dicts()
        assert found["causes"] == {"rate_limited": 72}
        assert found["refused_with"] == {"429": 72}

    def test_at_the_very_start_is_one(self) -> None:
        """What is usual comes from the rows after it."""
        (found,) = run(90, between(0, 6, rate_limited=30))
        assert (found["begin_s"], found["end_s"]) == (0, 6)

    def test_that_goes_on_has_no_end(self) -> None:
        """The run was over first."""
        (found,) = run(90, between(80, 90, connect_refused=30))
        assert found["end_s"] is None

    def test_that_is_over_when_the_run_ends_has_one(self) -> None:
        """Though too short a time ago to be sure that it does not recur."""
        (found,) = run(90, between(80, 88, connect_refused=30))
        assert found["end_s"] == 88

    def test_is_one_incident_if_it_pauses_for_a_moment(self) -> None:
        """And two if it does so for long enough to be over."""
        apart = CALM + 1
        for pause, number in ((CALM - 1, 1), (apart, 2)):
            again = 63 + pause
            faults = (between(60, 63, gave_up=9), between(again, again + 3, gave_up=9))
            found = run(120, lambda at, both=faults: both[0](at) or both[1](at))  # type: ignore[misc]
            assert len(found) == number

    def test_is_found_among_few_users(self) -> None:
        """Ten who are all cut off in one second."""
        (found,) = run(90, between(60, 61, dropped=10), asked=10, live=10, answered=4)
        assert found["causes"] == {DISCONNECTED: 10}

    def test_is_found_in_a_run_that_is_short(self) -> None:
        """Shorter than what is usual takes to be known for good."""
        (found,) = run(20, between(12, 15, connect_refused=20))
        assert (found["begin_s"], found["end_s"]) == (12, 15)

    def test_that_is_slow_is_found_over_some_rows(self) -> None:
        """Four failures a second where there was hardly ever one, and never five in a row."""
        (found,) = run(200, between(100, 140, unanswered=4))
        assert found["begin_s"] == pytest.approx(100, abs=4)
        assert found["end_s"] == pytest.approx(140, abs=4)


class TestWhatIsNoIncident:
    def test_a_run_without_trouble(self) -> None:
        """Nothing to tell."""
        assert run(300) == []

    def test_a_failure_now_and_then(self) -> None:
        """One in a hundred rows is usual for this run, the first as well as the fifth."""
        assert run(500, lambda at: {"unanswered": int(at % 100 == 99)}) == []

    def test_what_the_profile_breaks_itself(self) -> None:
        """Forced disconnects are what was asked for; they are named where they did harm."""
        assert run(90, between(60, 61, forced=60)) == []
        (found,) = run(90, lambda at: between(60, 64, forced=10, away=50)(at))
        assert found["causes"] == {FORCED: 40}

    def test_a_steady_share_of_failures_from_the_start_on(self) -> None:
        """However high: it is a failed objective, not a window."""
        assert run(300, lambda _: {"unanswered": 20}) == []

    def test_a_ramp(self) -> None:
        """New sessions have no answers yet, and not every user has a session."""
        ramp: list[dict[str, Any]] = []
        for at in range(200):
            asked = 500 if at < 60 else min(500 + 50 * (at - 60), 2000)
            before = 500 if at < 64 else min(500 + 50 * (at - 64), 2000)
            ramp.append({"asked": asked, "live": before, "answered": before // 2})
        assert run(200, lambda at: ramp[at]) == []

    def test_a_load_that_goes_down(self) -> None:
        """Fewer users have fewer answers."""
        down = {"asked": 20, "live": 20, "answered": 10}
        assert run(200, lambda at: down if at >= 100 else {}) == []

    def test_users_who_pause_between_their_sessions(self) -> None:
        """A third of them has none at any time, by chance now more, now less."""
        rng = np.random.default_rng(5)
        assert run(300, lambda _: {"live": int(rng.binomial(USERS, 0.67))}) == []

    def test_a_user_between_two_sessions(self) -> None:
        """One of sixteen is six percent, and back in the next row; nor does it draw a fault out."""
        one_away = {"live": 15}
        usual = {"asked": 16, "live": 16}
        away = lambda at: one_away if at > 60 and at % 3 == 0 else {}  # noqa: E731
        assert run(300, away, **usual) == []
        (found,) = run(
            300, lambda at: between(100, 103, dropped=16, live=0)(at) or away(at), **usual
        )
        assert found["end_s"] == 103

    def test_the_first_seconds(self) -> None:
        """Nobody has a session, nobody has an answer, and the warm-up counts none."""

        def begins(at: int) -> dict[str, Any]:
            return {"live": min(USERS, 10 * at), "answered": 50 if at > 25 else 0}

        assert run(120, begins) == []

    @pytest.mark.parametrize("rows", LENGTHS)
    @pytest.mark.parametrize("mean", [0.02, 0.5, 5.0, 80.0])
    def test_chance(self, mean: float, rows: int) -> None:
        """Stationary noise, failures and answers Poisson: no false alarm.

        The bound allows one in 150 days, so that one in the hour of all cases together would be a
        fault of the arithmetic.
        """
        noise = np.random.default_rng(int(100 * mean))
        failures, answered = noise.poisson(mean, rows), noise.poisson(30, rows)
        incidents = Incidents()
        for at, (failed, number) in enumerate(zip(failures, answered, strict=True)):
            incidents.add(second(float(at), unanswered=int(failed), answered=int(number)))
        assert incidents.to_dicts() == ()

    @pytest.mark.parametrize("rows", LENGTHS)
    @pytest.mark.parametrize("rate", [2.0, 30.0])
    def test_chance_among_arrivals(self, rate: float, rows: int) -> None:
        """A Poisson number of them each second."""
        began = np.random.default_rng(int(rate)).poisson(rate, rows)
        incidents = Incidents()
        for at, number in enumerate(began):
            arrivals = {"model": "arrivals_per_second", "asked": rate, "started": int(number)}
            incidents.add(second(float(at), **arrivals))  # type: ignore[arg-type]
        assert incidents.to_dicts() == ()

    @pytest.mark.parametrize("rows", LENGTHS)
    def test_chance_among_users_who_come_and_go(self, rows: int) -> None:
        """Sessions of a minute and pauses of half a minute, so that a lull lasts."""
        rng = np.random.default_rng(12)
        there = rng.random(60) < 2 / 3
        incidents = Incidents()
        for at in range(rows):
            there ^= rng.random(60) < np.where(there, 1 / 60, 1 / 30)
            live = int(there.sum())
            incidents.add(second(float(at), asked=60, live=live, answered=live // 2))
        assert incidents.to_dicts() == ()


class TestSilence:
    def test_is_an_incident_without_a_single_failure(self) -> None:
        """Half-open or frozen: nothing fails, and nothing comes."""
        (found,) = run(120, between(80, 88, answered=0))
        assert (found["begin_s"], found["end_s"]) == (80, 88)
        assert found["causes"] == {}
        assert found["without_answers_s"] == 8

    def test_is_found_where_answers_are_rare(self) -> None:
        """Two a second: it takes some seconds to be no chance."""
        rng = np.random.default_rng(3)
        frozen = between(200, 230, answered=0)
        usual = rng.poisson(2.0, 400)
        (found,) = run(400, lambda at: frozen(at) or {"answered": int(usual[at])})
        assert found["begin_s"] == pytest.approx(200, abs=4)
        assert found["end_s"] == pytest.approx(230, abs=4)
        assert found["without_answers_s"] >= 25


class TestSlowAnswers:
    def test_are_an_incident_though_nothing_fails(self) -> None:
        """A network or a target that takes three times as long, and lets everything through."""
        (found,) = run(150, between(80, 95, slowest=3.0))
        assert (found["begin_s"], found["end_s"]) == (80, 95)
        assert found["causes"] == {}
        assert found["without_answers_s"] == 0
        assert found["response_back_s"] == 15

    def test_are_counted_beyond_twice_the_usual_p95(self) -> None:
        """And ten percent, by which a p95 may differ and still be the usual one."""
        (found,) = run(150, between(80, 95, slowest=3.0))
        limit = 2 * 1.1 * 0.95
        assert found["slow_over_ms"] == pytest.approx(1000 * limit, rel=0.03)
        assert found["slow_responses"] == pytest.approx(15 * 50 * (1 - limit / 3), rel=0.15)

    def test_are_found_where_answers_are_rare(self) -> None:
        """Two a second: it takes some seconds to be no chance."""
        (found,) = run(400, between(200, 230, slowest=6.0, answered=2), answered=2)
        assert found["begin_s"] == pytest.approx(200, abs=4)
        assert found["end_s"] == pytest.approx(230, abs=4)

    def test_are_none_of_a_moment(self) -> None:
        """A hiccup of a second that few had."""
        assert run(150, lambda at: {"slowest": 3.0, "answered": 20} if at == 80 else {}) == []

    def test_are_none_if_they_are_a_little_slower(self) -> None:
        """Half as slow again is for the objectives, and for the drift."""
        assert run(300, between(80, 200, slowest=1.5)) == []

    def test_are_none_if_ever_more_users_wait_for_them(self) -> None:
        """A ramp into saturation is what was asked for."""

        def ramp(at: int) -> dict[str, Any]:
            users = USERS + max(0, at - 60) * 10
            slowest = users / USERS
            return {"asked": users, "live": users, "answered": users // 2, "slowest": slowest}

        assert run(200, ramp) == []

    def test_of_a_share_that_is_always_slow_are_none(self) -> None:
        """A tenth of the answers takes ten times as long, in each second a few more or less."""
        rng = np.random.default_rng(4)
        incidents, source = Incidents(), Random(4)
        for at in range(300):
            row = second(float(at), rng=source)
            slow = answers(source, int(rng.poisson(3)), 10.0)
            row.latency["response"].merge(slow)
            incidents.add(row)
        assert incidents.to_dicts() == ()

    def test_that_last_are_usual_after_ten_minutes(self) -> None:
        """What breaks later is an incident of its own; the drift tells of the step."""
        slow, broken = between(100, 1500, slowest=4.0), between(1200, 1206, connect_refused=30)
        first, second_ = run(1300, lambda at: {**slow(at), **broken(at)}, answered=20)
        assert first["begin_s"] == 100
        assert first["end_s"] == pytest.approx(700, abs=8)
        assert (second_["begin_s"], second_["end_s"]) == (1200, 1206)
        assert second_["response_p95_before_ms"] == pytest.approx(3800, rel=0.05)

    @pytest.mark.parametrize("rows", LENGTHS)
    @pytest.mark.parametrize("rate", [0.5, 20.0])
    def test_by_chance_are_none(self, rate: float, rows: int) -> None:
        """Latencies with a long tail (log-normal) whose level wanders, by 20 % or so."""
        rng = np.random.default_rng(int(10 * rate))
        incidents, level = Incidents(), 0.0
        for at in range(rows):
            tally, found = Histogram(), Distribution()
            level = 0.9 * level + rng.normal(0, 0.09)
            for latency in rng.lognormal(level - 0.5, 0.6, rng.poisson(rate)):
                tally.record(latency)
            found.merge(tally)
            row = second(float(at), answered=tally.count)
            row.latency["response"] = found
            incidents.add(row)
        assert incidents.to_dicts() == ()


class TestTooLittleLoad:
    def test_is_an_incident(self) -> None:
        """Users whose sessions do not come about."""
        (found,) = run(120, between(60, 75, live=60))
        assert (found["begin_s"], found["end_s"]) == (60, 75)
        assert found["sessions"]["before"] == 100
        assert found["sessions"]["lowest"] == 60

    def test_is_an_incident_if_sessions_have_no_socket(self) -> None:
        """They live on, and are no load."""
        (found,) = run(120, between(60, 70, away=40))
        assert found["sessions"]["lowest"] == 60

    def test_is_told_in_session_seconds(self) -> None:
        """Forty sessions that are missing for fifteen seconds."""
        (found,) = run(120, between(60, 75, live=60))
        assert found["shortfall_session_s"] == pytest.approx(600)

    def test_is_back_when_all_are_there_again(self) -> None:
        """Failures may be over long before."""

        def restart(at: int) -> dict[str, Any]:
            if not 60 <= at < 80:
                return {}
            return {"live": min(USERS, 5 * (at - 60)), "connect_refused": 20 if at < 65 else 0}

        (found,) = run(120, restart)
        # 95 of 100 are there at the end of second 79.
        assert found["load_back_s"] == 19

    def test_is_never_back_if_the_run_ends_before(self) -> None:
        """None is not zero."""
        (found,) = run(90, between(60, 90, live=20, connect_refused=9))
        assert found["load_back_s"] is None

    def test_never_was_if_all_stayed(self) -> None:
        """New sessions were refused, and all had one."""
        (found,) = run(90, between(60, 64, rate_limited=30))
        assert found["load_back_s"] == 0

    def test_of_the_open_model_is_arrivals_that_came_to_nothing(self) -> None:
        """Sessions that began and failed at once."""
        rng = np.random.default_rng(11)
        began = rng.poisson(20, 200)

        def arrivals(at: int) -> dict[str, Any]:
            failed = int(began[at]) if 100 <= at < 110 else 0
            return {"started": int(began[at]), "failed": failed}

        (found,) = run(200, arrivals, model="arrivals_per_second", asked=20)
        assert (found["begin_s"], found["end_s"]) == (100, 110)
        assert found["load_back_s"] == 10

    def test_of_rare_arrivals_is_found_over_some_rows(self) -> None:
        """Two a second: no row alone could tell."""
        began = np.random.default_rng(2).poisson(2, 200)

        def arrivals(at: int) -> dict[str, Any]:
            failed = int(began[at]) if 100 <= at < 130 else 0
            return {"started": int(began[at]), "failed": failed}

        (found,) = run(200, arrivals, model="arrivals_per_second", asked=2)
        assert found["begin_s"] == pytest.approx(100, abs=4)
        assert found["load_back_s"] == pytest.approx(30, abs=5)

    def test_of_a_worker_that_is_gone_bears_its_name(self) -> None:
        """Even where the others hardly notice."""
        (found,) = run(120, lambda at: {"workers": ("a", "b") if at < 60 else ("a",)})
        assert found["begin_s"] == 60
        assert found["workers_gone"] == ["b"]

    def test_is_none_where_nothing_is_asked_for_any_more(self) -> None:
        """Workers leave when the run is over."""
        last = {"asked": 0, "live": 1, "answered": 0, "workers": ("a",)}
        assert run(90, lambda at: last if at >= 80 else {}) == []


class TestRecovery:
    def test_of_the_answers_is_told_apart_from_that_of_the_load(self) -> None:
        """All are back after ten seconds; their answers are slow for twenty more."""

        def restart(at: int) -> dict[str, Any]:
            return {**between(60, 70, live=10)(at), **between(70, 90, slowest=4.0)(at)}

        (found,) = run(150, restart)
        assert found["load_back_s"] == 10
        assert found["response_back_s"] == 30
        assert found["response_p95_before_ms"] == pytest.approx(950, rel=0.03)

    def test_may_not_come_within_the_run(self) -> None:
        """Slow to the end."""
        faults = lambda at: {**between(60, 70, live=10)(at), **between(70, 150, slowest=4.0)(at)}  # noqa: E731
        (found,) = run(150, faults)
        assert found["response_back_s"] is None


class TestMemory:
    def test_is_bounded_however_long_the_run_and_however_bad(self) -> None:
        """A fault each twelve seconds for half an hour, the first hundred told one by one."""
        incidents = Incidents()

        def feed(seconds: range) -> None:
            for at in seconds:
                failed = 30 if at % 12 < 3 else 0
                incidents.add(second(float(at), connect_refused=failed))

        feed(range(12 * (LISTED + 20)))
        tracemalloc.start()
        try:
            before = tracemalloc.take_snapshot()
            feed(range(12 * (LISTED + 20), 12 * (LISTED + 60)))
            after = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
        assert sum(stat.size_diff for stat in after.compare_to(before, "filename")) < 100_000
        assert len(incidents.to_dicts()) == LISTED
        assert incidents.unlisted == 60

    def test_may_be_asked_at_any_time(self) -> None:
        """Before anything is known, and twice."""
        incidents = Incidents()
        assert incidents.to_dicts() == incidents.to_dicts() == ()
        incidents.add(second(0.0))
        assert incidents.to_dicts() == ()


class TestAPlannedRampDown:
    STAGES = Load.model_validate(
        {
            "stages": [
                {"duration": "5s", "users": 192},
                {"duration": "60s", "users": 192},
                {"duration": "8s", "users": 39},
                {"duration": "40s", "users": 39},
            ]
        }
    ).stages

    def found(self, fault: Fault = lambda _: {}) -> list[dict[str, Any]]:
        """Of a run whose users are a moment ahead of the stages, as Locust moves them."""

        def asked_at(second: float) -> Mapping[str, float]:
            return {"users": users_at(self.STAGES, second) or 0}

        incidents, rng = Incidents(asked_at), Random(7)
        for at in range(113):
            live = users_at(self.STAGES, min(at + 1 + 1.05, 112.9)) or 0
            asked = asked_at(at + 0.5)["users"]
            row = {"asked": asked, "live": live, "answered": live // 4} | dict(fault(at))
            incidents.add(second(float(at), rng=rng, **row))
        return list(incidents.to_dicts())

    def test_is_no_incident(self) -> None:
        """Sessions go as they were told to."""
        assert self.found() == []

    def test_hides_none_either(self) -> None:
        """Who is missing beyond the plan is missing."""
        (found,) = self.found(lambda at: {"live": 8, "answered": 2} if 67 <= at < 90 else {})
        assert 66 <= found["begin_s"] <= 68
        assert found["end_s"] == 90

    def test_within_an_incident_is_no_part_of_its_cost(self) -> None:
        """Failures from the steady load on, and the fewer sessions are planned."""
        (found,) = self.found(lambda at: {"upgrade_refused": 40} if 60 <= at < 75 else {})
        assert found["sessions"] == {"before": 192, "lowest": 192, "lost": 0}
