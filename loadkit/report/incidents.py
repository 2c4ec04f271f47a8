"""The incidents of a run in words: when, why, what it cost, how long until all was well again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from loadkit.errors import Failure
from loadkit.soak.incident import DISCONNECTED, FORCED
from loadkit.stats.number_format import number, plural
from loadkit.verdict.summary import Summary

_MOST_CAUSES: Final = 5
_MOST_SENTENCES: Final = 20
_NO_ANSWERS_FROM: Final = 1.0  # seconds; a shorter silence is not worth a word
_SLOW_FROM: Final = 5  # slow responses; fewer are those of any time
_WORDS: Final = {
    DISCONNECTED: "sockets dropped",
    FORCED: "sockets broken by [chaos]",
    Failure.CONNECT_REFUSED: "connection refused",
    Failure.CONNECT_TIMEOUT: "no connection in time",
    Failure.CONNECTION_LOST: "connections reset or cut",
    Failure.TLS_FAILED: "TLS failed",
    Failure.HTTP_SERVER_ERROR: "server errors",
    Failure.RATE_LIMITED: "429",
    Failure.ANSWER_TOO_BIG: "answers without end",
    Failure.UPGRADE_REFUSED: "upgrades refused",
    Failure.UNACKNOWLEDGED: "messages without an echo",
    Failure.UNANSWERED: "messages unanswered",
    Failure.OVERLOADED: "told of high load",
    Failure.SESSION_LOST: "sessions unknown to the target",
    Failure.HEARTBEAT_UNANSWERED: "heartbeats unanswered (half-open)",
    Failure.GAVE_UP: "gave up reconnecting",
}


def told(summary: Summary) -> Iterator[str]:
    """Return the incidents of a run, a sentence each; nothing where there were none."""
    began = datetime.fromisoformat(summary.started_at)
    for at, incident in enumerate(summary.incidents[:_MOST_SENTENCES], start=1):
        yield _sentence(at, incident, began)
    more = len(summary.incidents) - _MOST_SENTENCES
    if more > 0:
        yield f"{plural(more, 'more incident')} in `summary.json`."
    if summary.incidents_unlisted:
        yield f"{plural(summary.incidents_unlisted, 'further incident')} not listed one by one."


def _sentence(at: int, incident: Mapping[str, Any], began: datetime) -> str:
    begin, end = incident["begin_s"], incident["end_s"]
    head = f"Incident {at}, {_clock(began, begin)}"
    if end is None:
        head += " to the end of the run"
    else:
        head += f"–{_clock(began, end)} ({number(round(end - begin, 1))} s)"
    nameless = "too few answers" if incident.get("load_back_s") == 0 else "too little load"
    parts = [", ".join(_causes(incident)) or nameless, _cost(incident), _back(incident)]
    return f"{head}: {'; '.join(part for part in parts if part)}."


def _causes(incident: Mapping[str, Any]) -> Iterator[str]:
    for worker in incident["workers_gone"]:
        yield f"worker {worker} silent or gone"
    if incident["without_answers_s"] >= _NO_ANSWERS_FROM:
        yield f"no answers for {number(round(incident['without_answers_s'], 1))} s"
    if incident.get("slow_responses", 0) >= _SLOW_FROM:
        limit = number(round(incident["slow_over_ms"]))
        yield f"responses over {limit} ms × {number(incident['slow_responses'])}"
    causes = list(incident["causes"].items())
    for kind, count in causes[:_MOST_CAUSES]:
        words = _WORDS.get(kind, kind.replace("_", " "))
        if kind == Failure.UPGRADE_REFUSED:
            words += _statuses(incident["refused_with"])
        yield f"{words} × {number(count)}"
    if rest := causes[_MOST_CAUSES:]:
        yield f"{number(sum(count for _, count in rest))} of {plural(len(rest), 'other kind')}"


def _statuses(refused: Mapping[str, int]) -> str:
    found: Sequence[str] = list(refused)[:3]
    return f" ({', '.join(found)})" if found else ""


def _cost(incident: Mapping[str, Any]) -> str:
    sessions = incident["sessions"]
    parts = []
    if sessions["lowest"] is not None and sessions["lowest"] < sessions["before"]:
        parts.append(
            f"sessions fell from {number(sessions['before'])} to {number(sessions['lowest'])}"
        )
    for count, noun in ((sessions["lost"], "session"), (incident["turns_lost"], "turn")):
        if count:
            parts.append(f"{plural(count, noun)} lost")
    return ", ".join(parts)


def _back(incident: Mapping[str, Any]) -> str:
    parts = []
    for key, what, never in (
        ("load_back_s", "load", "load never short"),
        ("response_back_s", "response p95", "response p95 never worse"),
    ):
        if key in incident:
            after = incident[key]
            if after is None:
                parts.append(f"{what} not back within the run")
            elif after:
                parts.append(f"{what} back after {number(round(after, 1))} s")
            else:
                parts.append(never)
    return ", ".join(parts)


def _clock(began: datetime, second: float) -> str:
    return f"{began + timedelta(seconds=second):%H:%M:%S}"
