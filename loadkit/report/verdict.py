"""The one line a run ends in."""

from typing import Any, Final

from loadkit.report.latency import supported
from loadkit.stats.number_format import number, plural
from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.slo import SloLine
from loadkit.verdict.summary import Summary

SCHEMA: Final = "loadkit.verdict/1"


def word(summary: Summary) -> str:
    """Return PASS, FAIL or INVALID; an invalid run is neither of the other two."""
    if summary.verdict.validity == "invalid":
        return "INVALID"
    return "FAIL" if summary.verdict.exit_code else "PASS"


def broke(summary: Summary) -> list[Reason]:
    """Return the reasons for which the exit code is not 0."""
    if not summary.verdict.exit_code:
        return []
    doubts = in_doubt(summary)
    return [reason for reason in summary.verdict.reasons if reason not in doubts]


def in_doubt(summary: Summary) -> list[Reason]:
    """Return the reasons that ask for a closer look and fail nothing."""
    verdict = summary.verdict
    doubts = [] if verdict.validity == "invalid" else list(verdict.doubts)
    if not verdict.strict:
        doubts += [each for each in verdict.reasons if each.kind is ReasonKind.SLO_UNDECIDED]
    return doubts


def verdict_line(summary: Summary) -> str:
    """Return the verdict, and what it rests on."""
    return f"{word(summary)}  {verdict_text(summary)}"


def verdict_document(summary: Summary) -> dict[str, Any]:
    """Return the same for a script; docs/terminal.md has its keys."""
    return {
        "schema": SCHEMA,
        "profile": summary.profile,
        "target": summary.target,
        "started_at": summary.started_at,
        "duration_s": summary.duration_s,
        "word": word(summary),
        "line": verdict_line(summary),
        "verdict": summary.to_dict()["verdict"],
    }


def verdict_text(summary: Summary) -> str:
    """Return what carried the verdict, how much was done, and whether to believe it."""
    turns, sessions = summary.turns, summary.sessions["started"]
    done = (
        f"{plural(sessions, 'session')}, {plural(turns['sent'], 'turn')}, "
        f"{number(turns['lost'])} lost"
    )
    if turns.get("open"):
        done += f", {number(turns['open'])} open"
    undecided = sum(line.status == "undecided" for line in summary.slo)
    parts = [_headline(summary), *([f"{undecided} undecided"] if undecided else []), done]
    if word(summary) != "INVALID":
        parts.append(summary.verdict.validity)
    parts += summary.notes
    return " · ".join(parts)


def _headline(summary: Summary) -> str:
    """What carried the verdict: the gravest doubt, the first broken objective, or the best news."""
    if word(summary) == "INVALID":
        return summary.verdict.reasons[0].statement
    if summary.stopped_early is not None:
        return Reason(ReasonKind.STOPPED, summary.stopped_early).statement
    bad = ("fail", "undecided") if summary.verdict.strict else ("fail",)
    broken = sorted((line for line in summary.slo if line.status in bad), key=_undecided)
    if broken:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return f"{broken[0]}{more}"
    if summary.slo:
        return str(min(summary.slo, key=lambda line: (_undecided(line), _off_headline(line))))
    if summary.verdict.exit_code:
        return summary.verdict.reasons[-1].statement
    response = summary.latency_ms.get("response", {})
    for name in ("p95", "p50", "max"):
        if response and supported(response, name):
            return f"no SLO, response {name} {number(response[name])} ms"
    return "no SLO"


def _undecided(line: SloLine) -> bool:
    return line.status == "undecided"


def _off_headline(line: SloLine) -> bool:
    return not line.metric.startswith("response.")
