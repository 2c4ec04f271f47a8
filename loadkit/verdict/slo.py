"""The objectives of a run: a metric, its upper limit, and whether it held.

The grammar of a metric is in `loadkit.profile.metrics`.

An objective about something that never happened is not met: a latency that was never measured,
or a share of nothing, has no actual value, and fails. A count that never rose is 0. A percentile
of too few samples is neither met nor broken but `undecided`, unless even those few prove it
broken. Waits that were given up, or are open, count as having lasted at least so long: what no end
of theirs could keep is broken. A drift passes or fails where its 95 % interval lies on one side of
the limit, and is undecided where that holds the limit, or where the run is too short for one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Protocol, Self

from loadkit.figures import COMPLETED, Count, Ending, Phase
from loadkit.measure.open_waits import STALE_MS
from loadkit.profile.metrics import RATIOS, Metric
from loadkit.soak.drift import Drift
from loadkit.soak.metric_series import LEAST
from loadkit.stats.distribution import Distribution
from loadkit.stats.number_format import compare, number, plural
from loadkit.stats.order_statistics import needed, surely_above

_Status = Literal["pass", "fail", "undecided"]
_UNKNOWN: Final = Drift()
_OF_LOST_TURNS: Final = ("turns.lost", "turns.lost_ratio")
_ENDED: Final = {f"sessions.{ending}": f"ended.{ending}" for ending in Ending}


class Figures(Protocol):
    """What was measured of some sessions: latencies by phase, and counts by key."""

    @property
    def latency(self) -> Mapping[str, Distribution]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


class Measured(Figures, Protocol):
    """What `judge` asks of a ledger: the same of all sessions, and what the run has besides."""

    @property
    def from_schedule(self) -> Mapping[str, Distribution]: ...
    @property
    def peak_concurrent(self) -> int: ...
    @property
    def scopes(self) -> Mapping[str, Figures]: ...


@dataclass(frozen=True, slots=True)
class SloLine:
    """One objective and how it fared."""

    metric: str  # by the grammar of `loadkit.profile.metrics`
    limit: float  # the most it may be; milliseconds for a latency, percent per hour for a drift
    actual: float | None  # what it was; None if there was nothing to measure, or too little to tell
    # whether it held; `undecided` if the samples are too few to tell
    status: _Status
    # how many there were, where it is about a latency; of a drift, the windows
    samples: int | None = None
    needed: int | None = None  # how many the percentile, or the drift, needs, where it is about one
    # of a percentile or a drift, what encloses the true one at 95 % confidence
    interval: tuple[float, float] | None = None
    # whether `actual` is only known to be no less, as waits were never seen to end
    at_least: bool = False
    # of a number or share of lost turns, how many turns are open that may be lost too
    stale: int = 0

    @property
    def ok(self) -> bool:
        """Whether it held, without a doubt."""
        return self.status == "pass"

    @property
    def unit(self) -> Literal["ms", "%/h", ""]:
        """The unit of the limit and of the actual value; a ratio and a number have none."""
        kind = Metric.parse(self.metric).kind
        return "ms" if kind == "duration" else "%/h" if kind == "drift" else ""

    def __str__(self) -> str:
        name = Metric.parse(self.metric).words
        if self.status == "undecided":
            return f"{name}: {self.doubt}"
        if self.actual is None:
            return f"{name} never measured, limit {number(self.limit)} {self.unit}".rstrip()
        return f"{name} {self.compared}"

    @property
    def doubt(self) -> str:
        """Why it is undecided."""
        if self.actual is None:
            what = "windows of steady load" if self.unit == "%/h" else "samples"
            return f"too few {what} ({self._share})"
        if self.stale:
            open_for = f"open for over {number(STALE_MS / 1000)} s"
            return f"{number(self.actual)}, with {plural(self.stale, 'turn')} {open_for}"
        if self.at_least:
            return f"≥ {number(self.actual)} {self.unit}, as waits are open"
        return f"{number(self.actual)} {self.unit}, too near to the limit ({self.confidence})"

    @property
    def compared(self) -> str:
        """The actual value beside the limit, and how sure it is: `812 ms ≤ 2,500 ms (95 % CI …)`.

        Of too few samples it is not told what a percentile is, here as in every table; only that it
        is over its limit.
        """
        if self.is_of_few:
            return f"> {number(self.limit)} {self.unit} (proved by {self._share} samples)"
        told = compare(self.actual or 0.0, self.limit, self.unit, at_least=self.at_least)
        return f"{told} ({self.confidence})" if self.confidence else told

    @property
    def is_of_few(self) -> bool:
        """Whether it is broken for sure by fewer samples than the percentile takes."""
        if self.status != "fail" or not self.samples or self.needed is None:
            return False
        return self.samples < self.needed

    @property
    def confidence(self) -> str:
        """How sure the actual value is: `95 % CI 790–830`; empty where that is not known."""
        return f"95 % CI {self.span}" if self.span else ""

    @property
    def span(self) -> str:
        """The interval: `790–830`; empty where there is none."""
        if self.interval is None:
            return ""
        low, high = map(number, self.interval)
        return f"{low} to {high}" if self.interval[0] < 0 else f"{low}–{high}"

    @property
    def _share(self) -> str:
        return f"{number(self.samples or 0)} of {number(self.needed or 0)}"

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `summary.json`."""
        data = asdict(self)
        head = {key: data[key] for key in ("metric", "limit", "actual")}
        ends = None if self.interval is None else list(self.interval)
        return head | {"pass": self.ok} | data | {"interval": ends}

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; a line of an earlier version, without a status, is read as well."""
        known = {each.name: line[each.name] for each in fields(cls) if each.name in line}
        known.setdefault("status", "pass" if line["pass"] else "fail")
        if (ends := line.get("interval")) is not None:
            known["interval"] = tuple(ends)
        return cls(**known)


def judge(
    limits: Sequence[tuple[str, float]], ledger: Measured, drift: Drift = _UNKNOWN
) -> tuple[SloLine, ...]:
    """Hold every limit against what was measured of the whole run so far.

    Args:
        limits: metrics and the most each may be, in the order of the profile; milliseconds for
            a latency.
        ledger: what was measured.
        drift: what was found of it at the end of the run; before, a drift is undecided.

    Raises:
        MetricError: a metric that nobody measures.
    """
    return tuple(_line(Metric.parse(metric), limit, ledger, drift) for metric, limit in limits)


def _line(metric: Metric, limit: float, ledger: Measured, drift: Drift) -> SloLine:
    if metric.kind == "drift":
        return _of_drift(metric, limit, drift)
    scope: Figures | None = ledger if metric.scope is None else ledger.scopes.get(metric.scope)
    if metric.phase is not None:
        latency: Mapping[str, Distribution] = {} if scope is None else scope.latency
        every = ledger.from_schedule if metric.from_schedule else latency
        return _of_phase(metric, limit, every.get(metric.phase))
    counts: Mapping[str, int] = {} if scope is None else scope.counts
    actual: float | None
    if metric.name in _OF_LOST_TURNS and scope is not None:
        return _of_lost_turns(metric, limit, scope)
    if metric.kind == "ratio":
        wrong, of = RATIOS[metric.name]
        whole = counts.get(of, 0)
        actual = round(counts.get(wrong, 0) / whole, 6) if whole else None
    elif metric.name == "sessions.peak_concurrent":
        actual = ledger.peak_concurrent
    else:
        actual = _count(metric.name, counts)
    return SloLine(metric.text, limit, actual, _held(actual, limit))


def stale_turns(figures: Figures) -> int:
    """How many turns are open for so long that they may be lost ones."""
    phases = (Phase.RESPONSE, Phase.LIVE_RESPONSE)
    return sum(
        figures.latency[phase].open_above(STALE_MS) for phase in phases if phase in figures.latency
    )


def _of_lost_turns(metric: Metric, limit: float, figures: Figures) -> SloLine:
    """Lost turns, or their share: undecided where those that are open would make the difference."""
    counts = figures.counts
    whole = counts.get(Count.TURNS_SENT, 0) if metric.kind == "ratio" else 1
    if not whole:
        return SloLine(metric.text, limit, None, "fail")
    lost, stale = counts.get(Count.TURNS_LOST, 0), stale_turns(figures)
    actual = round(lost / whole, 6)
    if actual <= limit < (lost + stale) / whole:
        return SloLine(metric.text, limit, actual, "undecided", stale=stale)
    return SloLine(metric.text, limit, actual, _held(actual, limit))


def _of_drift(metric: Metric, limit: float, drift: Drift) -> SloLine:
    figure = drift.figures.get(metric.name.removeprefix("drift."))
    if figure is None:
        windows = 0 if drift.figures else drift.windows  # none has the samples that it takes
        return SloLine(metric.text, limit, None, "undecided", windows, LEAST)
    low, high, actual = *figure.interval, figure.percent_per_hour
    if metric.name == "drift.throughput":  # which is the better the more it grows
        low, high, actual = -high, -low, -actual
    low, high, actual = (round(value, 3) + 0.0 for value in (low, high, actual))
    status: _Status = "pass" if high <= limit else "undecided"
    if low > limit:
        status = "fail"
    return SloLine(metric.text, limit, actual, status, figure.windows, LEAST, (low, high))


def _held(actual: float | None, limit: float) -> Literal["pass", "fail"]:
    return "pass" if actual is not None and actual <= limit else "fail"


def _of_phase(metric: Metric, limit: float, samples: Distribution | None) -> SloLine:
    """An objective about how long something took, or how often."""
    count = 0 if samples is None else samples.count
    if metric.kind == "count":
        return SloLine(metric.text, limit, count, _held(count, limit), count)
    per_mille = metric.per_mille
    least = None if per_mille is None else needed(per_mille)
    if samples is None or not samples.waits:
        return SloLine(metric.text, limit, None, "fail", 0, least)
    if per_mille is not None and least is not None:
        return _of_percentile(metric.text, limit, samples, per_mille, least)
    if not count:
        return SloLine(metric.text, limit, None, "fail", 0)
    actual, at_least = samples.statistic(metric.statistic or "")
    status: _Status = "undecided" if at_least and actual <= limit else _held(actual, limit)
    return SloLine(metric.text, limit, actual, status, count, at_least=at_least)


def _of_percentile(
    metric: str, limit: float, samples: Distribution, per_mille: int, least: int
) -> SloLine:
    """A percentile: broken if no end of the open waits could keep it, or by its estimate."""
    waits, above, known = samples.waits, samples.above(limit), samples.known(per_mille)
    (actual, at_least), interval = samples.estimate(per_mille), samples.interval(per_mille)
    # Were every open wait to end now, so many would still be over the limit.
    over = above > waits * (1000 - per_mille) // 1000
    proved = over if waits >= least else surely_above(waits, above, per_mille)
    if known < least:
        if not proved:
            return SloLine(metric, limit, None, "undecided", known, least)
        return SloLine(metric, limit, actual, "fail", waits, least, at_least=at_least)
    status: _Status = "fail" if proved else _held(actual, limit)
    if at_least and actual <= limit:
        status = "fail" if proved else "undecided"
    return SloLine(metric, limit, actual, status, known, least, interval, at_least)


def _count(name: str, counts: Mapping[str, int]) -> int:
    """The number under a metric's name, from counts by the keys of a `Recorder`."""
    if name in ("errors", "violations"):
        return sum(n for key, n in counts.items() if key.startswith(f"{name}."))
    if name == "sessions.completed":
        return sum(counts.get(f"ended.{ending}", 0) for ending in COMPLETED)
    return counts.get(_ENDED.get(name, name), 0)


class AbortWatch:
    """Looks at the objectives again and again, and tells which one has been broken for too long.

    What is undecided is not broken, and what was never measured is not broken yet: the first
    answer may still be on its way. An objective that recovers starts anew.

    Args:
        grace: seconds that an objective may stay broken without a pause.
        metrics: the objectives that count; all of them if empty.
    """

    def __init__(self, grace: float, metrics: Collection[str] = ()) -> None:
        self._grace = grace
        self._metrics = frozenset(metrics)
        self._since: dict[str, float] = {}

    def lasting_breach(self, now: float, lines: Iterable[SloLine]) -> SloLine | None:
        """Take the objectives as `judge` has them now, and return the one broken for the grace.

        None if there is none; of several the one that broke first. `now` is in seconds on a
        monotonic clock, rising from look to look.
        """
        broken = {
            line.metric: line
            for line in lines
            if line.status == "fail"
            and line.actual is not None
            and (not self._metrics or line.metric in self._metrics)
        }
        self._since = {metric: self._since.get(metric, now) for metric in broken}
        over = [metric for metric, since in self._since.items() if now - since >= self._grace]
        return broken[min(over, key=self._since.__getitem__)] if over else None
