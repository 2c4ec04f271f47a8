"""The frozen result of a run: what every report renders and `summary.json` holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from loadkit.errors import Failure
from loadkit.figures import Count, Ending
from loadkit.measure.ledger import Ledger
from loadkit.measure.slo import SloLine, judge
from loadkit.measure.validity import Level, Validity, assess
from loadkit.measure.words import plural

__all__ = ["BROKEN", "COMPLETED", "SCHEMA", "Stats", "Summary", "Verdict", "summarise"]

SCHEMA: Final = "loadkit.summary/1"

COMPLETED: Final = (Ending.USER_END, Ending.NATURAL_END, Ending.CLIENT_HANDOFF)
"""The endings that a conversation is meant to have. `abandoned` is what a user did on purpose,
yet no conclusion; `cut_off` is neither a failure nor a completion."""

Stats = Mapping[str, float]
"""`count`, `min`, `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`; empty where unmeasured."""

BROKEN: Final = "SLO broken: "
"""How a reason starts that only says again what a line of the SLO says."""

_EXIT_HOLDS, _EXIT_BROKEN, _EXIT_INVALID = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it all comes to.

    Attributes:
        slo: whether every objective held; `none` if there was no objective.
        validity: whether the run may be believed.
        reasons: why it is not a plain pass, one sentence each, doubts about the run first.
        exit_code: 3 if invalid, whatever the objectives say; else 1 if one is broken, or if
            there is none and something failed; else 0.
    """

    slo: Literal["pass", "fail", "none"]
    validity: Level
    reasons: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run. The fields are the keys of `summary.json`, in its order.

    Durations are in milliseconds but for `duration_s`. A phase that was never measured is absent
    from `latency_ms` and `from_schedule_ms`.
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
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return it as the JSON object of `summary.json`."""
        return {
            "schema": self.schema,
            "profile": self.profile,
            "started_at": self.started_at,
            "duration_s": self.duration_s,
            "target": self.target,
            "verdict": asdict(self.verdict) | {"reasons": list(self.verdict.reasons)},
            "sessions": dict(self.sessions) | {"ended": dict(self.sessions["ended"])},
            "turns": dict(self.turns),
            "frames": dict(self.frames),
            "latency_ms": {phase: dict(stats) for phase, stats in self.latency_ms.items()},
            "from_schedule_ms": {
                phase: dict(stats) for phase, stats in self.from_schedule_ms.items()
            },
            "disconnects": dict(self.disconnects),
            "violations": dict(self.violations),
            "errors": dict(self.errors),
            "generator": dict(self.generator),
            "slo": [line.to_dict() for line in self.slo],
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Summary":
        """Undo `to_dict`; keys that a later version has added are passed over.

        Raises:
            KeyError, TypeError, ValueError: it is no summary, or one of another schema.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"the schema is {data['schema']!r}, not {SCHEMA!r}")
        verdict = data["verdict"]
        return cls(
            verdict=Verdict(
                verdict["slo"],
                verdict["validity"],
                tuple(verdict["reasons"]),
                verdict["exit_code"],
            ),
            slo=tuple(SloLine.from_dict(line) for line in data["slo"]),
            **{name: data[name] for name in _PLAIN},
        )


_PLAIN: Final = tuple(
    name for name in Summary.__dataclass_fields__ if name not in ("schema", "verdict", "slo")
)


def summarise(
    ledger: Ledger,
    *,
    profile: str,
    started_at: str,
    duration_s: float,
    target: str,
    workers: int,
    limits: Sequence[tuple[str, float]] = (),
    asked_users: float | None = None,
    peak_users: float | None = None,
    asked_sessions: float | None = None,
    workers_lost: int = 0,
) -> Summary:
    """Freeze what a ledger holds into the result of the run.

    Args:
        ledger: what the workers measured.
        profile: the profile's name.
        started_at: UTC, as in `2026-11-22T15:06:54Z`.
        duration_s: seconds from the first user to the last.
        target: the address under test, without secrets.
        workers: how many workers there were at most.
        limits: the objectives, as pairs of a metric and the most it may be.
        asked_users: the most users the profile asked for at once; None leaves it unjudged.
        peak_users: the most there were; the most live sessions at once if None.
        asked_sessions: how many sessions an arrival rate asked for; None leaves it unjudged.
        workers_lost: how many workers went away during the run.

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
    sent, lost = counts[Count.TURNS_SENT], counts[Count.TURNS_LOST]
    turns = {
        "sent": sent,
        "answered": counts[Count.TURNS_ANSWERED],
        "lost": lost,
        "lost_ratio": round(lost / sent, 6) if sent else 0.0,
        "resent": counts[Count.TURNS_RESENT],
        "answered_twice": counts[Count.TURNS_ANSWERED_TWICE],
    }
    disconnects = {
        count.value.removeprefix("disconnects."): counts[count]
        for count in Count
        if count.value.startswith("disconnects.")
    }
    latency_ms = ledger.stats()
    violations, errors = ledger.under("violations"), ledger.under("errors")
    generator: dict[str, Any] = {"workers": workers} | {
        name: ledger.generator[name].stats() if name in ledger.generator else {}
        for name in ("loop_lag_ms", "schedule_delay_ms", "cpu_percent", "rss_mb")
    }

    slo = judge(
        limits,
        {
            "violations": sum(violations.values()),
            "errors": sum(errors.values()),
            **{f"violations.{kind}": n for kind, n in violations.items()},
            **{f"errors.{kind}": n for kind, n in errors.items()},
            **{f"sessions.{name}": n for name, n in sessions.items() if name != "ended"},
            **{f"sessions.{name}": n for name, n in ended.items()},
            **{count.value: counts[count] for count in Count},
            **({"turns.lost_ratio": turns["lost_ratio"]} if sent else {}),
            **{
                f"{phase}.{name}": value
                for phase, stats in latency_ms.items()
                for name, value in stats.items()
            },
        },
    )
    negative, overflow = ledger.left_out
    validity = assess(
        loop_lag_ms=generator["loop_lag_ms"],
        schedule_delay_ms=generator["schedule_delay_ms"],
        saturated_share=ledger.saturated_share,
        asked_users=asked_users,
        peak_users=ledger.peak_concurrent if peak_users is None else peak_users,
        # Users without a single session are no load at all, however well their workers felt.
        asked_sessions=1 if asked_sessions is None and asked_users else asked_sessions,
        sessions_started=sessions["started"],
        intervals_missing=sum(map(len, ledger.missing().values())),
        workers_lost=workers_lost,
        negative=negative,
        overflow=overflow,
        internal=errors.get(Failure.INTERNAL, 0),
    )
    failed = {
        "error": sum(errors.values()),
        "violation": sum(violations.values()),
        "lost turn": lost,
        "failed session": ended[Ending.FAILED],
    }
    return Summary(
        profile=profile,
        started_at=started_at,
        duration_s=round(duration_s, 3),
        target=target,
        verdict=_verdict(slo, validity, failed),
        sessions=sessions,
        turns=turns,
        frames=ledger.frames,
        latency_ms=latency_ms,
        from_schedule_ms=ledger.stats_from_schedule(),
        disconnects=disconnects,
        violations=violations,
        errors=errors,
        generator=generator,
        slo=slo,
        counts=ledger.others,
    )


def _verdict(slo: Sequence[SloLine], validity: Validity, failed: Mapping[str, int]) -> Verdict:
    """Put the verdict together by the table of exit codes (docstring of `Verdict`)."""
    reasons = [*validity.reasons, *(f"{BROKEN}{line}" for line in slo if not line.ok)]
    outcome: Literal["pass", "fail", "none"] = "none"
    broken = False
    if slo:
        broken = not all(line.ok for line in slo)
        outcome = "fail" if broken else "pass"
    elif any(failed.values()):
        broken = True
        what = ", ".join(plural(n, noun) for noun, n in failed.items() if n)
        reasons.append(f"no SLO, and something failed: {what}")
    code = _EXIT_BROKEN if broken else _EXIT_HOLDS
    if validity.level == "invalid":
        code = _EXIT_INVALID
    return Verdict(outcome, validity.level, tuple(reasons), code)
