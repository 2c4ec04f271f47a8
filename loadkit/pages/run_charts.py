"""The charts of a run: those of its time, and those of what it came to as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from loadkit.figures import Phase
from loadkit.pages.page import Chart
from loadkit.pages.run_slices import Numbers, Slices
from loadkit.pages.time_charts import time_charts
from loadkit.security.escaping import visible
from loadkit.stats.distribution import Distribution
from loadkit.stats.number_format import number
from loadkit.stats.order_statistics import needed
from loadkit.verdict.summary import Summary

_LONGEST_MARK: Final = 60  # characters that stand beside a pin

_SHARES: Final = (
    *(0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85),
    *(90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.3, 99.5, 99.7, 99.8, 99.9),
    *(99.95, 99.98, 99.99, 99.995, 99.999),
)
"""Percentiles of the curve of nines."""

_OF_A_CLASS: Final = {
    "p50": "p50, ms",
    "p50_from": "p50, from (95 %)",
    "p50_to": "p50, to (95 %)",
    "p95": "p95, ms",
    "count": "answers",
}
"""Figures of the sessions of an age, or of the turns of a number, with their labels."""

_STEPS: Final = {
    "token": ("an access token", (Phase.TOKEN,)),
    "session": ("a session", (Phase.CREATE_SESSION,)),
    "socket": ("an open socket", (Phase.CONNECT,)),
    "greeting": ("the agent's greeting", (Phase.GREETING,)),
    "answer": ("their first answer", (Phase.RESPONSE,)),
}


def marks(summary: Summary, profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened at a time: pins (`at`) and stretches (`at`, `to`), with a `name` each.

    Args:
        profile: as in `run.json`, whoever wrote that.
    """
    found: list[dict[str, Any]] = [
        {
            "name": f"incident {number}",
            "at": one["begin_s"],
            "to": one["end_s"] or summary.duration_s,
        }
        for number, one in enumerate(summary.incidents, start=1)
    ]
    chaos = profile.get("chaos")
    storms = chaos.get("storms", ()) if isinstance(chaos, Mapping) else ()
    for storm in storms if isinstance(storms, list) else ():
        at, share = storm.get("at"), storm.get("share")
        if isinstance(at, int | float) and isinstance(share, int | float):
            found.append({"name": f"storm {100 * share:.0f} %", "at": at})
    return found + [
        {"name": visible(one["text"][:_LONGEST_MARK]), "at": one["at_s"]} for one in summary.by_hand
    ]


def run_charts(summary: Summary, slices: Slices) -> Iterator[Chart]:
    """Give the charts of a run, in the order of its report; those of what was not measured lack."""
    if slices.starts:
        yield from time_charts(summary, slices)
    yield from _of_the_whole(summary, slices)


def _of_the_whole(summary: Summary, slices: Slices) -> Iterator[Chart]:
    nines = {
        phase: (phase, label)
        for phase, label in (
            ("response", "response"),
            ("first_chunk", "first chunk"),
            ("echo", "echo"),
            ("chunk_gap", "gap between chunks"),
            ("reconnect", "reconnect"),
        )
        if phase in slices.whole and slices.whole[phase].count
    }
    if nines:
        yield _nines(slices.whole, nines)
    yield from _waterfall(summary)
    yield from _funnel(summary)
    if summary.by_turn:
        yield _by_turn(summary)
    ages = (summary.drift or {}).get("ages", ())
    if len(ages) > 1:
        yield _by_age(ages)


def _nines(whole: Mapping[str, Distribution], told: Mapping[str, tuple[str, str]]) -> Chart:
    columns: dict[str, Any] = {"share": [max(share, 0.001) for share in _SHARES]}
    labels = {"share": "percent"}
    for phase, (_, label) in told.items():
        at, low, high = _curve_of_nines(whole[phase])
        columns |= {phase: at, f"{phase}_from": low, f"{phase}_to": high}
        labels |= {
            phase: f"{label}, ms",
            f"{phase}_from": f"{label}, from (95 %)",
            f"{phase}_to": f"{label}, to (95 %)",
        }
    return Chart(
        id="nines",
        kind="nines",
        title="Latency by percentile",
        question="How bad is it for the few? Each nine takes the same room; the shade is what the "
        "true value lies in (95 %).",
        says="Latencies by percentile, with their 95 % intervals.",
        columns=columns,
        labels=labels,
        more={"of": [[phase, *what] for phase, what in told.items()], "unit": "ms"},
    )


def _curve_of_nines(found: Distribution) -> tuple[Numbers, Numbers, Numbers]:
    points = [_point(found, share) for share in _SHARES]
    at, low, high = (list(column) for column in zip(*points, strict=True))
    return at, low, high


def _point(found: Distribution, share: float) -> tuple[float | None, float | None, float | None]:
    """A percentile with its interval; None for what the samples do not support."""
    if share > 99.9:
        return _fine(found, share), None, None
    per_mille = max(1, round(share * 10))
    if found.known(per_mille) < needed(per_mille):
        return None, None, None
    estimate, between = found.estimate(per_mille), found.interval(per_mille)
    low, high = (None, None) if between is None else (round(end, 3) for end in between)
    return None if estimate.at_least else round(estimate.value, 3), low, high


def _fine(found: Distribution, share: float) -> float | None:
    """Beyond p99.9: the nearest rank, where at least ten samples lie beyond it."""
    if found.lost or found.open or found.count * (1 - share / 100) < 10:
        return None
    rank, seen = found.count * share / 100, 0
    for value, count in sorted(found.counts.items()):
        seen += count
        if seen >= rank:
            return round(value / 1000, 3)
    return None


def _waterfall(summary: Summary) -> Iterator[Chart]:
    steps = [
        (label, phase, summary.latency_ms[phase])
        for phase, label in (
            ("echo", "its echo"),
            ("thinking", "the agent thinks"),
            ("first_chunk", "first chunk"),
            ("response", "complete answer"),
            ("chunk_gap", "between two chunks"),
            ("follow_up", "a follow-up, after the answer"),
        )
        if summary.latency_ms.get(phase)
    ]
    if not steps:
        return
    yield Chart(
        id="turn",
        kind="waterfall",
        title="What happens within a turn",
        question="From when a message is sent: which step takes the time? Full colour is the "
        "median, pale is p95; each is of its own, so they do not add up.",
        says="Medians and p95 of the steps of a turn: "
        + ", ".join(f"{label} {number(stats['p50'])} ms" for label, _, stats in steps)
        + ".",
        columns={
            "step": [label for label, _, _ in steps],
            "p50": [stats["p50"] for _, _, stats in steps],
            "p95": [stats["p95"] for _, _, stats in steps],
            "count": [stats["count"] for _, _, stats in steps],
        },
        labels={"p50": "p50, ms", "p95": "p95, ms", "count": "samples"},
        more={"unit": "ms", "colours": [phase for _, phase, _ in steps]},
    )


def _funnel(summary: Summary) -> Iterator[Chart]:
    reached = summary.sessions.get("reached")
    if not reached:
        return
    names, counts = ["began"], [summary.sessions["started"]]
    medians: Numbers = [None]
    tails: Numbers = [None]
    for step, (label, phases) in _STEPS.items():
        stats = [summary.latency_ms.get(phase, {}) for phase in phases]
        names.append(label)
        counts.append(reached.get(step, 0))
        medians.append(stats[0].get("p50"))
        tails.append(stats[0].get("p95"))
    names.append("their end in order")
    counts.append(summary.sessions["completed"])
    medians.append(summary.latency_ms.get("end", {}).get("p50"))
    tails.append(summary.latency_ms.get("end", {}).get("p95"))
    yield Chart(
        id="funnel",
        kind="steps",
        title="How far sessions got",
        question="Where do people fall out, and how long does each step take?",
        says=", ".join(
            f"{name}: {number(count)}" for name, count in zip(names, counts, strict=True)
        )
        + ".",
        columns={"step": names, "sessions": counts, "p50": medians, "p95": tails},
        labels={"p50": "p50 of the step, ms", "p95": "p95 of the step, ms"},
        more={"unit": "sessions"},
    )


def _by_turn(summary: Summary) -> Chart:
    turns = sorted(summary.by_turn.items(), key=lambda each: int(each[0]))
    figures = [
        {**found, "p95": found["p95"] if found["count"] >= needed(950) else None}
        for _, found in turns
    ]
    return _response_by(
        "turn of the session",
        [turn for turn, _ in turns],
        figures,
        id="by-turn",
        title="Response by turn",
        question="Does the agent get slower as the conversation grows?",
    )


def _by_age(ages: Sequence[Mapping[str, Any]]) -> Chart:
    names = [
        f"{age['from_s']} s and more" if age["to_s"] is None else f"{age['from_s']}–{age['to_s']} s"
        for age in ages
    ]
    return _response_by(
        "age of the session",
        names,
        ages,
        id="by-age",
        title="Response by the session's age",
        question="Does the agent get slower with old sessions?",
    )


def _response_by(
    axis: str, names: Sequence[str], figures: Sequence[Mapping[str, Any]], **told: str
) -> Chart:
    """Medians, with their intervals where there are some, and p95, of one class after the other."""
    columns = {key: [each.get(key) for each in figures] for key in _OF_A_CLASS}
    medians = ", ".join(
        f"{name}: {number(each['p50'])} ms"
        for name, each in zip(names, figures, strict=True)
        if each["p50"] is not None
    )
    return Chart(
        kind="points",
        says=f"The median response by the {axis}: {medians}.",
        columns={"class": names, **columns},
        labels={"class": axis} | _OF_A_CLASS,
        more={
            "of": [["p50", "response", "p50"], ["p95", "response", "p95"]],
            "unit": "ms",
            "axis": axis,
        },
        **told,
    )
