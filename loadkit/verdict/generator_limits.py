"""Whether the generator was the limit: was it late, did its machine have all that it takes?"""

from collections.abc import Mapping
from typing import Final

from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.stats.number_format import number, percent, plural
from loadkit.verdict.reason import Found, Level, Reason, ReasonKind

LAG_SUSPECT_MS: Final = 10.0
"""Event-loop lag and schedule delay, p99. An answer that comes while the loop is late is seen that
much too late, and one in a hundred moments is this late: so at 10 ms the p99 of any latency may be
off by 10 ms, which is the most that a valid run's p99 may be off by."""

STALL_SUSPECT_MS: Final = 100.0
"""Event-loop lag, p999. A loop that stands still for over 0.1 % of the time, yet under 1 %, leaves
the p99 of its lag small and still lifts the p99 of latencies: each answer of that time moves to
the tail. Below 100 ms what it lifts them by is under 1 ms (1 % of the samples × 100 ms)."""

LAG_INVALID_MS: Final = 100.0
"""Event-loop lag and schedule delay, p99. From 100 ms on a person sees the difference: a latency
with that much of the generator's own is no longer the target's."""

SATURATED_SHARE: Final = 0.10
"""A worker may spend this share of its intervals on a full core; beyond, it was the limit."""

MACHINE_CPU_SUSPECT_PERCENT: Final = 95.0
"""CPU of a whole machine, p95. With no core to spare, processes wait for one, and no probe inside
of a process tells that wait from the target's."""

GC_PAUSE_SUSPECT_MS: Final = 100.0
"""The longest pause of the garbage collector: all sessions of a worker stand still for so long."""

LIMIT_SUSPECT_PERCENT: Final = 90.0
"""Open files and ports, of what the machine allows, at most. The next step of the load may fail,
and what fails then looks like the target's fault."""

FLOOD_S: Final = 1.0
"""Seconds of a worker that a session takes whose target floods it, until it is cut off (measured:
0.05 to 0.3 s, and 1.5 s for batches of the smallest events)."""

FLOOD_SHARE: Final = 0.01
"""The share of the workers' time from which on floods may be what made them late: a p99 is about
the worst hundredth."""

MEND: Final = "use more workers, or fewer users on each"
STOP_FLOODING: Final = "look at what it sends, and mend that first"
_LIMITS: Final = "raise the limit (`ulimit -n`, the range of ports) or spread over more machines"


def flood_of(floods: int, seconds: float) -> str:
    """Whose doing it is that workers had no time, where a flood may have taken it; else nothing."""
    if not floods or floods * FLOOD_S < FLOOD_SHARE * seconds:
        return ""
    return (
        f"the target flooded {plural(floods, 'session')} (`frame_flood`), and reading that takes "
        "this time: it is the target's doing"
    )


def _busy(
    level: Level, kind: ReasonKind, what: str, cause: str, flood: str
) -> tuple[Level, Reason]:
    if flood:
        return "suspect", Reason(kind, f"{what}: {flood}", STOP_FLOODING)
    return level, Reason(kind, f"{what}: {cause}", MEND)


def lateness(generator: Mapping[str, Mapping[str, float]], flood: str) -> Found:
    """Doubts because the event loop was late, by the figures of the generator."""
    for kind, name, key in (
        (ReasonKind.LOOP_LAG, "event-loop lag", "loop_lag_ms"),
        (ReasonKind.SCHEDULE_DELAY, "schedule delay", "schedule_delay_ms"),
    ):
        p99 = generator.get(key, {}).get("p99", 0.0)
        if p99 > LAG_INVALID_MS:
            text = f"{name} p99 was {number(p99)} ms (limit {number(LAG_INVALID_MS)} ms)"
            yield _busy("invalid", kind, text, "the generator was the limit", flood)
        elif p99 > LAG_SUSPECT_MS:
            text = f"{name} p99 was {number(p99)} ms (limit {number(LAG_SUSPECT_MS)} ms)"
            yield _busy("suspect", kind, text, "the generator adds to the latencies", flood)
    lag = generator.get("loop_lag_ms", {})
    if lag.get("p999", 0.0) > STALL_SUSPECT_MS >= lag.get("p99", 0.0):
        text = (
            f"the event loop stood still for up to {number(lag['max'])} ms, more than 0.1 % of the "
            f"time over {number(STALL_SUSPECT_MS)} ms: answers of those moments count as slow"
        )
        remedy = "look for what else runs on the machine, and give the workers cores of their own"
        yield "suspect", Reason(ReasonKind.LOOP_STALL, text, remedy)
    pause = generator.get("gc_pause_ms", {}).get("max", 0.0)
    if pause > GC_PAUSE_SUSPECT_MS:
        text = (
            f"the garbage collector paused a worker for {number(pause)} ms (limit "
            f"{number(GC_PAUSE_SUSPECT_MS)} ms): its sessions stood still"
        )
        yield "suspect", Reason(ReasonKind.GC_PAUSE, text, MEND)


def resources(
    generator: Mapping[str, Mapping[str, float]],
    saturated_share: float,
    local_limits: int,
    flood: str,
) -> Found:
    """Doubts because cores, files or ports were all used."""
    if saturated_share > SATURATED_SHARE:
        text = (
            f"a worker used {number(SATURATED_CPU_PERCENT)} % or more of its core in "
            f"{percent(saturated_share)} of the intervals (limit {percent(SATURATED_SHARE)})"
        )
        yield _busy("invalid", ReasonKind.WORKER_CPU, text, "the generator was the limit", flood)
    if local_limits:
        text = (
            f"this side ran out of files or ports {times_of(local_limits)}: sessions failed that "
            "the target never saw"
        )
        yield "invalid", Reason(ReasonKind.LOCAL_LIMIT, text, _LIMITS)
    cpu = generator.get("machine_cpu_percent", {}).get("p95", 0.0)
    if cpu >= MACHINE_CPU_SUSPECT_PERCENT:
        text = (
            f"a machine's CPU was at {number(cpu)} % at p95 (limit "
            f"{number(MACHINE_CPU_SUSPECT_PERCENT)} %): processes waited for a core"
        )
        remedy = "move the target to another machine, or spread the workers over more"
        yield "suspect", Reason(ReasonKind.MACHINE_CPU, text, remedy)
    for kind, what, key in (
        (ReasonKind.FILES, "open files", "files_percent"),
        (ReasonKind.PORTS, "ports", "ports_percent"),
    ):
        share = generator.get(key, {}).get("max", 0.0)
        if share >= LIMIT_SUSPECT_PERCENT:
            text = (
                f"{what} were at {number(share)} % of what the machine allows (limit "
                f"{number(LIMIT_SUSPECT_PERCENT)} %)"
            )
            yield "suspect", Reason(kind, text, _LIMITS)


def times_of(count: int) -> str:
    """How often something was, in words."""
    return "once" if count == 1 else f"{number(count)} times"
