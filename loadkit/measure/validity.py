"""Whether a run may be believed: was the target measured, or the generator?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.measure.words import number, plural

__all__ = [
    "DELIVERED_SHARE",
    "LAG_INVALID_MS",
    "LOOP_LAG_SUSPECT_MS",
    "SATURATED_SHARE",
    "SCHEDULE_DELAY_SUSPECT_MS",
    "Level",
    "Validity",
    "assess",
]

Level = Literal["valid", "suspect", "invalid"]

LOOP_LAG_SUSPECT_MS: Final = 25.0
"""Above this at p99, latencies carry a share of the generator's own that a reader would see."""

SCHEDULE_DELAY_SUSPECT_MS: Final = 10.0
"""Above this at p99, messages went out visibly later than people would have sent them."""

LAG_INVALID_MS: Final = 100.0
"""Either of the two above this at p99: an answer's latency is no longer the target's."""

SATURATED_SHARE: Final = 0.10
"""A worker may spend this share of its intervals on a full core; beyond, it was the limit."""

DELIVERED_SHARE: Final = 0.95
"""The share of the load asked for that has to be delivered."""

_RANK: Final[dict[Level, int]] = {"valid": 0, "suspect": 1, "invalid": 2}
_MEND: Final = "use more workers, or fewer users on each"


@dataclass(frozen=True, slots=True)
class Validity:
    """The verdict on the measurement itself.

    Attributes:
        level: `suspect` means read with care; `invalid` means do not use the figures.
        reasons: one sentence each, the gravest first, with the figure and what to do about it.
    """

    level: Level
    reasons: tuple[str, ...]


def assess(
    *,
    loop_lag_ms: Mapping[str, float],
    schedule_delay_ms: Mapping[str, float],
    saturated_share: float = 0.0,
    asked_users: float | None = None,
    peak_users: float = 0.0,
    asked_sessions: float | None = None,
    sessions_started: float = 0.0,
    intervals_missing: int = 0,
    workers_lost: int = 0,
    negative: int = 0,
    overflow: int = 0,
    internal: int = 0,
) -> Validity:
    """Judge a run by what is known of its generator.

    Args:
        loop_lag_ms, schedule_delay_ms: figures as of `Distribution.stats`; empty if unmeasured.
        saturated_share: the share of its intervals that the busiest worker spent on a full core.
        asked_users: the most users the profile asked for at once; None to leave it unjudged.
        peak_users: the most there were.
        asked_sessions: how many sessions the arrival rate asked for; None likewise.
        sessions_started: how many there were.
        intervals_missing: reports of workers that never arrived.
        workers_lost: workers that went away during the run.
        negative, overflow: durations below zero and above ten minutes, which are no samples.
        internal: faults of this tool itself (`Failure.INTERNAL`).
    """
    found: list[tuple[Level, str]] = []

    for name, stats, suspect_ms in (
        ("event-loop lag", loop_lag_ms, LOOP_LAG_SUSPECT_MS),
        ("schedule delay", schedule_delay_ms, SCHEDULE_DELAY_SUSPECT_MS),
    ):
        p99 = stats.get("p99", 0.0)
        if p99 > LAG_INVALID_MS:
            text = f"{name} p99 was {number(p99)} ms (limit {number(LAG_INVALID_MS)} ms)"
            found.append(("invalid", f"{text}: the generator was the limit; {_MEND}"))
        elif p99 > suspect_ms:
            text = f"{name} p99 was {number(p99)} ms (limit {number(suspect_ms)} ms)"
            found.append(("suspect", f"{text}: the generator adds to the latencies; {_MEND}"))

    if saturated_share > SATURATED_SHARE:
        found.append(
            (
                "invalid",
                f"a worker used {number(SATURATED_CPU_PERCENT)} % or more of its core in "
                f"{saturated_share:.0%} of the intervals (limit {SATURATED_SHARE:.0%}): the "
                f"generator was the limit; {_MEND}",
            )
        )
    for asked, got, noun, mend in (
        (asked_users, peak_users, "concurrent users", "lengthen the ramp, or use more workers"),
        (asked_sessions, sessions_started, "sessions", _MEND),
    ):
        if asked is not None and got < DELIVERED_SHARE * asked:
            found.append(
                (
                    "invalid",
                    f"only {number(got)} of {number(asked)} {noun} were reached (at least "
                    f"{DELIVERED_SHARE:.0%} needed): the load asked for was not delivered; {mend}",
                )
            )
    if internal:
        found.append(
            (
                "invalid",
                f"{plural(internal, 'fault')} of this tool itself; please report it with the log",
            )
        )
    if workers_lost:
        found.append(
            (
                "suspect",
                f"{plural(workers_lost, 'worker')} went away during the run: "
                "what it measured last is not in the figures; look in its log",
            )
        )
    if intervals_missing:
        found.append(
            (
                "suspect",
                f"{plural(intervals_missing, 'report')} of workers never "
                "arrived: their samples are not in the figures; look for a lost connection or a "
                "killed worker in the log",
            )
        )
    if negative:
        found.append(
            (
                "suspect",
                f"{plural(negative, 'duration')} came out below zero and "
                "were left out: this is a fault of the tool; please report it with the log",
            )
        )
    if overflow:
        found.append(
            (
                "suspect",
                f"{plural(overflow, 'duration')} lasted over ten minutes and "
                "were left out: the percentiles are too low; shorten the patience",
            )
        )
    found.sort(key=lambda reason: -_RANK[reason[0]])
    level: Level = found[0][0] if found else "valid"
    return Validity(level, tuple(text for _, text in found))
