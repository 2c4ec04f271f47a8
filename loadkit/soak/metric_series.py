"""A figure's course over a run: its values, one for each window that is long enough for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

from loadkit.figures import Phase
from loadkit.soak.windows import Window, joined
from loadkit.stats.order_statistics import needed

LEAST: Final = 20
"""Windows of steady load below which nothing is told (`loadkit.stats.trend.LEAST`)."""

EVENTS: Final = 5  # in a window, on average, for a rate of them to have a trend

PERCENTILES: Final = {"p50": 500, "p95": 950}

Unit = Literal["ms", "/s", "/min", "MB"]
Value = Callable[[Window], float]


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One figure window by window."""

    name: str
    unit: Unit
    # whether it is a number of events in so much time, of which many windows have none
    counted: bool
    value: Value  # what the figure is in a window
    windows: Sequence[Window]


def metric_series(steady: Sequence[Window]) -> Iterator[MetricSeries]:
    """Everything that is looked at, each in windows that are long enough for it.

    A percentile takes windows with the samples for it, a rate of rare events some in each.
    """
    lengths: dict[int, Sequence[Window]] = {1: steady}

    def of(
        name: str, unit: Unit, value: Value, enough: Callable[[Window], bool]
    ) -> Iterator[MetricSeries]:
        number = 1
        while True:
            if number not in lengths:
                lengths[number] = joined(steady, number)
            windows = [window for window in lengths[number] if enough(window)]
            last = len(steady) // (2 * number) < LEAST
            if last or len(windows) >= 0.9 * len(lengths[number]):
                break
            number *= 2
        if len(windows) >= LEAST:
            yield MetricSeries(name, unit, False, value, windows)

    for phase in Phase:
        for name, per_mille in PERCENTILES.items():
            if any(phase in window.latency for window in steady):
                yield from of(
                    f"{phase}.{name}", "ms", *_percentile(phase.value, per_mille, needed(per_mille))
                )
    rates: Sequence[tuple[str, str, Unit, int]] = (
        ("throughput", "answered", "/s", 1),
        ("errors", "errors", "/min", 60),
        ("reconnects", "reconnects", "/min", 60),
    )
    for name, key, unit, per in rates:
        # Windows in which there are none count like all others, if there are some on average.
        total = sum(getattr(window, key) for window in steady)
        number = max(1, min(len(steady) // LEAST, ceil(EVENTS * len(steady) / max(1, total))))
        yield MetricSeries(name, unit, per == 60, _rate(key, per), joined(steady, number))
    for name, key in (("memory", "rss_mb"), ("master_memory", "master_rss_mb")):
        yield from of(name, "MB", *_known(key))


def _percentile(phase: str, per_mille: int, least: int) -> tuple[Value, Callable[[Window], bool]]:
    return (
        lambda window: window.latency[phase].percentile(per_mille),
        lambda window: phase in window.latency and window.latency[phase].count >= least,
    )


def _known(key: str) -> tuple[Value, Callable[[Window], bool]]:
    return lambda window: getattr(window, key), lambda window: getattr(window, key) is not None


def _rate(key: str, per: float) -> Value:
    return lambda window: getattr(window, key) / window.seconds * per
