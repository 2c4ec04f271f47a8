"""What may be said of a few outcomes: holds, breaks, the interval, and contradictions."""

import json
from dataclasses import asdict

import pytest

from loadkit.capacity.evidence import OUTCOME, Evidence, StepOutcome, margin

ABOUT = (-0.1, 0.1)  # margins that the limit lies inside of


def evidence(*outcomes: StepOutcome) -> Evidence:
    every = Evidence()
    for outcome in outcomes:
        every.outcomes.append(outcome)
    return every


def held(load: float, margins: tuple[float, float] | None = None) -> StepOutcome:
    return StepOutcome(load, "held", margins=margins)


def broken(load: float, margins: tuple[float, float] | None = None) -> StepOutcome:
    return StepOutcome(load, "broken", margins=margins)


@pytest.mark.parametrize(
    ("actual", "limit", "share"), [(2000, 2500, 0.2), (5000, 2500, -1.0), (0, 0, None)]
)
def test_a_margin_is_a_share_of_the_limit(actual: float, limit: float, share: float | None):
    assert margin(actual, limit) == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("margins", "marginal"),
    [(None, False), ((0.1, 0.3), False), ((-0.3, -0.1), False), (ABOUT, True), ((0, 0.1), True)],
)
def test_a_step_is_marginal_when_the_limit_lies_inside_the_interval(
    margins: tuple[float, float] | None, marginal: bool
):
    assert held(1, margins).marginal is marginal


def test_what_held_while_it_still_rose_did_not_hold():
    """A queue that grows may just not have broken the limit yet."""
    assert not StepOutcome(10, "held", settled=False).held


def test_an_outcome_survives_a_file():
    outcome = StepOutcome(
        40.0, "broken", -0.2, (-0.3, -0.1), False, 71.5, "response p95 3 s > 2.5 s"
    )
    assert OUTCOME.decode(json.loads(json.dumps(asdict(outcome)))) == outcome
    plain = StepOutcome(40.0, "policy")
    assert OUTCOME.decode(json.loads(json.dumps(asdict(plain) | {"newer": 1}))) == plain


@pytest.mark.parametrize(
    ("outcomes", "interval"),
    [
        ([], (None, None)),
        ([held(10)], (10, None)),
        ([broken(10)], (None, 10)),
        ([held(10), broken(40), held(20), broken(30)], (20, 30)),
        # what another hold might end differently bounds nothing
        ([held(10), broken(40), held(20, ABOUT), broken(30, ABOUT)], (10, 40)),
        # contradictions widen the interval on both sides
        ([held(10), broken(20), held(20), broken(40)], (10, 40)),
        ([held(10), broken(20), held(30)], (10, None)),
        ([broken(20), held(30), broken(40)], (None, 40)),
    ],
)
def test_the_interval_ends_at_clear_outcomes(
    outcomes: list[StepOutcome], interval: tuple[float | None, float | None]
):
    assert evidence(*outcomes).interval == interval


@pytest.mark.parametrize(
    ("outcomes", "flips"),
    [
        ([held(10), broken(20)], None),
        ([held(20), broken(20)], (20, 20)),
        ([broken(20), held(30)], (20, 30)),
        ([broken(20, ABOUT), held(30)], None),
        ([broken(20), held(30, ABOUT)], None),
        ([held(20), StepOutcome(20, "undecided")], None),
        ([held(20), StepOutcome(10, "policy")], (10, 20)),
    ],
)
def test_only_clear_outcomes_contradict_each_other(
    outcomes: list[StepOutcome], flips: tuple[float, float] | None
):
    assert evidence(*outcomes).flips == flips
    assert evidence(*outcomes).inverted is (flips is not None)


def test_the_highest_hold_lies_below_every_clear_break():
    every = evidence(held(10), broken(20), held(15, ABOUT), held(25), broken(12, ABOUT))
    assert every.highest_held() == 15
    assert every.highest_held(below=15) == 10
    assert every.highest_held(below=10) is None


def test_what_more_rest_explains_is_left_aside():
    every = evidence(held(10), broken(20), broken(10), held(10))
    every.excuse(10)
    assert (every.inverted, every.interval) == (False, (10, 20))


def test_a_longer_hold_knows_better():
    """What held for a short time, at the load that broke and above it, bounds nothing any more."""
    every = evidence(held(10), held(20), held(22), broken(40), broken(20))
    every.overrule(20)
    assert (every.inverted, every.interval) == (False, (10, 20))
