"""The search, against targets whose capacity is known."""

import json
import math
from collections import Counter
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from loadkit.capacity.evidence import OUTCOME, StepOutcome
from loadkit.capacity.search import CapacityResult, LoadStep, Search
from loadkit.errors import UsageError
from loadkit.profile.capacity import CapacitySettings

from .single_server import mm1, mm1_capacity
from .systems import Target, ask, loads, sampled, scripted, settings, threshold


def search(*, whole: bool = True, **given: float) -> Search:
    return Search(settings(**given), whole=whole)


def found(target: Target, *, whole: bool = True, **given: float) -> CapacityResult:
    return ask(search(whole=whole, **given), target)


class TestCourse:
    def test_it_doubles_until_it_breaks_and_then_halves(self):
        """By hand: 10 to 160, a look back at 80, then geometric means down to 5 %, rounded."""
        course = search()
        capacity = ask(course, threshold(100))
        assert loads(course) == [
            *(10, 20, 40, 80, 160),  # up
            80,  # has it recovered?
            *(113, 95, 104, 99, 101),  # the means
            *(101, 99),  # both ends again
            99,  # the confirmation
        ]
        assert (capacity.verdict, capacity.load) == ("found", 99)
        assert (capacity.low, capacity.high) == (99, 101)
        assert capacity.confirmed

    def test_only_the_answer_is_held_for_long(self):
        course, kinds = search(measure=30, hold=300), Counter[tuple[str, float]]()

        def target(step: LoadStep) -> StepOutcome:
            kinds[step.kind, step.measure_s] += 1
            return threshold(100)(step)

        steps = ask(course, target).steps
        # the two ends of the bracket are looked at again for four times as long
        assert kinds == {("probe", 30): steps - 3, ("probe", 120): 2, ("confirm", 300): 1}

    def test_the_target_rests_after_what_broke_it(self):
        """And only then."""
        rests: list[tuple[bool, float]] = []
        broke = False

        def target(step: LoadStep) -> StepOutcome:
            nonlocal broke
            rests.append((broke, step.rest_s))
            outcome = threshold(100)(step)
            broke = outcome.broken
            return outcome

        found(target, cool_down=15)
        assert {rest for broke, rest in rests if broke} == {15}
        assert {rest for broke, rest in rests if not broke} == {0}

    def test_steps_are_numbered_from_1(self):
        numbers: list[int] = []

        def target(step: LoadStep) -> StepOutcome:
            numbers.append(step.number)
            return threshold(100)(step)

        capacity = found(target)
        assert numbers == list(range(1, capacity.steps + 1))

    def test_users_are_whole_and_arrivals_are_not(self):
        users, arrivals = search(), search(whole=False)
        ask(users, threshold(123.4))
        ask(arrivals, threshold(123.4))
        assert all(load == int(load) for load in loads(users))
        assert any(load != int(load) for load in loads(arrivals))
        assert 113.1 in loads(arrivals)  # of 113.137…: four digits

    def test_few_users_end_at_neighbours(self):
        """5 % of 3 users is less than one."""
        capacity = found(threshold(3), start=1)
        assert (capacity.low, capacity.load, capacity.high) == (3, 3, 4)


@given(
    share=st.floats(min_value=0, max_value=1),
    start=st.integers(min_value=1, max_value=500),
    times=st.floats(min_value=1, max_value=1000),
    growth=st.floats(min_value=1.2, max_value=10),
    bracket=st.floats(min_value=0.01, max_value=0.5),
    whole=st.booleans(),
)
@examples(max_examples=50)
def test_a_capacity_between_start_and_ceiling_is_bracketed(
    share: float, start: int, times: float, growth: float, bracket: float, whole: bool
):
    """For any of them: enclosed, as narrowly as asked for, in as few steps as bisection needs."""
    ceiling = float(math.ceil(start * times))
    truth = start * (ceiling / start) ** share
    capacity = found(
        threshold(truth),
        whole=whole,
        start=float(start),
        ceiling=ceiling,
        growth=growth,
        bracket=bracket,
    )
    assert capacity.confirmed
    assert capacity.low == capacity.load <= truth
    ups = math.ceil(math.log(ceiling / start, growth) - 1e-9) + 1
    slack = 1 if whole else 0  # rounding makes one half of a bracket the larger one
    if whole:
        ups += 3  # … and shortens the factor at a few users
    if capacity.high is None:
        assert (capacity.verdict, capacity.limit) == ("at_least", "ceiling")
        assert capacity.load == ceiling
        assert capacity.steps <= ups + 1
        return
    assert (capacity.verdict, capacity.limit) == ("found", "slo")
    assert truth < capacity.high
    narrow = capacity.low * (1 + bracket) * (1 + 1e-9)
    assert capacity.high <= (max(narrow, capacity.low + 1) if whole else narrow)
    halvings = max(0, math.ceil(math.log2(math.log(growth) / math.log1p(bracket)) + 0.01))
    assert capacity.steps <= ups + 1 + halvings + slack + 2 + 1


class TestBelowStart:
    def test_it_goes_down_when_the_first_step_breaks(self):
        course = search(start=100)
        capacity = ask(course, threshold(30))
        assert loads(course)[:3] == [100, 50, 25]
        assert (capacity.verdict, capacity.load, capacity.high) == ("found", 30, 31)

    def test_it_gives_up_at_the_floor(self):
        capacity = found(threshold(0), start=64, cool_down=0)
        assert (capacity.verdict, capacity.load) == ("below_start", None)
        assert (capacity.low, capacity.high, capacity.confirmed) == (None, 1, False)
        assert capacity.steps == 7  # 64, 32, 16, 8, 4, 2, 1


class TestLimitsOfTheGenerator:
    def test_no_capacity_is_named_beyond_what_the_generator_can_do(self):
        """The highest load that held is held for long, and is the least that can be said."""
        capacity = found(threshold(300, "generator"))
        assert (capacity.verdict, capacity.limit) == ("at_least", "generator")
        assert (capacity.load, capacity.high, capacity.confirmed) == (160, None, True)

    def test_a_generator_that_fails_inside_the_bracket_ends_the_search_as_well(self):
        capacity = found(scripted(["held"] * 2 + ["broken", "held", "generator", "held"]))
        assert (capacity.verdict, capacity.load, capacity.high) == ("at_least", 20, 40)

    def test_a_generator_that_fails_at_once_leaves_nothing_to_say(self):
        capacity = found(threshold(0, "generator"))
        assert (capacity.verdict, capacity.limit) == ("at_least", "generator")
        assert (capacity.load, capacity.steps) == (None, 1)

    def test_a_saturated_confirmation_confirms_nothing(self):
        capacity = found(scripted(["held", "held", "generator", "generator"]))
        assert (capacity.load, capacity.confirmed) == (20, False)
        assert "generator was saturated" in capacity.notes[0]


class TestPolicy:
    def test_a_rule_of_the_target_is_bracketed_and_told_apart(self):
        capacity = found(threshold(100, "policy"))
        assert (capacity.verdict, capacity.limit) == ("policy", "policy")
        assert (capacity.load, capacity.high) == (99, 101)

    def test_what_breaks_below_the_rule_is_the_capacity(self):
        def target(step: LoadStep) -> StepOutcome:
            return threshold(700, "policy")(step) if step.load > 500 else threshold(200)(step)

        assert found(target).verdict == "found"

    def test_a_rule_that_lets_nobody_in_is_still_a_rule(self):
        capacity = found(threshold(0, "policy"))
        assert (capacity.verdict, capacity.load) == ("policy", None)


class TestTooFewSamples:
    def test_a_step_is_repeated_for_longer(self):
        lengths: list[float] = []

        def target(step: LoadStep) -> StepOutcome:
            lengths.append(step.measure_s)
            few = step.load == 10 and step.measure_s < 100
            return StepOutcome(step.load, "undecided") if few else threshold(100)(step)

        assert found(target, measure=30).verdict == "found"
        assert lengths[:4] == [30, 60, 120, 30]

    def test_growth_goes_on_as_more_load_brings_more_samples(self):
        def target(step: LoadStep) -> StepOutcome:
            return StepOutcome(step.load, "undecided") if step.load < 40 else threshold(100)(step)

        capacity = found(target)
        assert (capacity.verdict, capacity.load) == ("found", 99)

    def test_a_load_that_cannot_be_judged_is_never_called_held(self):
        """Above 160 it stays silent: at least 160, and not that it breaks there."""
        capacity = found(threshold(160, "undecided"), ceiling=320)
        assert (capacity.verdict, capacity.limit) == ("at_least", "undecided")
        assert 152 <= capacity.load <= 160
        assert capacity.high is None

    def test_where_nothing_can_be_judged_nothing_is_said(self):
        capacity = found(threshold(0, "undecided"), ceiling=40)
        assert (capacity.verdict, capacity.load, capacity.steps) == ("undecided", None, 9)

    def test_a_few_users_that_break_below_what_cannot_be_judged(self):
        """Going down finds only fewer samples: it stops at the first that cannot be judged."""

        def target(step: LoadStep) -> StepOutcome:
            return StepOutcome(step.load, "undecided" if step.load < 10 else "broken")

        capacity = found(target)
        assert (capacity.verdict, capacity.load, capacity.high) == ("undecided", None, 10)
        assert capacity.steps == 4  # 10, and 5 three times

    def test_a_queue_that_still_grows_did_not_hold(self):
        """Above 100 latency rises without end, and breaks the limit only from 300 on."""

        def target(step: LoadStep) -> StepOutcome:
            verdict = "held" if step.load < 300 else "broken"
            return StepOutcome(step.load, verdict, settled=step.load <= 100)

        course = search()
        capacity = ask(course, target)
        assert (capacity.load, capacity.limit) == (99, "undecided")

    def test_the_target_rests_after_a_queue_that_grew(self):
        """What piled up has to drain, though no limit was broken; few samples need no rest."""
        course = search(cool_down=15)
        course.record(StepOutcome(10, "held", settled=False))
        due = course.next()
        assert isinstance(due, LoadStep)
        assert (due.load, due.rest_s, due.measure_s) == (10, 15, 60)
        course.record(StepOutcome(10, "undecided"))
        due = course.next()
        assert isinstance(due, LoadStep)
        assert (due.load, due.rest_s, due.measure_s) == (10, 0, 120)


class TestHysteresis:
    @staticmethod
    def slow_to_recover(capacity: float, needs_s: float) -> Target:
        """Once overloaded it breaks at any load until it was left alone for long enough."""
        ill = False

        def target(step: LoadStep) -> StepOutcome:
            nonlocal ill
            ill = (ill and step.rest_s < needs_s) or step.load > capacity
            return StepOutcome(step.load, "broken" if ill else "held")

        return target

    def test_a_longer_rest_tells_it_from_instability(self):
        capacity = found(self.slow_to_recover(100, needs_s=60), cool_down=20)
        assert (capacity.verdict, capacity.load, capacity.high) == ("found", 99, 101)
        (note,) = capacity.notes
        assert note == (
            "after the overload, 80 did not hold after a rest of 20 s and did after 80 s: the "
            "target recovers slowly"
        )

    def test_one_hold_after_a_longer_rest_may_be_luck(self):
        """80 held, and then broke, held and broke: that is no slow recovery."""
        after_overload = iter(["broken", "held", "broken"])

        def target(step: LoadStep) -> StepOutcome:
            if step.load == 80 and step.number > 5:
                return StepOutcome(80, next(after_overload, "held"))
            return threshold(100)(step)

        capacity = found(target)
        assert (capacity.verdict, capacity.flips) == ("unstable", (80, 80))

    def test_what_never_recovers_is_not_averaged_away(self):
        """80 held before and breaks ever after."""
        capacity = found(self.slow_to_recover(100, needs_s=1e9))
        assert capacity.verdict == "unstable"
        assert capacity.load is None
        assert "80 had held, and did not any more after the overload" in capacity.notes

    def test_a_bistable_target_is_told_with_its_range(self):
        """Once it broke it is well again only below 60, as after a storm of retries."""
        ill = False

        def target(step: LoadStep) -> StepOutcome:
            nonlocal ill
            ill = step.load > (60 if ill else 100)
            return StepOutcome(step.load, "broken" if ill else "held")

        capacity = found(target)
        assert capacity.verdict == "unstable"
        assert capacity.flips == (80, 80)
        assert (capacity.low, capacity.load, capacity.high) == (77, 77, 160)
        assert capacity.confirmed


class TestInstability:
    def test_an_end_that_breaks_once_and_holds_once_is_unstable(self):
        """The upper end of the bracket, 101, holds at the second look."""
        seen = Counter[float]()

        def target(step: LoadStep) -> StepOutcome:
            seen[step.load] += 1
            lucky = step.load == 101 and seen[step.load] == 2
            return StepOutcome(step.load, "held" if lucky else threshold(100)(step).verdict)

        capacity = found(target)
        assert (capacity.verdict, capacity.flips) == ("unstable", (101, 101))
        assert (capacity.load, capacity.low, capacity.high) == (99, 99, 104)

    def test_an_end_that_holds_once_and_breaks_once_is_unstable(self):
        seen = Counter[float]()

        def target(step: LoadStep) -> StepOutcome:
            seen[step.load] += 1
            unlucky = step.load == 99 and seen[step.load] == 2
            return StepOutcome(step.load, "broken" if unlucky else threshold(100)(step).verdict)

        capacity = found(target)
        assert (capacity.verdict, capacity.flips) == ("unstable", (99, 99))
        assert (capacity.load, capacity.confirmed) == (95, True)
        assert (capacity.low, capacity.high) == (95, 101)

    def test_a_coin_is_found_out(self):
        """From 300 to 500 it holds half of the time: most searches notice, none averages."""
        verdicts = Counter[str]()
        for seed in range(200):
            rng = np.random.default_rng(seed)

            def target(step: LoadStep, rng: np.random.Generator = rng) -> StepOutcome:
                coin = 300 < step.load < 500 and rng.random() < 0.5
                return StepOutcome(step.load, "held" if step.load <= 300 or coin else "broken")

            capacity = found(target)
            verdicts[capacity.verdict] += 1
            assert 150 < capacity.load < 500
        assert verdicts["unstable"] >= 120, verdicts
        assert verdicts["unstable"] + verdicts["found"] == 200

    def test_a_disturbance_inside_the_sampling_error_does_not_end_the_search(self):
        """160 breaks by chance at first; from there on up in widening steps, to the capacity."""
        course = search()

        def target(step: LoadStep) -> StepOutcome:
            if step.number == 5:
                return StepOutcome(step.load, "broken", margins=(-0.1, 0.1))
            return threshold(1000)(step)

        capacity = ask(course, target)
        assert (capacity.verdict, capacity.confirmed) == ("found", True)
        assert capacity.low <= 1000 < capacity.high <= 1.05 * capacity.low
        climb = loads(course)[loads(course).index(168) - 1 :]
        assert climb[:6] == [160, 168, 185, 225, 332, 664]

    def test_a_flip_inside_the_sampling_error_is_none(self):
        """The same outcomes as above, with the limit inside the interval of the percentile."""
        seen = Counter[float]()

        def target(step: LoadStep) -> StepOutcome:
            seen[step.load] += 1
            if step.load == 101:
                verdict = "held" if seen[step.load] == 2 else "broken"
                return StepOutcome(step.load, verdict, margins=(-0.1, 0.1))
            return threshold(100)(step)

        capacity = found(target)
        assert (capacity.verdict, capacity.flips) == ("found", None)
        assert 99 <= capacity.load <= 101


class TestDips:
    def test_growth_stops_at_the_first_dip_that_it_meets(self):
        """It holds again from 50 on, but who puts 45 on it breaks it: 38 is the answer."""
        capacity = found(
            lambda step: threshold(200)(step) if step.load >= 50 else threshold(38)(step)
        )
        assert (capacity.verdict, capacity.load, capacity.high) == ("found", 38, 39)

    def test_a_dip_at_the_answer_is_noticed(self):
        """It opens between two looks, and lies below a load that held: not averaged away."""
        course = search()
        steps = 0

        def target(step: LoadStep) -> StepOutcome:
            nonlocal steps
            steps += 1
            dip = steps > 11 and 96 <= step.load <= 99.5
            return StepOutcome(step.load, "broken" if dip else threshold(100)(step).verdict)

        capacity = ask(course, target)
        assert capacity.verdict == "unstable"
        assert capacity.flips == (99, 99)
        assert capacity.load == 95


class TestConfirmation:
    @staticmethod
    def builds_up(short: float, long: float) -> Target:
        """A hold of five minutes breaks at a lower load than one of seconds does."""
        return lambda step: threshold(long if step.kind == "confirm" else short)(step)

    def test_it_steps_down_where_the_long_hold_breaks(self):
        course = search()
        capacity = ask(course, self.builds_up(short=100, long=92))
        confirmed = [outcome.load for outcome in course.outcomes[-3:]]
        assert confirmed == [99, 94, 90]
        assert (capacity.verdict, capacity.load, capacity.confirmed) == ("found", 90, True)
        assert capacity.notes == (
            "the long hold broke at 99, where short ones held",
            "the long hold broke at 94",
        )

    def test_it_steps_down_ever_faster(self):
        """By 1, 1, 2, 4 and 8 brackets of 5 %; the short hold at 99 tells length from chance."""
        course = search()
        capacity = ask(course, self.builds_up(short=100, long=50))
        assert loads(course)[-7:] == [99, 99, 94, 90, 82, 67, 45]
        assert (capacity.low, capacity.load, capacity.high) == (45, 45, 67)

    def test_the_interval_is_that_of_the_long_holds(self):
        capacity = found(self.builds_up(short=100, long=92))
        assert (capacity.low, capacity.high) == (90, 94)

    def test_a_short_hold_that_breaks_as_well_is_instability(self):
        """It was not the length: 99 held twice, and broke twice."""
        seen = Counter[float]()

        def target(step: LoadStep) -> StepOutcome:
            seen[step.load] += 1
            tired = step.load == 99 and seen[step.load] > 2
            return StepOutcome(step.load, "broken" if tired else threshold(100)(step).verdict)

        capacity = found(target)
        assert (capacity.verdict, capacity.flips, capacity.load) == ("unstable", (99, 99), 94)

    def test_it_goes_down_to_the_floor_and_then_says_so(self):
        capacity = found(self.builds_up(short=100, long=0))
        assert (capacity.load, capacity.confirmed) == (None, False)
        assert capacity.verdict == "below_start"

    def test_samples_that_stay_too_few_leave_it_unconfirmed(self):
        capacity = found(
            lambda step: (
                StepOutcome(step.load, "undecided")
                if step.kind == "confirm"
                else threshold(100)(step)
            )
        )
        assert (capacity.load, capacity.confirmed) == (99, False)
        assert capacity.notes == ("the confirmation at 99 had too few samples",)


class TestBudget:
    @staticmethod
    def timed(target: Target, over_s: float = 0) -> Target:
        """Each step takes its rest, the ramp, what it is measured for, and the time to settle."""

        def timed(step: LoadStep) -> StepOutcome:
            outcome = target(step)
            seconds = step.rest_s + 10 + step.measure_s + over_s
            return StepOutcome(outcome.load, outcome.verdict, seconds=seconds)

        return timed

    @given(st.floats(min_value=350, max_value=4000))
    def test_a_budget_is_kept_and_the_best_so_far_confirmed(self, budget: float):
        """Time for the confirmation is set aside all along."""
        capacity = found(self.timed(threshold(1000)), budget=budget)
        assert capacity.seconds <= budget
        assert capacity.confirmed
        assert 10 <= capacity.load <= 1000
        if capacity.verdict == "out_of_budget":
            assert capacity.limit == "budget"
            assert capacity.high is None or capacity.high > 1000
        else:
            assert (capacity.verdict, capacity.load) == ("found", 987)

    def test_a_step_that_ran_over_can_cost_the_confirmation(self):
        capacity = found(self.timed(threshold(1000), over_s=400), budget=740)
        assert (capacity.verdict, capacity.load, capacity.confirmed) == ("out_of_budget", 10, False)
        assert capacity.notes == ("there was no time left for the confirmation",)


class TestUncertainty:
    @pytest.mark.parametrize(("steepness", "width"), [(2, 1.0), (4, 0.3), (8, 0.15), (20, 0.06)])
    def test_the_interval_holds_the_truth_19_of_20_times(self, steepness: float, width: float):
        """Of 300 searches in sampling error, for curves from flat to steep.

        The steeper the latency rises, the less of the interval is due to sampling.
        """
        rng = np.random.default_rng(7)
        inside, unstable, widths = 0, 0, []
        for _ in range(300):
            truth = rng.uniform(20, 5000)
            capacity = found(sampled(truth, steepness, rng), whole=False)
            inside += (capacity.low or 0) <= truth <= (capacity.high or math.inf)
            unstable += capacity.verdict == "unstable"
            if capacity.low and capacity.high:
                widths.append(capacity.high / capacity.low - 1)
            assert capacity.load is not None
            assert (capacity.low or 0) <= capacity.load <= (capacity.high or math.inf)
        assert inside >= 0.95 * 300
        assert unstable <= 0.02 * 300
        assert np.median(widths) < width

    def test_a_queue_is_found_where_theory_puts_it(self):
        """M/M/1, every wait simulated, judged by batches: samples that hang together.

        Its p95 meets 200 ms at 100 - ln(20) / 0.2 = 85.0 arrivals a second.
        """
        truth = mm1_capacity(service_rate=100, limit_s=0.2)
        assert truth == pytest.approx(85.02, abs=0.01)
        verdicts, inside, answers = Counter[str](), 0, []
        for seed in range(20):
            target = mm1(service_rate=100, limit_s=0.2, rng=np.random.default_rng(seed))
            capacity = found(target, whole=False, measure=120, hold=600)
            verdicts[capacity.verdict] += 1
            assert capacity.load is not None
            answers.append(capacity.load)
            inside += (capacity.low or 0) <= truth <= (capacity.high or math.inf)
        assert verdicts["found"] >= 18
        assert inside >= 18
        assert np.median(answers) == pytest.approx(truth, rel=0.05)


class TestResumption:
    @given(st.data())
    @examples(max_examples=50)
    def test_any_course_ends_and_any_part_of_it_leads_to_the_same_next_step(
        self, data: st.DataObject
    ):
        """Whatever the outcomes are: nonsense too, and through a file."""
        whole = data.draw(st.booleans())
        rng = data.draw(st.randoms(use_true_random=False))
        weights = data.draw(st.tuples(*[st.integers(min_value=0, max_value=9)] * 5).filter(any))
        kinds = ("held", "broken", "undecided", "policy", "generator")
        course, due = search(whole=whole), []

        def target(step: LoadStep) -> StepOutcome:
            due.append(step)
            verdict = rng.choices(kinds, weights)[0]
            margins = rng.choice([None, (-0.1, 0.1), (0.1, 0.2)])
            return StepOutcome(step.load, verdict, 0.1, margins, rng.random() < 0.8, 60.0)

        capacity = ask(course, target)
        kept = json.loads(json.dumps([asdict(outcome) for outcome in course.outcomes]))
        again = search(whole=whole)
        for number, outcome in enumerate(kept):
            assert again.next() == due[number]
            again.record(OUTCOME.decode(outcome))
        assert again.next() == capacity
        if capacity.load is not None:
            assert (capacity.low or 0) <= capacity.load <= (capacity.high or math.inf)
            assert any(o.held and o.load >= capacity.load for o in course.outcomes)
        if capacity.confirmed:
            assert course.outcomes[-1].held
            assert course.outcomes[-1].load == capacity.load

    def test_outcomes_of_another_search_are_refused(self):
        course = search(start=20)
        with pytest.raises(UsageError) as caught:
            course.record(StepOutcome(10, "held"))
        assert str(caught.value) == (
            "step 1 of the earlier search was at 10, but [capacity] asks for 20; resume with the "
            "profile that the search began with"
        )

    def test_a_search_that_is_over_takes_no_more(self):
        course = search(ceiling=10)
        assert ask(course, threshold(100)).verdict == "at_least"
        with pytest.raises(UsageError, match="is over"):
            course.record(StepOutcome(10, "held"))

    def test_a_search_that_ran_out_of_time_goes_on_with_more(self):
        """The outcomes of the first go into the second, up to where it was short of time."""
        short = search(budget=1000)
        timed = TestBudget.timed(threshold(1000))
        assert ask(short, timed).verdict == "out_of_budget"
        longer = search(budget=10_000)
        probes = short.outcomes[:-1]  # the confirmation came before its turn
        for outcome in probes:
            longer.record(outcome)
        assert (ask(longer, timed).verdict, loads(longer)[: len(probes)]) == (
            "found",
            [outcome.load for outcome in probes],
        )


def test_a_result_is_plain_data():
    data = json.loads(json.dumps(asdict(found(threshold(100)))))
    assert (data["verdict"], data["load"], data["low"], data["high"]) == ("found", 99, 99, 101)
    assert data["flips"] is None


def test_growth_reaches_the_ceiling_exactly():
    course = search(ceiling=77)
    capacity = ask(course, threshold(1e9))
    assert (capacity.verdict, capacity.limit, capacity.load) == ("at_least", "ceiling", 77)
    assert all(low < high for low, high in pairwise(loads(course)[:-1]))


def test_the_defaults_need_less_than_their_budget():
    """Of a target with a thousand users, with a minute a step to settle."""
    timed = TestBudget.timed(threshold(1000), over_s=60)
    capacity = ask(Search(CapacitySettings(), whole=True), timed)
    assert capacity.verdict == "found"
    assert capacity.seconds < CapacitySettings().budget / 2
