"""Whether a run may be believed: was the target measured, or the generator?

The thresholds are the constants below; `docs/figures.md` has them as a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.stats.number_format import number, percent, plural

__all__ = [
    "DELIVERED_SHARE",
    "FLOOD_S",
    "FLOOD_SHARE",
    "GC_PAUSE_SUSPECT_MS",
    "LAG_INVALID_MS",
    "LAG_SUSPECT_MS",
    "LIMIT_SUSPECT_PERCENT",
    "MACHINE_CPU_SUSPECT_PERCENT",
    "SATURATED_SHARE",
    "STALL_SUSPECT_MS",
    "STOPPED",
    "UNDELIVERED_SHARE",
    "UNDELIVERED_SUSPECT_S",
    "Level",
    "Validity",
    "assess",
]

Level = Literal["valid", "suspect", "invalid"]

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

DELIVERED_SHARE: Final = 0.95
"""The share of the load asked for that has to be delivered."""

UNDELIVERED_SUSPECT_S: Final = 2.0
"""Seconds with clearly fewer users than asked for. A stage that steps up needs a moment to start
its users; what lasts longer is another load than the one asked for."""

UNDELIVERED_SHARE: Final = 0.25
"""The share of the run's time that may be short of users. Up to it, the seconds that had the load
asked for outweigh the others threefold, and `timeline.csv` tells them apart; beyond, the figures
are of a load that nobody asked for."""

FLOOD_S: Final = 1.0
"""Seconds of a worker that a session takes whose target floods it, until it is cut off (measured:
0.05 to 0.3 s, and 1.5 s for batches of the smallest events)."""

FLOOD_SHARE: Final = 0.01
"""The share of the workers' time from which on floods may be what made them late: a p99 is about
the worst hundredth."""

STOPPED: Final = "stopped early: "
"""How the reason starts that a run ended before its time."""

_RANK: Final[dict[Level, int]] = {"valid": 0, "suspect": 1, "invalid": 2}
_MEND: Final = "use more workers, or fewer users on each"
_LONGER_RAMP: Final = f"lengthen the ramp, or {_MEND}"
_LIMITS: Final = "raise the limit (`ulimit -n`, the range of ports) or spread over more machines"


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
    generator: Mapping[str, Mapping[str, float]],
    duration_s: float = 0.0,
    saturated_share: float = 0.0,
    asked_users: float | None = None,
    peak_users: float = 0.0,
    asked_sessions: float | None = None,
    sessions_started: float = 0.0,
    arrivals_refused: int = 0,
    undelivered_s: float = 0.0,
    workers_lost: Sequence[str] = (),
    without_workers: Sequence[Mapping[str, Any]] = (),
    workers_refused: Sequence[str] = (),
    intervals_missing: int = 0,
    heartbeats_lost: int = 0,
    local_limits: int = 0,
    negative: int = 0,
    overflow: int = 0,
    internal: int = 0,
    fault: str | None = None,
    own_code: Sequence[str] = (),
    own_code_times: int = 0,
    floods: int = 0,
    workers: int = 1,
    stopped: str | None = None,
    cut: Mapping[str, Any] | None = None,
) -> Validity:
    """Judge a run by what is known of its generator.

    Args:
        generator: figures as of `Distribution.stats`, by name: `loop_lag_ms`, `gc_pause_ms`, …;
            what is absent or empty was not measured and is not judged.
        duration_s: how long the run was, in seconds.
        saturated_share: the share of its intervals that the busiest worker spent on a full core.
        asked_users: the most users the profile asked for at once; None to leave it unjudged.
        peak_users: the most there were.
        asked_sessions: how many sessions the arrival rate asked for; None likewise.
        sessions_started: how many there were.
        arrivals_refused: arrivals that came while the most sessions allowed were running.
        undelivered_s: seconds during which clearly fewer users ran than were asked for.
        workers_lost: names of the workers that went away during the run.
        without_workers: the times in which there was none, as of `summarise`.
        workers_refused: names of those that were not let in (another version, another profile).
        intervals_missing: reports of workers that never arrived.
        heartbeats_lost: heartbeats between workers and master that did not come in time.
        local_limits: how often this side ran out of files or ports.
        negative, overflow: durations below zero and above ten minutes, which are no samples.
        internal: faults of this tool itself (`Failure.INTERNAL`).
        fault: how it failed, be it in a session or elsewhere.
        own_code: how the user's own code failed, in a line each.
        own_code_times: how often it did (`Failure.OWN_CODE`).
        floods: sessions that the target sent more than any chat is (`Failure.FRAME_FLOOD`).
        workers: how many there were.
        stopped: when and by what the run was ended before its time; None if it was not.
        cut: where the run was cut, as `Summary.cut`; None if it ended in order.
    """
    flood = _flood(floods, duration_s * workers)
    mend = flood or _MEND
    found = [
        *_own_code(own_code, own_code_times),
        *_end(stopped, cut),
        *_absences(without_workers),
        *_lateness(generator, flood),
        *_resources(generator, saturated_share, local_limits, flood),
        *_delivery(asked_users, peak_users, "concurrent users", flood or _LONGER_RAMP),
        # Who was refused had come: the generator was in time, and the cap is told below.
        *_delivery(asked_sessions, sessions_started + arrivals_refused, "sessions", mend),
        *_shortage(undelivered_s, duration_s, arrivals_refused, mend),
        *_workers(workers_lost, workers_refused, intervals_missing, heartbeats_lost),
        *_faults(negative, overflow, internal, fault),
    ]
    found.sort(key=lambda reason: -_RANK[reason[0]])
    level: Level = found[0][0] if found else "valid"
    return Validity(level, tuple(text for _, text in found))


_Found = Iterator[tuple[Level, str]]


def _flood(floods: int, seconds: float) -> str:
    """Whose doing it is that workers had no time, where a flood may have taken it; else nothing."""
    if not floods or floods * FLOOD_S < FLOOD_SHARE * seconds:
        return ""
    return (
        f"the target flooded {plural(floods, 'session')} (`frame_flood`), and reading that takes "
        "this time: it is the target's doing; look at what it sends, and mend that first"
    )


def _end(stopped: str | None, cut: Mapping[str, Any] | None) -> _Found:
    """A run that was not carried out as asked: of what was not run nobody knows how it fares."""
    if stopped is not None:
        yield (
            "invalid",
            f"{STOPPED}{stopped}: the rest of the load asked for was never run; what was measured "
            "until then is all here, for a verdict run it to its end",
        )
    if cut is not None:
        at, asked, left_out = cut["at_s"], cut["asked_s"], cut["half_written_lines"]
        lines = f" ({plural(left_out, 'half-written line')} left out)" if left_out else ""
        if damaged := cut.get("left_out"):
            lines += f", less {plural(len(damaged), 'damaged part')}: {damaged[0]}"
        yield (
            "invalid" if at < asked else "suspect",
            f"the run was cut after {number(at)} of {number(asked)} s ({cut['reason']}): what was "
            f"measured until 2 s before that is all here{lines}; for a verdict run it to its end",
        )


def _busy(level: Level, what: str, cause: str, flood: str) -> tuple[Level, str]:
    """That workers had no time: for a cause of their own, or for what the target sent."""
    return ("suspect", f"{what}: {flood}") if flood else (level, f"{what}: {cause}; {_MEND}")


def _lateness(generator: Mapping[str, Mapping[str, float]], flood: str) -> _Found:
    for name, key in (("event-loop lag", "loop_lag_ms"), ("schedule delay", "schedule_delay_ms")):
        p99 = generator.get(key, {}).get("p99", 0.0)
        if p99 > LAG_INVALID_MS:
            text = f"{name} p99 was {number(p99)} ms (limit {number(LAG_INVALID_MS)} ms)"
            yield _busy("invalid", text, "the generator was the limit", flood)
        elif p99 > LAG_SUSPECT_MS:
            text = f"{name} p99 was {number(p99)} ms (limit {number(LAG_SUSPECT_MS)} ms)"
            yield _busy("suspect", text, "the generator adds to the latencies", flood)
    lag = generator.get("loop_lag_ms", {})
    if lag.get("p999", 0.0) > STALL_SUSPECT_MS >= lag.get("p99", 0.0):
        yield (
            "suspect",
            f"the event loop stood still for up to {number(lag['max'])} ms, more than 0.1 % "
            f"of the time over {number(STALL_SUSPECT_MS)} ms: answers of those moments count "
            "as slow; look for what else runs on the machine, and give the workers cores of "
            "their own",
        )
    pause = generator.get("gc_pause_ms", {}).get("max", 0.0)
    if pause > GC_PAUSE_SUSPECT_MS:
        yield (
            "suspect",
            f"the garbage collector paused a worker for {number(pause)} ms (limit "
            f"{number(GC_PAUSE_SUSPECT_MS)} ms): its sessions stood still; {_MEND}",
        )


def _resources(
    generator: Mapping[str, Mapping[str, float]],
    saturated_share: float,
    local_limits: int,
    flood: str,
) -> _Found:
    if saturated_share > SATURATED_SHARE:
        text = (
            f"a worker used {number(SATURATED_CPU_PERCENT)} % or more of its core in "
            f"{percent(saturated_share)} of the intervals (limit {percent(SATURATED_SHARE)})"
        )
        yield _busy("invalid", text, "the generator was the limit", flood)
    if local_limits:
        yield (
            "invalid",
            f"this side ran out of files or ports {_times(local_limits)}: sessions failed "
            f"that the target never saw; {_LIMITS}",
        )
    cpu = generator.get("machine_cpu_percent", {}).get("p95", 0.0)
    if cpu >= MACHINE_CPU_SUSPECT_PERCENT:
        yield (
            "suspect",
            f"a machine's CPU was at {number(cpu)} % at p95 (limit "
            f"{number(MACHINE_CPU_SUSPECT_PERCENT)} %): processes waited for a core; move the "
            "target to another machine, or spread the workers over more",
        )
    for what, key in (("open files", "files_percent"), ("ports", "ports_percent")):
        share = generator.get(key, {}).get("max", 0.0)
        if share >= LIMIT_SUSPECT_PERCENT:
            yield (
                "suspect",
                f"{what} were at {number(share)} % of what the machine allows (limit "
                f"{number(LIMIT_SUSPECT_PERCENT)} %); {_LIMITS}",
            )


def _delivery(asked: float | None, got: float, noun: str, mend: str) -> _Found:
    if asked is not None and got < DELIVERED_SHARE * asked:
        yield (
            "invalid",
            f"only {number(got)} of {number(asked)} {noun} were reached (at least "
            f"{percent(DELIVERED_SHARE)} needed): the load asked for was not delivered; {mend}",
        )


def _shortage(undelivered_s: float, duration_s: float, refused: int, mend: str) -> _Found:
    if undelivered_s > UNDELIVERED_SUSPECT_S:
        level: Level = "suspect"
        if undelivered_s > UNDELIVERED_SHARE * duration_s:
            level = "invalid"
        yield (
            level,
            f"for {number(undelivered_s)} of {number(duration_s)} s clearly fewer users ran "
            f"than were asked for (limit {number(UNDELIVERED_SUSPECT_S)} s, and "
            f"{percent(UNDELIVERED_SHARE)} of the run); see timeline.csv for when; {mend}",
        )
    if refused:
        yield (
            "suspect",
            f"{plural(refused, 'arrival')} refused because `max_concurrent` sessions were "
            "running: the load was capped; raise load.max_concurrent, or ask for less",
        )


def _absences(absences: Sequence[Mapping[str, Any]]) -> _Found:
    for one in absences:
        since, until, started = number(one["from_s"]), one["to_s"], one["started"]
        if until is None:
            yield (
                "invalid",
                f"no worker was heard of from {since} s on: the load asked for after that was not "
                "delivered; look in loadkit.log, and in the log of its machine for what ended it",
            )
        else:
            again = f" ({plural(started, 'worker')} started again by loadkit)" if started else ""
            yield (
                "suspect",
                f"no worker was heard of from {since} to {number(until)} s, when there was one "
                f"again{again}: what nobody asked of the target meanwhile was not delivered; look "
                "in the log of its machine for what ended or stopped it",
            )


def _workers(
    lost: Sequence[str], refused: Sequence[str], intervals_missing: int, heartbeats_lost: int
) -> _Found:
    if lost:
        yield (
            "suspect",
            f"{plural(len(lost), 'worker')} went away during the run ({_names(lost)}): what "
            "was measured last there is not in the figures; look in the log of its machine",
        )
    if refused:
        yield (
            "suspect",
            f"{plural(len(refused), 'worker')} not let in ({_names(refused)}): the others "
            "carried its load; start it with the same version and profile",
        )
    if intervals_missing:
        yield (
            "suspect",
            f"{plural(intervals_missing, 'report')} of workers never arrived: their samples "
            "are not in the figures; look for a lost connection or a killed worker in the log",
        )
    if heartbeats_lost:
        yield (
            "suspect",
            f"{plural(heartbeats_lost, 'heartbeat')} of workers did not come in time: a "
            "worker or the network stood still; look at its CPU, and at the network to the "
            "master",
        )


def _own_code(failures: Sequence[str], times: int) -> _Found:
    if failures or times:
        told = " | ".join(failures[:_NAMED]) or "see the log"
        yield (
            "invalid",
            f"your own code failed ({_times(max(times, len(failures)))}): {told}: what it was to "
            "do was not asked of the target; its traceback is in loadkit.log and summary.json",
        )


def _faults(negative: int, overflow: int, internal: int, fault: str | None) -> _Found:
    if internal or fault is not None:
        yield (
            "invalid",
            f"a fault of loadkit itself ({fault or plural(internal, 'session')}): the figures are "
            "worth nothing; please report it with its traceback, which is in loadkit.log",
        )
    if negative:
        yield (
            "suspect",
            f"{plural(negative, 'duration')} came out below zero and were left out: this is a "
            "fault of the tool; please report it with the log",
        )
    if overflow:
        yield (
            "suspect",
            f"{plural(overflow, 'duration')} lasted over ten minutes and were left out: the "
            "percentiles are too low; shorten the patience",
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count)} times"


_NAMED: Final = 5


def _names(names: Sequence[str]) -> str:
    """The first few names: a fleet of fifty that goes away at once is still one sentence."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
