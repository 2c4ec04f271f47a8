"""Drift in runs whose course is known: what is told, and how often of noise."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import exp, log, sqrt
from typing import TypedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal, stats

from loadkit.figures import Count, Phase
from loadkit.measure.interval import AGES
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Timeline
from loadkit.report.drift import rows, told
from loadkit.soak.drift import Drift, DriftFigure, analyse
from loadkit.soak.metric_series import LEAST
from loadkit.soak.windows import Window, Windows
from loadkit.stats.distribution import Distribution
from loadkit.stats.sketch import Sketch
from tests.answers import answered

Floats = NDArray[np.float64]
Course = Callable[[Floats], Floats]

FLAT: Course = np.ones_like


def noise(rng: np.random.Generator, n: int, correlation: float) -> Floats:
    fresh = rng.normal(size=n + 100) * sqrt(1 - correlation**2)
    return signal.lfilter([1], [1, -correlation], fresh)[100:]


class Noise(TypedDict, total=False):
    """What `run` takes of noise, and of windows."""

    hours: float
    number: int
    spread: float
    correlation: float


def run(
    rng: np.random.Generator,
    *,
    hours: float = 8.0,
    number: int = 96,
    response: Course = FLAT,
    answered: Course = FLAT,
    memory: Course = FLAT,
    errors: Course = np.zeros_like,
    phases: Sequence[Phase] = (Phase.RESPONSE,),
    spread: float = 0.02,
    correlation: float = 0.3,
    samples: int = 200,
) -> list[Window]:
    """Windows of a run: each figure takes its course (1 is the usual), with noise on it.

    The p50 of `response` is 800 ms and its p95 1,600 ms; errors are a number a minute.
    """
    at = np.arange(number) * hours / number

    def figure(usual: float, course: Course, noisy: float = spread) -> Floats:
        return usual * course(at) * np.exp(noisy * noise(rng, number, correlation))

    latencies = {
        phase: (figure(800, response), figure(1600, response))
        if phase is Phase.RESPONSE
        else (figure(80, FLAT), figure(160, FLAT))
        for phase in phases
    }
    turns, rss = figure(100, answered), figure(250, memory, 0.001)
    seconds = 3600 * hours / number
    return [
        Window(
            index * seconds,
            seconds,
            100.0,
            {
                phase.value: _two(low[index], high[index], samples)
                for phase, (low, high) in latencies.items()
            },
            answered=round(turns[index] * seconds),
            errors=int(rng.poisson(errors(at)[index] * seconds / 60)),
            rss_mb=float(rss[index]),
            master_rss_mb=100 + float(rss[index]) / 100,
        )
        for index in range(number)
    ]


def _two(p50: float, p95: float, samples: int) -> Sketch:
    """Three lumps, of which the middle one is centred on the p50 and the last one on the p95."""
    lumps = [(p50 / 2, 0.1), (p50, 0.8), (p95, 0.1)]
    counts = [(1000 * value, round(share * samples)) for value, share in lumps]
    return Sketch((value, n) for value, n in counts if n)


def drifting(drift: Drift) -> set[str]:
    return {name for name, figure in drift.figures.items() if figure.drifts != "no"}


def test_a_leak_is_told_with_its_slope_and_its_beginning() -> None:
    """Response times that rise by 4 % of what they were each hour from the third hour on."""
    windows = run(np.random.default_rng(1), response=lambda t: 1 + 0.04 * np.maximum(0, t - 2))
    found = analyse(windows, {})
    assert drifting(found) == {"response.p50", "response.p95"}
    for name in drifting(found):
        figure = found.figures[name]
        assert figure.drifts == "starts"
        assert figure.at_s == pytest.approx(2 * 3600, abs=2400)
        assert figure.moved == pytest.approx(4, abs=0.6)
    assert found.figures["response.p50"].typical == pytest.approx(865, abs=40)


def test_a_rise_all_along_is_told_in_percent_of_the_median() -> None:
    """32 % over eight hours around a median of 1.16 are 3.45 % an hour."""
    found = analyse(run(np.random.default_rng(2), response=lambda t: 1 + 0.04 * t), {})
    figure = found.figures["response.p95"]
    assert figure.drifts == "line"
    assert figure.percent_per_hour == figure.moved == pytest.approx(4 / 1.16, abs=0.25)
    assert figure.per_hour == pytest.approx(1600 * 0.04, rel=0.07)
    assert figure.interval[0] < 4 / 1.16 < figure.interval[1]


def test_a_step_is_told_with_its_height_and_no_slope() -> None:
    """40 % more from 01:20 on."""
    found = analyse(run(np.random.default_rng(3), response=lambda t: 1 + 0.4 * (t >= 4 / 3)), {})
    figure = found.figures["response.p95"]
    assert figure.drifts == "step"
    assert figure.at_s == pytest.approx(4800, abs=600)
    assert figure.moved == pytest.approx(40, abs=3)
    assert figure.before == pytest.approx(1600, rel=0.02)
    assert figure.after == pytest.approx(2240, rel=0.02)


def test_what_a_cold_server_does_is_told_from_a_leak() -> None:
    """A rise in the first hour and a half and no further."""
    found = analyse(
        run(np.random.default_rng(4), response=lambda t: 0.8 + 0.2 * np.minimum(1, t / 1.5)), {}
    )
    figure = found.figures["response.p50"]
    assert figure.drifts == "settles"
    assert figure.at_s == pytest.approx(1.5 * 3600, abs=1800)


def test_what_settles_is_held_against_the_median_of_its_beginning() -> None:
    """The first quarter of an hour and a half in windows of five minutes: the greater one in the
    middle of four, of 800 ms × 0.8 and up.
    """
    course = run(
        np.random.default_rng(4),
        response=lambda t: 0.8 + 0.2 * np.minimum(1, t / 1.5),
        spread=0.0002,
    )
    figure = analyse(course, {}).figures["response.p50"]
    assert (figure.drifts, figure.at_s) == ("settles", pytest.approx(5400, abs=300))
    assert figure.before == pytest.approx(800 * (0.8 + 0.2 * 10 / 90), rel=0.003)
    assert figure.moved == pytest.approx(100 * (1 / (0.8 + 0.2 * 10 / 90) - 1), abs=0.5)


def test_throughput_memory_and_errors_are_looked_at_too() -> None:
    """Each with its own course: fewer turns, more memory, refusals in the last quarter."""
    found = analyse(
        run(
            np.random.default_rng(5),
            answered=lambda t: 1 - 0.03 * t,
            memory=lambda t: 1 + 0.01 * t,
            errors=lambda t: 4.0 * (t > 6),
        ),
        {},
    )
    assert drifting(found) == {"throughput", "memory", "errors"}
    assert found.figures["throughput"].percent_per_hour == pytest.approx(-3.4, abs=0.3)
    assert found.figures["memory"].per_hour == pytest.approx(2.5, abs=0.05)
    errors = found.figures["errors"]
    assert errors.drifts == "step"
    assert errors.before == pytest.approx(0, abs=0.2)
    assert errors.after == pytest.approx(4, abs=0.4)


def test_the_first_hour_is_held_against_the_last() -> None:
    """Of eight hours that rise by 4 % each, the medians of both: 1.02 and 1.30 of the beginning."""
    found = analyse(run(np.random.default_rng(7), response=lambda t: 1 + 0.04 * t), {})
    figure = found.figures["response.p50"]
    assert figure.first == pytest.approx(800 * 1.02, rel=0.02)
    assert figure.last == pytest.approx(800 * 1.30, rel=0.02)
    true = 100 * (1.30 / 1.02 - 1)
    assert figure.change == pytest.approx(true, abs=3)
    assert figure.change_interval is not None
    assert figure.change_interval[0] < true < figure.change_interval[1]


def test_what_is_sure_and_small_is_no_drift() -> None:
    """Half a percent over the whole run, in figures that hardly vary."""
    windows = run(np.random.default_rng(7), response=lambda t: 1 + 0.005 * t / 8, spread=0.0002)
    found = analyse(windows, {})
    assert found.figures["response.p95"].p < 1e-6
    assert drifting(found) == set()


@pytest.mark.parametrize(
    ("correlation", "season"),
    [(0.5, 0.0), (0.3, 0.05)],
    ids=["hanging together", "with a season"],
)
@pytest.mark.parametrize(("runs", "most"), [(20, 1), pytest.param(60, 3, marks=pytest.mark.slow)])
def test_noise_is_rarely_told_to_drift(
    correlation: float, season: float, runs: int, most: int
) -> None:
    """In at most 5 % of runs in any of their figures.

    The rate over thousands of runs is in `docs/soak.md`. A season here swings by 5 % either way,
    three times a run, which is two and a half times the noise.
    """
    rng, told = np.random.default_rng(8), 0
    for _ in range(runs):
        phase = rng.uniform(0, 2 * np.pi)
        windows = run(
            rng,
            number=48,
            correlation=correlation,
            response=lambda t, phase=phase: 1 + season * np.sin(2 * np.pi * 3 / 8 * t + phase),
            errors=lambda t: np.full_like(t, 0.5),
            phases=(Phase.RESPONSE, Phase.ECHO),
        )
        told += bool(drifting(analyse(windows, {})))
    assert told <= most


def test_a_figure_is_told_if_chance_makes_any_of_them_so_sure_once_in_twenty_runs() -> None:
    """Each of its two tests counts once, whatever it finds; here a small rise, among noise."""
    rng, near = np.random.default_rng(17), set()
    for rise in np.linspace(0.002, 0.006, 24):
        found = analyse(run(rng, response=lambda t, rise=rise: 1 + rise * t), {})
        sure = 2 * len(found.figures) * min(figure.p for figure in found.figures.values())
        assert bool(drifting(found)) is (sure <= 0.05)
        near |= {sure <= 0.05} if 0.025 < sure < 0.1 else set()
    assert near == {True, False}


NOISE: dict[str, Noise] = {
    "as most": {},
    "hardly any": {"spread": 0.0005},
    "few windows": {"number": 48},
    "hanging together": {"correlation": 0.6},
    "minutes": {"number": 24, "hours": 1 / 30},
}


@pytest.mark.parametrize(
    ("kind", "runs"),
    [
        ("as most", 10),
        ("hardly any", 10),
        *(pytest.param(kind, 300, marks=pytest.mark.slow) for kind in NOISE),
    ],
)
def test_a_drift_of_the_size_that_would_have_been_seen_is_seen(kind: str, runs: int) -> None:
    """What a report of no drift names, in another run of such noise: nine times of ten at least.

    Fewer than are asked for here would be found once in a thousand tries.
    """
    rng, found, quiet = np.random.default_rng(9), 0, 0
    while quiet < runs:
        figure = analyse(run(rng, **NOISE[kind]), {}).figures["response.p95"]
        if figure.drifts != "no":
            continue
        quiet += 1
        size = figure.visible / 100
        windows = run(rng, response=lambda t, rise=size: 1 + rise * t, **NOISE[kind])
        found += "response.p95" in drifting(analyse(windows, {}))
    assert found >= stats.binom.ppf(0.001, runs, 0.9)


def test_a_short_run_is_not_judged() -> None:
    """Nineteen windows, or a hundred that together last less than twenty of five seconds."""
    few = run(np.random.default_rng(10), number=LEAST - 1)
    assert analyse(few, {}) == Drift(0.0, pytest.approx(8 * 3600), few[0].seconds, LEAST - 1)
    brief = analyse(run(np.random.default_rng(10), hours=99 / 3600, number=99), {})
    assert (brief.windows, brief.window_s, brief.figures) == (19, 5.0, {})
    assert brief.to_dict() is None
    assert analyse([], {}) == Drift()


def test_what_is_found_is_json() -> None:
    """Also where there is no typical value to take a percentage of, and no error at all."""
    for errors in (np.zeros_like, lambda t: 3.0 * (t > 7.5)):
        found = analyse(run(np.random.default_rng(12), errors=errors), {}).to_dict()
        assert found is not None
        assert json.loads(json.dumps(found, allow_nan=False)) == found


anything = st.builds(
    Window,
    st.just(0.0),
    st.just(0.0),
    st.just(1.0),
    st.dictionaries(
        st.sampled_from(["response", "echo"]),
        st.builds(
            lambda *lumps: Sketch(lumps),
            st.tuples(st.sampled_from([0, 1, 60_000]), st.integers(1, 200)),
            st.tuples(st.integers(60_000, 10**8), st.integers(1, 200)),
        ),
    ),
    st.integers(0, 3),
    st.sampled_from([0, 0, 1, 10**6]),
    st.integers(0, 2),
    st.sampled_from([None, 0.0, 100.0, 100.5]),
    st.sampled_from([None, 80.0]),
    st.sampled_from([0.0, -1.0, 0.5]),
    st.integers(0, 2),
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(anything, min_size=1, max_size=6),
    st.integers(1, 12),
    st.sampled_from([1.0, 5.0, 600.0]),
)
def test_nothing_that_may_come_breaks_the_end_of_a_run(
    some: list[Window], times: int, seconds: float
) -> None:
    """Constant, absent, all zero, jumping by a million: there are figures, or there are none."""
    windows = [
        replace(window, start=at * seconds, seconds=seconds)
        for at, window in enumerate(some * times)
    ]
    found = analyse(windows, {}).to_dict()
    json.dumps(found, allow_nan=False)
    if found is not None:
        assert set(found["figures"]) >= {"errors", "reconnects"}
        assert [*told(found), *rows(found)]  # whatever it is can be said


# --- response times by the session's age ------------------------------------------------------


def by_age(*, old: float, later: float = 1.0, seconds: int = 400) -> tuple[Drift, Timeline]:
    """A run through the recorder and the timeline: two answers a second, young and old.

    Args:
        old: how many times as long a session waits that is a minute old, a doubling each time.
        later: how many times as long everybody waits at the end.
    """
    rng = np.random.default_rng(13)
    now = [0.0]
    recorder, timeline, windows = Recorder(clock=lambda: now[0]), Timeline(), Windows()
    ages: dict[int, Distribution] = {}
    for second in range(seconds):
        time_factor = later ** (second / seconds)
        for _ in range(8):
            # Sessions are the older the longer the run lasts, as without staggered starts.
            age = float(rng.uniform(0, 60 + second))
            wait = 0.4 * time_factor * old ** log(1 + age / 60, 2) * exp(rng.normal() * 0.3)
            sent = 1000.0 + second + 0.5 - wait
            recorder.sample(Phase.RESPONSE, None, sent, sent + wait, turn=answered(sent - age))
            recorder.count(Count.TURNS_ANSWERED)
        now[0] = second + 1.0
        interval = recorder.take(now[0])
        timeline.add("w", interval, float(second), second + 1.0)
        for number, found in interval.ages.items():
            ages.setdefault(number, Distribution()).merge(found)
    windows.add(*timeline.finish())
    return analyse(windows.steady(), ages), timeline


def test_response_times_that_grow_with_age_are_told() -> None:
    """Half as long again with each doubling of the age."""
    found, _ = by_age(old=1.5)
    assert found.by_age == "rises"
    assert [age.from_s for age in found.ages] == list(AGES[: len(found.ages)])
    p95 = [age.p95 for age in found.ages if age.p95 is not None]
    assert p95[-1] > 2 * p95[0]
    assert sum(age.count for age in found.ages) == 8 * 400


def test_a_target_that_grows_slower_is_not_taken_for_age() -> None:
    """Sessions are older late in this run, when everybody waits twice as long: time, not age."""
    found, _ = by_age(old=1.0, later=2.0)
    assert "response.p50" in drifting(found)
    p95 = [age.p95 for age in found.ages if age.p95 is not None]
    assert p95[-1] > 1.1 * p95[0]
    assert found.by_age == "no"


def test_figures_of_a_whole_run_come_from_its_rows() -> None:
    """Recorder, timeline, windows and verdict together: a target that takes 30 % longer at the end
    than at the beginning of some seven minutes, and else does what it did."""
    found, _ = by_age(old=1.0, later=1.3)
    figure = found.figures["response.p50"]
    assert (found.from_s, found.to_s, found.window_s) == (0.0, 400.0, 8.0)  # two of four seconds
    assert isinstance(figure, DriftFigure)
    assert figure.drifts == "line"
    # 1.3 to the power of t is a rise by 26.3 % of its median over the run.
    assert figure.percent_per_hour * 400 / 3600 == pytest.approx(26.3, abs=6)
    assert found.figures["throughput"].typical == pytest.approx(8)
