"""Whether a run's figures drift: what moved over its hours, how fast, since when.

`docs/soak.md` says in words what is done here, and what of it was measured how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil, isfinite
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from loadkit.codec import Count, Name, Number, Seconds
from loadkit.measure.interval import AGES
from loadkit.soak.metric_series import LEAST, PERCENTILES, MetricSeries, Unit, metric_series
from loadkit.soak.windows import Window, joined
from loadkit.stats.distribution import Distribution

if TYPE_CHECKING:
    from loadkit.stats.trend import Trend

FAMILY: Final = 0.05
"""The chance, at most, that any figure of a run in which nothing drifts is told to drift."""

FLOOR_PERCENT: Final = 1.0
"""What a figure has to move by over the steady part of a run to be called drifting, however sure
the move is. A run of a day would else report what nobody would act on, or could see elsewhere:
figures of one run are known to about so much, and two runs of one target differ by more."""

AGE_FLOOR_PERCENT: Final = 10.0
"""The same of old sessions against young ones. More than the floor of a drift: the first message of
a conversation is another one than the tenth."""

SHORTEST: Final = 5.0
"""Seconds of a window at least. A turn of a conversation takes about so long, so that shorter
windows hardly see anything new. With `LEAST`, it takes 100 s of steady load to tell anything."""

LONG: Final = 3 * 3600.0
"""Seconds from which on the last hour is held against the first one; a tenth of a shorter run."""


@dataclass(frozen=True, slots=True)
class DriftFigure:
    """What one figure did over the steady part of the run."""

    unit: Unit
    typical: Number  # its median; the mean of a count
    per_hour: Number  # Sen's slope, in the unit per hour
    # the same in percent of `typical`, and its 95 % interval
    percent_per_hour: Number
    interval: tuple[Number, Number]
    p: Number  # of its two tests the smaller one's: that it moves by chance
    # how, if it does: all along, from `at_s` on, up to `at_s`, or at once at `at_s`
    drifts: Literal["no", "line", "starts", "settles", "step"]
    at_s: Seconds | None  # of the run
    # of a `line`, or of what `starts`, the percent per hour while it moves; else by how many
    # percent it moved. None where it came from zero.
    moved: Number | None
    moved_interval: tuple[Number, Number] | None
    # of a step, the medians on either side; else of the two ends of the move
    before: Number
    after: Number
    # of the first and the last hour, or tenth of a run under three hours
    first: Number
    last: Number
    # from the first to the last, in percent of the first
    change: Number | None
    change_interval: tuple[Number, Number] | None
    visible: Number  # percent per hour that would have been found, nine times of ten or more
    windows: Count  # how many values it has


@dataclass(frozen=True, slots=True)
class Age:
    """Response times of the sessions of one class of age, in milliseconds."""

    # the ages, in seconds; None for no end
    from_s: Count
    to_s: Count | None
    count: Count
    # None where the samples are too few
    p50: Number | None
    p95: Number | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What a run's figures did."""

    # the steady part of the run that was looked at, in seconds of the run
    from_s: Seconds = 0.0
    to_s: Seconds = 0.0
    window_s: Seconds = 0.0  # how long a window is
    windows: Count = 0  # how many there are; with fewer than `LEAST` there are no figures
    # by name: `response.p95`, `throughput`, `errors`, `reconnects`, `memory`, `master_memory`
    figures: Annotated[Mapping[Name, DriftFigure], Field(max_length=1_000)] = field(
        default_factory=dict
    )
    # response times by the session's age
    ages: Annotated[tuple[Age, ...], Field(max_length=100)] = ()
    by_age: Literal["no", "rises", "falls"] = "no"  # whether they rise or fall with it

    def to_dict(self) -> dict[str, Any] | None:
        """Return it as the key `drift` of `summary.json`; None if there is nothing to tell."""
        return {key: _plain(value) for key, value in asdict(self).items()} if self.figures else None


def _plain(value: Any) -> Any:
    """What JSON gives back as it is, with digits enough for any use."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def analyse(steady: Sequence[Window], ages: Mapping[int, Distribution]) -> Drift:
    """Look for drift.

    Every figure is tested for a trend and for a step, and response times against the session's
    age. All these tests are one family: the chance that noise alone makes any of them find
    something is `FAMILY`.

    Args:
        steady: windows of equal length and load, as of `Windows.steady`.
        ages: response times by the number of the age's class, as in the ledger.
    """
    if not steady:
        return Drift()
    steady = joined(steady, ceil(round(SHORTEST / steady[0].seconds, 6)))
    if not steady:
        return Drift()
    begins, ends = steady[0].start, steady[-1].end
    drift = Drift(begins, ends, steady[0].seconds, len(steady))
    if len(steady) < LEAST:
        return drift
    # Here, as no worker ever asks, nor a short run; scipy takes half a second to load.
    from loadkit.stats import trend

    every = list(metric_series(steady))
    trends = [
        trend.trend_of(
            [(window.start - begins) / 3600 for window in course.windows],
            [course.value(window) for window in course.windows],
            counted=course.counted,
        )
        for course in every
    ]
    doubts = [p for each in trends for p in (each.p_trend, each.p_turn)]
    rises = [window.age_rise for window in steady if window.aged]
    if len(rises) >= LEAST:
        doubts.append(trend.rising(rises))
    found = trend.holm(doubts, FAMILY)
    classes = tuple(_age(number, ages[number]) for number in sorted(ages) if ages[number])
    return replace(
        drift,
        figures={
            course.name: _figure(
                course, each, FAMILY / len(doubts), begins, ends, any(found[2 * i : 2 * i + 2])
            )
            for i, (course, each) in enumerate(zip(every, trends, strict=True))
        },
        ages=classes,
        by_age=_by_age(classes, sum(rises)) if len(rises) >= LEAST and found[-1] else "no",
    )


def _figure(
    course: MetricSeries, found: "Trend", doubt: float, begins: float, ends: float, sure: bool
) -> DriftFigure:
    """Put one figure into the units of a report, in which a slope is in percent of the typical."""
    from loadkit.stats.trend import shift

    values = [course.value(window) for window in course.windows]
    typical = sum(values) / len(values) if course.counted else sorted(values)[len(values) // 2]
    percent = 100 / typical if typical else 0.0
    floor = FLOOR_PERCENT / ((ends - begins) / 3600)
    part = 3600.0 if ends - begins >= LONG else (ends - begins) / 10
    early = [window for window in course.windows if window.start < begins + part]
    late = [window for window in course.windows if window.end > ends - part]
    early, late = early or [course.windows[0]], late or [course.windows[-1]]
    first, last = (course.value(Window.joined(windows)) for windows in (early, late))
    share = found.worth / len(values)
    apart = shift(list(map(course.value, early)), list(map(course.value, late)), share)
    figure = DriftFigure(
        unit=course.unit,
        typical=typical,
        per_hour=found.slope,
        percent_per_hour=found.slope * percent,
        interval=(found.low * percent, found.high * percent),
        p=min(found.p_trend, found.p_turn),
        drifts="no",
        at_s=None,
        moved=None,
        moved_interval=None,
        before=found.before,
        after=found.after,
        first=first,
        last=last,
        change=_percent(last - first, first),
        change_interval=_percents(apart, first),
        visible=found.visible(doubt, floor / percent) * percent if percent else floor,
        windows=len(values),
    )
    return _moved(course, figure, found, share, begins, ends) if sure else figure


def _moved(
    course: MetricSeries,
    figure: DriftFigure,
    found: "Trend",
    share: float,
    begins: float,
    ends: float,
) -> DriftFigure:
    """Say how a figure moved; unchanged if it moved by less than the floor."""
    from loadkit.stats.trend import shift

    percent = 100 / figure.typical if figure.typical else 0.0
    at_s = None if found.at is None else begins + found.at * 3600
    moved: float | None
    between: tuple[float, float] | None
    if at_s is None:
        moved, between = figure.percent_per_hour, figure.interval
        whole: float | None = moved * (ends - begins) / 3600
        before, after = figure.first, figure.last
    elif found.since is not None:
        slope, low, high = found.since
        # In percent of where it started, which is what went on until then.
        start = found.before or figure.typical or max(map(course.value, course.windows))
        moved, between = 100 * slope / start, (100 * low / start, 100 * high / start)
        whole = moved * (ends - at_s) / 3600
        before, after = found.before, figure.last
    else:
        values = [(window.start, course.value(window)) for window in course.windows]
        late = [value for start, value in values if start >= at_s]
        early = [value for start, value in values if start < at_s]
        before, after = found.before, found.after
        if found.shape == "settles":  # where it came from is what it began with
            early = early[: max(3, len(early) // 4)]
            before = sorted(early)[len(early) // 2]
        moved = whole = _percent(after - before, before)
        between = _percents(shift(early, late, share), before)
    if percent and whole is not None and abs(whole) < FLOOR_PERCENT:
        return figure
    return replace(
        figure,
        drifts=found.shape,
        at_s=at_s,
        moved=moved,
        moved_interval=between,
        before=before,
        after=after,
    )


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _percents(ends: tuple[float, float], whole: float) -> tuple[float, float] | None:
    if not whole or not all(map(isfinite, ends)):
        return None
    return 100 * ends[0] / whole, 100 * ends[1] / whole


def _age(number: int, found: Distribution) -> Age:
    p50, p95 = (
        found.percentile(per_mille) if found.enough(per_mille) else None
        for per_mille in PERCENTILES.values()
    )
    to_s = AGES[number + 1] if number + 1 < len(AGES) else None
    return Age(AGES[number], to_s, found.count, p50, p95)


def _by_age(classes: Sequence[Age], rise: float) -> Literal["no", "rises", "falls"]:
    known = [age.p95 for age in classes if age.p95 is not None]
    if len(known) < 2:
        return "no"
    apart = 100 * (known[-1] / known[0] - 1)
    if abs(apart) < AGE_FLOOR_PERCENT or (apart > 0) is not (rise > 0):
        return "no"
    return "rises" if apart > 0 else "falls"
