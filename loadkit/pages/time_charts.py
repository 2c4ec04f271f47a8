"""The charts of a run that have its time as their axis, slice by slice."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadkit.figures import State
from loadkit.pages.handoff_charts import queue_charts
from loadkit.pages.page import Chart
from loadkit.pages.run_slices import CURVES, Slices
from loadkit.stats.number_format import number, plural
from loadkit.verdict.summary import Summary

LEADER: Final = "response-time"
"""The chart that has the slider for the window of time."""

STANDS_OUT: Final = 2.5
"""A highest wait that is so much higher than all p95 would press the rest of its chart flat: it is
there to be shown, by its button."""

_STATES: Final = {
    State.READY: ("thinking", "the person's turn"),
    State.WAITING: ("response", "waiting for the agent"),
    State.STARTING: ("echo", "starting"),
    State.JOINING: ("first_chunk", "joining"),
    State.QUEUED: ("handoff_wait", "queued for a human"),
    State.WITH_HUMAN: ("live_response", "with a human"),
    State.RECONNECTING: ("reconnect", "reconnecting"),
    State.ENDING: ("other", "ending"),
}


def time_charts(summary: Summary, slices: Slices) -> Iterator[Chart]:
    if "response" in slices.curves:
        yield _response(slices, summary.duration_s)
    yield _load(slices)
    yield _states(slices)
    if slices.heat:
        yield _heat(summary, slices)
    for phase, label, title, question in (
        (
            "first_chunk",
            "first chunk",
            "First chunk over time",
            "How long until a streamed answer begins to show?",
        ),
        (
            "chunk_gap",
            "gap between chunks",
            "Chunk cadence over time",
            "Do streamed answers flow evenly, from one chunk to the next, or do they stutter?",
        ),
        (
            "handoff_wait",
            "wait for a human",
            "Wait for a human over time",
            "How long until a human comes? Who still waits counts with the time so far.",
        ),
    ):
        if phase in slices.curves:
            yield _bands(
                slices,
                f"{phase.replace('_', '-')}-time",
                {phase: (phase, label)},
                title=title,
                question=question,
                says=f"Percentiles of the {label}.",
            )
    yield from queue_charts(slices)
    yield from _troubles(slices)
    yield from _generator(slices)


def live_charts(slices: Slices, stretch_s: float) -> Iterator[Chart]:
    """Give those of them that are drawn while a run goes on.

    Args:
        slices: of the run so far.
        stretch_s: the seconds before a point of a curve that it is of.
    """
    of_each = f"Each point is of the {number(stretch_s)} s before it."
    for phase, tint, title, question in (
        ("response", "response", "Response over time", "How long do people wait for the answer?"),
        ("first_chunk", "first_chunk", "First chunk over time", "When does an answer begin?"),
    ):
        if phase in slices.curves:
            yield _bands(
                slices,
                LEADER if phase == "response" else "first-chunk-time",
                {phase: (tint, phase.replace("_", " "))},
                title=title,
                question=f"{question} {of_each}",
                says=f"Percentiles of the {phase.replace('_', ' ')}. {of_each}",
            )
    yield _load(slices)
    yield _states(slices)
    yield from queue_charts(slices)
    rest = itertools.chain(_troubles(slices), _generator(slices))
    yield from (chart for chart in rest if not chart.more["empty"])


def _response(slices: Slices, end: float) -> Chart:
    together = slices.together["response"]
    curve = slices.curves["response"]
    name, values = ("p95", curve.p95) if any(curve.p95) else ("median", curve.p50)
    # What is left once the load is over are the slow ones: that is no slow time.
    during = (
        (value, at)
        for at, value in enumerate(values)
        if value is not None and slices.starts[at * together] < end
    )
    worst = max(during, default=None)
    stretch = f"{number(slices.length * together)}\N{NO-BREAK SPACE}s"
    says = f"Percentiles of the response time, each of {stretch}"
    if worst is not None:
        at = slices.starts[worst[1] * together]
        says += f"; slowest from {clock(at)} on, with a {name} of {number(worst[0])} ms"
    return _bands(
        slices,
        LEADER,
        {
            "response": ("response", "response"),
            CURVES[1]: ("other", "from planned time"),
        },
        title="Response over time",
        question=f"How long do people wait for the complete answer, and when was it slow? {says}.",
        says=f"{says}.",
        hidden=["from planned time"],
    )


def _bands(
    slices: Slices,
    name: str,
    of: Mapping[str, tuple[str, str]],
    *,
    hidden: list[str] | None = None,
    **told: str,
) -> Chart:
    hidden = hidden or []
    together = slices.together[next(iter(of))]
    # A point stands in the middle of its stretch of time.
    middle = slices.length * together / 2
    starts = [round(start + middle, 3) for start in slices.starts[::together]]
    columns: dict[str, Any] = {"t": starts}
    labels = {"t": "second of the run, middle"}
    drawn = []
    for number_of, (key, (tint, label)) in enumerate(of.items()):
        curve = slices.curves.get(key)
        if curve is None or len(curve.count) != len(starts):
            continue
        prefix = f"c{number_of}_"
        drawn.append([prefix, tint, label])
        columns[f"{prefix}count"] = curve.count
        labels[f"{prefix}count"] = f"{label}, samples"
        for at in ("p50", "p95", "p99", "max"):
            columns[f"{prefix}{at}"] = getattr(curve, at)
            labels[f"{prefix}{at}"] = f"{label} {at}, ms"
        usual = max(value or 0 for value in (*curve.p95, *(2 * (each or 0) for each in curve.p50)))
        if usual and max(value or 0 for value in curve.max) > STANDS_OUT * usual:
            hidden.append(f"{label} max")
    more = {"unit": "ms", "of": drawn, "hidden": hidden}
    return Chart(id=name, kind="bands", columns=columns, labels=labels, more=more, **told)


def _load(slices: Slices) -> Chart:
    columns: dict[str, Any] = {"t": slices.starts}
    labels = {"t": "second of the run"}
    colours = {}
    for column, label, tint in (
        ("asked_users", "asked for, people", "asked"),
        ("asked_arrivals_per_s", "asked for, arrivals a second", "asked"),
        ("sessions_mean", "delivered, sessions at once", "response"),
        ("turns_open", "messages waiting for their answer", "first_chunk"),
        ("oldest_wait_s", "the oldest of them, s", "lost"),
    ):
        if column in slices.columns:
            columns[column], labels[column] = slices.columns[column], label
            colours[column] = tint
    return Chart(
        id="load",
        kind="lines",
        title="Load asked for, delivered, and waiting",
        question="Was the load there that was asked for, and did a queue of answers build up?",
        says="The load asked for and delivered, and the messages that wait for an answer.",
        columns=columns,
        labels=labels,
        more={
            "colours": colours,
            "right": ["oldest_wait_s"],
            "axes": ["how many", "oldest wait, s"],
        },
    )


def _states(slices: Slices) -> Chart:
    columns: dict[str, Any] = {"t": slices.starts}
    labels, colours = {"t": "second of the run"}, {}
    for state, (tint, label) in _STATES.items():
        found = slices.columns.get(f"state_{state}")
        if found and any(found):
            columns[state] = found
            labels[state], colours[state] = label, tint
    return Chart(
        id="states",
        kind="stack",
        title="Sessions by state",
        question="What were the sessions doing?",
        says="How many sessions were in which state.",
        columns=columns,
        labels=labels,
        more={"colours": colours, "unit": "sessions"},
    )


def _heat(summary: Summary, slices: Slices) -> Chart:
    cells = sorted(slices.heat.items())
    return Chart(
        id="heat",
        kind="heat",
        title="Every answer: when it was, and how long it took",
        question="Is there one crowd of answers, or are there several? Darker is more; a click "
        "shows the slow turns of then.",
        says=f"{plural(summary.turns['answered'], 'answer')} by the time at which they came and by "
        "how long they took, on a logarithmic scale.",
        columns={
            "t": [slices.starts[place] for (place, _), _ in cells],
            "bin": [bin_ for (_, bin_), _ in cells],
            "count": [count for _, count in cells],
        },
        labels={"t": "second of the run", "bin": "bin of latency", "count": "answers"},
        more={"bins": slices.bins, "length": slices.length},
    )


def _troubles(slices: Slices) -> Iterator[Chart]:
    told = {
        "disconnects_forced": ("cut on purpose", "first_chunk"),
        "disconnects_unexpected": ("dropped", "lost"),
        "disconnects_recycled": ("replaced for their age", "echo"),
        "reconnected": ("came back", "thinking"),
        "gave_up": ("gave up", "live_response"),
    }
    yield _counted(
        slices,
        "sockets",
        told,
        id="disconnects",
        title="Disconnects and returns",
        question="Who was cut off, and did they come back?",
        says="Sockets lost and reopened over time.",
    )
    yield _counted(
        slices,
        "how many",
        {
            "errors": ("errors", "lost"),
            "turns_lost": ("messages never answered", "first_chunk"),
            "violations": ("violations of the protocol", "live_response"),
        },
        id="errors",
        title="Errors, lost messages, violations",
        question="When did something go wrong?",
        says="What went wrong over time.",
    )


def _counted(slices: Slices, what: str, told: Mapping[str, tuple[str, str]], **more: str) -> Chart:
    known = {name: slices.columns[name] for name in told if any(slices.columns.get(name, ()))}
    return Chart(
        kind="lines",
        columns={"t": slices.starts, **known},
        labels={"t": "second of the run", **{name: told[name][0] for name in known}},
        more={
            "colours": {name: told[name][1] for name in known},
            "unit": f"{what} in {number(slices.length)} s",
            "step": True,
            "empty": not known,
        },
        **more,
    )


def _generator(slices: Slices) -> Iterator[Chart]:
    cpu = {
        "busiest_worker_cpu_percent": ("busiest worker's CPU, % of a core", "response"),
        "machine_cpu_max_percent": ("machine's CPU, %", "first_chunk"),
    }
    late = {
        "loop_lag_max_ms": ("event loop's lag, ms", "lost"),
        "schedule_delay_max_ms": ("schedule delay, ms", "live_response"),
        "gc_pause_max_ms": ("pause of the garbage collector, ms", "thinking"),
    }
    memory = {
        "rss_mb": ("memory of the workers, MB", "thinking"),
        "master_rss_mb": ("memory of the master, MB", "echo"),
    }
    yield _gauges(
        slices,
        cpu | late,
        {"right": list(late), "axes": ["CPU, %", "ms"]},
        id="generator",
        title="The load generator itself",
        question="Was the generator in time, or do the figures hold delays of its own?",
        says="CPU, lag and delays of the load generator.",
    )
    yield _gauges(
        slices,
        memory,
        {"unit": "MB"},
        id="memory",
        title="Memory of the load generator",
        question="Does the generator itself grow?",
        says="The memory of the workers and of the master.",
    )


def _gauges(
    slices: Slices, told: Mapping[str, tuple[str, str]], more: Mapping[str, Any], **about: str
) -> Chart:
    known = {name: slices.columns[name] for name in told if name in slices.columns}
    return Chart(
        kind="lines",
        columns={"t": slices.starts, **known},
        labels={"t": "second of the run", **{name: told[name][0] for name in known}},
        more={
            "colours": {name: told[name][1] for name in known},
            "empty": not known,
            **more,
        },
        **about,
    )


def clock(second: float) -> str:
    """Return a second of a run as it stands on its axis."""
    hours, minutes = divmod(int(second) // 60, 60)
    return (
        f"{hours}:{minutes:02d}:{int(second) % 60:02d}"
        if hours
        else f"{minutes}:{int(second) % 60:02d}"
    )
