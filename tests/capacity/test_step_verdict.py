"""Rows of a step in, an outcome out: whose fault it was first, then the objectives."""

from typing import Any

import pytest

from loadkit.capacity.evidence import StepOutcome
from loadkit.capacity.step import Stretch
from loadkit.capacity.step_verdict import POLICY_SHARE, at_rest, conclude, enough, hopeless
from loadkit.errors import Failure
from loadkit.figures import Count
from loadkit.stats.hdr_index import bucket_of
from loadkit.verdict.validity import Validity

from .rows import row, rows

P95 = [("response.p95", 1000.0)]
VALID = Validity("valid", ())


def outcome(
    measured: Stretch, limits: list[tuple[str, float]] = P95, validity: Validity = VALID
) -> StepOutcome:
    return conclude(50.0, measured, limits, validity, at_rest=True, seconds=42.0)[0]


def with_counts(**counts: int) -> Stretch:
    every = {key.replace("__", "."): count for key, count in counts.items()}
    return Stretch([*rows(20, 0.5), row(20.0, [0.1], counts=every)])


class TestTheVerdict:
    def test_objectives_that_are_met_are_held(self):
        """With the margin of the one that was closest."""
        found = outcome(Stretch(rows(30, 0.5)))
        assert found.verdict == "held"
        assert found.margin == pytest.approx(0.5, abs=0.05)
        assert found.margins is not None
        assert found.margins[0] <= found.margin <= found.margins[1]
        assert not found.marginal

    def test_one_that_is_not_met_is_broken(self):
        """And says by how much."""
        found = outcome(Stretch(rows(30, 2.0)))
        assert found.verdict == "broken"
        assert found.margin == pytest.approx(-1.0, abs=0.1)
        assert "response p95" in found.why

    def test_one_that_hangs_is_broken_though_all_its_answers_are_quick(self):
        """Three turns in ten are never answered: they are open at the end of the step."""
        measured = rows(30, 0.5, each=14)
        for second, each in enumerate(measured):
            ages = [
                {bucket_of(1_000_000 * (age + 1)): 6 for age in range(n)}
                for n in (second, second + 1)
            ]
            each.latency["response"].under_way(*ages)
        found = outcome(Stretch(measured))
        assert found.verdict == "broken"
        assert "response p95 ≥ " in found.why

    def test_right_at_the_limit_is_marginal(self):
        """Another hold might end the other way."""
        assert outcome(Stretch(rows(30, 1.0))).marginal

    @pytest.mark.parametrize(("lost", "marginal"), [(0, False), (3, True), (60, False)])
    def test_a_share_is_as_sure_as_its_number_of_tries(self, lost: int, marginal: bool):
        """Three of 1,000 may well be one of 100, or a hundredth of that."""
        of = [("turns.lost_ratio", 0.005)]
        found = outcome(with_counts(turns__lost=lost, turns__sent=1000 - 400), of)
        assert found.marginal is marginal
        assert found.broken is (lost == 60)

    def test_nothing_counts_where_the_generator_was_the_limit(self):
        """A broken objective of an invalid step is no fault of the target's."""
        lame = Validity("invalid", ("event-loop lag p99 was 300 ms",))
        found = outcome(Stretch(rows(30, 2.0)), validity=lame)
        assert found.verdict == "generator"
        assert found.why == "event-loop lag p99 was 300 ms"

    def test_a_suspect_step_counts(self):
        """Suspect means read with care, not do not use."""
        assert outcome(Stretch(rows(30, 0.5)), validity=Validity("suspect", ("x",))).held

    @pytest.mark.parametrize("kind", [Failure.RATE_LIMITED, Failure.OVERLOADED])
    def test_people_who_are_turned_away_are_policy(self, kind: Failure):
        """Even where everybody else is answered quickly."""
        found = outcome(with_counts(**{f"errors__{kind}": 40}))
        assert found.verdict == "policy"
        assert "turned 40 of" in found.why

    def test_a_few_of_them_are_not(self):
        """Up to the share that is documented."""
        few = int(POLICY_SHARE * 2 * 400)
        assert outcome(with_counts(errors__rate_limited=few)).verdict == "held"
        assert outcome(with_counts(errors__rate_limited=few + 3)).verdict == "policy"

    def test_arrivals_refused_at_our_own_cap_are_not_the_targets_fault(self):
        """The load was never put on."""
        found = outcome(with_counts(arrivals__due=100, arrivals__refused=10))
        assert found.verdict == "generator"
        assert "load.max_concurrent" in found.why

    def test_too_few_samples_are_undecided(self):
        """A p95 takes 90."""
        found = outcome(Stretch(rows(4, 0.5)))
        assert found.verdict == "undecided"
        assert found.margins is None

    def test_what_was_never_measured_is_undecided_unless_something_failed(self):
        """Nobody asked for a human, or no human ever came."""
        limits = [*P95, ("handoff_wait.p95", 1000.0)]
        assert outcome(Stretch(rows(30, 0.5)), limits).verdict == "undecided"
        assert outcome(with_counts(errors__unanswered=1), limits).verdict == "broken"

    def test_a_broken_count_is_certain(self):
        """It has no share of its limit and no interval."""
        found = outcome(with_counts(violations__bad_json=1), [*P95, ("violations", 0.0)])
        assert found.verdict == "broken"
        assert (found.margin, found.margins) == (None, None)
        assert not found.marginal

    def test_the_closest_objective_speaks(self):
        """Here the share of turns that were lost, of which 2 % may be."""
        measured = with_counts(turns__lost=7)
        found = outcome(measured, [*P95, ("turns.lost_ratio", 0.02)])
        lost = 7 / measured.counts[Count.TURNS_SENT]
        assert found.margin == pytest.approx(1 - lost / 0.02, rel=1e-3)

    def test_waits_that_hang_together_widen_the_interval(self):
        """A slow wave of the queue is no thousand independent samples."""
        calm = rows(40, 0.5, each=200)
        waves: list[Any] = []
        for at, one in enumerate(calm):
            slow = 1.6 if at // 4 % 2 else 0.4
            waits = [value * slow / 1e6 for value, n in _values(one) for _ in range(n)]
            waves.append(row(float(at), waits))
        width = [
            (found.margins[1] - found.margins[0]) if found.margins else 0.0
            for found in (outcome(Stretch(calm)), outcome(Stretch(waves)))
        ]
        assert width[1] > 2 * width[0] > 0


def _values(one: Any) -> list[tuple[int, int]]:
    return sorted(one.latency["response"].counts.items())


class TestRest:
    @pytest.mark.parametrize("seed", range(5))
    def test_a_growing_queue_is_not_at_rest(self, seed: int):
        """Its waits rise row by row."""
        assert not at_rest(Stretch(rows(12, 0.5, rise=0.3, seed=seed)), P95)

    def test_a_level_one_mostly_is(self):
        """One look in twenty may call it moving; a second later is another look."""
        calm = sum(at_rest(Stretch(rows(12, 0.5, seed=seed)), P95) for seed in range(200))
        assert calm >= 170

    def test_a_short_one_is_not_known_to_be(self):
        """Twelve rows are looked at."""
        assert not at_rest(Stretch(rows(11, 0.5)), P95)

    def test_a_phase_that_is_rare_has_no_say(self):
        """Hand-offs every minute say nothing of the last twelve seconds."""
        limits = [("handoff_wait.p95", 1000.0)]
        assert at_rest(Stretch([row(float(at), [0.1] * 5) for at in range(12)]), limits)


class TestHopeless:
    def test_far_over_the_limit_and_rising_is_given_up(self):
        """Each second more makes the queue longer."""
        assert hopeless(Stretch(rows(12, 2.5, rise=0.2)), P95)

    @pytest.mark.parametrize(
        "measured",
        [
            pytest.param(rows(11, 5.0, rise=0.2), id="too early"),
            pytest.param(rows(12, 1.5, rise=0.0), id="over the limit, but near"),
            pytest.param(rows(12, 9.0, rise=-0.05), id="falling, as from a cold start"),
            pytest.param(rows(12, 9.0, each=2), id="too few to be sure"),
        ],
    )
    def test_anything_else_gets_its_time(self, measured: list[Any]):
        """A cold cache is not a capacity."""
        assert not hopeless(Stretch(measured), P95)


def test_enough_is_what_every_percentile_needs() -> None:
    """90 samples for a p95, 459 for a p99."""
    limits = [("response.p95", 1000.0), ("response.p99", 2000.0), ("violations", 0.0)]
    assert not enough(Stretch(rows(20, 0.5)), limits)
    assert enough(Stretch(rows(20, 0.5)), limits[:1])
    assert enough(Stretch(rows(23, 0.5)), limits)
