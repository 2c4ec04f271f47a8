"""A comparison in words, the same on a terminal and on a page."""

from collections.abc import Iterator
from typing import Final

from loadkit.compare.comparison import Change, Comparison, Difference, RunTold
from loadkit.stats.number_format import number, plural

__all__ = [
    "COLUMNS",
    "PLAIN",
    "cells",
    "difference",
    "first_line",
    "heads",
    "run_line",
    "seen",
    "shown",
    "signed",
    "unshown",
    "verdict_of",
]

COLUMNS: Final = ("figure", "base", "new", "change", "95 % CI", "verdict", "could have seen")
"""Of the table of changes."""

PLAIN: Final = "–"
"""What stands where something is not known."""

_UNITS: Final = {"latency": " ms", "share": " %", "rate": "/s"}


def heads(found: Comparison) -> Iterator[tuple[str, str]]:
    """Give both runs, each with its name."""
    yield "BASE", run_line(found.base)
    yield "NEW", run_line(found.new)


def run_line(run: RunTold) -> str:
    """Return a run in one line."""
    return (
        f"{run.profile} · {run.started_at} · {number(run.duration_s)} s · {run.target} · "
        f"{plural(run.sessions, 'session')}, {plural(run.turns, 'turn')} · {run.word}, "
        f"{run.validity}"
    )


def first_line(found: Comparison) -> str:
    """Return what the comparison comes to."""
    if found.doubts:
        return f"NOT TO BE TRUSTED  {'; '.join(found.doubts)}"
    broken = [f"{each.text} ({each.told})" for each in found.held if each.status == "broken"]
    if broken:
        return f"FAIL  {'; '.join(broken)}"
    worse, better = found.regressions, found.improvements
    if worse:
        more = f" · {plural(len(better), 'figure')} better" if better else ""
        return f"WORSE  {', '.join(map(_told, worse[:3]))}{_and(len(worse) - 3)}{more}"
    if better:
        return f"BETTER  {', '.join(map(_told, better[:3]))}{_and(len(better) - 3)}"
    if not found.judged:
        return "UNKNOWN  nothing could be told from noise"
    headline = found.change("response.p95")
    visible = None if headline is None else headline.visible
    if visible is None:
        return "SAME  no change that is more than noise"
    return (
        "SAME  no change that is more than noise; of response p95 a regression of "
        f"{_percent(visible)} or more would have been seen"
    )


def shown(found: Comparison) -> list[Change]:
    """Return the changes with figures."""
    return [each for each in found.changes if each.base is not None and each.new is not None]


def unshown(found: Comparison) -> Iterator[str]:
    """Say which figures have none, by the reason."""
    reasons: dict[str, list[str]] = {}
    for each in found.changes:
        if each.base is None or each.new is None:
            reasons.setdefault(each.why.partition(" (")[0], []).append(each.metric)
    for why, metrics in reasons.items():
        yield f"{why}: {', '.join(metrics)}"


def cells(change: Change) -> tuple[str, ...]:
    """Return a change as a row of `COLUMNS`."""
    return (
        change.metric,
        *(_value(change, value) for value in (change.base, change.new)),
        PLAIN if change.change is None else signed(change, change.change),
        _interval(change),
        verdict_of(change),
        seen(change),
    )


def verdict_of(change: Change) -> str:
    """Return in words whether it is more than noise."""
    return f"{change.verdict} ({change.why})" if change.why else change.verdict


def signed(change: Change, value: float | None) -> str:
    """Return a change with its sign: `+9.5 %`; of a share in points: `+0.2 pp`."""
    if value is None:
        return PLAIN
    text = number(round(abs(100 * value), 2))
    sign = "±" if text == "0" else "+" if value > 0 else "−"
    return f"{sign}{text} {'pp' if change.kind == 'share' else '%'}"


def difference(found: Difference) -> str:
    """Return what differs, in one line."""
    absent = "(none)"
    before, after = (absent if text is None else text for text in (found.base, found.new))
    return f"{found.key}: {before} → {after}"


def _told(change: Change) -> str:
    """`response.p95 +9.5 % (812 → 889 ms)`."""
    figures = f"{_value(change, change.base)} → {_value(change, change.new)}"
    return f"{change.metric} {signed(change, change.change)} ({figures})"


def _and(more: int) -> str:
    return f", and {more} more" if more > 0 else ""


def _value(change: Change, value: float | None) -> str:
    if value is None:
        return PLAIN
    return f"{number(100 * value if change.kind == 'share' else value)}{_UNITS[change.kind]}"


def _interval(change: Change) -> str:
    low, high = change.interval
    if low is None and high is None:
        return PLAIN
    return f"{signed(change, low)} … {signed(change, high)}"


def seen(change: Change) -> str:
    """Return the least change for the worse that would have been told."""
    if change.verdict == "unknown":
        return ""
    if change.visible is None:
        return "none"
    text = number(round(100 * change.visible, 2))
    if change.kind == "share":
        return f"+{text} pp or more"
    return f"{'−' if change.kind == 'rate' else '+'}{text} % or more"


def _percent(share: float) -> str:
    return f"{number(round(100 * share, 2))} %"
