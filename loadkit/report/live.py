"""How a run stands at a moment, and the line that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadkit.figures import Count, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.overdue import Overdue, overdue
from loadkit.measure.recent import RecentRows
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Stage
from loadkit.report.latency import TOO_FEW, shifted, shown, supported
from loadkit.stats.number_format import FROM_DUE, number, plural
from loadkit.verdict.summary import Stats
from loadkit.verdict.validity import Validity

_NOTHING: Overdue = Overdue(0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """How a run stands at a moment."""

    elapsed_s: float
    users: int  # virtual users that there are
    turns: int  # that were answered
    errors: int
    disconnects: int  # connections lost that were not lost on purpose
    violations: int = 0
    profile: str = ""
    target: str = ""
    stages: Sequence[Stage] = ()  # of the load; none where nobody knows them
    warmup_s: float = 0.0  # seconds at the beginning that latencies and turns leave out
    asked: float = 0.0  # what they ask for now: users, or sessions that begin in a second
    live: int = 0  # sessions
    # Figures of the headline phase, in ms: of the run so far, from the time at which the message
    # was due, and of the last ten seconds; empty before the first answer.
    response_ms: Stats = field(default_factory=dict)
    from_schedule_ms: Stats = field(default_factory=dict)
    recent_ms: Stats = field(default_factory=dict)
    waiting: int = 0  # answers that are waited for
    oldest_s: float = 0.0  # how long the first of them has been
    late: Overdue = _NOTHING  # waits of any kind that last longer than they should
    validity: Validity | None = None  # of what was measured so far; None before that is known

    @property
    def total_s(self) -> float | None:
        """Seconds that it is to last; None if nobody knows."""
        return sum(stage.duration for stage in self.stages) or None

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        profile: Profile,
        recent: RecentRows,
        *,
        target: str,
        elapsed_s: float,
        users: int,
        asked: float,
        validity: Validity,
    ) -> "LiveFigures":
        """Return them of what was measured so far."""
        response = ledger.latency.get(Phase.RESPONSE)
        due = ledger.from_schedule.get(Phase.RESPONSE)
        waiting = ledger.waiting
        open_now: Mapping[int, int] = waiting.latency.get(Phase.RESPONSE, {})
        return cls(
            profile=profile.name,
            target=target,
            elapsed_s=elapsed_s,
            stages=profile.load.stages,
            warmup_s=profile.load.warmup,
            users=users,
            asked=asked,
            live=ledger.live,
            turns=ledger.counts[Count.TURNS_ANSWERED],
            response_ms=response.stats() if response is not None else {},
            from_schedule_ms=due.stats() if due is not None else {},
            recent_ms=recent.of(Phase.RESPONSE).stats(),
            waiting=sum(open_now.values()),
            oldest_s=max(open_now, default=0) / 1e6,
            late=overdue(waiting, [(each.metric, each.limit) for each in profile.slo]),
            errors=sum(ledger.under("errors").values()),
            disconnects=ledger.counts[Count.DISCONNECTS_UNEXPECTED],
            violations=sum(ledger.under("violations").values()),
            validity=validity,
        )


def line(now: LiveFigures) -> str:
    """Return one line of progress, about 80 columns for runs of ordinary size.

    Violations and waits that last longer than they should are left out while there are none. The
    headline's figures from the time at which the message was due take the place of p50 where they
    differ by more than 5 %.
    """
    total, late = now.total_s, now.late
    time = clock(now.elapsed_s) if total is None else f"{clock(now.elapsed_s)}/{clock(total)}"
    parts = [
        time,
        plural(now.users, "user"),
        plural(now.turns, "turn"),
        _response(now.response_ms, now.from_schedule_ms),
        *([f"waiting {late.many}, oldest {late.oldest}"] if late else []),
        plural(now.errors, "error"),
        plural(now.disconnects, "drop"),
    ]
    if now.violations:
        parts.append(plural(now.violations, "violation"))
    return "  ".join(parts)


def _response(response_ms: Stats, from_schedule_ms: Stats) -> str:
    if supported(response_ms, "p95") and shifted(response_ms, from_schedule_ms, ("p95",)):
        return f"p95 {number(response_ms['p95'])} ms, {number(from_schedule_ms['p95'])} {FROM_DUE}"
    if not supported(response_ms, "p50"):
        return f"response p50/p95 {TOO_FEW}"
    return f"response p50/p95 {'/'.join(shown(response_ms, ('p50', 'p95')))} ms"


def clock(seconds: float) -> str:
    """Write a length of time: 01:40, or 2:01:40 from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
