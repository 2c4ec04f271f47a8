"""How a step of a capacity search ended: from what was measured to held, broken, or why not."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from loadkit.capacity.evidence import LoadStep, StepOutcome, Verdict, margin
from loadkit.capacity.settling import BATCHES, WINDOW, batch_interval, settled
from loadkit.capacity.step import Stretch
from loadkit.errors import Failure
from loadkit.figures import DELIVERED_SHARE, Count
from loadkit.measure.timeline import Row
from loadkit.profile.metrics import RATIOS, Metric
from loadkit.stats.number_format import number
from loadkit.stats.order_statistics import share_between
from loadkit.verdict.slo import Figures, SloLine, judge
from loadkit.verdict.validity import Validity

Limits = Sequence[tuple[str, float]]

POLICY_SHARE: Final = 0.01
"""Of all sessions and turns, those that the target turned away by a rule of its own (429, its text
for high load). From here on it is that rule that ends the load, whatever the latencies say."""

HOPELESS: Final = 2.0
"""Times its limit that a percentile surely is, without falling, for a step to be given up before it
has settled. A queue that grows without bound never settles, and each second makes it longer."""

_TURNED_AWAY: Final = (f"errors.{Failure.RATE_LIMITED}", f"errors.{Failure.OVERLOADED}")


def at_rest(rows: Stretch, limits: Limits) -> bool:
    """Tell whether a step has come to rest: answers a row, and every limited percentile.

    A phase that is measured in fewer than `WINDOW` rows is too rare to have a say.
    """
    if not settled([float(row.counts[Count.TURNS_ANSWERED]) for row in rows.rows]):
        return False
    for text, _ in limits:
        metric = Metric.parse(text)
        if metric.per_mille is not None:
            found = (_percentile(row, metric) for row in rows.rows)
            values = [value for value in found if value is not None]
            if len(values) >= WINDOW and not settled(values):
                return False
    return True


def _percentile(at: Row | Stretch, metric: Metric) -> float | None:
    assert metric.phase is not None
    assert metric.per_mille is not None
    scope: Figures | None = at if metric.scope is None else at.scopes.get(metric.scope)
    if metric.from_schedule:
        samples = at.from_schedule.get(metric.phase)
    else:
        samples = None if scope is None else scope.latency.get(metric.phase)
    return samples.percentile(metric.per_mille) if samples is not None and samples.count else None


def hopeless(rows: Stretch, limits: Limits) -> bool:
    """Tell whether a step need not be measured any longer: far over a limit, and not falling."""
    last = Stretch(rows.rows[-WINDOW:])
    if len(last.rows) < WINDOW:
        return False
    before, after = last.parts(2)
    for line in judge(limits, last):
        if line.interval is not None and line.interval[0] > HOPELESS * line.limit:
            metric = Metric.parse(line.metric)
            then, now = _percentile(before, metric), _percentile(after, metric)
            if then is not None and now is not None and now >= then:
                return True
    return False


def enough(rows: Stretch, limits: Limits) -> bool:
    """Tell whether every percentile that is limited has the samples that it needs."""
    return all(
        line.samples is None or line.needed is None or line.samples >= line.needed
        for line in judge(limits, rows)
    )


def conclude(
    load: float, rows: Stretch, limits: Limits, validity: Validity, *, at_rest: bool, seconds: float
) -> tuple[StepOutcome, tuple[SloLine, ...]]:
    """Say how a step ended that had so much load and took so many seconds in all.

    The generator comes first: where it was the limit, nothing else can be told. Then the target's
    own rules, then the objectives.

    Args:
        rows: what was measured of it.
        validity: of these rows.
        at_rest: whether it had settled before.
    """
    lines = judge(limits, rows)
    bounds = [_margins(line, rows) for line in lines]
    verdict, why = _verdict(rows, lines, validity)
    of = [
        (line, own)
        for line, own in zip(lines, bounds, strict=True)
        if line.actual is not None and (verdict != "broken" or line.status == "fail")
    ]
    sure = verdict == "broken" and any(
        margin(line.actual or 0, line.limit) is None for line, _ in of
    )
    inside: float | None = None
    ends: tuple[float, float] | None = None
    if not sure:
        every = [(own, margin(line.actual or 0, line.limit)) for line, own in of]
        ranked = [(own[0] if own else at, at, own) for own, at in every if at is not None]
        if ranked:
            _, inside, ends = min(ranked, key=lambda each: each[0])
    if not why and of:
        why = str(min(of, key=lambda each: margin(each[0].actual or 0, each[0].limit) or 1)[0])
    return StepOutcome(load, verdict, inside, ends, at_rest, round(seconds, 1), why), lines


def _verdict(rows: Stretch, lines: Sequence[SloLine], validity: Validity) -> tuple[Verdict, str]:
    if validity.level == "invalid":
        return "generator", str(validity.reasons[0])
    counts = rows.counts
    away = sum(counts[key] for key in _TURNED_AWAY)
    whole = counts[Count.SESSIONS_STARTED] + counts[Count.TURNS_SENT]
    if away > POLICY_SHARE * whole:
        return "policy", (
            f"the target turned {number(away)} of {number(whole)} sessions and turns away "
            "(429, or its text for high load)"
        )
    failed = any(count for key, count in counts.items() if key.startswith("errors."))
    unmeasured = [line for line in lines if line.actual is None and line.unit == "ms"]
    broken = [
        line for line in lines if line.status == "fail" and (line not in unmeasured or failed)
    ]
    if broken:
        return "broken", "; ".join(map(str, broken))
    refused = counts[Count.ARRIVALS_REFUSED]
    if refused > (1 - DELIVERED_SHARE) * counts[Count.ARRIVALS_DUE]:
        return "generator", (
            f"{number(refused)} of {number(counts[Count.ARRIVALS_DUE])} arrivals found "
            "load.max_concurrent sessions running and were refused: raise it"
        )
    vague = [line for line in lines if line.status == "undecided" or line in unmeasured]
    if vague:
        return "undecided", "; ".join(map(str, vague))
    return "held", ""


def _margins(line: SloLine, rows: Stretch) -> tuple[float, float] | None:
    """The 95 % interval of the margin of a percentile or a ratio; None for what has none.

    That of a percentile is the wider one of two on either side: order statistics, which take
    samples as independent, and batch means, which do not but have ten values only.
    """
    metric = Metric.parse(line.metric)
    if line.actual is None or not line.limit:
        return None
    if metric.kind == "ratio":
        return _margins_of_share(metric, line.limit, rows)
    if line.interval is None:
        return None
    low, high = line.interval
    values = [_percentile(part, metric) for part in rows.parts(BATCHES)]
    known = [value for value in values if value is not None]
    if len(known) == BATCHES:
        ends = batch_interval(known)
        half = (ends[1] - ends[0]) / 2
        low, high = min(low, line.actual - half), max(high, line.actual + half)
    return 1 - high / line.limit, 1 - low / line.limit


def _margins_of_share(metric: Metric, limit: float, rows: Stretch) -> tuple[float, float] | None:
    scope: Figures | None = rows if metric.scope is None else rows.scopes.get(metric.scope)
    wrong, of = (scope.counts[key] if scope else 0 for key in RATIOS[metric.name])
    if not 0 <= wrong <= of or not of:  # a session may lose its connection more than once
        return None
    low, high = share_between(wrong, of)
    return 1 - high / limit, 1 - low / limit


def written_down(
    step: LoadStep,
    outcome: StepOutcome,
    measured: Stretch,
    lines: Sequence[SloLine],
    validity: Validity,
    began: float,
) -> dict[str, Any]:
    """Return one step, asked for at the second `began`, by the keys of `capacity.json`."""
    return {
        "number": step.number,
        "kind": step.kind,
        "load": step.load,
        "outcome": asdict(outcome),
        "began_s": round(began, 3),
        "measured_from_s": round(measured.start, 3),
        "measured_to_s": round(measured.end, 3),
        "delivered": {
            "concurrent": round(measured.concurrent, 3),
            "sessions_per_second": round(
                measured.counts[Count.SESSIONS_STARTED] / max(measured.seconds, 1e-9), 3
            ),
            "turns_per_second": round(measured.throughput, 3),
        },
        "latency_ms": {
            phase: stats for phase, found in measured.latency.items() if (stats := found.stats())
        },
        "counts": dict(sorted(measured.counts.items())),
        "slo": [line.to_dict() for line in lines],
        "validity": {"level": validity.level, "reasons": list(map(str, validity.reasons))},
        "generator": {
            name: stats for name, found in measured.generator.items() if (stats := found.stats())
        },
    }
