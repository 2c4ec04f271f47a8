"""Tabs of our own on Locust's page: phases, sessions, validity, from the live page's figures."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flask import Response, jsonify
from locust.web import WebUI

from loadkit.figures import STEPS, Count, Ending, Phase, State
from loadkit.pages.course import figures
from loadkit.stats.number_format import number
from loadkit.swarm.run import Run
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.web.now import Now

FIGURES: Final = "locust.request_stats"
"""What Flask knows Locust's figures by, for which its page asks every two seconds."""

UNKNOWN: Final = "–"
"""What stands where there are too few samples, or nothing to be known yet."""

LAST_RUN: Final = "chat/last"
"""Where the files of the last run are."""

_FILES: Final = {
    "report.html": "report",
    "summary.json": "summary",
    "timeline.csv": "timeline, a row a second",
    "slow_turns.jsonl": "slowest turns",
    "junit.xml": "objectives for CI",
    "loadkit.log": "log",
}
_TABS: Final[Mapping[str, Mapping[str, str]]] = {
    "Phases": {
        "of": "phase",
        "count": "samples",
        "p50": "p50 (ms)",
        "p95": "p95 (ms)",
        "p99": "p99 (ms)",
        "max": "max (ms)",
        "recent": "samples, last 10 s",
        "soon": "p95, last 10 s (ms)",
    },
    "Sessions": {"of": "sessions", "count": "so far, or now", "share": "of those begun (%)"},
    "Validity": {"of": "what", "stands": "how it stands", "limit": "limit, or what to do"},
}
"""By title, the columns of a tab: its rows' keys, and what stands above them. None is called
`name`: Locust sorts rows by that."""

Rows = list[dict[str, Any]]


def install_tabs(web_ui: WebUI, controller: RunController, now: Now) -> None:
    """Have Locust's page show them, and offer the files of the last run among its downloads."""
    app: Any = web_ui.app
    shown = web_ui.template_args
    shown["extended_tabs"] = [{"title": title, "key": title.lower()} for title in _TABS]
    shown["extended_tables"] = [
        {"key": title.lower(), "structure": [{"key": k, "title": v} for k, v in columns.items()]}
        for title, columns in _TABS.items()
    ]
    shown["extended_csv_files"] = [
        {"href": "./chat", "title": "The live page, past runs and their files"},
        *(
            {"href": f"./{LAST_RUN}/{name}", "title": f"Last run: {title} ({name})"}
            for name, title in _FILES.items()
        ),
    ]
    locusts = app.view_functions[FIGURES]

    def with_ours() -> Any:
        answer = locusts()  # kept by Locust for the next who ask: it stays as it is
        if not (isinstance(answer, Response) and answer.is_json):
            return answer
        told = [{"key": title.lower(), "data": rows} for title, rows in tables(controller.run, now)]
        return jsonify({**answer.get_json(), "extended_stats": told})

    app.view_functions[FIGURES] = with_ours


def tables(run: Run | None, now: Now) -> Iterator[tuple[str, Rows]]:
    """Give the rows of each tab, by its title."""
    told = now.figures()
    known = run if run is not None and "run" in told else None
    yield "Phases", [] if known is None else [*_phases(known)]
    yield "Sessions", [] if known is None else [*_sessions(known, told)]
    yield "Validity", [*_validity(told)]


def _phases(run: Run) -> Iterator[dict[str, Any]]:
    for phase in Phase:
        whole = run.ledger.latency.get(phase)
        if whole is None or not whole.count:
            continue
        recent = {} if run.course is None else figures(run.course.recent(phase))
        row = {"of": phase.value, **figures(whole)}
        row |= {"recent": recent.get("count"), "soon": recent.get("p95")}
        yield {
            key: UNKNOWN
            if value is None
            else round(value, 1)
            if isinstance(value, float)
            else value
            for key, value in row.items()
        }


def _sessions(run: Run, told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    counts, begun = run.ledger.counts, told["started"]

    def row(name: str, count: int) -> dict[str, Any]:
        share = round(100 * count / begun, 1) if begun else UNKNOWN
        return {"of": name, "count": count, "share": share}

    yield row("begun", begun)
    yield row("now", told["sessions"])
    for state, count in _states(run):
        yield row(f"now: {state}", count)
    for step in STEPS:
        yield row(f"got as far as: {step}", counts[f"reached.{step}"])
    for ending in Ending:
        yield row(f"ended: {ending.value.replace('_', ' ')}", counts[f"ended.{ending}"])
    for name, count in told["disconnects"].items():
        yield {"of": f"sockets: {name}", "count": count, "share": ""}
    for key, name in (
        (Count.HANDOFFS_TRIGGERED, "hand-offs: begun"),
        (Count.HANDOFFS_JOINED, "hand-offs: a human came"),
    ):
        yield {"of": name, "count": counts[key], "share": ""}


def _states(run: Run) -> Iterator[tuple[str, int]]:
    states = {} if run.course is None else run.course.states
    for state in State:
        yield state.value.replace("_", " "), states.get(state.value, 0)


def _validity(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "validity" not in told:
        yield {"of": "validity", "stands": "no run yet", "limit": ""}
        return
    over, found = told.get("over"), told["validity"]
    if over:
        yield {"of": "verdict", "stands": over["word"], "limit": over["text"]}
    yield {"of": "validity", "stands": found["level"], "limit": "" if over else "so far"}
    for reason in found["reasons"]:
        yield {"of": "reason", "stands": reason["text"], "limit": reason["remedy"]}
    for line in told["slo"]:
        value = line["value"] or UNKNOWN
        if line["status"] == "undecided" and line["needed"]:
            value = f"{number(line['samples'])} of {number(line['needed'])} samples"
        yield {
            "of": line["metric"],
            "stands": f"{line['status']}: {'≥ ' if line['at_least'] else ''}{value}",
            "limit": f"≤ {line['limit']}",
        }
