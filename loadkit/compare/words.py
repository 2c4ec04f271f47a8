"""A comparison in words, the same on a terminal and on a page."""

from collections.abc import Iterator
from typing import Final

from loadkit.compare.comparison import Change, Comparison, Difference, RunTold
from loadkit.stats.number_format import number, plural

COLUMNS: Final = ("figure", "base → new", "change", "95 % CI", "verdict", "could see")
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
    answers = [each for each in found.changes if each.phase == "response"]
    if answers and all(each.verdict == "unknown" for each in answers):
        return f"UNKNOWN  whether answers took longer cannot be told: {answers[0].why}"
    headline = found.change("response.p95")
    visible = None if headline is None else headline.visible
    if visible is None:
        return "SAME  no change that is more than noise"
    return (
        "SAME  no change that is more than noise; of response p95 a regression of "
        f"{number(round(100 * visible, 1))} % or more would have been seen"
    )


def shown(found: Comparison) -> list[Change]:
    """Return the changes with figures."""
    return [each for each in found.changes if each.base is not None and each.new is not None]


def reasons(found: Comparison) -> Iterator[str]:
    """Say of which figures more is to be told, by what it is: why one was not judged, say."""
    every: dict[str, list[str]] = {}
    for each in found.changes:
        if each.why:
            every.setdefault(each.why.partition(" (")[0], []).append(each.metric)
    for why, metrics in every.items():
        yield f"{why}: {', '.join(metrics)}"


def cells(change: Change) -> tuple[str, ...]:
    """Return a change as a row of `COLUMNS`."""
    return (
        change.metric,
        f"{_bare(change, change.base)} → {_value(change, change.new)}",
        PLAIN if change.change is None else signed(change, change.change),
        _interval(change),
        change.verdict,
        seen(change),
    )


def signed(change: Change, value: float | None) -> str:
    """Return a change with its sign: `+9.5 %`; of a share in points: `+0.2 pp`."""
    return PLAIN if value is None else f"{_signed(value)} {_unit(change)}"


def pairing(found: Comparison) -> str:
    """Say whether turns were held against each other."""
    if found.paired:
        return f"response.paired: the same turns in both runs, {found.pairing}; a geometric mean"
    return f"turns not paired: {found.pairing}"


def difference(found: Difference) -> str:
    """Return what differs, in one line."""
    absent = "(none)"
    before, after = (absent if text is None else text for text in (found.base, found.new))
    return f"{found.key}: {before} → {after}"


def seen(change: Change) -> str:
    """Return the least change for the worse that would have been told."""
    if change.verdict == "unknown":
        return PLAIN
    if change.visible is None:
        return "none"
    return signed(change, -change.visible if change.kind == "rate" else change.visible)


def _told(change: Change) -> str:
    """`response.p95 +9.5 % (812 → 889 ms)`."""
    name, figures, by, *_ = cells(change)
    return f"{name} {by} ({figures})"


def _and(more: int) -> str:
    return f", and {more} more" if more > 0 else ""


def _bare(change: Change, value: float | None) -> str:
    if value is None:
        return PLAIN
    return number(100 * value if change.kind == "share" else value)


def _value(change: Change, value: float | None) -> str:
    return f"{_bare(change, value)}{_UNITS[change.kind]}"


def _signed(value: float) -> str:
    """A share, or a ratio less 1, in percent."""
    size = abs(100 * value)
    text = f"{size:,.0f}" if size >= 99.95 else f"{size:.1f}" if size >= 0.095 else f"{size:.2f}"
    return "0" if not float(text.replace(",", "")) else f"{'+' if value > 0 else '−'}{text}"


def _unit(change: Change) -> str:
    return "pp" if change.kind == "share" else "%"


def _interval(change: Change) -> str:
    low, high = change.interval
    if low is None and high is None:
        return PLAIN
    ends = (PLAIN if end is None else _signed(end) for end in (low, high))
    return f"{' … '.join(ends)} {_unit(change)}"
