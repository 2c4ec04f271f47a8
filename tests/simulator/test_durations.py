"""Lengths of time: how they are written, and what is drawn from them."""

import contextlib
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from loadkit.simulator.durations import Bimodal, Distribution, parse_duration

from .doubles import rng

DISTRIBUTION: TypeAdapter[Any] = TypeAdapter(Distribution)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("800ms", 0.8),
        ("2s", 2.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
        (" 3 s ", 3.0),
        (0, 0.0),
        (2.5, 2.5),
    ],
)
def test_a_duration_is_a_number_with_a_unit_or_seconds(written: Any, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    ["", "2", "s", "-1s", "2 days", "1e3s", -1, float("nan"), float("inf"), True, None, []],
)
def test_anything_else_is_refused_in_words(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(written)


@given(st.text())
def test_no_text_makes_a_duration_that_is_negative_or_crashes(written: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(written) >= 0


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
