"""The first screen of a run's page, for who knows nothing of the tool: did it pass, and why not?"""

from typing import Final

from loadkit.pages.findings import findings
from loadkit.pages.page import details, table, text
from loadkit.report.verdict import verdict_text, word
from loadkit.stats.number_format import number, plural
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Summary

_BELIEVED: Final = {
    "valid": ("good", "Yes, the run is valid: the load generator kept up, and the load was there"),
    "suspect": ("doubt", "With care, the run is suspect"),
    "invalid": ("bad", "No, the run is invalid"),
}

_MARKS: Final = {"pass": ("✓", "good"), "fail": ("✗", "bad"), "undecided": ("?", "doubt")}


def first_screen(summary: Summary, *, search: bool = False) -> str:
    """Return it as HTML.

    Args:
        summary: the run's.
        search: whether it was one for the capacity, with objectives of its own.
    """
    verdict, sessions, turns = word(summary), summary.sessions, summary.turns
    figures = [
        ("sessions", number(sessions["started"])),
        ("at once, at most", number(sessions["peak_concurrent"])),
        ("messages sent", number(turns["sent"])),
        ("never answered", number(turns["lost"])),
        ("messages a second", number(summary.throughput.get("turns_per_second", 0))),
        ("errors", number(sum(summary.errors.values()))),
        ("violations", number(sum(summary.violations.values()))),
    ]
    return (
        f'<section id="verdict"><h1>{text(summary.profile)}</h1>'
        f'<p class="about">{text(summary.target)} · {text(summary.started_at)} · '
        f"{number(summary.duration_s)} s · exit code {summary.verdict.exit_code}</p>"
        f'<div class="verdict {verdict}"><p><b>{verdict}</b> {text(verdict_text(summary))}</p>'
        f"{_believed(summary)}{_reasons(summary)}</div>"
        '<ul class="figures-row">'
        + "".join(f"<li><span>{text(name)}</span><b>{value}</b></li>" for name, value in figures)
        + f'</ul><div class="first"><div>{_objectives(summary, search)}</div>'
        f"<div>{_findings(summary)}</div></div></section>"
    )


def _believed(summary: Summary) -> str:
    """Whether the run may be believed, as a reader would ask, with the link to why."""
    colour, said = _BELIEVED[summary.verdict.validity]
    verdict = summary.verdict
    if doubts := verdict.disbelief:
        said += f": {doubts[0].statement}"
        if len(doubts) > 1:
            said += f", and {len(doubts) - 1} more"
    head, comma, rest = said.partition(",")
    return (
        f'<p class="believed">Can I believe it? <b class="{colour}">{head}</b>{comma}{text(rest)}. '
        '<a href="#generator">The load generator</a></p>'
    )


def _reasons(summary: Summary) -> str:
    lines = [f"<li>{text(reason)}</li>" for reason in summary.verdict.reasons]
    if not lines:
        return ""
    return details(f"Why: {plural(len(lines), 'reason')}", f"<ul>{''.join(lines)}</ul>")


def _objectives(summary: Summary, search: bool) -> str:
    if search:
        return (
            "<h2>Objectives</h2><p>The search held each load against them: "
            '<a href="#capacity">Capacity</a>.</p>'
        )
    if not summary.slo:
        return '<h2>Objectives</h2><p class="none">The profile has none: see [slo].</p>'
    lines = []
    for line in summary.slo:
        sign, kind = _MARKS[line.status]
        between = f"{number(line.interval[0])}–{number(line.interval[1])}" if line.interval else "–"
        lines.append(
            (
                f'<span class="{kind}">{sign}</span> {text(line.metric)}',
                f'<b class="wrap">{text(_value(line))}</b>',
                f"≤ {text(_in_one(line.limit, line.unit))}",
                text(between),
                number(line.samples) if line.samples is not None else "–",
            )
        )
    rows = table(("metric", "value", "limit", "95 % interval", "samples"), lines)
    return f'<h2>Objectives</h2><div class="held">{rows}</div>'


def _value(line: SloLine) -> str:
    if line.status == "undecided":
        return line.doubt
    if line.actual is None:
        return "never measured"
    return f"{'≥ ' if line.at_least else ''}{_in_one(line.actual, line.unit)}"


def _in_one(value: float, unit: str) -> str:
    """A value that no line ends between it and its unit."""
    return f"{number(value)} {unit}".strip().replace(" ", "\N{NO-BREAK SPACE}")


def _findings(summary: Summary) -> str:
    found = findings(summary)
    if not found:
        return '<h2>Worth a look</h2><p class="none">Nothing stands out.</p>'
    lines = (
        f'<li><a href="#{each.where}">{text(each.what)}</a><p>{text(each.evidence)}</p>'
        f'<p class="means">{text(each.meaning)}'
        + (f" <b>What to do:</b> {text(each.remedy)}." if each.remedy else "")
        + "</p></li>"
        for each in found
    )
    return f'<h2>Worth a look</h2><ul class="findings">{"".join(lines)}</ul>'
