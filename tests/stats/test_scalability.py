"""The Universal Scalability Law, and the knee, against published and made-up curves."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.stats import scalability
from loadkit.stats.scalability import GOOD_FIT, Fit, fit, knee

LOADS = [1.0, 5, 10, 20, 40, 60, 80, 120, 160, 240]

SPEC = (
    [1.0, 18, 36, 72, 108, 144, 216],
    [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2],
)
"""SPEC SDM91 on a Sun SPARCcenter 2000, the example of Gunther's book and of the R package usl."""


def law(load: float, rate: float, contention: float, coherency: float) -> float:
    return rate * load / (1 + contention * (load - 1) + coherency * load * (load - 1))


def fit_alone(loads: list[float], values: list[float]) -> Fit:
    """A fit whose bands are not asked about: they take three hundred more."""
    with mock.patch.object(scalability, "_RESAMPLES", 5):
        return fit(loads, values)


def test_a_published_example_has_its_published_coefficients() -> None:
    """The R package usl: gamma 89.9952, alpha 0.0277285, beta 0.0001044, by other code."""
    found = fit_alone(*SPEC)
    assert found.rate == pytest.approx(89.9952, rel=1e-4)
    assert found.contention == pytest.approx(0.0277285, rel=1e-3)
    assert found.coherency == pytest.approx(0.0001044, rel=1e-3)
    assert found.peak == pytest.approx(96.5, abs=0.1)
    assert found.r_squared > 0.98
    assert found.warnings == ()


@settings(max_examples=25)
@given(
    st.floats(0.01, 1000.0),
    st.floats(0.005, 0.5),
    st.floats(1e-5, 1e-2),
    st.sampled_from([1.0, 30.0]),
)
def test_the_coefficients_of_a_curve_without_noise_are_found(
    rate: float, contention: float, coherency: float, times: float
) -> None:
    """What went in comes out, for tens of sessions and for thousands alike."""
    contention, coherency = contention / times, coherency / times**2
    loads = [load * times for load in LOADS]
    found = fit_alone(loads, [law(load, rate, contention, coherency) for load in loads])
    for load in loads:
        assert law(load, found.rate, found.contention, found.coherency) == pytest.approx(
            law(load, rate, contention, coherency), rel=1e-3
        )
    assert found.peak is not None
    assert found.peak == pytest.approx(math.sqrt((1 - contention) / coherency), rel=0.02)
    assert found.r_squared > 0.9999


def test_where_a_bound_holds_the_other_coefficients_are_those_of_a_bounded_fit() -> None:
    """Here by scipy itself, on a law that helps itself a little: its contention is below 0."""
    from scipy.optimize import curve_fit

    loads = [1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    values = [law(load, 12.0, -0.002, 0.0001) for load in loads]
    found = fit_alone(loads, values)
    (rate, coherency), _ = curve_fit(
        lambda load, rate, coherency: law(load, rate, 0.0, coherency), loads, values, p0=(12, 1e-4)
    )
    assert found.contention == pytest.approx(0.0, abs=1e-9)
    assert (found.rate, found.coherency) == pytest.approx((rate, coherency), rel=1e-3)


def test_the_bands_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of 8 noisy curves a true 95 % would miss more than two six times in a thousand."""
    truth, missed = (5.0, 0.03, 0.0002), 0
    curve = np.array([law(load, *truth) for load in LOADS])
    peak = math.sqrt((1 - truth[1]) / truth[2])
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(0, 0.02 * curve.max(), curve.size)
        found = fit(LOADS, list(np.maximum(curve + noise, 0)))
        low, high = found.peak_interval
        missed += not low <= peak <= high
    assert missed <= 2


def test_a_fit_is_the_same_every_time() -> None:
    """The bootstrap is seeded."""
    assert fit(*SPEC) == fit(*SPEC)


def test_a_line_has_no_peak_and_does_not_reach_the_knee() -> None:
    """Whatever noise bends, the fit says that the figures end before the knee."""
    found = fit_alone(LOADS, [3 * load for load in LOADS])
    assert found.contention == pytest.approx(0, abs=1e-6)
    assert found.peak is None or found.peak > max(LOADS)
    (said,) = found.warnings
    assert "do not reach the knee" in said


def test_a_peak_beyond_what_was_measured_is_called_extrapolated() -> None:
    """The curve has bent, but it still rises at its end."""
    loads = LOADS[:7]
    (said,) = fit_alone(loads, [law(load, 5, 0.03, 0.00005) for load in loads]).warnings
    assert "extrapolated" in said


def test_a_peak_below_what_was_measured_is_called_extrapolated() -> None:
    """Every load was too much: where it began to be is not in the figures."""
    loads = [100.0, 140, 180, 220, 260, 300]
    (said,) = fit_alone(loads, [law(load, 5, 0.05, 0.001) for load in loads]).warnings
    assert "below the least load" in said


def test_a_curve_that_the_law_does_not_describe_is_said_to_be_one() -> None:
    """A server that falls over: nothing smooth goes through it."""
    found = fit_alone(LOADS, [5, 25, 50, 100, 200, 300, 20, 300, 10, 300])
    assert found.r_squared < GOOD_FIT
    assert "does not describe" in found.warnings[0]
    assert "R²" in found.warnings[0]


def test_few_loads_are_named() -> None:
    """Four will do to fit, not to believe."""
    loads = [10.0, 60, 120, 240]
    warnings = fit_alone(loads, [law(load, 5, 0.05, 0.0004) for load in loads]).warnings
    assert any("only 4 different loads" in said for said in warnings)


@pytest.mark.parametrize(
    ("loads", "values"),
    [
        ([1.0, 2, 3], [1.0, 2, 3]),
        ([1.0, 2, 2, 3], [1.0, 2, 2, 3]),
        ([1.0, 2, 3, 4], [1.0, 2, 3]),
        ([0.0, 2, 3, 4], [1.0, 2, 3, 4]),
        ([1.0, 2, 3, 4], [1.0, 2, math.nan, 4]),
        ([1.0, 2, 3, 4], [1.0, 2, -1, 4]),
    ],
)
def test_what_cannot_be_fitted_is_refused(loads: list[float], values: list[float]) -> None:
    """Too few loads, lists that do not match, and what is no figure."""
    with pytest.raises(ValueError, match="loads"):
        fit(loads, values)


def test_the_knee_of_the_papers_figure_is_where_the_paper_has_it() -> None:
    """y = -1 ÷ (x + 0.1) + 5 at ten points of 0 … 1: x = 0.22; moved off 0, and scaled."""
    x = np.linspace(0, 1, 10)
    found = knee(list(100 + 50 * x), list(20 + 2 * (-1 / (x + 0.1) + 5)))
    assert found == pytest.approx(100 + 50 * 0.222, abs=0.05)


def test_the_knee_of_a_saturated_server_is_where_it_saturates() -> None:
    """Linear up to 80 sessions, flat from there on; the order of the steps does not matter."""
    loads = [160.0, 10, 20, 40, 80, 120, 60]
    assert knee(loads, [min(load, 80) for load in loads]) == 80


def test_a_line_has_no_knee_however_noisy() -> None:
    """Fifty lines with 1 % of noise."""
    loads = [10.0 * n for n in range(1, 13)]
    for seed in range(50):
        noise = np.random.default_rng(seed).normal(1, 0.01, len(loads))
        assert knee(loads, [load * n for load, n in zip(loads, noise, strict=True)]) is None


def test_a_flat_curve_has_no_knee() -> None:
    """Nothing rises, nothing bends."""
    assert knee([1.0, 2, 3], [5.0, 5, 5]) is None


@pytest.mark.parametrize("loads", [[1.0, 2], [1.0, 2, 2, 3]])
def test_a_knee_needs_three_loads_each_once(loads: list[float]) -> None:
    """Two points are a line; and a load that comes twice has no one height."""
    with pytest.raises(ValueError, match="each once"):
        knee(loads, loads)
