"""What noise that hangs together is worth, held against closed formulas."""

from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from loadkit.stats.effective_sample_size import inflation, of_student, student, walk

Floats = NDArray[np.float64]


def noise(rng: np.random.Generator, n: int, correlation: float = 0.0) -> Floats:
    """An autoregression of the first order with a spread of 1, in its steady state."""
    fresh = rng.normal(size=n + 200) * sqrt(1 - correlation**2)
    found: Floats = signal.lfilter([1], [1, -correlation], fresh)[200:]
    return found


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.8])
def test_values_that_hang_together_are_worth_fewer(correlation: float) -> None:
    """By (1 + r) / (1 - r), which is the closed formula for an autoregression."""
    rng = np.random.default_rng(4)
    found = np.median([inflation(noise(rng, 240, correlation), 1) for _ in range(100)])
    true = (1 + correlation) / (1 - correlation)
    assert 0.9 * true <= found <= 1.6 * true


def test_what_never_changes_is_worth_itself() -> None:
    assert inflation(np.zeros(30)) == 1.0


def test_a_walk_has_the_interval_of_its_mean_step() -> None:
    """Of 24 independent steps it is Student's, nearly: 200 walks with a drift give 190 ± 6."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        x = np.cumsum(rng.normal(0.5, 1.0, 25))
        step = (x[-1] - x[0]) / 24
        found = walk(x)
        held += abs(step - 0.5) <= student(found.freedom, 0.975) * found.error
    assert held >= 182


def test_noise_around_a_line_is_less_than_a_walk() -> None:
    """Its steps fall back on each other: 300 series of independent noise, none below 5 %."""
    rng = np.random.default_rng(2)
    assert min(walk(noise(rng, 24)).p for _ in range(300)) > 0.05


def test_steps_that_are_all_alike_leave_no_doubt() -> None:
    """Up evenly, or not at all."""
    assert walk(np.arange(24.0)).p == 0.0
    assert walk(np.full(24, 7.0)).p == 1.0


@pytest.mark.parametrize("freedom", [1.0, 6.5, 120.0])
def test_student_is_scipys(freedom: float) -> None:
    assert student(freedom, 0.975) == pytest.approx(stats.t.ppf(0.975, freedom))
    assert of_student(2.2, freedom) == pytest.approx(2 * stats.t.sf(2.2, freedom))
