"""`summary.md`: what a reviewer reads in ten seconds, the verdict first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loadkit.report import drift, incidents, load, tables
from loadkit.report.latency import WAITS, note, rows, shown, waits
from loadkit.report.verdict import broke, in_doubt, verdict_text, word
from loadkit.security.escaping import block, code, markdown
from loadkit.stats.number_format import ENDINGS, number
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Summary

_COLUMNS: Final = ("count", "p50", "p90", "p95", "p99", "p999", "max")
_TITLES: Final = {"user class": "User classes", "client": "Clients"}
_EXAMPLE: Final = "for example"
_MARKS: Final = {"pass": "✓", "fail": "**✗**", "undecided": "?"}
_OWN: Final = frozenset(_MARKS.values())  # our own emphasis, which is left alone


def document(summary: Summary, examples: Mapping[str, str] | None = None) -> str:
    """Return a summary as Markdown (GitHub's tables).

    `examples` has one text for each `errors.<kind>` and `violations.<kind>`.
    """
    return "\n".join(_lines(summary, examples or {})) + "\n"


def _lines(summary: Summary, examples: Mapping[str, str]) -> Iterator[str]:
    yield from (f"# {word(summary)}: {markdown(summary.profile)}", "")
    yield from (markdown(verdict_text(summary)), "")
    yield (
        f"{code(summary.target or '')} · {markdown(summary.started_at)} · "
        f"{number(summary.duration_s)} s · exit code {summary.verdict.exit_code}"
    )
    for title, reasons in (("What broke", broke(summary)), ("In doubt", in_doubt(summary))):
        if reasons:
            yield from _head(title)
            yield from (f"- {markdown(str(reason))}" for reason in reasons)
    for text, trace in summary.own_code.items():
        yield from (*_head("Your own code failed"), markdown(text), "", *block(trace.rstrip()))
    if summary.slo:
        yield from _head("Objectives")
        yield from _table(
            ("metric", "limit", "actual", "95 % CI", "samples", "needed", "result"),
            [_objective(line) for line in summary.slo],
        )
    if told := list(incidents.told(summary)):
        yield from _head("Incidents")
        yield from (f"- {markdown(sentence)}" for sentence in told)
    if chart := list(load.drawn(summary)):
        yield from ("", "## Load", "", "```", *chart, "```")
    if summary.latency_ms:
        yield from _head("Latency, ms")
        yield from _table(
            ("phase", *_COLUMNS),
            [
                (row.phase if row.label == row.phase else f"{row.phase}, {row.label}", *row.cells)
                for row in rows(summary, _COLUMNS)
            ],
        )
        if explained := note(summary, _COLUMNS):
            yield from ("", explained)
    if summary.waits:
        yield from _head("Waits without an end")
        yield from _table(("phase", *WAITS[1:]), list(waits(summary)))
    if summary.drift is not None:
        yield from _head("Drift")
        yield from (f"- {markdown(text)}" for text in drift.told(summary.drift))
        yield from ("", drift.looked_at(summary.drift), "")
        yield from _table(drift.columns(summary.drift), list(drift.rows(summary.drift)))
        if len(summary.drift["ages"]) > 1:
            yield ""
            heads = ("response by the session's age", "count", "p50", "p95")
            yield from _table(heads, list(drift.by_age(summary.drift)))
    for what, figures in tables.fared(summary):
        yield from _head(_TITLES[what])
        *counts, p50, p95 = tables.COLUMNS
        columns = (what, *counts, f"response {p50}, ms", f"response {p95}, ms")
        yield from _table(columns, figures)
    yield from _head("Counts")
    yield from _table(("what", "how many"), list(_counts(summary)))
    if summary.errors:
        yield from _head("Errors")
        yield from _table(
            ("kind", "how many", _EXAMPLE),
            [
                (kind, number(count), examples.get(f"errors.{kind}", ""))
                for kind, count in sorted(summary.errors.items(), key=lambda item: -item[1])
            ],
        )
    if summary.violations:
        yield from _head("Violations")
        yield from _violations(summary, examples)
    if summary.errors or summary.violations:
        where = "`errors.jsonl`, `violations.jsonl`"
        yield from ("", f"The first of each kind, with their sessions: {where}.")
    yield from _head("Generator")
    figures = [
        (name, *shown(stats, ("p50", "p99", "max")))
        for name, stats in summary.generator.items()
        if isinstance(stats, Mapping) and "p50" in stats
    ]
    yield f"Workers: {summary.generator['workers']}."
    if figures:
        yield ""
        yield from _table(("figure", "p50", "p99", "max"), figures)
    lost = summary.generator.get("workers_lost", ())
    if lost:
        yield ""
        yield from _table(
            ("worker lost", "at, s", "sessions"),
            [
                (str(one["worker"]), number(one["at_s"]), number(one["sessions_live"]))
                for one in lost
            ],
        )


def _head(title: str) -> tuple[str, ...]:
    return "", f"## {title}", ""


def _violations(summary: Summary, examples: Mapping[str, str]) -> Iterator[str]:
    """How often and how widely, and of each kind what was expected, and what came."""
    kinds = sorted(summary.violations.items(), key=lambda item: -item[1])
    details = {kind: summary.violations_detail.get(kind, {}) for kind, _ in kinds}
    yield from _table(
        ("kind", "how many", "sessions", "of all", _EXAMPLE),
        [
            (kind, number(n), *tables.hit(details[kind]), examples.get(f"violations.{kind}", ""))
            for kind, n in kinds
        ],
    )
    for kind, found in details.items():
        example = found.get("example", {})
        if not (found.get("expected") or example):
            continue
        yield from ("", f"### {markdown(kind)}")
        if found.get("expected"):
            yield from ("", f"Expected: {markdown(found['expected'])}")
        if detail := example.get("detail"):
            of = f" (session {markdown(example['session'])})" if example.get("session") else ""
            yield from ("", f"Came: {markdown(detail)}{of}")
        if frames := example.get("frames"):
            yield from ("", *block("\n".join(frames)))


def _objective(line: SloLine) -> tuple[str, ...]:
    bound = "≥ " if line.at_least else ""
    actual = "never measured" if line.actual is None else f"{bound}{line.actual:,}"
    if line.status == "undecided" and line.actual is None:
        actual = "too few samples"
    elif line.is_of_few:
        actual = f"> {number(line.limit)}"
    return (
        f"{line.metric}, {line.unit}" if line.unit else line.metric,
        number(line.limit),
        actual,
        line.span,
        "" if line.samples is None else number(line.samples),
        "" if line.needed is None else number(line.needed),
        _MARKS[line.status],
    )


def _counts(summary: Summary) -> Iterator[tuple[str, str]]:
    sessions = summary.sessions
    for name, count in (summary.arrivals or {}).items():
        yield f"arrivals {name}", number(count)
    for name in ("started", "completed", "peak_concurrent"):
        yield f"sessions {name}", number(sessions[name])
    for name, count in sessions["ended"].items():
        if count:
            yield f"ended: {ENDINGS.get(name, name)}", number(count)
    for name, value in summary.turns.items():
        yield f"turns {name}", number(value)
    for what in ("turns", "sessions"):
        if (rate := summary.throughput.get(f"{what}_per_second")) is not None:
            yield f"{what}/s", number(rate)
    for name, count in summary.disconnects.items():
        if count:
            yield f"disconnects {name}", number(count)
    for name, count in summary.frames.items():
        yield (name if name.startswith("bytes") else f"frames {name}"), number(count)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column is of names, an example is text, the others are of numbers."""
    yield _row(header)
    texts = (header[0], _EXAMPLE)
    yield _row(["---" if title in texts else "---:" for title in header])
    yield from (_row([cell if cell in _OWN else markdown(cell) for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
