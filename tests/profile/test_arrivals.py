"""The process of arrivals, against what statistics says of it, and its deals among workers."""

import math
import random
from collections import Counter
from itertools import count, islice, pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loadkit.profile.arrivals import BLOCK, Arrivals, ClassDraw, unit_process
from loadkit.profile.tables import Load
from tests.stats.spread import deviations


def load(*legs: tuple[float, float], **other: Any) -> Load:
    stages = [{"duration": each, "arrivals_per_second": rate} for each, rate in legs]
    return Load.model_validate({"model": "open", "stages": stages} | other)


def steady(rate: float, seconds: float, **other: Any) -> Load:
    return load((0, rate), (seconds, rate), **other)


def moments(of: Load) -> list[float]:
    return [moment for _, moment in Arrivals(of)]


class TestUnitProcess:
    @pytest.mark.parametrize("kind", ["poisson", "uniform"])
    def test_numbers_count_up_from_0_and_moments_rise(self, kind: str):
        """Also across the blocks in which a Poisson process is drawn."""
        drawn = list(islice(unit_process(kind, seed=3), 5 * BLOCK))
        assert [number for number, _ in drawn] == list(range(5 * BLOCK))
        assert all(before < after for (_, before), (_, after) in pairwise(drawn))

    @pytest.mark.parametrize("kind", ["poisson", "uniform"])
    @given(start=st.floats(min_value=0, max_value=6 * BLOCK))
    @settings(max_examples=20)
    def test_what_is_passed_over_changes_nothing_of_the_rest(self, kind: str, start: float):
        """A late worker sees the very arrivals that the others see."""
        whole = [each for each in islice(unit_process(kind, 3), 7 * BLOCK) if each[1] >= start]
        late = list(islice(unit_process(kind, 3, start), min(len(whole), 100)))
        assert late == whole[:100]

    def test_waits_within_and_across_blocks_are_exponential(self):
        """Where a block ends no seam shows: the waits there are like the others."""
        drawn = [moment for _, moment in islice(unit_process("poisson", 11), 200 * BLOCK + 1)]
        waits = [after - before for before, after in pairwise([0.0, *drawn])]
        assert stats.kstest(waits, "expon").pvalue > 0.01
        assert stats.kstest(waits[::BLOCK], "expon").pvalue > 0.01
        assert stats.kstest(waits[BLOCK - 1 :: BLOCK], "expon").pvalue > 0.01

    def test_one_wait_says_nothing_about_the_next(self):
        """Their correlation, at lags 1 and 2, is that of independent ones."""
        drawn = [moment for _, moment in islice(unit_process("poisson", 5), 20_000)]
        waits = [after - before for before, after in pairwise(drawn)]
        for lag in (1, 2):
            found = stats.pearsonr(waits[:-lag], waits[lag:]).statistic
            assert abs(found) < 3 / math.sqrt(len(waits))


class TestRates:
    @pytest.mark.parametrize(("rate", "seed"), [(50.0, 1), (300.0, 2)])
    def test_poisson_gaps_pass_kolmogorov_smirnov(self, rate: float, seed: int):
        """At a steady rate, over thousands of arrivals."""
        gaps = [b - a for a, b in pairwise(moments(steady(rate, 6000 / rate, seed=seed)))]
        assert len(gaps) > 5000
        assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > 0.01

    def test_over_many_seeds_the_test_fails_as_often_as_it_should(self):
        """No seed is picked: the p-values of 100 plans are uniform, as chance wants them."""
        found = []
        for seed in range(100):
            gaps = [b - a for a, b in pairwise(moments(steady(300, 2.5, seed=seed)))]
            found.append(stats.kstest(gaps, "expon", args=(0, 1 / 300)).pvalue)
        assert stats.kstest(found, "uniform").pvalue > 0.01

    @pytest.mark.parametrize("rate", [50.0, 300.0])
    def test_poisson_counts_per_second_scatter_as_much_as_their_mean(self, rate: float):
        """Their index of dispersion follows χ² (Fisher 1925), two-sided at 1 %."""
        seconds = 200
        counted = Counter(int(moment) for moment in moments(steady(rate, seconds, seed=4)))
        index = sum((counted[second] - rate) ** 2 / rate for second in range(seconds))
        assert 0.005 < stats.chi2(seconds).cdf(index) < 0.995

    def test_a_ramp_has_as_many_arrivals_as_its_integral(self):
        """In each tenth of a ramp, a hold, a jump and a ramp down, within 3.5 deviations."""
        plan = load((20, 100), (20, 100), (0, 300), (20, 0), seed=6)
        came = moments(plan)
        assert plan.expected_arrivals == 1000 + 2000 + 3000
        assert abs(len(came) - 6000) < 3.5 * math.sqrt(6000)
        for begin in range(0, 60, 2):
            ends = [_integral(moment) for moment in (begin, begin + 2)]
            expected = ends[1] - ends[0]
            found = sum(begin <= moment < begin + 2 for moment in came)
            assert abs(found - expected) < 3.5 * math.sqrt(expected), begin

    def test_concurrency_meets_littles_law(self):
        """Stays of 20 s on average at 50/s: 1,000 at once within 3 %, once the house is full."""
        plan = steady(50, 2200, seed=8)
        rng = random.Random(8)
        inside = 0.0
        for moment in moments(plan):
            gone = moment + rng.expovariate(1 / 20)
            inside += max(0.0, min(gone, 2200) - max(moment, 200))
        assert inside / 2000 == pytest.approx(50 * 20, rel=0.03)

    def test_uniform_arrivals_are_evenly_spaced(self):
        """At a steady rate the gap is one over the rate, and the first comes after half of it."""
        came = moments(steady(50, 10, arrivals="uniform"))
        assert came == pytest.approx([0.01 + 0.02 * number for number in range(500)])

    def test_uniform_arrivals_follow_a_ramp_to_the_arrival(self):
        """Never further than half an arrival from the integral."""
        came = moments(load((20, 100), (20, 100), (0, 300), (20, 0), arrivals="uniform"))
        for number, moment in enumerate(came):
            assert _integral(moment) == pytest.approx(number + 0.5, abs=1e-6)

    def test_nobody_comes_while_the_rate_is_0(self):
        """Neither before, between nor after the legs that ask for arrivals."""
        plan = load((5, 0), (0, 80), (5, 80), (0, 0), (5, 0), (0, 80), (5, 80), (0, 0), (5, 0))
        came = moments(plan)
        assert all(5 <= moment < 10 or 15 <= moment < 20 for moment in came)
        assert min(sum(moment < 12 for moment in came), sum(moment > 12 for moment in came)) > 300


def _integral(elapsed: float) -> float:
    """Of 0 → 100 in 20 s, 100 for 20 s, 300 → 0 in 20 s: by hand."""
    if elapsed <= 20:
        return 2.5 * elapsed**2
    if elapsed <= 40:
        return 1000 + 100 * (elapsed - 20)
    left = 60 - elapsed
    return 6000 - 7.5 * left**2


rates = st.one_of(st.just(0.0), st.floats(min_value=0.1, max_value=40))
durations = st.one_of(st.just(0.0), st.floats(min_value=0.1, max_value=20))
loads = st.builds(
    lambda legs, kind, seed: load(*legs, arrivals=kind, seed=seed),
    st.lists(st.tuples(durations, rates), max_size=5).map(
        # at least one leg asks for arrivals
        lambda legs: [*legs, (5.0, 20.0)]
    ),
    st.sampled_from(["poisson", "uniform"]),
    st.integers(min_value=0, max_value=2**32),
)


class TestDeals:
    @given(plan=loads, workers=st.integers(min_value=1, max_value=9))
    @settings(max_examples=30)
    def test_workers_take_together_what_one_would_take_alone(self, plan: Load, workers: int):
        """Nothing twice, nothing lost, and each at the very same moment."""
        taken = [each for slot in range(workers) for each in Arrivals(plan, slot, workers)]
        assert sorted(taken) == list(Arrivals(plan))

    @given(
        plan=loads,
        deals=st.lists(
            st.tuples(st.floats(min_value=0, max_value=1), st.integers(1, 6)), max_size=6
        ),
        first=st.integers(1, 6),
        told=st.randoms(use_true_random=False),
    )
    def test_workers_that_join_and_go_take_everything_once(
        self, plan: Load, deals: list[tuple[float, int]], first: int, told: Any
    ):
        """Whatever the sequence of deals, and however far ahead each worker hears of one."""
        deals = sorted((share * plan.duration_s, workers) for share, workers in deals)
        slots = list(range(first))
        told.shuffle(slots)
        new = count()
        active = {next(new): Arrivals(plan, slot, first) for slot in slots}
        taken: list[tuple[int, float]] = []
        for start, workers in deals:
            for arrivals in active.values():  # some have got further than others
                while (found := arrivals.peek()) and found[1] < start and told.random() < 0.9:
                    taken.append(next(arrivals))
            names = list(active)
            told.shuffle(names)
            for name in names[workers:]:  # who goes works until the deal
                arrivals = active.pop(name)
                while (found := arrivals.peek()) and found[1] < start - 1e-9:
                    taken.append(next(arrivals))
            for slot in range(workers):
                if slot < len(names):
                    active[names[slot]].deal(slot, workers, start)
                else:
                    active[next(new)] = Arrivals(plan, slot, workers, start)
        for arrivals in active.values():
            taken += arrivals
        assert sorted(taken) == list(Arrivals(plan))

    def test_a_later_deal_for_the_same_moment_takes_the_place_of_the_earlier(self):
        """As where two workers join one after the other before the first deal holds."""
        plan = steady(20, 10)
        taken: list[tuple[int, float]] = []
        for slot in range(3):
            arrivals = Arrivals(plan, slot, 3)
            arrivals.deal(slot, 4, 5.0)
            arrivals.deal(slot, 5, 5.0)
            taken += arrivals
        taken += Arrivals(plan, 3, 5, 5.0)
        taken += Arrivals(plan, 4, 5, 5.0)
        assert sorted(taken) == list(Arrivals(plan))

    @given(
        plan=loads,
        steps=st.lists(
            st.tuples(st.integers(0, 40), st.floats(0, 1), st.integers(1, 4)), max_size=6
        ),
    )
    def test_who_hears_late_takes_nothing_twice(
        self, plan: Load, steps: list[tuple[int, float, int]]
    ):
        """Deals may even come out of order, and for moments that are long over."""
        arrivals = Arrivals(plan, 0, 2)
        taken: list[tuple[int, float]] = []
        for ahead, share, workers in steps:
            taken += islice(arrivals, ahead)
            arrivals.deal(0, workers, share * plan.duration_s)
        taken += arrivals
        assert len(taken) == len(set(taken))
        assert set(taken) <= set(Arrivals(plan))

    def test_who_hears_late_makes_up_for_what_its_new_slot_missed(self):
        """The only one left starts at once what the other should have begun since the deal."""
        plan = steady(20, 10)
        arrivals = Arrivals(plan, 0, 2)
        taken = [next(arrivals) for _ in range(70)]  # some 7 s
        arrivals.deal(0, 1, 4.0)
        taken += arrivals
        lost = [each for each in Arrivals(plan, 1, 2) if each[1] < 4.0]
        assert sorted(taken + lost) == list(Arrivals(plan))

    def test_the_next_one_can_be_looked_at_without_being_taken(self):
        """And at the end there is none."""
        arrivals = Arrivals(steady(20, 1))
        assert arrivals.peek() == arrivals.peek() == next(arrivals)
        assert list(arrivals)
        assert arrivals.peek() is None
        assert next(arrivals, None) is None


class TestClasses:
    MIX: ClassVar = {
        "CompleteChat": 60.0,
        "StreamingChat": 25.0,
        "IdleChat": 0.0,
        "HandoffChat": 15.0,
    }

    def test_classes_come_by_their_weights(self):
        """Each within 3.5 standard deviations of its share, and none without weight."""
        draw = ClassDraw(self.MIX, 5)
        came = Counter(draw.of(number) for number in range(20_000))
        for name, weight in self.MIX.items():
            if weight:
                assert deviations(came[name], 20_000, weight / 100) < 3.5
        assert "IdleChat" not in came

    def test_the_class_of_a_number_hangs_on_nothing_else(self):
        """Not on the order of the mix, nor on what was asked before."""
        draw, again = ClassDraw(self.MIX, 5), ClassDraw(dict(reversed(self.MIX.items())), 5)
        numbers = list(range(200))
        assert [draw.of(n) for n in numbers] == [again.of(n) for n in reversed(numbers)][::-1]

    def test_another_seed_gives_other_classes_and_moments(self):
        """Two seeds are two tests."""
        draw, other = ClassDraw(self.MIX, 5), ClassDraw(self.MIX, 6)
        assert [draw.of(n) for n in range(50)] != [other.of(n) for n in range(50)]
        assert moments(steady(20, 5, seed=5)) != moments(steady(20, 5, seed=6))


class TestStagesThatGrow:
    """A capacity search decides on the next rate while the run goes on."""

    GROWN: ClassVar = ((2.0, 10.0), (58.0, 10.0), (5.0, 40.0), (25.0, 40.0))

    def followed(self, index: int, workers: int, pause: bool = False) -> list[tuple[int, float]]:
        """What a worker takes that learns of the second rate when it has come to second 60."""
        first = load((2.0, 10.0), (58.0, 10.0), *([] if pause else [(1e6, 10.0)]))
        arrivals = Arrivals(first, index, workers)
        taken = []
        while (coming := arrivals.peek()) is not None and coming[1] < 60.0:
            taken.append(next(arrivals))
        arrivals.follow(load(*self.GROWN).stages)
        arrivals.deal(index, workers, 60.0)
        return taken + list(arrivals)

    @pytest.mark.parametrize("pause", [False, True])
    def test_the_process_goes_on_as_if_all_had_been_known_from_the_start(self, pause: bool):
        """Nothing is taken twice, lost or moved; also where there was nothing more to come."""
        known = list(Arrivals(load(*self.GROWN)))
        taken = self.followed(0, 1, pause)
        assert [number for number, _ in taken] == [number for number, _ in known]
        assert [at for _, at in taken] == pytest.approx([at for _, at in known])

    def test_every_worker_goes_on_with_its_own_share(self):
        """Together they take the whole process."""
        shares = [self.followed(index, 3) for index in range(3)]
        known = [number for number, _ in Arrivals(load(*self.GROWN))]
        assert sorted(number for share in shares for number, _ in share) == known

    def test_after_a_time_without_arrivals_there_are_new_ones(self):
        """The rest of a target that was overloaded is a rate of nothing."""
        rested = ((2.0, 10.0), (58.0, 10.0), (0.0, 0.0), (1e6, 0.0))
        arrivals = Arrivals(load(*rested))
        taken = list(arrivals)
        assert arrivals.peek() is None
        grown = load((2.0, 10.0), (58.0, 10.0), (0.0, 0.0), (40.0, 0.0), (0.0, 20.0), (10.0, 20.0))
        arrivals.follow(grown.stages)
        arrivals.deal(0, 1, 100.0)
        later = list(arrivals)
        assert [number for number, _ in taken + later] == [number for number, _ in Arrivals(grown)]
        assert all(at >= 100.0 for _, at in later)
        assert later
