"""A search on a clock that the test moves, against targets that are formulas."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from loadkit.capacity.controller import SearchController, for_search
from loadkit.capacity.step import Stretch
from loadkit.errors import Failure, UsageError
from loadkit.figures import Count
from loadkit.measure.timeline import Row
from loadkit.profile.arrivals import Arrivals
from loadkit.profile.capacity import CapacitySettings
from loadkit.profile.objectives import Limit
from loadkit.profile.profile import Profile
from loadkit.profile.stages import ArrivalRate, users_at
from loadkit.profile.tables import Load
from loadkit.verdict.run_facts import Loss

from .rows import row

LIMIT = 1.0  # seconds, of the response's p95


def profile(model: str = "closed", limits: bool = True, **capacity: Any) -> Profile:
    level = "users" if model == "closed" else "arrivals_per_second"
    settings = {
        "start": 10.0,
        "ceiling": 2000.0,
        "ramp": 5.0,
        "settle": 60.0,
        "measure": 20.0,
        "hold": 60.0,
        "cool_down": 10.0,
        "budget": 20_000.0,
    }
    return Profile(
        name="shop",
        load=Load.model_validate({"model": model, "stages": [{"duration": 9, level: 7}]}),
        mix={"CompleteChat": 1.0},
        slo=(Limit("response.p95", LIMIT * 1000),) if limits else (),
        capacity=CapacitySettings(**settings | capacity),
    )


class Target:
    """Answers as an open queue does: the p95 is 0.2 s ÷ (1 - load ÷ strength).

    Its capacity under `LIMIT` is 80 % of its strength.
    """

    def __init__(self, strength: float, seed: int = 1) -> None:
        self.strength, self.rng = strength, Random(seed)

    def answers(self, load: float) -> list[float]:
        p95 = 0.2 / max(0.02, 1 - load / self.strength)
        number = max(1, min(60, int(load)))
        return [self.rng.uniform(0, p95 / 0.95) for _ in range(number)]

    def row(self, second: int, load: float) -> Row:
        return row(float(second), self.answers(load) if load else [], live=int(load))


class Clock:
    """Seconds of a run: what is asked for becomes rows, two seconds later."""

    def __init__(
        self,
        of: Profile,
        make: Callable[[int, float], Row],
        earlier: list[dict[str, Any]] | None = None,
        delivered: float = 1.0,
    ) -> None:
        self.make, self.delivered, self.now = make, delivered, 0
        self.gone_from: int | None = None  # the second at which a worker goes away
        self.saved: list[str] = []
        self.asked: list[tuple[Load, float]] = []
        self.loads: list[float] = []
        self.search = SearchController(
            of, 7.0, earlier or [], lambda load, since: self.asked.append((load, since)), self.save
        )

    def save(self) -> None:
        self.saved.append(json.dumps(self.search.document()))

    def level(self, at: float) -> float:
        load = self.search.load
        if load.model == "open":
            return ArrivalRate(load.stages).at(at)
        return float(users_at(load.stages, at) or 0)

    def run(self, seconds: int = 20_000) -> "Clock":
        while self.now < seconds and self.search.result is None:
            self.now += 1
            self.loads.append(self.level(self.now - 0.5))
            closed = [self.make(self.now - 3, self.loads[-3])] if self.now >= 3 else []
            gone = self.gone_from is not None and self.now >= self.gone_from
            users = self.delivered * self.level(float(self.now))
            self.search.advance(self.now, closed, users, [Loss("worker-2", 9.0, 3)] if gone else [])
        return self


@pytest.fixture(scope="module")
def whole() -> Clock:
    """A search from its first step to its end; to be looked at alone."""
    return Clock(profile(), Target(222.0).row).run()


@pytest.mark.parametrize(("strength", "seed"), [(40.0, 0), (222.0, 1), (222.0, 2), (1500.0, 3)])
def test_it_finds_what_the_target_holds(strength: float, seed: int) -> None:
    """Within the bracket and the sampling error, by the interval that it gives."""
    clock = Clock(profile(), Target(strength, seed).row).run()
    result = clock.search.result
    assert result is not None
    assert result.verdict == "found"
    assert result.confirmed
    assert result.load == pytest.approx(0.8 * strength, rel=0.08)
    assert clock.loads[-1] > 0
    assert clock.level(clock.now + 2.0) == 0  # it ends the run


def test_the_load_of_a_step_is_on_before_it_is_measured(whole: Clock) -> None:
    """No row of the ramp, or of the step before, counts."""
    assert whole.search.steps
    for step in whole.search.steps:
        begin, end = int(step["measured_from_s"]), int(step["measured_to_s"])
        assert set(whole.loads[begin:end]) == {step["load"]}
        assert end - begin >= (12 if step["outcome"]["verdict"] == "broken" else 20)


def test_after_an_overload_the_target_gets_its_rest(whole: Clock) -> None:
    """And until what was begun has come to its end."""
    broke = [
        number
        for number, step in enumerate(whole.search.steps[:-1])
        if step["outcome"]["verdict"] == "broken"
    ]
    assert broke
    for number in broke:
        begin = int(whole.search.steps[number + 1]["began_s"])
        assert whole.loads[begin + 1 : begin + 10] == [0.0] * 9


def test_an_overloaded_target_is_not_kept_waiting_to_settle() -> None:
    """A queue without end never settles: it is given up after its twelve rows."""
    drowned = Clock(profile(settle=600.0), Target(20.0).row)
    drowned.run(300)
    broken = [s for s in drowned.search.steps if s["outcome"]["verdict"] == "broken"]
    assert broken
    assert all(step["measured_to_s"] - step["began_s"] < 60 for step in broken)


def test_a_saturated_generator_ends_it() -> None:
    """What lies beyond cannot be measured; what held below is said."""

    def lame(second: int, load: float) -> Row:
        lag = 300.0 if load > 50 else 1.0
        return row(float(second), Target(4000.0).answers(load), lag_ms=lag, live=int(load))

    result = Clock(profile(), lame).run().search.result
    assert result is not None
    assert (result.verdict, result.limit, result.load) == ("at_least", "generator", 40)


def test_a_load_that_is_not_delivered_is_the_generators_limit() -> None:
    """Nine users of ten are another load."""
    clock = Clock(profile(), Target(4000.0).row, delivered=0.9).run()
    result = clock.search.result
    assert result is not None
    assert result.limit == "generator"
    assert "only 9 of 10 concurrent users" in clock.search.steps[0]["outcome"]["why"]


def test_a_worker_that_goes_away_is_told_in_that_step_alone() -> None:
    """What it measured last is not in the figures; those of later steps lack nothing."""
    clock = Clock(profile(), Target(222.0).row)
    clock.gone_from = 60
    clock.run()
    told = [
        step["number"]
        for step in clock.search.steps
        if any("worker-2" in reason for reason in step["validity"]["reasons"])
    ]
    at = [step for step in clock.search.steps if step["number"] in told]
    assert len(told) == 1
    assert at[0]["began_s"] <= 60 <= at[0]["measured_to_s"] + 3


def test_a_step_in_which_the_users_own_code_failed_says_nothing_of_the_target() -> None:
    """As a run: what the code was to do was not asked of it."""

    def failing(second: int, load: float) -> Row:
        counts = {f"errors.{Failure.OWN_CODE}": 1}
        return row(float(second), Target(4000.0).answers(load), counts=counts, live=int(load))

    clock = Clock(profile(), failing).run()
    result = clock.search.result
    assert result is not None
    assert result.limit == "generator"
    assert clock.search.steps[0]["outcome"]["why"].startswith("your own code failed (")


def test_a_rule_of_the_targets_is_policy() -> None:
    """It answers quickly whom it lets in."""

    def strict(second: int, load: float) -> Row:
        away = {f"errors.{Failure.RATE_LIMITED}": int(max(0.0, load - 100))}
        return row(float(second), Target(9000.0).answers(load), counts=away, live=int(load))

    result = Clock(profile(), strict).run().search.result
    assert result is not None
    assert result.verdict == "policy"
    assert result.load == pytest.approx(100, rel=0.06)


class TestOpen:
    def test_rates_are_searched_by_stages_that_grow(self):
        """Every new rate begins when all workers may know of it; what was before stays."""
        of = profile("open")

        def came(second: int, load: float) -> Row:
            answers = Target(150.0).answers(load) if load else []
            return row(float(second), answers, sessions=round(load), live=int(load))

        clock = Clock(of, came).run()
        result = clock.search.result
        assert result is not None
        assert result.verdict == "found"
        assert result.load == pytest.approx(120, rel=0.1)
        for (before, _), (after, since) in zip(clock.asked, clock.asked[1:], strict=False):
            for at in (0.0, since / 2, since - 0.01):
                assert ArrivalRate(after.stages).at(at) == ArrivalRate(before.stages).at(at)

    def test_arrivals_that_stay_away_are_the_generators_limit(self):
        """The process says how many had to come."""

        def few(second: int, load: float) -> Row:
            return row(float(second), [0.1] * 10, sessions=round(load / 2), live=3)

        clock = Clock(profile("open"), few).run()
        assert clock.search.result is not None
        assert clock.search.result.limit == "generator"
        assert "sessions were reached" in clock.search.steps[0]["outcome"]["why"]

    def test_the_arrivals_due_are_those_of_the_rows(self):
        """All but a second at either end, where a row may be a bit off."""
        clock = Clock(profile("open"), Target(150.0).row)
        load = clock.search.load
        moments = [at for _, at in zip(range(5000), Arrivals(load), strict=False)]
        due = sum(21 <= each[1] < 49 for each in moments)
        seen = [row(float(second), [0.1], sessions=0) for second in range(20, 50)]
        assert clock.search._due(Stretch(seen)) == due > 100


class TestResuming:
    @pytest.mark.parametrize("after", [1, 6])
    def test_it_goes_on_with_the_step_that_was_due(self, whole: Clock, after: int):
        """From what was saved, through JSON."""
        earlier = json.loads(whole.saved[after - 1])["steps"]
        assert len(earlier) == after
        resumed = Clock(profile(), Target(222.0, seed=9).row, earlier)
        assert resumed.search.state.startswith(f"step {after + 1}:")
        assert resumed.level(6.0) == whole.search.steps[after]["load"]
        result = resumed.run().search.result
        assert result is not None
        assert result.load == pytest.approx(0.8 * 222, rel=0.08)
        assert [step["number"] for step in resumed.search.steps] == list(range(1, result.steps + 1))

    def test_steps_of_another_search_are_refused(self):
        """Loads that this one would not have asked for."""
        earlier = Clock(profile(start=13.0), Target(222.0).row).run(200).search.steps
        with pytest.raises(UsageError, match="resume with the profile"):
            Clock(profile(), Target(222.0).row, earlier)


class TestTheProfileOfASearch:
    def test_one_without_a_service_level_is_refused_with_the_line_to_add(self):
        """There is no highest load that keeps nothing."""
        with pytest.raises(UsageError, match=r'(?s)shop.*\[slo\]\n"response.p95" = "2.5s"'):
            for_search(profile(limits=False))

    def test_how_fast_something_drifts_is_no_question_for_a_step(self):
        """Such a line is left out; one that has no other is refused."""
        from dataclasses import replace

        whole = profile()
        line = replace(whole.slo[0], metric="drift.response.p95", limit=5.0)
        both = whole.model_copy(update={"slo": (*whole.slo, line)})
        assert for_search(both).slo == whole.slo
        with pytest.raises(UsageError, match="the service level, and there is none"):
            for_search(whole.model_copy(update={"slo": (line,)}))

    def test_a_settle_too_short_to_see_rest_is_refused(self):
        """Else no step could ever hold."""
        with pytest.raises(UsageError, match=r"capacity.settle \(5 s\).*12 s or more"):
            for_search(profile(settle=5.0))

    def test_its_load_is_the_first_step(self):
        """The stages are left aside, and all is measured."""
        made = for_search(profile())
        assert users_at(made.load.stages, 5.5) == 10
        assert made.load.warmup == 0
        assert made.abort is None
        assert Profile.from_json(made.to_json()) == made


def test_the_document_tells_each_step_with_its_evidence(whole: Clock) -> None:
    """What was asked and delivered, what came out, and why."""
    document = json.loads(whole.saved[-1])
    step = document["steps"][0]
    assert (step["number"], step["load"], step["kind"]) == (1, 10, "probe")
    assert step["delivered"]["turns_per_second"] == pytest.approx(10)
    assert step["slo"][0]["status"] == "pass"
    assert step["validity"]["level"] == "valid"
    assert step["latency_ms"]["response"]["count"] == step["counts"][Count.TURNS_ANSWERED]
    assert document["settings"]["start"] == 10
    assert document["own_load"] == 7


def test_it_says_where_it_stands_what_is_known_and_how_long_it_takes() -> None:
    """The time left is what is left of its budget at most; the step's own begins with its ramp."""
    clock = Clock(profile(budget=3_600.0), Target(222.0).row)
    search = clock.search
    assert search.known == "nothing yet"
    assert search.time_left(0.0) == "00:25 or more for this step, 1:00:00 at most for the search"
    clock.run(12)
    assert search.state.startswith("step 1: 10 users (probe), ")
    assert search.time_left(12.0).endswith(", 59:48 at most for the search")
    while "did not hold" not in search.known:
        clock.run(clock.now + 1)
    low, high = (float(each.split()[0]) for each in search.known.split(", "))
    assert low < 0.8 * 222 < high
    assert search.known == f"{low:g} users held, {high:g} users did not hold"
    assert search.time_left(float(clock.now)).startswith("00:")
    clock.run()
    assert (search.state, search.time_left(float(clock.now))) == ("over", "none")
