"""The frozen result of a run: what every report renders and `summary.json` holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from loadkit.errors import Failure
from loadkit.exit_codes import ExitCode
from loadkit.figures import COMPLETED, STEPS, Count, Ending, Phase
from loadkit.measure.interval import GAUGES
from loadkit.measure.ledger import Ledger
from loadkit.measure.rates import by_class, by_client, throughput
from loadkit.soak.drift import Drift
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.stats.distribution import PERCENTILES, Distribution
from loadkit.stats.number_format import plural
from loadkit.verdict.run_facts import BY_HAND, CUT, Cut, DoneByHand, RunFacts, RunSpec
from loadkit.verdict.slo import SloLine, judge, stale_turns
from loadkit.verdict.validity import assess
from loadkit.verdict.verdict import Verdict, decide
from loadkit.verdict.violation_details import violation_details

SCHEMA: Final = "loadkit.summary/1"


Stats = Mapping[str, float]
"""`count`, `min`, `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`; empty where unmeasured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A finished run. The fields are the keys of `summary.json`, in its order.

    Durations are in milliseconds but for `duration_s`. A phase that was never measured is absent
    from `latency_ms` and `from_schedule_ms`.
    """

    schema: str = SCHEMA
    profile: str
    started_at: str
    duration_s: float
    stopped_early: str | None = None  # why it ended before its time, when, and by what or whom
    cut: Cut | None = None  # where it was cut; None if it ended in order
    # How the user's own code failed, in a line each, with the traceback of the first.
    own_code: Mapping[str, str] = field(default_factory=dict)
    target: str
    verdict: Verdict
    sessions: Mapping[str, Any]
    # How many sessions an arrival rate asked for, and how many were started and refused; None in
    # the closed model.
    arrivals: Mapping[str, float] | None = None
    turns: Mapping[str, float]
    throughput: Mapping[str, float] = field(default_factory=dict)  # see `measure.rates`
    frames: Mapping[str, int]
    latency_ms: Mapping[str, Stats]
    from_schedule_ms: Mapping[str, Stats]
    # By phase and percentile, what its true value lies between (95 %, by order statistics). A
    # percentile that has none is not supported by the number of samples.
    intervals_ms: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    # By phase, the waits that nobody saw the end of: how many were given up (`lost`), how many were
    # `open` when the run was over or who waited went away, and how long these had lasted
    # (`open_median_ms`, `open_oldest_ms`). A phase without any is absent.
    waits: Mapping[str, Stats] = field(default_factory=dict)
    disconnects: Mapping[str, int]
    violations: Mapping[str, int]
    # Of each of them its `count`, in how many `sessions`, their `share` of all, what was `expected`
    # and the smallest `example`, as of `loadkit.protocol.expectations`.
    violations_detail: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    errors: Mapping[str, int]
    user_classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clients: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Response times by which of its session's messages it was, from "1" to "20", which has all
    # later ones too: figures as elsewhere, and what the median lies between (`p50_from`, `p50_to`).
    by_turn: Mapping[str, Stats] = field(default_factory=dict)
    generator: Mapping[str, Any]
    slo: tuple[SloLine, ...]
    counts: Mapping[str, int]
    # What a reader must know of the way to the target, a phrase each: certificates that were not
    # verified, a proxy.
    notes: tuple[str, ...] = ()
    # By the keys of `loadkit.soak.drift.Drift`; None where the run was too short to tell.
    drift: Mapping[str, Any] | None = None
    # The windows in which the target misbehaved, in their order, as plain values of
    # `loadkit.soak.incidents`; docs/soak-incidents.md has their keys.
    incidents: Sequence[Mapping[str, Any]] = ()
    incidents_unlisted: int = 0  # how many more there were
    load: Mapping[str, Any] = field(default_factory=dict)  # as of `LoadCurve`
    # What was done to it by hand while it went on, as plain values of `DoneByHand`.
    by_hand: Sequence[Mapping[str, Any]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as the JSON object of `summary.json`."""
        every = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        return {key: value for key, value in every.items() if value or key not in _IF_ANY}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Summary":
        """Undo `to_dict`; keys of a later version are passed over, an earlier one lacks some.

        Raises:
            KeyError, TypeError, ValueError: it is no summary, or one of another schema.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"the schema is {data['schema']!r}, not {SCHEMA!r}")
        typed: dict[str, Any] = {
            "verdict": Verdict.from_dict(data["verdict"]),
            "slo": tuple(map(SloLine.from_dict, data["slo"])),
            "intervals_ms": {
                phase: {name: (low, high) for name, (low, high) in intervals.items()}
                for phase, intervals in data.get("intervals_ms", {}).items()
            },
            "incidents": tuple(data.get("incidents", ())),
            "by_hand": tuple(data.get("by_hand", ())),
            "cut": CUT.decode(data["cut"]) if data.get("cut") else None,
            "notes": tuple(data.get("notes", ())),
        }
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data} | typed)


_TOLD: Final = 5  # of what was done by hand, in the line of the verdict

_IF_ANY: Final = (
    *("cut", "own_code", "arrivals", "violations_detail", "by_turn", "notes", "drift"),
    *("incidents", "incidents_unlisted", "load", "by_hand"),
)
"""The keys that are absent where there is nothing to tell."""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, Cut):
        return CUT.encode(value)
    return value.to_dict() if isinstance(value, SloLine | Verdict) else value


def summarise(
    ledger: Ledger, spec: RunSpec, facts: RunFacts, analysis: RunAnalysis | None = None
) -> Summary:
    """Freeze what a ledger holds into the result of the run.

    Without an `analysis`, fed with the rows of the run, nothing is told of its course.

    Raises:
        UsageError: an objective about something that nobody measures.
    """
    counts = ledger.counts
    ended = {ending.value: counts[f"ended.{ending}"] for ending in Ending}
    sessions: dict[str, Any] = {
        "started": counts[Count.SESSIONS_STARTED],
        "completed": sum(ended[ending] for ending in COMPLETED),
        "peak_concurrent": ledger.peak_concurrent,
        "ended": ended,
        "reached": {step: counts[f"reached.{step}"] for step in STEPS},
    }
    sent, lost = counts[Count.TURNS_SENT], counts[Count.TURNS_LOST]
    turns = {
        "sent": sent,
        "answered": counts[Count.TURNS_ANSWERED],
        "lost": lost,
        "open": counts[Count.TURNS_OPEN],
        "lost_ratio": round(lost / sent, 6) if sent else 0.0,
        "resent": counts[Count.TURNS_RESENT],
        "answered_twice": counts[Count.TURNS_ANSWERED_TWICE],
    }
    disconnects = {
        count.value.removeprefix("disconnects."): counts[count]
        for count in Count
        if count.value.startswith("disconnects.")
    }
    violations, errors = ledger.under("violations"), ledger.under("errors")
    figures = {
        name: ledger.generator[name].stats() if name in ledger.generator else {} for name in GAUGES
    }
    if "master_rss_mb" in ledger.generator:
        figures["master_rss_mb"] = ledger.generator["master_rss_mb"].stats()
    asked = facts.asked_sessions
    if asked is None and facts.asked_users:
        # Users without a single session are no load at all, however well their workers felt.
        asked = 1
    validity = assess(ledger, replace(facts, asked_sessions=asked))
    duration_s = round(facts.duration_s, 3)
    drift = Drift() if analysis is None else analysis.drift(facts.duration_s, ledger.ages)
    overruled = None
    if facts.fault is not None or Failure.INTERNAL in errors:
        overruled = ExitCode.FAULT_OF_OURS
    elif Failure.OWN_CODE in errors and not sessions["started"]:
        overruled = ExitCode.USAGE
    slo = judge(spec.limits, ledger, drift)
    failed = {
        "error": sum(errors.values()),
        "violation": sum(violations.values()),
        "lost turn": lost,
        "unanswered turn": stale_turns(ledger),
        "failed session": ended[Ending.FAILED],
    }
    verdict = decide(
        slo,
        validity,
        failed,
        strict=spec.strict,
        aborted=facts.aborted,
        foreseen=spec.foreseen,
        overruled=overruled,
    )
    return Summary(
        profile=spec.profile,
        started_at=spec.started_at,
        duration_s=duration_s,
        target=spec.target,
        verdict=verdict,
        sessions=sessions,
        turns=turns,
        frames=ledger.frames,
        latency_ms=ledger.stats(),
        from_schedule_ms=ledger.stats_from_schedule(),
        disconnects=disconnects,
        violations=violations,
        violations_detail=violation_details(ledger, violations),
        errors=errors,
        generator={"workers": max(1, ledger.workers)}
        | figures
        | {
            "left_out": dict(zip(("negative", "overflow"), ledger.left_out, strict=True)),
            "heartbeats_lost": facts.heartbeats_lost,
            "workers_lost": [asdict(one) for one in facts.workers_lost],
            "without_workers": [asdict(one) for one in facts.without_workers],
            "workers_refused": list(facts.workers_refused),
        },
        slo=slo,
        counts=ledger.others,
        intervals_ms=_intervals(ledger),
        waits=ledger.waits(),
        arrivals=_arrivals(counts, facts.asked_sessions),
        throughput=throughput(ledger, duration_s, spec.warmup_s),
        user_classes=by_class(ledger),
        clients=by_client(ledger),
        by_turn={str(number): _median(one) for number, one in sorted(ledger.by_turn.items())},
        stopped_early=facts.aborted or facts.stopped,
        own_code=dict(facts.own_code),
        drift=drift.to_dict(),
        incidents=() if analysis is None else analysis.incidents.to_dicts(),
        incidents_unlisted=0 if analysis is None else analysis.incidents.unlisted,
        load={} if analysis is None else analysis.load.to_dict(),
        cut=facts.cut,
        by_hand=tuple(map(BY_HAND.encode, facts.by_hand)),
        notes=(
            *spec.notes,
            *_changed(facts.by_hand),
            *_passed_over(counts[Count.PASSED_OVER]),
            *_compressed(counts),
        ),
    )


def _arrivals(counts: Mapping[str, int], asked: int | None) -> dict[str, int] | None:
    if asked is None:
        return None
    started = counts[Count.SESSIONS_STARTED] - counts[Count.SESSIONS_RENEWED]
    return {"asked": asked, "started": started, "refused": counts[Count.ARRIVALS_REFUSED]}


def _median(found: Distribution) -> Stats:
    between = found.interval(PERCENTILES["p50"])
    if between is None:
        return found.stats()
    return found.stats() | dict(zip(("p50_from", "p50_to"), between, strict=True))


def _changed(by_hand: Sequence[DoneByHand]) -> Iterator[str]:
    done = [one.text for one in by_hand if one.kind != "mark"]
    if done:
        more = [f"and {len(done) - _TOLD} more"] if len(done) > _TOLD else []
        yield f"changed by hand: {'; '.join([*done[:_TOLD], *more])}"


def _passed_over(connections: int) -> Iterator[str]:
    if connections:
        many = plural(connections, "connection")
        yield f"{many} made past an address that never answered (addresses.passed_over)"


def _compressed(counts: Mapping[str, int]) -> Iterator[str]:
    if sockets := counts[Count.COMPRESSED]:
        yield f"{plural(sockets, 'socket')} agreed on compression (sockets.compressed)"


def _intervals(ledger: Ledger) -> dict[str, dict[str, tuple[float, float]]]:
    intervals = {
        phase.value: {
            name: ends
            for name, per_mille in PERCENTILES.items()
            if latency.enough(per_mille) and (ends := latency.interval(per_mille)) is not None
        }
        for phase in Phase
        if (latency := ledger.latency.get(phase)) is not None
    }
    return {phase: found for phase, found in intervals.items() if found}
