"""Whether a run may be believed: was the target measured, or the generator?

The thresholds are the constants below; `docs/figures.md` has them as a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from loadkit.errors import Failure
from loadkit.figures import DELIVERED_SHARE, Count
from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.stats.distribution import Distribution
from loadkit.stats.number_format import number, percent, plural
from loadkit.verdict.reason import Reason, ReasonKind
from loadkit.verdict.run_facts import Absence, Cut, RunFacts

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

_RANK: Final[dict[Level, int]] = {"valid": 0, "suspect": 1, "invalid": 2}
_MEND: Final = "use more workers, or fewer users on each"
_LONGER_RAMP: Final = f"lengthen the ramp, or {_MEND}"
_LIMITS: Final = "raise the limit (`ulimit -n`, the range of ports) or spread over more machines"
_STOP_FLOODING: Final = "look at what it sends, and mend that first"


class Observed(Protocol):
    """What `assess` asks of a ledger, or of a stretch of a run."""

    @property
    def generator(self) -> Mapping[str, Distribution]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def peak_concurrent(self) -> int: ...
    @property
    def saturated_share(self) -> float: ...
    @property
    def left_out(self) -> tuple[int, int]: ...
    @property
    def workers(self) -> int: ...
    def missing(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Validity:
    """The verdict on the measurement itself."""

    level: Level  # `suspect` means read with care; `invalid` means do not use the figures
    reasons: tuple[Reason, ...]  # the gravest first


def assess(observed: Observed, facts: RunFacts) -> Validity:
    """Judge a run by what is known of its generator.

    A figure that is absent was not measured and is not judged.
    """
    counts = observed.counts
    errors = {kind: counts.get(f"errors.{kind}", 0) for kind in Failure}
    generator = {name: found.stats() for name, found in observed.generator.items()}
    peak = observed.peak_concurrent if facts.peak_users is None else facts.peak_users
    refused = counts.get(Count.ARRIVALS_REFUSED, 0)
    started = counts.get(Count.SESSIONS_STARTED, 0) - counts.get(Count.SESSIONS_RENEWED, 0)
    flood = _flood(errors[Failure.FRAME_FLOOD], facts.duration_s * max(1, observed.workers))
    mend = f"{flood}; {_STOP_FLOODING}" if flood else ""
    found = [
        *_own_code(tuple(facts.own_code), errors[Failure.OWN_CODE]),
        *_end(facts.stopped, facts.cut),
        *_absences(facts.without_workers),
        *_lateness(generator, flood),
        *_resources(generator, observed.saturated_share, errors[Failure.LOCAL_LIMIT], flood),
        *_delivery(_Kind.USERS_MISSING, facts.asked_users, peak, mend or _LONGER_RAMP),
        # Who was refused had come: the generator was in time, and the cap is told below.
        *_delivery(_Kind.SESSIONS_MISSING, facts.asked_sessions, started + refused, mend or _MEND),
        *_shortage(facts.undelivered_s, facts.duration_s, refused, mend or _MEND),
        *_workers(facts, sum(observed.missing().values())),
        *_faults(observed.left_out, errors[Failure.INTERNAL], facts.fault),
    ]
    found.sort(key=lambda each: -_RANK[each[0]])
    level: Level = found[0][0] if found else "valid"
    return Validity(level, tuple(reason for _, reason in found))


_Kind = ReasonKind
_Found = Iterator[tuple[Level, Reason]]


def _flood(floods: int, seconds: float) -> str:
    """Whose doing it is that workers had no time, where a flood may have taken it; else nothing."""
    if not floods or floods * FLOOD_S < FLOOD_SHARE * seconds:
        return ""
    return (
        f"the target flooded {plural(floods, 'session')} (`frame_flood`), and reading that takes "
        "this time: it is the target's doing"
    )


def _end(stopped: str | None, cut: Cut | None) -> _Found:
    """A run that was not carried out as asked: of what was not run nobody knows how it fares."""
    if stopped is not None:
        text = f"{stopped}: the rest of the load asked for was never run"
        remedy = "what was measured until then is all here, for a verdict run it to its end"
        yield "invalid", Reason(_Kind.STOPPED, text, remedy)
    if cut is not None:
        many = cut.half_written_lines
        lines = f" ({plural(many, 'half-written line')} left out)" if many else ""
        if cut.left_out:
            lines += f", less {plural(len(cut.left_out), 'damaged part')}: {cut.left_out[0]}"
        text = (
            f"the run was cut after {number(cut.at_s)} of {number(cut.asked_s)} s ({cut.reason}): "
            f"what was measured until 2 s before that is all here{lines}"
        )
        level: Level = "invalid" if cut.at_s < cut.asked_s else "suspect"
        yield level, Reason(_Kind.CUT, text, "for a verdict run it to its end")


def _busy(
    level: Level, kind: ReasonKind, what: str, cause: str, flood: str
) -> tuple[Level, Reason]:
    if flood:
        return "suspect", Reason(kind, f"{what}: {flood}", _STOP_FLOODING)
    return level, Reason(kind, f"{what}: {cause}", _MEND)


def _lateness(generator: Mapping[str, Mapping[str, float]], flood: str) -> _Found:
    for kind, name, key in (
        (_Kind.LOOP_LAG, "event-loop lag", "loop_lag_ms"),
        (_Kind.SCHEDULE_DELAY, "schedule delay", "schedule_delay_ms"),
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
        yield "suspect", Reason(_Kind.LOOP_STALL, text, remedy)
    pause = generator.get("gc_pause_ms", {}).get("max", 0.0)
    if pause > GC_PAUSE_SUSPECT_MS:
        text = (
            f"the garbage collector paused a worker for {number(pause)} ms (limit "
            f"{number(GC_PAUSE_SUSPECT_MS)} ms): its sessions stood still"
        )
        yield "suspect", Reason(_Kind.GC_PAUSE, text, _MEND)


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
        yield _busy("invalid", _Kind.WORKER_CPU, text, "the generator was the limit", flood)
    if local_limits:
        text = (
            f"this side ran out of files or ports {_times(local_limits)}: sessions failed that the "
            "target never saw"
        )
        yield "invalid", Reason(_Kind.LOCAL_LIMIT, text, _LIMITS)
    cpu = generator.get("machine_cpu_percent", {}).get("p95", 0.0)
    if cpu >= MACHINE_CPU_SUSPECT_PERCENT:
        text = (
            f"a machine's CPU was at {number(cpu)} % at p95 (limit "
            f"{number(MACHINE_CPU_SUSPECT_PERCENT)} %): processes waited for a core"
        )
        remedy = "move the target to another machine, or spread the workers over more"
        yield "suspect", Reason(_Kind.MACHINE_CPU, text, remedy)
    for kind, what, key in (
        (_Kind.FILES, "open files", "files_percent"),
        (_Kind.PORTS, "ports", "ports_percent"),
    ):
        share = generator.get(key, {}).get("max", 0.0)
        if share >= LIMIT_SUSPECT_PERCENT:
            text = (
                f"{what} were at {number(share)} % of what the machine allows (limit "
                f"{number(LIMIT_SUSPECT_PERCENT)} %)"
            )
            yield "suspect", Reason(kind, text, _LIMITS)


def _delivery(kind: ReasonKind, asked: float | None, got: float, mend: str) -> _Found:
    if asked is not None and got < DELIVERED_SHARE * asked:
        noun = "concurrent users" if kind is _Kind.USERS_MISSING else "sessions"
        text = (
            f"only {number(got)} of {number(asked)} {noun} were reached (at least "
            f"{percent(DELIVERED_SHARE)} needed): the load asked for was not delivered"
        )
        yield "invalid", Reason(kind, text, mend)


def _shortage(undelivered_s: float, duration_s: float, refused: int, mend: str) -> _Found:
    if undelivered_s > UNDELIVERED_SUSPECT_S:
        level: Level = "suspect"
        if undelivered_s > UNDELIVERED_SHARE * duration_s:
            level = "invalid"
        text = (
            f"for {number(undelivered_s)} of {number(duration_s)} s clearly fewer users ran than "
            f"were asked for (limit {number(UNDELIVERED_SUSPECT_S)} s, and "
            f"{percent(UNDELIVERED_SHARE)} of the run)"
        )
        yield level, Reason(_Kind.USERS_LATE, text, f"see timeline.csv for when; {mend}")
    if refused:
        text = (
            f"{plural(refused, 'arrival')} refused because `max_concurrent` sessions were running: "
            "the load was capped"
        )
        remedy = "raise load.max_concurrent, or ask for less"
        yield "suspect", Reason(_Kind.ARRIVALS_REFUSED, text, remedy)


def _absences(absences: Sequence[Absence]) -> _Found:
    for one in absences:
        since, started = number(one.from_s), one.started
        if one.to_s is None:
            text = (
                f"no worker was heard of from {since} s on: the load asked for after that was not "
                "delivered"
            )
            remedy = "look in loadkit.log, and in the log of its machine for what ended it"
            yield "invalid", Reason(_Kind.NO_WORKER, text, remedy)
        else:
            again = f" ({plural(started, 'worker')} started again by loadkit)" if started else ""
            text = (
                f"no worker was heard of from {since} to {number(one.to_s)} s, when there was one "
                f"again{again}: what nobody asked of the target meanwhile was not delivered"
            )
            remedy = "look in the log of its machine for what ended or stopped it"
            yield "suspect", Reason(_Kind.NO_WORKER, text, remedy)


def _workers(facts: RunFacts, reports_missing: int) -> _Found:
    if facts.workers_lost:
        names = _names([loss.worker for loss in facts.workers_lost])
        text = (
            f"{plural(len(facts.workers_lost), 'worker')} went away during the run ({names}): what "
            "was measured last there is not in the figures"
        )
        remedy = "look in the log of its machine"
        yield "suspect", Reason(_Kind.WORKERS_LOST, text, remedy)
    if facts.workers_refused:
        text = (
            f"{plural(len(facts.workers_refused), 'worker')} not let in "
            f"({_names(facts.workers_refused)}): the others carried its load"
        )
        remedy = "start it with the same version and profile"
        yield "suspect", Reason(_Kind.WORKERS_REFUSED, text, remedy)
    if reports_missing:
        text = (
            f"{plural(reports_missing, 'report')} of workers never arrived: their samples are not "
            "in the figures"
        )
        remedy = "look for a lost connection or a killed worker in the log"
        yield "suspect", Reason(_Kind.REPORTS_MISSING, text, remedy)
    if facts.heartbeats_lost:
        text = (
            f"{plural(facts.heartbeats_lost, 'heartbeat')} of workers did not come in time: a "
            "worker or the network stood still"
        )
        remedy = "look at its CPU, and at the network to the master"
        yield "suspect", Reason(_Kind.HEARTBEATS_LOST, text, remedy)


def _own_code(failures: Sequence[str], times: int) -> _Found:
    if failures or times:
        told = " | ".join(failures[:_NAMED]) or "see the log"
        text = (
            f"your own code failed ({_times(max(times, len(failures)))}): {told}: what it was to "
            "do was not asked of the target"
        )
        remedy = "its traceback is in loadkit.log and summary.json"
        yield "invalid", Reason(_Kind.OWN_CODE, text, remedy)


def _faults(left_out: tuple[int, int], internal: int, fault: str | None) -> _Found:
    negative, overflow = left_out
    if internal or fault is not None:
        text = (
            f"a fault of loadkit itself ({fault or plural(internal, 'session')}): the figures are "
            "worth nothing"
        )
        remedy = "please report it with its traceback, which is in loadkit.log"
        yield "invalid", Reason(_Kind.INTERNAL, text, remedy)
    if negative:
        text = (
            f"{plural(negative, 'duration')} came out below zero and were left out: this is a "
            "fault of the tool"
        )
        yield "suspect", Reason(_Kind.BELOW_ZERO, text, "please report it with the log")
    if overflow:
        text = (
            f"{plural(overflow, 'duration')} lasted over ten minutes and were left out: the "
            "percentiles are too low"
        )
        yield "suspect", Reason(_Kind.TOO_LONG, text, "shorten the patience")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count)} times"


_NAMED: Final = 5


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
