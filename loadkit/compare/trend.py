"""More than two runs in a row, by their summaries alone."""

from typing import Final

from loadkit.compare.comparison import RunTold, Step
from loadkit.compare.words import PLAIN
from loadkit.figures import Phase
from loadkit.stats.distribution import PERCENTILES
from loadkit.stats.number_format import number
from loadkit.stats.order_statistics import needed
from loadkit.verdict.summary import Summary

_IN_A_TREND: Final = ("p50", "p95", "p99")

COLUMNS: Final = ("when", "profile", "verdict", *_IN_A_TREND, "turns/s", "lost turns")
"""Of a trend's table; percentiles are of `response`, in ms, with their 95 % intervals."""


def step(run: RunTold, summary: Summary) -> Step:
    """Return a run's place in the row."""
    stats = summary.latency_ms.get(Phase.RESPONSE, {})
    intervals = summary.intervals_ms.get(Phase.RESPONSE, {})
    known = {
        name: stats[name]
        for name in _IN_A_TREND
        if stats and stats["count"] >= needed(PERCENTILES[name])
    }
    return Step(
        run,
        response_ms=known,
        intervals_ms={name: intervals[name] for name in known if name in intervals},
        turns_per_second=summary.throughput.get("turns_per_second"),
        lost_ratio=summary.turns["lost_ratio"] if summary.turns["sent"] else None,
    )


def cells(found: Step) -> tuple[str, ...]:
    """Return it as a row of `COLUMNS`."""
    run = found.run
    verdict = run.word if run.validity == "valid" or run.word == "INVALID" else "SUSPECT"
    rate, lost = found.turns_per_second, found.lost_ratio
    return (
        run.started_at,
        run.profile,
        verdict,
        *(_percentile(found, name) for name in _IN_A_TREND),
        PLAIN if rate is None else number(rate),
        PLAIN if lost is None else f"{number(round(100 * lost, 4))} %",
    )


def _percentile(found: Step, name: str) -> str:
    if name not in found.response_ms:
        return PLAIN
    value = number(found.response_ms[name])
    if name not in found.intervals_ms:
        return value
    low, high = found.intervals_ms[name]
    return f"{value} ({number(low)}–{number(high)})"
