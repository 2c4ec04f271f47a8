"""One incident of a run, and what is read of a row to find them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from loadkit.figures import Count, Ending
from loadkit.measure.load_curve import asked, connected
from loadkit.measure.timeline import Row
from loadkit.soak.recovery_time import RecoveryTime
from loadkit.soak.slowness import Slow
from loadkit.stats.distribution import Distribution

DISCONNECTED: Final = "disconnected"
"""The cause that stands for sockets which went away unasked; the others are kinds of failures."""

FORCED: Final = "forced"
"""The cause that stands for sockets that the profile's chaos broke; no incident by itself."""


@dataclass(slots=True)
class Moment:
    """What matters here of a row."""

    start: float
    length: float
    asked: float
    closed: bool
    delivered: float
    connected: int
    live: int
    exposure: float
    troubles: Counter[str]
    refusals: Counter[str]
    forced: int
    failed: int
    lost: int
    answered: int
    response: Distribution | None
    workers: frozenset[str]
    share: float | None = None  # sessions of the load asked for; None while that just changed
    wanted: float = 0.0  # open model: arrivals that would be enough of the load
    steady: bool = False  # whether its answers may be compared
    known: bool = False  # whether its failures are among what is usual already
    slow: Slow = field(default_factory=Slow)

    @classmethod
    def of(cls, row: Row, delivered: float) -> "Moment":
        troubles: Counter[str] = Counter()
        refusals: Counter[str] = Counter()
        for key, count in row.counts.items():
            family, _, kind = key.partition(".")
            if family in ("errors", "retried"):
                troubles[kind] += count
            elif family == "refused":
                refusals[kind] += count
        if dropped := row.counts[Count.DISCONNECTS_UNEXPECTED]:
            troubles[DISCONNECTED] = dropped
        return cls(
            row.start,
            row.length,
            asked(row),
            "users" in row.asked,
            delivered,
            connected(row),
            row.live,
            row.session_seconds + row.length,  # as if there were one more: never 0
            troubles,
            refusals,
            row.counts[Count.DISCONNECTS_FORCED],
            row.counts[f"ended.{Ending.FAILED}"],
            row.counts[Count.TURNS_LOST],
            row.counts[Count.TURNS_ANSWERED],
            row.latency.get("response"),
            frozenset(row.standing),
        )

    @property
    def end(self) -> float:
        return self.start + self.length

    @property
    def trouble(self) -> int:
        return self.troubles.total()


@dataclass(slots=True)
class Incident:
    """One window; seconds of the run."""

    begin: float
    sessions_before: int
    recovery: RecoveryTime
    load_known: bool
    asked: float  # as it began
    over: bool = False
    causes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    workers_gone: list[str] = field(default_factory=list)
    silent_s: float = 0.0
    slow_over_ms: float | None = None
    slow_responses: int = 0
    sessions_lowest: int | None = None
    sessions_lost: int = 0
    turns_lost: int = 0
    shortfall: float = 0.0
    short_until: float | None = None
    bad_until: float = 0.0
    failing_until: float = 0.0  # likewise, but for answers that were merely slow
    seen_until: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        slow: dict[str, float] = {}
        if self.slow_over_ms is not None:
            slow = {
                "slow_responses": self.slow_responses,
                "slow_over_ms": round(self.slow_over_ms, 3),
            }
        load_back: dict[str, float | None] = {}
        if self.load_known:
            away = self.short_until == self.seen_until
            until = self.begin if self.short_until is None else self.short_until
            load_back["load_back_s"] = None if away else round(until - self.begin, 3)
        return {
            "begin_s": round(self.begin, 3),
            "end_s": None if self.bad_until == self.seen_until else round(self.bad_until, 3),
            "causes": dict(self.causes.most_common()),
            "refused_with": dict(self.refusals.most_common()),
            "without_answers_s": round(self.silent_s, 3),
            **slow,
            "workers_gone": list(self.workers_gone),
            "sessions": {
                "before": self.sessions_before,
                "lowest": self.sessions_lowest,
                "lost": self.sessions_lost,
            },
            "turns_lost": self.turns_lost,
            "shortfall_session_s": round(self.shortfall, 1),
            **load_back,
            **self.recovery.to_dict(self.begin),
        }
