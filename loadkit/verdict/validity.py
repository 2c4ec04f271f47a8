"""Whether a run may be believed: was the target measured, or the generator?

The thresholds are the constants here and in `generator_limits`; `docs/figures.md` has a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from loadkit.errors import Failure
from loadkit.figures import DELIVERED_SHARE, Count
from loadkit.stats.distribution import Distribution
from loadkit.stats.number_format import number, percent, plural
from loadkit.verdict.generator_limits import (
    MEND,
    STOP_FLOODING,
    flood_of,
    lateness,
    resources,
    times_of,
)
from loadkit.verdict.reason import Found, Level, Reason, ReasonKind
from loadkit.verdict.run_facts import Absence, Cut, RunFacts

UNDELIVERED_SUSPECT_S: Final = 2.0
"""Seconds with clearly fewer users than asked for. A stage that steps up needs a moment to start
its users; what lasts longer is another load than the one asked for."""

UNDELIVERED_SHARE: Final = 0.25
"""The share of the run's time that may be short of users. Up to it, the seconds that had the load
asked for outweigh the others threefold, and `timeline.csv` tells them apart; beyond, the figures
are of a load that nobody asked for."""

_RANK: Final[dict[Level, int]] = {"valid": 0, "suspect": 1, "invalid": 2}
_LONGER_RAMP: Final = f"lengthen the ramp, or {MEND}"


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
    flood = flood_of(errors[Failure.FRAME_FLOOD], facts.duration_s * max(1, observed.workers))
    mend = f"{flood}; {STOP_FLOODING}" if flood else ""
    found = [
        *_own_code(tuple(facts.own_code), errors[Failure.OWN_CODE]),
        *_end(facts.stopped, facts.cut),
        *_absences(facts.without_workers),
        *lateness(generator, flood),
        *resources(generator, observed.saturated_share, errors[Failure.LOCAL_LIMIT], flood),
        *_delivery(_Kind.USERS_MISSING, facts.asked_users, peak, mend or _LONGER_RAMP),
        # Who was refused had come: the generator was in time, and the cap is told below.
        *_delivery(_Kind.SESSIONS_MISSING, facts.asked_sessions, started + refused, mend or MEND),
        *_shortage(facts.undelivered_s, facts.duration_s, refused, mend or MEND),
        *_workers(facts, sum(observed.missing().values())),
        *_faults(observed.left_out, errors[Failure.INTERNAL], facts.fault),
    ]
    found.sort(key=lambda each: -_RANK[each[0]])
    level: Level = found[0][0] if found else "valid"
    return Validity(level, tuple(reason for _, reason in found))


_Kind = ReasonKind


def _end(stopped: str | None, cut: Cut | None) -> Found:
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


def _delivery(kind: ReasonKind, asked: float | None, got: float, mend: str) -> Found:
    if asked is not None and got < DELIVERED_SHARE * asked:
        noun = "concurrent users" if kind is _Kind.USERS_MISSING else "sessions"
        text = (
            f"only {number(got)} of {number(asked)} {noun} were reached (at least "
            f"{percent(DELIVERED_SHARE)} needed): the load asked for was not delivered"
        )
        yield "invalid", Reason(kind, text, mend)


def _shortage(undelivered_s: float, duration_s: float, refused: int, mend: str) -> Found:
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


def _absences(absences: Sequence[Absence]) -> Found:
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


def _workers(facts: RunFacts, reports_missing: int) -> Found:
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


def _own_code(failures: Sequence[str], times: int) -> Found:
    if failures or times:
        told = " | ".join(failures[:_NAMED]) or "see the log"
        text = (
            f"your own code failed ({times_of(max(times, len(failures)))}): {told}: what it was to "
            "do was not asked of the target"
        )
        remedy = "its traceback is in loadkit.log and summary.json"
        yield "invalid", Reason(_Kind.OWN_CODE, text, remedy)


def _faults(left_out: tuple[int, int], internal: int, fault: str | None) -> Found:
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


_NAMED: Final = 5


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
