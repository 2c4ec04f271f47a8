"""The frozen result of a run: what every report renders and `summary.json` holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from loadkit.errors import Failure
from loadkit.exit_codes import ExitCode
from loadkit.figures import COMPLETED, VIOLATED, Count, Ending, Phase
from loadkit.measure.interval import GAUGES
from loadkit.measure.ledger import Ledger
from loadkit.measure.rates import by_class, by_client, throughput
from loadkit.protocol.expectations import EXPECTED
from loadkit.soak.drift import Drift
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.stats.distribution import PERCENTILES
from loadkit.stats.number_format import plural
from loadkit.verdict.example import smallest
from loadkit.verdict.run_facts import CUT, Cut, RunFacts, RunSpec
from loadkit.verdict.slo import SloLine, judge, stale_turns
from loadkit.verdict.validity import assess
from loadkit.verdict.verdict import Verdict, decide

__all__ = ["SCHEMA", "Stats", "Summary", "summarise"]

SCHEMA: Final = "loadkit.summary/1"


Stats = Mapping[str, float]
"""`count`, `min`, `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`; empty where unmeasured."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run. The fields are the keys of `summary.json`, in its order.

    Durations are in milliseconds but for `duration_s`. A phase that was never measured is absent
    from `latency_ms` and `from_schedule_ms`.

    Attributes:
        intervals_ms: by phase and percentile, what its true value lies between (95 %, by order
            statistics). A percentile that has none is not supported by the number of samples.
        waits: by phase, those that nobody saw the end of: how many were given up (`lost`), how many
            were `open` when the run was over or who waited went away, and how long these had lasted
            (`open_median_ms`, `open_oldest_ms`). A phase without any is absent.
        arrivals: how many sessions an arrival rate asked for, and how many were started and
            refused; None in the closed model.
        throughput: what was done a second; see `loadkit.measure.rates.throughput`.
        user_classes, clients: how each of them fared, likewise.
        stopped_early: why the run ended before its time, when, and by what or whom; None if it
            did not.
        drift: what its figures did over the hours, by the keys of `loadkit.soak.drift.Drift`;
            None where the run was too short to tell.
        incidents: the windows in which the target misbehaved, in their order, as plain values of
            `loadkit.soak.incidents`; docs/soak-incidents.md has their keys.
        incidents_unlisted: how many more there were.
        load: the load asked for and delivered, as of `loadkit.measure.load_curve.LoadCurve`.
        cut: where it was cut; None if it ended in order.
        own_code: how the user's own code failed, in a line each, with the traceback of the first.
        notes: what a reader must know of the way to the target, a phrase each: certificates that
            were not verified, a proxy.
        violations_detail: of each of `violations`: its `count`, in how many `sessions`, their
            `share` of all, what was `expected`, and the smallest `example`, as of
            `loadkit.protocol.expectations`.
    """

    profile: str
    started_at: str
    duration_s: float
    target: str
    verdict: Verdict
    sessions: Mapping[str, Any]
    turns: Mapping[str, float]
    frames: Mapping[str, int]
    latency_ms: Mapping[str, Stats]
    from_schedule_ms: Mapping[str, Stats]
    disconnects: Mapping[str, int]
    violations: Mapping[str, int]
    errors: Mapping[str, int]
    generator: Mapping[str, Any]
    slo: tuple[SloLine, ...]
    counts: Mapping[str, int]
    intervals_ms: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    waits: Mapping[str, Stats] = field(default_factory=dict)
    arrivals: Mapping[str, float] | None = None
    throughput: Mapping[str, float] = field(default_factory=dict)
    user_classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clients: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stopped_early: str | None = None
    drift: Mapping[str, Any] | None = None
    incidents: Sequence[Mapping[str, Any]] = ()
    incidents_unlisted: int = 0
    load: Mapping[str, Any] = field(default_factory=dict)
    cut: Cut | None = None
    notes: tuple[str, ...] = ()
    own_code: Mapping[str, str] = field(default_factory=dict)
    violations_detail: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return it as the JSON object of `summary.json`."""
        return {
            "schema": self.schema,
            "profile": self.profile,
            "started_at": self.started_at,
            "duration_s": self.duration_s,
            "stopped_early": self.stopped_early,
            **({} if self.cut is None else {"cut": CUT.encode(self.cut)}),
            **({"own_code": dict(self.own_code)} if self.own_code else {}),
            "target": self.target,
            "verdict": self.verdict.to_dict(),
            "sessions": dict(self.sessions) | {"ended": dict(self.sessions["ended"])},
            **({} if self.arrivals is None else {"arrivals": dict(self.arrivals)}),
            "turns": dict(self.turns),
            "throughput": dict(self.throughput),
            "frames": dict(self.frames),
            "latency_ms": {phase: dict(stats) for phase, stats in self.latency_ms.items()},
            "from_schedule_ms": {
                phase: dict(stats) for phase, stats in self.from_schedule_ms.items()
            },
            "intervals_ms": {
                phase: {name: list(ends) for name, ends in intervals.items()}
                for phase, intervals in self.intervals_ms.items()
            },
            "waits": {phase: dict(stats) for phase, stats in self.waits.items()},
            "disconnects": dict(self.disconnects),
            "violations": dict(self.violations),
            **(
                {"violations_detail": {kind: dict(one) for kind, one in details.items()}}
                if (details := self.violations_detail)
                else {}
            ),
            "errors": dict(self.errors),
            "user_classes": dict(self.user_classes),
            "clients": dict(self.clients),
            "generator": dict(self.generator),
            "slo": [line.to_dict() for line in self.slo],
            "counts": dict(self.counts),
            **({"notes": list(self.notes)} if self.notes else {}),
            **({} if self.drift is None else {"drift": dict(self.drift)}),
            **({"incidents": list(self.incidents)} if self.incidents else {}),
            **({"incidents_unlisted": self.incidents_unlisted} if self.incidents_unlisted else {}),
            **({"load": dict(self.load)} if self.load else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Summary":
        """Undo `to_dict`; keys of a later version are passed over, an earlier one lacks some.

        Raises:
            KeyError, TypeError, ValueError: it is no summary, or one of another schema.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"the schema is {data['schema']!r}, not {SCHEMA!r}")
        cut = data.get("cut")
        return cls(
            verdict=Verdict.from_dict(data["verdict"]),
            slo=tuple(SloLine.from_dict(line) for line in data["slo"]),
            intervals_ms={
                phase: {name: (low, high) for name, (low, high) in intervals.items()}
                for phase, intervals in data.get("intervals_ms", {}).items()
            },
            waits=data.get("waits", {}),
            arrivals=data.get("arrivals"),
            throughput=data.get("throughput", {}),
            user_classes=data.get("user_classes", {}),
            clients=data.get("clients", {}),
            stopped_early=data.get("stopped_early"),
            drift=data.get("drift"),
            incidents=tuple(data.get("incidents", ())),
            incidents_unlisted=data.get("incidents_unlisted", 0),
            load=data.get("load", {}),
            cut=None if cut is None else CUT.decode(cut),
            own_code=data.get("own_code", {}),
            violations_detail=data.get("violations_detail", {}),
            notes=tuple(data.get("notes", ())),
            **{name: data[name] for name in _PLAIN},
        )


_PLAIN: Final = (
    "profile",
    "started_at",
    "duration_s",
    "target",
    "sessions",
    "turns",
    "frames",
    "latency_ms",
    "from_schedule_ms",
    "disconnects",
    "violations",
    "errors",
    "generator",
    "counts",
)


def summarise(
    ledger: Ledger, spec: RunSpec, facts: RunFacts, analysis: RunAnalysis | None = None
) -> Summary:
    """Freeze what a ledger holds into the result of the run.

    Args:
        ledger: what the workers measured.
        spec: what was asked for.
        facts: what is known of the run besides.
        analysis: fed with the rows of the run; None where nothing is to be told of its course.

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
    }
    refused = counts[Count.ARRIVALS_REFUSED]
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
    arrived = sessions["started"] - counts[Count.SESSIONS_RENEWED]
    negative, overflow = ledger.left_out
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
        violations_detail=_details(ledger, violations),
        errors=errors,
        generator={"workers": max(1, ledger.workers)}
        | figures
        | {
            "left_out": {"negative": negative, "overflow": overflow},
            "heartbeats_lost": facts.heartbeats_lost,
            "workers_lost": [asdict(one) for one in facts.workers_lost],
            "without_workers": [asdict(one) for one in facts.without_workers],
            "workers_refused": list(facts.workers_refused),
        },
        slo=slo,
        counts=ledger.others,
        intervals_ms=_intervals(ledger),
        waits=ledger.waits(),
        arrivals=None
        if facts.asked_sessions is None
        else {"asked": facts.asked_sessions, "started": arrived, "refused": refused},
        throughput=throughput(ledger, duration_s, spec.warmup_s),
        user_classes=by_class(ledger),
        clients=by_client(ledger),
        stopped_early=facts.aborted or facts.stopped,
        own_code=dict(facts.own_code),
        drift=drift.to_dict(),
        incidents=() if analysis is None else analysis.incidents.to_dicts(),
        incidents_unlisted=0 if analysis is None else analysis.incidents.unlisted,
        load={} if analysis is None else analysis.load.to_dict(),
        cut=facts.cut,
        notes=(*spec.notes, *_passed_over(counts[Count.PASSED_OVER]), *_compressed(counts)),
    )


def _details(ledger: Ledger, violations: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    hit, started = ledger.under(VIOLATED), ledger.counts[Count.SESSIONS_STARTED]
    return {
        kind: {
            "count": count,
            "sessions": hit.get(kind, 0),
            # Of a worker's report that was lost, either number may be missing.
            "share": round(min(hit.get(kind, 0) / started, 1.0), 6) if started else 0.0,
            "expected": EXPECTED.get(kind, ""),
            "example": smallest(kind, ledger.evidence),
        }
        for kind, count in violations.items()
    }


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
