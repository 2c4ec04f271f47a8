"""The end of a run on a terminal or in a CI log: tables, then one line of verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadkit.report import drift, incidents, load, tables
from loadkit.report.latency import WAITS, note, rows, supported, waits
from loadkit.report.screen import Whole
from loadkit.report.verdict import verdict_line, word
from loadkit.stats.number_format import ENDINGS, number, plural
from loadkit.verdict.reason import ReasonKind
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Stats, Summary

_COLUMNS: Final = ("count", "p50", "p90", "p95", "p99", "max")
_COLOURS: Final = {"PASS": "bold green", "FAIL": "bold red", "INVALID": "bold magenta"}
_STYLES: Final = {"headline": "bold", "phase": "", "interval": "dim", "schedule": "yellow"}

_MARKS: Final = {"pass": ("✓", "green"), "fail": ("✗", "bold red"), "undecided": ("?", "yellow")}


def render(summary: Summary, console: Console, examples: Mapping[str, str] | None = None) -> None:
    """Print a summary; it looks well from 80 columns on, with and without colour.

    `examples` has one text for each `errors.<kind>` and `violations.<kind>`.
    """
    for part in _parts(summary, examples or {}):
        console.print(part, crop=False)
        console.print()
    _verdict(summary, console)


def render_problems(summary: Summary, console: Console, examples: Mapping[str, str]) -> None:
    """Print the verdict alone, below what is wrong where something is."""
    told = [str(each) for each in summary.verdict.reasons]
    for label, kinds in (("errors", summary.errors), ("violations", summary.violations)):
        for kind, count in kinds.items():
            example = examples.get(f"{label}.{kind}")
            told.append(f"{number(count)} × {kind}" + (f": {example}" if example else ""))
    if told:
        console.print(_reasons(told))
    _verdict(summary, console)


def _verdict(summary: Summary, console: Console) -> None:
    # Never broken, so that a log can be searched for it.
    console.print(Text(verdict_line(summary), _COLOURS[word(summary)]), soft_wrap=True)


def _parts(summary: Summary, examples: Mapping[str, str]) -> Iterator[RenderableType]:
    """What stands above the verdict, with a blank line behind each."""
    where = f" · {summary.target} · {summary.started_at} · {number(summary.duration_s)} s"
    yield Text.assemble((summary.profile, "bold"), where)
    if summary.latency_ms:
        explained = note(summary, _COLUMNS)
        yield Group(Whole(_latencies(summary)), *([Text(explained, "dim")] if explained else []))
    if summary.waits:
        yield Whole(_table(WAITS, waits(summary)))
    yield _counts(summary, examples)
    for what, figures in tables.fared(summary):
        yield Whole(_table((what, *tables.COLUMNS), figures, gap=1))
    if summary.drift is not None:  # what drifts has a sentence below
        cut = (row[:-1] for row in drift.rows(summary.drift))
        table = _table(drift.columns(summary.drift)[:-1], cut, no_wrap=False)
        yield Group(table, *map(Text, drift.told(summary.drift)))
    if summary.slo:
        yield _objectives(summary)
    if told := list(incidents.told(summary)):
        yield Group(*map(Text, load.drawn(summary)))
        yield _reasons(told)
    # Broken and undecided lines of the SLO have their mark right above.
    shown = (ReasonKind.SLO_BROKEN, ReasonKind.SLO_UNDECIDED)
    if reasons := [str(each) for each in summary.verdict.reasons if each.kind not in shown]:
        yield _reasons(reasons)


def fared(line: SloLine) -> str:
    """Return how an objective fared, without its name: `812 ms ≤ 2,500 ms`."""
    limit = f"limit {number(line.limit)} {line.unit}".rstrip()
    if line.status == "undecided":
        return f"{line.doubt}, {limit}"
    if line.actual is None:
        return f"never measured ({limit})"
    return line.compared


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, gap: int = 2, no_wrap: bool = True
) -> Table:
    """The first column is of names, the others are of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=no_wrap)
    for row in rows:
        table.add_row(*row)
    return table


def _latencies(summary: Summary) -> Table:
    table = _table(("latency, ms", *_COLUMNS), ())
    for row in rows(summary, _COLUMNS):
        indent = "  " if row.kind in ("interval", "schedule") else ""
        table.add_row(indent + row.label, *row.cells, style=_STYLES[row.kind])
    return table


def _counts(summary: Summary, examples: Mapping[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in _count_lines(summary, examples):
        grid.add_row(label, Text(text))  # Text, since the server's words may look like markup
    return grid


def _count_lines(summary: Summary, examples: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    sessions, turns, drops = summary.sessions, summary.turns, summary.disconnects
    if summary.arrivals is not None:
        yield "arrivals", " · ".join(f"{number(n)} {word}" for word, n in summary.arrivals.items())
    yield (
        "sessions",
        f"{number(sessions['started'])} started · {number(sessions['completed'])} completed · "
        f"{number(sessions['peak_concurrent'])} at once{_rate(summary, 'sessions')}",
    )
    ended = {ENDINGS.get(key, key): count for key, count in sessions["ended"].items()}
    yield "  ended", _listed(ended) or "none"
    lost = f"{number(turns['lost'])} lost"
    if turns["lost"]:
        lost += f" ({number(100 * turns['lost_ratio'])} %)"
    rare = _listed({name: int(turns[name]) for name in ("resent", "answered_twice")})
    yield (
        "turns",
        f"{number(turns['sent'])} sent · {number(turns['answered'])} answered · {lost}"
        + (f" · {number(still)} open" if (still := turns.get("open", 0)) else "")
        + (f" · {rare}" if rare else "")
        + _rate(summary, "turns"),
    )
    yield "disconnects", _listed(drops) or "none"
    for label, kinds in (("errors", summary.errors), ("violations", summary.violations)):
        yield label, f"{number(sum(kinds.values()))}" if kinds else "none"
        for kind, count in sorted(kinds.items(), key=lambda item: -item[1]):
            example = examples.get(f"{label}.{kind}")
            found = summary.violations_detail.get(kind, {}) if label == "violations" else {}
            told = f"{number(count)} × {kind}{tables.spread(found)}"
            yield "", told + (f": {example}" if example else "")
            if found.get("expected"):
                yield "", f"  expected: {found['expected']}"
    yield "generator", " · ".join(_generator(summary))
    for lost in summary.generator.get("workers_lost", ()):
        had = plural(lost["sessions_live"], "session")
        yield "  lost", f"{lost['worker']} at {number(lost['at_s'])} s with {had}"


def _rate(summary: Summary, what: str) -> str:
    rate = summary.throughput.get(f"{what}_per_second")
    return "" if rate is None else f" · {number(rate)} {what}/s"


def _listed(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{number(n)} {name.replace('_', ' ')}" for name, n in counts.items() if n)


def _generator(summary: Summary) -> Iterator[str]:
    generator = summary.generator
    yield plural(generator["workers"], "worker")
    for name, text, stat, unit in (
        ("loop_lag_ms", "loop lag", "p99", "ms"),
        ("schedule_delay_ms", "schedule delay", "p99", "ms"),
        ("cpu_percent", "CPU", "p95", "%"),
        ("machine_cpu_percent", "machine CPU", "p95", "%"),
        ("rss_mb", "memory", "max", "MB"),
        ("master_rss_mb", "master's memory", "max", "MB"),
        ("gc_pause_ms", "GC pause", "max", "ms"),
        ("files_percent", "files", "max", "%"),
        ("ports_percent", "ports", "max", "%"),
    ):
        stats: Stats = generator.get(name, {})
        if stats:
            chosen = stat if supported(stats, stat) else "max"
            named = text if chosen == stat == "max" else f"{text} {chosen}"
            yield f"{named} {number(stats[chosen])} {unit}"
    if generator.get("heartbeats_lost"):
        yield f"{plural(generator['heartbeats_lost'], 'heartbeat')} lost"


def _objectives(summary: Summary) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(no_wrap=True)
    grid.add_column()
    for line in summary.slo:
        grid.add_row(Text(*_MARKS[line.status]), Text(line.metric), Text(fared(line)))
    return grid


def _reasons(reasons: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for reason in reasons:
        grid.add_row("-", Text(reason))
    return grid
