"""The parts of a run's page that are tables and texts, below their charts."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from loadkit.figures import PLACE, PLACE_CLASSES
from loadkit.pages.findings import came_back
from loadkit.pages.page import details, section, table, text
from loadkit.pages.run_files import lines as lines_of
from loadkit.pages.run_files import said
from loadkit.pages.time_charts import clock
from loadkit.report import drift, incidents, tables
from loadkit.report.latency import NOTABLE, WAITS, note, rows, shown, waits
from loadkit.stats.number_format import ENDINGS, number, plural
from loadkit.verdict.summary import Summary

_NOTHING: Final = '<p class="none">Nothing was measured.</p>'
_EXPECTED: Final = "what the protocol expects"

_SOCKETS: Final = {
    "forced": "cut on purpose",
    "unexpected": "dropped",
    "recycled": "replaced for their age",
    "refreshed": "replaced for a new token",
    "reconnected": "came back",
    "gave_up": "gave up",
    "events_lost": "events lost by it",
    "events_duplicated": "events twice by it",
}
_GENERATOR: Final = {
    "loop_lag_ms": "event loop's lag, ms",
    "ending_lag_ms": "event loop's lag as the run ended, ms",
    "schedule_delay_ms": "schedule delay, ms",
    "gc_pause_ms": "pause of the garbage collector, ms",
    "cpu_percent": "CPU of a worker, % of a core",
    "machine_cpu_percent": "CPU of the machine, %",
    "rss_mb": "memory of a worker, MB",
    "master_rss_mb": "memory of the master, MB",
    "files_percent": "files that are open, % of the limit",
    "ports_percent": "ports in use, % of all",
}
"""Figures of the generator by their keys in `summary.json`."""

_COLUMNS: Final = ("count", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max")


def latencies_section(summary: Summary, curve: str) -> str:
    if not summary.latency_ms:
        return section("latencies", "Latencies", _NOTHING)
    lines = [
        (
            text(row.label if row.label == row.phase else f"{row.phase}, {row.label}"),
            *(text(cell) for cell in row.cells),
        )
        for row in rows(summary, _COLUMNS)
    ]
    explained = note(summary, _COLUMNS)
    shift = f"“From planned time” stands where it differs by over {100 * (NOTABLE - 1):.0f} %."
    content = table(("phase", *_COLUMNS), lines, caption=f"Milliseconds. {explained}. {shift}")
    if summary.waits:
        content += table(
            WAITS,
            ((text(first), *map(text, rest)) for first, *rest in waits(summary)),
            caption="What nobody saw the end of",
        )
    return curve + section("latencies", "Latencies", content)


def sessions_section(summary: Summary) -> str:
    ended = summary.sessions["ended"]
    lines = [
        (text(ENDINGS.get(ending, ending.replace("_", " "))), number(count))
        for ending, count in ended.items()
        if count
    ]
    counted = [(text(name), number(count)) for name, count in summary.counts.items()]
    content = (
        table(("how they ended", "sessions"), lines)
        if lines
        else '<p class="none">None had ended.</p>'
    )
    if counted:
        content += details("Everything else that was counted", table(("what", "how many"), counted))
    return section("sessions", "How sessions ended", content)


def handoffs_section(summary: Summary, charts: str) -> str:
    counts = {
        key.removeprefix("handoffs."): count
        for key, count in summary.counts.items()
        if key.startswith("handoffs.") and not key.startswith(f"{PLACE}.")
    }
    if not counts:
        return ""
    content = table(
        ("hand-offs", "how many"),
        ((text(name.replace("_", " ")), number(count)) for name, count in counts.items()),
    )
    if wait := summary.latency_ms.get("handoff_wait"):
        names = ("count", "p50", "p90", "p95", "max")
        content += table(
            ("waited for a human, ms", *names),
            [("handoff_wait", *map(text, shown(wait, names)))],
        )
    places = [(name, summary.counts.get(f"{PLACE}.{name}", 0)) for name in PLACE_CLASSES]
    if any(count for _, count in places):
        content += table(
            ("place in the queue", "times told"),
            ((text(name), number(count)) for name, count in places if count),
        )
    asks = "Did a human come, and how long did it take?"
    return section("handoffs", "Hand-offs to a human", content, asks) + charts


def by_hand_section(summary: Summary) -> str:
    """What was done to the run while it went on, and the marks that were set."""
    if not summary.by_hand:
        return ""
    done = ((text(clock(one["at_s"])), text(said(one["text"]))) for one in summary.by_hand)
    content = table(("time of the run", "what"), done, words=("what",))
    asks = "What was changed while the run went on, and which moments were marked?"
    return section("by-hand", "Done by hand", content, asks)


def disconnects_section(summary: Summary, chart: str) -> str:
    """Who was cut off and came back, in a sentence and as counts, behind the chart of when."""
    if not any(summary.disconnects.values()):
        return ""
    lines = (
        (text(said), number(count))
        for key, said in _SOCKETS.items()
        if (count := summary.disconnects.get(key, 0)) or not key.startswith("re")
    )
    said = "".join(
        f"<p>{text(f'{each.what} {each.evidence} {each.meaning}')}</p>"
        for each in came_back(summary)
    )
    content = said + table(("sockets", "how many"), lines)
    anchor = "" if chart else '<span id="disconnects"></span>'
    return chart + section(
        "came-back", "Who came back", anchor + content, "Did people come back after a drop?"
    )


def incidents_section(summary: Summary) -> str:
    told = list(incidents.told(summary))
    if not told:
        return ""
    lines = "".join(f"<li>{text(sentence)}</li>" for sentence in told)
    return section(
        "incidents",
        "Incidents",
        f"<ol>{lines}</ol>",
        "When did the target not serve as before, why, and how long until all was well again?",
    )


def errors_section(folder: Path, summary: Summary, chart: str, wrong: list[str]) -> str:
    content = ""
    if summary.errors:
        content += table(
            ("error", "how many"),
            (
                (text(kind), number(count))
                for kind, count in sorted(summary.errors.items(), key=lambda each: -each[1])
            ),
        )
        content += _examples(lines_of(folder / "errors.jsonl", wrong), "errors")
    else:
        content += '<p class="none">None.</p>'
    violated = '<p class="none">None.</p>'
    if summary.violations:
        violated = table(
            (*("violation", "how many", "sessions"), _EXPECTED),
            (
                (
                    text(kind),
                    number(count),
                    number(summary.violations_detail.get(kind, {}).get("sessions", 0)),
                    text(summary.violations_detail.get(kind, {}).get("expected", "")),
                )
                for kind, count in sorted(summary.violations.items(), key=lambda each: -each[1])
            ),
            words=(_EXPECTED,),
        ) + _examples(lines_of(folder / "violations.jsonl", wrong), "violations")
    anchor = "" if chart else '<span id="errors"></span>'
    return (
        chart
        + section("error-list", "Errors", anchor + content, "What failed, where, and when?")
        + section(
            "violations", "Violations of the protocol", violated, "What did the server do wrong?"
        )
    )


def _examples(lines: Iterable[Any], what: str) -> str:
    """The first of each kind, with the frames that show it."""
    shown = []
    for line in lines:
        if not isinstance(line, Mapping):
            continue
        told = {key: said(line.get(key)) for key in ("kind", "at", "detail", "session")}
        frames = line.get("frames")
        about = ", ".join(
            f"{name} {said(line[key])}"
            for key, name in (
                ("user_class", "user class"),
                ("client", "client"),
                ("correlation_id", "correlation id"),
                ("worker", "worker"),
            )
            if line.get(key)
        )
        kind, at, session = (text(told[key]) for key in ("kind", "at", "session"))
        head = f"{kind} · {at} · session <code>{session}</code>"
        inside = f"<p>{text(told['detail'])}</p><p class='about'>{text(about)}</p>"
        if isinstance(frames, Sequence) and not isinstance(frames, str) and frames:
            shown_frames = "\n".join(text(said(frame)) for frame in frames)
            inside += f'<pre class="fold">{shown_frames}</pre>'
        shown.append(details(head, inside))
    if not shown:
        return ""
    return f"<h3>The first {what} of each kind</h3>" + "".join(shown)


def people_section(summary: Summary) -> str:
    content = "".join(
        table(
            (what, *tables.COLUMNS[:-2], "response p50, ms", "response p95, ms"),
            ((text(name), *map(text, rest)) for name, *rest in figures),
        )
        for what, figures in tables.fared(summary)
    )
    if not content:
        return ""
    return section(
        "classes", "User classes and clients", content, "Does anybody fare worse than the others?"
    )


def drift_section(summary: Summary) -> str:
    if summary.drift is None:
        return ""
    said = "".join(f"<p>{text(sentence)}</p>" for sentence in drift.told(summary.drift))
    lines = ((text(first), *map(text, rest)) for first, *rest in drift.rows(summary.drift))
    return section(
        "drift",
        "Drift",
        said + table(drift.columns(summary.drift), lines, caption=drift.looked_at(summary.drift)),
        "Did anything get slower, fail more, or grow while the load stayed the same?",
    )


def generator_section(summary: Summary, charts: str) -> str:
    lines = [
        (
            text(_GENERATOR.get(name, name)),
            *(number(stats[key]) if key in stats else "–" for key in ("p50", "p95", "p99", "max")),
        )
        for name, stats in summary.generator.items()
        if isinstance(stats, Mapping) and "max" in stats
    ]
    anchor = "" if charts else '<span id="generator"></span>'
    names = ("figure", "p50", "p95", "p99", "max")
    of = f"{plural(summary.generator['workers'], 'worker')}, a sample of each once a second or so"
    content = table(names, lines, caption=of) if lines else _NOTHING
    return charts + section("generator-figures", "The load generator's figures", anchor + content)


def run_section(info: Mapping[str, Any]) -> str:
    if not info:
        return ""
    command = info.get("command", ())
    again = said(info.get("again", ""))
    if not again and isinstance(command, list):  # of an older run
        again = shlex.join(map(said, command))
    content = "".join(
        f'<h3>{title}</h3><pre class="fold">{text(said)}</pre>'
        for title, said in (
            ("The command to run it again", again),
            ("The profile as used", _json(info.get("profile"))),
            ("The machine that led it", _json(info.get("machine"))),
            ("Versions", _json(info.get("versions"))),
            ("The way to the target", _json(info.get("network"))),
        )
        if said
    )
    return section("run", "What was run", content, "How can it be run again?")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) if value else ""
