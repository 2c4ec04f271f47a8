"""Two runs side by side, or a row of them, on one page: `loadkit compare --html`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from loadkit.compare import trend
from loadkit.compare.comparison import METHOD, Change, Comparison, Difference, PhaseCurve
from loadkit.compare.words import (
    COLUMNS,
    cells,
    first_line,
    heads,
    pairing,
    reasons,
    run_line,
    shown,
)
from loadkit.pages.page import Chart, details, document, drawn, section, table, text
from loadkit.results.run_folder import write_text
from loadkit.stats.number_format import plural

_COLOURS: Final = {"worse": "bad", "better": "good", "noise": "soft", "unknown": "soft"}
_KINDS: Final = {
    "latency": (
        "Latencies",
        "forest",
        "Which latencies changed, and by more than noise? “Could see” is the least change for the "
        "worse that would have been told.",
    ),
    "share": ("Shares", "shares", "Did more of it fail?"),
    "rate": ("Rates", "rates", "Was as much done in a second?"),
}


def write_comparison(found: Comparison, to: Path) -> None:
    """Write a comparison as a page.

    Raises:
        UsageError: it cannot be written.
    """
    write_text(to, comparison_page(found), "--html")


def comparison_page(found: Comparison) -> str:
    """Return a comparison as a page of HTML."""
    charts = {chart.id: chart for chart in _charts(found)}
    sections = (
        _first(found),
        *(drawn(charts[name]) for name in ("change", "nines", "shift", "trend") if name in charts),
        _trend(found),
        *_tables(found),
        _differences("settings", "The profiles", found.settings, "What was asked for otherwise?"),
        _differences(
            "surroundings", "Machines, versions, network", found.surroundings, "What else differs?"
        ),
        _method(found),
    )
    title = f"{found.base.profile}: {found.base.started_at} and {found.new.started_at}"
    bar = (
        f'<header class="bar"><div><strong>{text(found.new.profile)}, compared</strong>'
        '<div class="tools"><input id="search" type="search" placeholder="Search" '
        'aria-label="Search in this page"><span id="found" role="status"></span>'
        '<button id="theme" type="button">Dark or light</button></div></div></header>'
    )
    body = f'{bar}<main class="two">{"".join(sections)}</main>'
    return document(title, body, charts.values(), {"marks": []})


def _first(found: Comparison) -> str:
    word, _, rest = first_line(found).partition("  ")
    colour = "FAIL" if found.exit_code else "PASS"
    if found.doubts or word == "UNKNOWN":
        colour = "INVALID"
    runs = "".join(f"<li><b>{name}</b> {text(line)}</li>" for name, line in heads(found))
    held = "".join(
        f'<li class="{"bad" if each.status == "broken" else "good"}">{text(each.text)}: '
        f"{text(each.told)}</li>"
        for each in found.held
    )
    return (
        f'<section id="verdict"><h1>{text(found.new.profile)}, compared</h1>'
        f'<div class="verdict {colour}"><p><b>{text(word)}</b> {text(rest)}</p></div>'
        f"<ul>{runs}</ul>" + (f"<h3>Limits</h3><ul>{held}</ul>" if held else "") + "</section>"
    )


def _charts(found: Comparison) -> Iterator[Chart]:
    latencies = [
        each for each in shown(found) if each.kind == "latency" and each.change is not None
    ]
    if latencies:
        yield _forest(latencies)
    curves = [curve for curve in found.curves if curve.points]
    if curves:
        yield _nines(curves)
        yield _shift(curves)
    if len(found.trend) > 1:
        yield _row_of_runs(found)


def _forest(changes: Sequence[Change]) -> Chart:
    told = [each for each in changes if each.verdict in ("worse", "better")]
    says = f"The change of {plural(len(changes), 'latency figure')}, with 95 % intervals; "
    says += (
        ", ".join(f"{each.metric} is {each.verdict}" for each in told)
        if told
        else "none is more than noise"
    )
    return Chart(
        id="change",
        kind="forest",
        title="What changed",
        question="Each line is a figure's change with what its true value lies between (95 %). Red "
        "is worse and green is better by more than noise, all figures taken together; grey is "
        "noise, and hollow what could not be told. An arrow: further than is shown. Dots: where it "
        "ends is not known.",
        says=f"{says}.",
        columns={
            "figure": [each.metric for each in changes],
            "change": [_percent(each.change) for each in changes],
            "from": [_percent(each.interval[0]) for each in changes],
            "to": [_percent(each.interval[1]) for each in changes],
            "verdict": [each.verdict for each in changes],
        },
        labels={"change": "change, %", "from": "from (95 %), %", "to": "to (95 %), %"},
        more={"colours": [_COLOURS[each.verdict] for each in changes]},
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 3)


def _nines(curves: Sequence[PhaseCurve]) -> Chart:
    curve = curves[0]
    return Chart(
        id="nines",
        kind="nines",
        title=f"{_named(curve)} by percentile, before and after",
        question="Did it change for everybody, or for the few? Each nine takes the same room.",
        says=f"{curve.phase} by percentile, of both runs.",
        columns={
            "share": [round(100 * point.share, 4) for point in curve.points],
            "base": [round(point.base_ms, 3) for point in curve.points],
            "new": [round(point.new_ms, 3) for point in curve.points],
        },
        labels={"share": "percent", "base": "BASE, ms", "new": "NEW, ms"},
        more={"of": [["base", "echo", "BASE"], ["new", "response", "NEW"]], "unit": "ms"},
    )


def _named(curve: PhaseCurve) -> str:
    return curve.phase.replace("_", " ").capitalize()


def _shift(curves: Sequence[PhaseCurve]) -> Chart:
    curve = curves[0]
    return Chart(
        id="shift",
        kind="points",
        title=f"{_named(curve)}: the shift by percentile",
        question="By how much, at each percentile, with what it lies between (95 %)? A line "
        "without an end: there it is not known.",
        says=f"The change of {curve.phase} by percentile.",
        columns={
            "percentile": [f"p{100 * point.share:g}" for point in curve.points],
            "change": [_percent(point.change) for point in curve.points],
            "change_from": [_percent(point.interval[0]) for point in curve.points],
            "change_to": [_percent(point.interval[1]) for point in curve.points],
        },
        labels={
            "change": "change, %",
            "change_from": "from (95 %), %",
            "change_to": "to (95 %), %",
        },
        more={
            "of": [["change", "response", "change"]],
            "unit": "%",
            "axis": "percentile",
            "low": None,
        },
    )


def _row_of_runs(found: Comparison) -> Chart:
    columns: dict[str, Any] = {"run": [step.run.started_at for step in found.trend]}
    for name in ("p50", "p95", "p99"):
        columns[name] = [step.response_ms.get(name) for step in found.trend]
        between = [step.intervals_ms.get(name, (None, None)) for step in found.trend]
        columns[f"{name}_from"] = [low for low, _ in between]
        columns[f"{name}_to"] = [high for _, high in between]
    labels = {name: f"response {name.replace('_', ', ')}, ms" for name in columns if name != "run"}
    return Chart(
        id="trend",
        kind="points",
        title="The response, run after run",
        question="Which way does it go?",
        says=f"Percentiles of the response of {plural(len(found.trend), 'run')}.",
        columns=columns,
        labels=labels,
        more={
            "of": [
                ["p50", "response", "p50"],
                ["p95", "response", "p95"],
                ["p99", "response", "p99"],
            ],
            "unit": "ms",
            "axis": "run",
        },
    )


def _trend(found: Comparison) -> str:
    if len(found.trend) < 2:
        return ""
    lines = (tuple(map(text, trend.cells(step))) for step in found.trend)
    return section("runs", "All of the runs", table(trend.COLUMNS, lines, caption="response in ms"))


def _tables(found: Comparison) -> Iterator[str]:
    for kind, (title, name, question) in _KINDS.items():
        changes = [each for each in shown(found) if each.kind == kind]
        if not changes:
            continue
        lines = []
        for each in changes:
            *told, verdict, could_see = cells(each)
            mark = f'<b class="{_COLOURS[each.verdict]}">{text(verdict)}</b>'
            lines.append((*map(text, told), mark, text(could_see)))
        yield section(f"{name}-table", title, table(COLUMNS, lines), question)


def _differences(name: str, title: str, found: Sequence[Difference], question: str) -> str:
    if not found:
        return section(name, title, '<p class="none">The same.</p>')
    lines = (
        (
            text(each.key),
            *(text("(none)" if said is None else said) for said in (each.base, each.new)),
        )
        for each in found
    )
    return section(
        name, title, table(("key", "BASE", "NEW"), lines, words=("BASE", "NEW")), question
    )


def _method(found: Comparison) -> str:
    notes = [*found.notes, *reasons(found), pairing(found)]
    lines = "".join(f"<li>{text(each)}</li>" for each in notes)
    judged = f"<p>{plural(found.judged, 'figure')} judged together.</p>" if found.judged else ""
    runs = "".join(f"<li>{text(run_line(run))}</li>" for run in (found.base, found.new))
    return section(
        "method",
        "How it was judged",
        f"<p>{text(METHOD)}</p>{judged}<ul>{lines}</ul>" + details("The runs", f"<ul>{runs}</ul>"),
    )
