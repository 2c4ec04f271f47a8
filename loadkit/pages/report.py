"""`report.html`: a run on one page, made from its folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadkit.pages.capacity_section import capacity
from loadkit.pages.first_screen import first_screen
from loadkit.pages.page import WINDOW, Chart, document, drawn, section, text
from loadkit.pages.run_charts import marks, run_charts
from loadkit.pages.run_files import info as info_of
from loadkit.pages.run_files import said
from loadkit.pages.run_sections import (
    by_hand_section,
    disconnects_section,
    drift_section,
    errors_section,
    generator_section,
    handoffs_section,
    incidents_section,
    latencies_section,
    people_section,
    run_section,
    sessions_section,
)
from loadkit.pages.run_slices import read_slices
from loadkit.pages.slow_turns_table import slow_turns
from loadkit.pages.time_charts import LEADER
from loadkit.report.verdict import word
from loadkit.results.run_folder import REPORT, load_summary, write_text
from loadkit.results.stored_series import Progress, unwatched
from loadkit.verdict.summary import Summary


def write_report(folder: Path, to: Path | None = None, progress: Progress = unwatched) -> Path:
    """Make the report of a run that has its results.

    Args:
        folder: the run's.
        to: the file; None for `report.html` in that folder.
        progress: told how far it is.

    Returns:
        Where it is.

    Raises:
        UsageError: there is no summary that can be read, or the report cannot be written.
    """
    path = folder / REPORT if to is None else to
    write_text(path, page(folder, progress), "--out" if to is None else "--html")
    return path


def page(folder: Path, progress: Progress = unwatched) -> str:
    """Return the report of a run as HTML; what of its folder cannot be read is named in it.

    Raises:
        UsageError: there is no summary that can be read.
    """
    wrong: list[str] = []
    summary = load_summary(folder, wrong)
    info = info_of(folder, wrong)
    profile = info.get("profile", {})
    slices = read_slices(folder, progress)
    wrong += slices.wrong
    charts = {chart.id: chart for chart in run_charts(summary, slices)}
    search, of_the_search = capacity(folder, wrong)
    parts = dict(_parts(folder, summary, search, charts, info, wrong))
    body = "".join(
        (
            _bar(summary, parts),
            '<main class="two">',
            *parts.values(),
            _missing(wrong),
            _foot(info),
            "</main>",
        )
    )
    return document(
        f"{word(summary)}: {summary.profile}",
        body,
        [*charts.values(), *of_the_search],
        {
            "marks": marks(summary, profile if isinstance(profile, Mapping) else {}),
            "end": round(max(summary.duration_s, (slices.starts or [0])[-1] + slices.length), 3),
            "leader": LEADER,
        },
    )


def _parts(
    folder: Path,
    summary: Summary,
    search: str,
    charts: Mapping[str, Chart],
    info: Mapping[str, Any],
    wrong: list[str],
) -> Iterator[tuple[str, str]]:
    """The sections by the names under which the bar leads to them, in their order."""

    def shown(*names: str) -> str:
        return "".join(
            drawn(charts[name])
            for name in names
            if name in charts and not charts[name].more.get("empty")
        )

    yield "Verdict", first_screen(summary, search=bool(search))
    yield "Capacity", search
    yield "Response", shown(LEADER, "heat") + latencies_section(summary, shown("nines"))
    yield "Load", shown("load", "states") + by_hand_section(summary)
    yield (
        "Turns",
        shown("turn", "by-turn", "by-age", "first-chunk-time", "chunk-gap-time"),
    )
    yield "Slowest turns", slow_turns(folder, wrong)
    yield "Sessions", shown("funnel") + sessions_section(summary)
    yield "Disconnects", disconnects_section(summary, shown("disconnects"))
    yield "Incidents", incidents_section(summary)
    yield "Hand-offs", handoffs_section(summary, shown("queue", "places", "handoff-wait-time"))
    yield "Errors", errors_section(folder, summary, shown("errors"), wrong)
    yield "People", people_section(summary)
    yield "Drift", drift_section(summary)
    yield "Generator", generator_section(summary, shown("generator", "memory"))
    yield "Run", run_section(info)


def _bar(summary: Summary, parts: Mapping[str, str]) -> str:
    anchors = {
        "Verdict": "verdict",
        "Response": LEADER,
        "Load": "load",
        "Turns": "turn",
        "Sessions": "sessions",
        "Slowest turns": "slow-turns",
        "Disconnects": "disconnects",
        "Incidents": "incidents",
        "Hand-offs": "handoffs",
        "Errors": "errors",
        "People": "classes",
        "Drift": "drift",
        "Capacity": "capacity",
        "Generator": "generator",
        "Run": "run",
    }
    links = "".join(
        f'<a href="#{anchors[name]}">{name}</a>'
        for name, content in parts.items()
        if f'id="{anchors[name]}"' in content
    )
    return (
        f'<header class="bar"><div><strong>{text(summary.profile)}</strong>'
        f'<nav aria-label="Sections">{links}</nav><div class="tools">'
        f"{WINDOW}"
        '<input id="search" type="search" placeholder="Search" aria-label="Search in this page">'
        '<span id="found" role="status"></span>'
        '<button id="theme" type="button">Dark or light</button></div></div></header>'
    )


def _missing(wrong: Sequence[str]) -> str:
    if not wrong:
        return ""
    lines = "".join(f"<li>{text(each)}</li>" for each in wrong)
    return section(
        "left-out", "Left out", f"<p>Not all of the folder could be read:</p><ul>{lines}</ul>"
    )


def _foot(info: Mapping[str, Any]) -> str:
    versions = info.get("versions", {})
    version = said(versions.get("loadkit", "")) if isinstance(versions, Mapping) else ""
    return (
        f"<footer>Made by loadkit {text(version)}. Every figure is one of summary.json; the charts "
        "are drawn by Apache ECharts (Apache License 2.0).</footer>"
    )
