"""Lengths of time that are drawn."""

import statistics
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from loadkit.simulator.distributions import Bimodal, Distribution

from .doubles import rng

DISTRIBUTION: TypeAdapter[Any] = TypeAdapter(Distribution)


def test_a_bare_duration_never_varies() -> None:
    fixed = DISTRIBUTION.validate_python("300ms")
    assert {fixed.sample(rng()) for _ in range(20)} == {0.3}


@pytest.mark.parametrize(
    ("table", "median"),
    [
        ({"kind": "constant", "value": "2s"}, 2.0),
        ({"kind": "lognormal", "median": "2s", "sigma": 0.5}, 2.0),
        ({"kind": "exponential", "mean": "2s"}, 2.0 * 0.693),
        ({"kind": "bimodal", "fast": "2s", "slow": "9s", "slow_share": 0.1}, 2.0),
    ],
)
def test_samples_have_the_median_that_was_asked_for(table: dict[str, Any], median: float) -> None:
    kind, chance = DISTRIBUTION.validate_python(table), rng()
    samples = [kind.sample(chance) for _ in range(4000)]
    assert min(samples) >= 0
    assert statistics.median(samples) == pytest.approx(median, rel=0.1)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "lognormal", "median": "1s", "sigma": 2.0, "max": "1500ms"},
        {"kind": "exponential", "mean": "1s", "max": "1500ms"},
    ],
)
def test_no_sample_is_above_max(table: dict[str, Any]) -> None:
    kind, chance = DISTRIBUTION.validate_python(table), rng()
    assert max(kind.sample(chance) for _ in range(1000)) == 1.5


def test_the_modes_of_a_bimodal_may_vary_themselves() -> None:
    slow = {"kind": "exponential", "mean": "5s"}
    kind = DISTRIBUTION.validate_python(
        {"kind": "bimodal", "fast": "1s", "slow": slow, "slow_share": 0.25}
    )
    assert isinstance(kind, Bimodal)
    chance = rng()
    samples = [kind.sample(chance) for _ in range(4000)]
    assert samples.count(1.0) / len(samples) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "lognormal", "median": 0},
        {"kind": "exponential", "mean": "0s"},
        {"kind": "bimodal", "fast": "1s", "slow": "2s", "slow_share": 1.1},
        {"kind": "uniform", "min": "1s"},
        {"kind": "constant", "value": "1s", "sigma": 1},
        {"median": "1s"},
    ],
)
def test_a_distribution_that_makes_no_sense_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DISTRIBUTION.validate_python(table)
