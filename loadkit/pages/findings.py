"""What a newcomer should look at first in a run: at most three things, the gravest first."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadkit.report.drift import told as drifted
from loadkit.report.incidents import told as told_incidents
from loadkit.stats.number_format import number, plural
from loadkit.stats.order_statistics import needed
from loadkit.verdict.reason import ReasonKind
from loadkit.verdict.summary import Stats, Summary

MOST: Final = 3

_AT_ITS_LIMIT: Final = "The figures may be too high: the load generator was at its limit"
_SUSPECT: Final = {
    ReasonKind.LOOP_LAG: _AT_ITS_LIMIT,
    ReasonKind.SCHEDULE_DELAY: _AT_ITS_LIMIT,
    ReasonKind.LOOP_STALL: _AT_ITS_LIMIT,
    ReasonKind.GC_PAUSE: _AT_ITS_LIMIT,
    ReasonKind.WORKER_CPU: _AT_ITS_LIMIT,
    ReasonKind.MACHINE_CPU: "The figures may be too high: a machine's CPU was full",
}
"""What a doubt comes to, by its kind."""

SLOWER: Final = 1.25
"""A median that is this much higher, with intervals that do not touch, is worth a word."""

APART: Final = 2.0
"""So much slower at p95 than all others together is a user class that deserves a word."""

AT_ONCE: Final = 1_000.0
"""Milliseconds within which coming back is no break: a flow of thought lasts so long (Nielsen,
Usability Engineering, 1993, chapter 5)."""

WAITED: Final = 5.0
"""Coming back that takes so much longer than connecting was spent on waiting to try."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth a look.

    Attributes:
        what: in a sentence.
        evidence: the figures that it rests on.
        meaning: what it may mean.
        remedy: what to do; "" where there is nothing to say.
        where: the id of the section that shows it.
    """

    what: str
    evidence: str
    meaning: str
    remedy: str
    where: str


def findings(summary: Summary) -> list[Finding]:
    """Return them, the gravest first; nothing where nothing stands out."""
    sessions, turns = max(summary.sessions["started"], 1), max(summary.turns["sent"], 1)
    hit = [each.get("sessions", 0) for each in summary.violations_detail.values()]
    broken = sorted(
        (
            (summary.sessions["ended"].get("failed", 0) / sessions, list(_failed(summary))),
            (
                summary.turns["lost"] / turns if summary.turns["answered"] else 1.0,
                list(_lost(summary)),
            ),
            (max(hit, default=0) / sessions, list(_violations(summary))),
        ),
        key=lambda each: -each[0],
    )
    every = (
        *_validity(summary),
        *_incidents(summary),
        *(found for _, those in broken for found in those),
        *_silent(summary),
        *_drift(summary),
        *_by_turn(summary),
        *came_back(summary),
        *_classes(summary),
    )
    return list(every[:MOST])


def _validity(summary: Summary) -> Iterator[Finding]:
    doubts = summary.verdict.doubts
    if summary.verdict.validity == "valid":
        return
    first = summary.verdict.disbelief[:1]
    if not doubts or (summary.verdict.validity == "invalid" and not first[0].is_doubt):
        # It was stopped, say.
        for reason in first:
            yield Finding(
                "The run is no test of what was asked for.",
                f"{reason.statement}.",
                "What was not run cannot have failed.",
                reason.remedy,
                "load",
            )
        return
    what = (
        "The figures are not to be believed"
        if summary.verdict.validity == "invalid"
        else _SUSPECT.get(doubts[0].kind, "The figures are to be taken with care")
    )
    gravest, *more = doubts
    also = (
        f" There {'is' if len(more) == 1 else 'are'} {plural(len(more), 'further doubt')}."
        if more
        else ""
    )
    yield Finding(
        f"{what}.",
        f"{gravest.text}.{also}",
        "What is measured holds a share of the generator's own delays, or not the load asked for.",
        gravest.remedy,
        "generator",
    )


def _failed(summary: Summary) -> Iterator[Finding]:
    failed, started = summary.sessions["ended"].get("failed", 0), summary.sessions["started"]
    if not failed:
        return
    reached = summary.sessions.get("reached", {})
    steps = [("began", started), *reached.items()]
    fell = max(
        itertools.pairwise(steps),
        key=lambda pair: pair[0][1] - pair[1][1],
        default=None,
    )
    # Of those who never got so far some had no time to, or walked away.
    fallen = fell[0][1] - fell[1][1] if fell else 0
    where = (
        f"; most fell out before “{fell[1][0]}”" if fell and failed >= fallen > failed / 2 else ""
    )
    kinds = ", ".join(
        f"{number(count)} × {kind}"
        for kind, count in sorted(summary.errors.items(), key=lambda each: -each[1])[:3]
    )
    yield Finding(
        f"{plural(failed, 'session')} of {number(started)} failed.",
        f"{100 * failed / max(started, 1):.2g} % of them{where}. Errors: {kinds or 'none'}.",
        "People who came could not talk, or were thrown out.",
        "look for the first errors, with their session ids, in the target's logs",
        "funnel",
    )


def _silent(summary: Summary) -> Iterator[Finding]:
    """Whether nobody got to say anything, so that a reader does not take no figures for good."""
    if summary.turns["sent"]:
        return
    yield Finding(
        "Not one message was sent.",
        f"{plural(summary.sessions['started'], 'session')} began within "
        f"{number(summary.duration_s)} s.",
        "The run was too short for people to say anything once the warm-up was over, or nobody got "
        "so far; no answer was measured.",
        "see how far sessions got, and let the run last longer behind its load.warmup",
        "funnel" if summary.sessions.get("reached") else "load",
    )


def _lost(summary: Summary) -> Iterator[Finding]:
    lost, sent = summary.turns["lost"], summary.turns["sent"]
    if sent and not summary.turns["answered"]:
        yield Finding(
            f"Not one of {plural(sent, 'message')} was answered.",
            f"{number(lost)} were given up, {number(summary.turns.get('open', 0))} were still "
            "waited for at the end.",
            "The agent does not answer at all, or takes longer than the run lasted.",
            "try one conversation by hand, or with loadkit check-server",
            "load",
        )
    elif lost:
        yield Finding(
            f"{plural(lost, 'message')} of {number(sent)} {'was' if lost == 1 else 'were'} "
            "never answered.",
            f"{100 * lost / sent:.2g} % of the turns; each counts in the percentiles for as long "
            "as it was waited for.",
            "The agent gave up, its answer was lost, or it takes longer than people wait.",
            "search the target's logs for the sessions among the errors",
            "errors",
        )


def _violations(summary: Summary) -> Iterator[Finding]:
    if not summary.violations:
        return
    kind, count = max(summary.violations.items(), key=lambda each: (each[1], each[0]))
    detail = summary.violations_detail.get(kind, {})
    others = len(summary.violations) - 1
    and_more = f", and {plural(others, 'other kind')}" if others else ""
    hit = f" in {plural(detail['sessions'], 'session')}" if detail.get("sessions") else ""
    yield Finding(
        f"The server broke its protocol: {number(count)} × {kind}{hit}{and_more}.",
        detail.get("expected", "") or "Each kind is listed with the frames that show it.",
        "A client of the vendor's may show nothing, twice the same, or the wrong text.",
        "read the transcript of the first one",
        "violations",
    )


def _incidents(summary: Summary) -> Iterator[Finding]:
    told = list(told_incidents(summary))
    if not told:
        return
    more = f" {plural(len(told) - 1, 'more incident')} further down." if len(told) > 1 else ""
    yield Finding(
        f"There {'was' if len(told) == 1 else 'were'} {plural(len(told), 'incident')}: times in "
        "which the target did not serve as before.",
        f"{told[0]}{more}",
        "A restart, a node that went down, or a limit that was reached.",
        "compare the time with the target's own logs and deployments",
        "incidents",
    )


def _drift(summary: Summary) -> Iterator[Finding]:
    if summary.drift is None:
        return
    moving = [name for name, figure in summary.drift["figures"].items() if figure["drifts"] != "no"]
    if moving:
        sentences = list(drifted(summary.drift))
        yield Finding(
            f"{plural(len(moving), 'figure')} drifted while the load stayed the same.",
            sentences[0] if sentences else ", ".join(moving),
            "A leak, a cache that fills, or a neighbour that grew busier.",
            "see since when, and what the target's own memory did",
            "drift",
        )


def _by_turn(summary: Summary) -> Iterator[Finding]:
    """Whether answers get slower within a conversation, beyond what chance would do."""
    first = summary.by_turn.get("1", {})
    if "p50_to" not in first:
        return
    for key, found in sorted(summary.by_turn.items(), key=lambda each: int(each[0])):
        later = [
            each
            for other, each in summary.by_turn.items()
            if int(other) >= int(key) and "p50_from" in each
        ]
        if (
            int(key) > 1
            and "p50_from" in found
            and all(
                each["p50_from"] > first["p50_to"] and each["p50"] > SLOWER * first["p50"]
                for each in later
            )
        ):
            yield Finding(
                f"Answers slow down from turn {key} on.",
                f"The median is {number(first['p50'])} ms at the first turn and "
                f"{number(found['p50'])} ms at turn {key} (95 % intervals "
                f"{_between(first)} and {_between(found)}).",
                "The history that an agent reads grows with each turn.",
                "look at what the agent is given of the conversation so far",
                "by-turn",
            )
            return


def _between(stats: Stats) -> str:
    return f"{number(stats['p50_from'])}–{number(stats['p50_to'])} ms"


def came_back(summary: Summary) -> Iterator[Finding]:
    """Whether those whose sockets were cut came back, and what took the time."""
    cut = summary.disconnects["forced"] + summary.disconnects["unexpected"]
    replaced = sum(summary.disconnects.get(kind, 0) for kind in ("recycled", "refreshed"))
    back, gave_up = summary.disconnects["reconnected"], summary.disconnects["gave_up"]
    took, connect = (summary.latency_ms.get(phase, {}) for phase in ("reconnect", "connect"))
    if not cut:
        return
    lost = f", {number(gave_up)} gave up" if gave_up else ""
    others = f" and {number(replaced)} replaced for their age" if replaced else ""
    medians = f"Median from the drop until caught up: {number(took['p50'])} ms" if took else ""
    if took and connect:
        medians += f"; to connect alone takes {number(connect['p50'])} ms."
    meaning, remedy = "", ""
    if took and took["p50"] <= AT_ONCE:
        meaning = "Most were back before they noticed."
    elif took and connect and took["p50"] > WAITED * connect["p50"]:
        meaning = "Most of that time is the client's own back-off, not the server."
    elif took and connect:
        meaning = "The server itself took most of that time."
        remedy = "look at what it does when many come back at once"
    yield Finding(
        f"{plural(cut, 'socket')} {'was' if cut == 1 else 'were'} cut{others}, "
        f"{number(back)} came back{lost}.",
        medians or "No reconnect was timed.",
        meaning,
        remedy,
        "disconnects",
    )


def _classes(summary: Summary) -> Iterator[Finding]:
    p95 = {
        name: found["latency_ms"]["response"]["p95"]
        for name, found in summary.user_classes.items()
        if found["latency_ms"].get("response", {}).get("count", 0) >= needed(950)
    }
    if len(p95) < 2:
        return
    slowest = max(p95, key=lambda name: p95[name])
    others = max(value for name, value in p95.items() if name != slowest)
    if p95[slowest] > APART * others:
        yield Finding(
            f"{slowest} waits longer than all others.",
            f"Its p95 is {number(p95[slowest])} ms, the next one's {number(others)} ms.",
            "What these people do differs: streamed answers, hand-offs, bad networks.",
            "set a limit of its own for it",
            "classes",
        )
