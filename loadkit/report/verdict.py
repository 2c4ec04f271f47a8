"""The one line a run ends in."""

from loadkit.measure.slo import SloLine
from loadkit.measure.summary import Summary
from loadkit.measure.words import number, plural

__all__ = ["verdict_line", "word"]


def word(summary: Summary) -> str:
    """Return PASS, FAIL or INVALID; an invalid run is neither of the other two."""
    if summary.verdict.validity == "invalid":
        return "INVALID"
    return "FAIL" if summary.verdict.exit_code else "PASS"


def verdict_line(summary: Summary) -> str:
    """Return the verdict, what carried it, how much was done, and whether to believe it."""
    turns, sessions = summary.turns, summary.sessions["started"]
    done = (
        f"{plural(sessions, 'session')}, {plural(turns['sent'], 'turn')}, "
        f"{number(turns['lost'])} lost"
    )
    name = word(summary)
    parts = [_headline(summary), done]
    if name != "INVALID":
        parts.append(summary.verdict.validity)
    return f"{name}  {' · '.join(parts)}"


def _headline(summary: Summary) -> str:
    """What carried the verdict: the gravest doubt, the first broken objective, or the best news."""
    if word(summary) == "INVALID":
        return summary.verdict.reasons[0].split("; ")[0]  # without what to do about it
    broken = [line for line in summary.slo if not line.ok]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        return f"{broken[0]}{more}"
    if summary.slo:
        return str(min(summary.slo, key=_off_headline))
    if summary.verdict.exit_code:
        return summary.verdict.reasons[-1]
    if "response" in summary.latency_ms:
        return f"no SLO, response p95 {number(summary.latency_ms['response']['p95'])} ms"
    return "no SLO"


def _off_headline(line: SloLine) -> bool:
    return not line.metric.startswith("response.")
