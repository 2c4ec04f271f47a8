"""Which figures have a course, and in which windows."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from loadkit.figures import Phase
from loadkit.soak.metric_series import LEAST, MetricSeries, metric_series
from loadkit.soak.windows import Window
from loadkit.stats.sketch import Sketch, Sketches

NUMBER = 96


def run(samples: Sequence[int] = (200,), **each: float) -> list[Window]:
    """Windows of a minute with so many responses in each, over and over, of 800 ms."""
    return [
        replace(
            Window(60.0 * at, 60.0, asked=5.0, latency=latency(samples[at % len(samples)])), **each
        )
        for at in range(NUMBER)
    ]


def latency(samples: int) -> Sketches:
    return Sketches({Phase.RESPONSE: Sketch([(800_000, samples)])} if samples else {})


def found(steady: Sequence[Window]) -> dict[str, MetricSeries]:
    return {course.name: course for course in metric_series(steady)}


def lengths(course: MetricSeries) -> set[float]:
    return {window.seconds for window in course.windows}


def test_there_is_one_for_each_phase_that_was_measured_and_for_each_count() -> None:
    assert set(found(run())) == {
        "response.p50",
        "response.p95",
        "throughput",
        "errors",
        "reconnects",
    }


def test_memory_has_one_where_somebody_said_how_much_there_is() -> None:
    assert {"memory", "master_memory"} <= set(found(run(rss_mb=100.0, master_rss_mb=90.0)))
    assert "master_memory" not in found(run(rss_mb=100.0))


@pytest.mark.parametrize(
    ("samples", "p50", "p95"), [(200, 96, 96), (30, 96, 24), (3, 24, None), (0, None, None)]
)
def test_windows_are_joined_until_they_have_the_samples(
    samples: int, p50: int | None, p95: int | None
) -> None:
    """A p50 takes 7 and a p95 90: of 30, four windows make one; what has none is left out."""
    has = found(run([samples]))
    for name, number in (("response.p50", p50), ("response.p95", p95)):
        assert (len(has[name].windows) if name in has else None) == number


def test_one_window_in_ten_may_lack_the_samples_and_is_left_out() -> None:
    has = found(run([0, *[200] * 11]))["response.p95"]
    assert lengths(has) == {60.0}
    assert len(has.windows) == NUMBER - NUMBER // 12


def test_of_rare_events_there_are_some_in_a_window_on_average() -> None:
    """Two a window: three windows make six; windows of none at all count like any other."""
    steady = run(errors=2)
    assert lengths(found(steady)["errors"]) == {180.0}
    uneven = [replace(window, errors=12 * (at % 6 == 0)) for at, window in enumerate(steady)]
    assert len(found(uneven)["errors"].windows) == NUMBER // 3


def test_there_are_never_too_few_windows_for_a_trend() -> None:
    """However rare an event is."""
    assert len(found(run())["reconnects"].windows) == NUMBER // (NUMBER // LEAST) >= LEAST


def test_values_are_in_the_unit_that_is_named() -> None:
    has = found(run(answered=120, errors=30, rss_mb=100.0))
    shown = {name: (course.value(course.windows[0]), course.unit) for name, course in has.items()}
    assert shown["throughput"] == (2.0, "/s")
    assert shown["errors"] == (30.0, "/min")
    assert shown["memory"] == (100.0, "MB")
    value, unit = shown["response.p95"]
    assert (value, unit) == (pytest.approx(800, rel=0.01), "ms")
