"""What a capacity search found, on the page of its run: the answer, the curve, every step."""

from pathlib import Path
from typing import Any

from loadkit.capacity.curve import headline
from loadkit.capacity.document import FILE, load, sentence
from loadkit.errors import UsageError
from loadkit.pages.page import Chart, drawn, section, table, text
from loadkit.stats.number_format import number, plural
from loadkit.stats.order_statistics import needed


def capacity(folder: Path, wrong: list[str]) -> tuple[str, list[Chart]]:
    """Return the section as HTML, and its charts; nothing where a run was no search.

    Args:
        folder: the run's.
        wrong: takes what cannot be read.
    """
    if not (folder / FILE).exists():
        return "", []
    try:
        found = load(folder, wrong)
    except UsageError as error:
        wrong.append(str(error))
        return "", []
    steps = sorted(found["steps"], key=lambda step: (step["load"], step["number"]))
    if not steps:
        return section("capacity", "Capacity", f"<p>{text(sentence(found))}</p>"), []
    phase = headline(found)
    chart = _curve(steps, phase)
    lines = [
        (
            number(step["number"]),
            number(step["load"]),
            number(step["delivered"]["concurrent"]),
            number(step["delivered"]["turns_per_second"]),
            *(_percentile(step, phase, name) for name in ("p50", "p95")),
            text(step["outcome"]["verdict"]),
            text(step["outcome"]["why"]),
        )
        for step in found["steps"]
    ]
    head = ("step", "load", "at once", "turns/s", f"{phase} p50, ms", f"{phase} p95, ms")
    content = table((*head, "outcome", "why"), lines, words=("outcome", "why"))
    answer = section("capacity", "Capacity", f"<p><b>{text(sentence(found))}</b></p>")
    return answer + drawn(chart, content), [chart]


def _curve(steps: list[dict[str, Any]], phase: str) -> Chart:
    figures = [step["latency_ms"].get(phase, {}) for step in steps]
    return Chart(
        id="capacity-curve",
        kind="points",
        title="Latency by load",
        question="Where does it begin to get slow? Each point is a step of the search.",
        says=f"{phase} of {plural(len(steps), 'step')}, by the load of each: "
        + ", ".join(f"{number(step['load'])} {step['outcome']['verdict']}" for step in steps)
        + ".",
        columns={
            "load": [f"{number(step['load'])}, {step['outcome']['verdict']}" for step in steps],
            "p50": [stats.get("p50") for stats in figures],
            "p95": [
                stats.get("p95") if stats.get("count", 0) >= needed(950) else None
                for stats in figures
            ],
            "turns_per_second": [step["delivered"]["turns_per_second"] for step in steps],
        },
        labels={"p50": f"{phase} p50, ms", "p95": f"{phase} p95, ms"},
        more={
            "of": [["p50", "response", "p50"], ["p95", "response", "p95"]],
            "unit": "ms",
            "axis": "load of the step, and how it ended",
        },
    )


def _percentile(step: dict[str, Any], phase: str, name: str) -> str:
    stats = step["latency_ms"].get(phase, {})
    least = needed(950 if name == "p95" else 500)
    return number(stats[name]) if stats.get("count", 0) >= least else "–"
