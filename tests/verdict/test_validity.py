"""Whether a run may be believed, row by row."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadkit.figures import DELIVERED_SHARE
from loadkit.measure.ledger import SATURATED_CPU_PERCENT
from loadkit.verdict import generator_limits, validity
from loadkit.verdict.reason import ReasonKind
from loadkit.verdict.run_facts import Absence, Cut, Loss, RunFacts
from loadkit.verdict.validity import Validity, assess

CALM = {
    "loop_lag_ms": {"p99": 3.0, "p999": 9.0, "max": 12.0},
    "schedule_delay_ms": {"p99": 2.0},
    "machine_cpu_percent": {"p95": 60.0},
    "gc_pause_ms": {"max": 8.0},
    "files_percent": {"max": 20.0},
    "ports_percent": {"max": 5.0},
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "figures.md"


class Gauge(dict[str, float]):
    """Figures that were measured of something."""

    def stats(self) -> dict[str, float]:
        return self


class Seen:
    """What workers measured, by hand: `counts` by the keys of a `Recorder`."""

    def __init__(
        self,
        generator: Mapping[str, Mapping[str, float]] = CALM,
        counts: Mapping[str, int] | None = None,
        *,
        saturated_share: float = 0.0,
        left_out: tuple[int, int] = (0, 0),
        workers: int = 1,
        missing: int = 0,
        peak: int = 0,
    ) -> None:
        self.generator: Any = {name: Gauge(stats) for name, stats in generator.items()}
        self.counts, self.saturated_share, self.left_out = counts or {}, saturated_share, left_out
        self.workers, self._missing, self.peak_concurrent = workers, missing, peak

    def missing(self) -> dict[str, int]:
        return {"w": self._missing} if self._missing else {}


def told(verdict: Validity) -> str:
    return " ".join(map(str, verdict.reasons))


def lag(p99: float, p999: float) -> dict[str, dict[str, float]]:
    return {"loop_lag_ms": {"p99": p99, "p999": p999, "max": p999}}


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({}, "valid", ""),
        (lag(10.0, 10.0), "valid", ""),
        (lag(10.1, 30.0), "suspect", "event-loop lag p99 was 10.1 ms (limit 10 ms)"),
        (lag(100.0, 100.0), "suspect", "adds to the latencies"),
        (lag(130.0, 900.0), "invalid", "event-loop lag p99 was 130 ms (limit 100 ms)"),
        (lag(3.0, 100.0), "valid", ""),
        (lag(3.0, 512.0), "suspect", "stood still for up to 512 ms"),
        ({"schedule_delay_ms": {"p99": 10.0}}, "valid", ""),
        ({"schedule_delay_ms": {"p99": 10.1}}, "suspect", "schedule delay p99 was 10.1 ms"),
        ({"schedule_delay_ms": {"p99": 101.5}}, "invalid", "more workers"),
        ({"machine_cpu_percent": {"p95": 94.9}}, "valid", ""),
        ({"machine_cpu_percent": {"p95": 95.0}}, "suspect", "target to another machine"),
        ({"gc_pause_ms": {"max": 100.0}}, "valid", ""),
        ({"gc_pause_ms": {"max": 140.0}}, "suspect", "garbage collector paused a worker for 140"),
        ({"files_percent": {"max": 89.9}}, "valid", ""),
        ({"files_percent": {"max": 90.0}}, "suspect", "`ulimit -n`"),
        ({"ports_percent": {"max": 97.0}}, "suspect", "ports were at 97 %"),
    ],
)
def test_a_run_is_judged_by_its_generator(changed: Any, level: str, said: str) -> None:
    """One row a threshold, at it and beyond it; what goes beyond has a reason with its figure."""
    verdict = assess(Seen(CALM | changed), RunFacts())
    assert verdict.level == level
    assert len(verdict.reasons) == (level != "valid")
    assert said in told(verdict)


def counted(**counts: int) -> dict[str, Any]:
    """`errors__local_limit=1` counts a `errors.local_limit`."""
    return {"counts": {key.replace("__", "."): n for key, n in counts.items()}}


@pytest.mark.parametrize(
    ("seen", "facts", "level", "kind", "said"),
    [
        ({"saturated_share": 0.10}, {}, "valid", "", ""),
        ({"saturated_share": 0.25}, {}, "invalid", "worker_cpu", "in 25 % of the intervals"),
        ({}, {"asked_users": 100, "peak_users": 95}, "valid", "", ""),
        (
            {},
            {"asked_users": 100, "peak_users": 94},
            "invalid",
            "users_missing",
            "only 94 of 100 concurrent users",
        ),
        ({"peak": 95}, {"asked_users": 100}, "valid", "", ""),
        ({"peak": 94}, {"asked_users": 100}, "invalid", "users_missing", "only 94 of 100"),
        ({}, {"asked_users": None, "peak_users": 0}, "valid", "", ""),
        (counted(sessions__started=190), {"asked_sessions": 200}, "valid", "", ""),
        (
            counted(sessions__started=190, sessions__renewed=40),  # who comes again is no arrival
            {"asked_sessions": 200},
            "invalid",
            "sessions_missing",
            "150 of 200 sessions",
        ),
        (
            counted(sessions__started=150, arrivals__refused=50),
            {"asked_sessions": 200},
            "suspect",
            "arrivals_refused",
            "50 arrivals refused because `max_concurrent`",
        ),
        ({}, {"undelivered_s": 2.0, "duration_s": 60.0}, "valid", "", ""),
        ({}, {"undelivered_s": 4.0, "duration_s": 60.0}, "suspect", "users_late", "for 4 of 60 s"),
        ({}, {"undelivered_s": 15.0, "duration_s": 60.0}, "suspect", "users_late", "timeline.csv"),
        ({}, {"undelivered_s": 16.0, "duration_s": 60.0}, "invalid", "users_late", "for 16 of 60"),
        (
            counted(errors__local_limit=1),
            {},
            "invalid",
            "local_limit",
            "ran out of files or ports once",
        ),
        (counted(errors__local_limit=40), {}, "invalid", "local_limit", "40 times"),
        (
            {"missing": 1},
            {},
            "suspect",
            "reports_missing",
            "1 report of workers never arrived",
        ),
        (
            {},
            {"workers_lost": (Loss("a_1", 3.0, 2), Loss("b_2", 4.0, 0))},
            "suspect",
            "workers_lost",
            "2 workers went away during the run (a_1, b_2)",
        ),
        (
            {},
            {"workers_refused": ("c_3",)},
            "suspect",
            "workers_refused",
            "1 worker not let in (c_3)",
        ),
        (
            {},
            {"heartbeats_lost": 2},
            "suspect",
            "heartbeats_lost",
            "2 heartbeats of workers did not come in time",
        ),
        (
            counted(errors__internal=1),
            {},
            "invalid",
            "internal",
            "a fault of loadkit itself (1 session)",
        ),
        (
            {},
            {"fault": "KeyError: 'x'"},
            "invalid",
            "internal",
            "a fault of loadkit itself (KeyError: 'x')",
        ),
        (
            counted(errors__own_code=3),
            {"own_code": {"My.plan: ValueError: no (my.py:7)": "Traceback"}},
            "invalid",
            "own_code",
            "your own code failed (3 times): My.plan: ValueError: no (my.py:7)",
        ),
        (
            counted(errors__own_code=1),
            {},
            "invalid",
            "own_code",
            "your own code failed (once): see the log",
        ),
        ({"left_out": (1, 0)}, {}, "suspect", "below_zero", "below zero"),
        ({"left_out": (0, 3)}, {}, "suspect", "too_long", "3 durations lasted over ten minutes"),
    ],
)
def test_a_run_is_judged_by_what_became_of_its_load(
    seen: Any, facts: Any, level: str, kind: str, said: str
) -> None:
    """The load asked for, the workers that carried it, and the reports they owed."""
    verdict = assess(Seen(**seen), RunFacts(**facts))
    assert verdict.level == level
    assert [reason.kind for reason in verdict.reasons] == ([kind] if kind else [])
    assert said in told(verdict)


@pytest.mark.parametrize("generator", [{}, {key: {} for key in CALM}])
def test_what_was_not_measured_is_not_judged(generator: Any) -> None:
    """A machine without /proc has no ports to count, and a short run no pause to show."""
    assert assess(Seen(generator), RunFacts()).level == "valid"


def test_a_stall_is_told_once() -> None:
    """The rule on rare stalls is for what the p99 leaves out; it adds nothing to a bad p99."""
    assert len(assess(Seen(CALM | lag(500.0, 900.0)), RunFacts()).reasons) == 1
    assert len(assess(Seen(CALM | lag(30.0, 900.0)), RunFacts()).reasons) == 2


def test_the_gravest_reason_comes_first_and_sets_the_level() -> None:
    """Whoever reads one line reads the one that matters."""
    late = lag(30.0, 40.0) | {"schedule_delay_ms": {"p99": 200.0}}
    verdict = assess(Seen(late, missing=4), RunFacts())
    assert verdict.level == "invalid"
    assert [reason.kind.value for reason in verdict.reasons] == [
        "schedule_delay",
        "loop_lag",
        "reports_missing",
    ]


def test_a_fleet_that_goes_away_is_still_one_sentence() -> None:
    """Five names, and how many more."""
    lost = tuple(Loss(f"w{n}", 1.0, 0) for n in range(50))
    (reason,) = assess(Seen(), RunFacts(workers_lost=lost)).reasons
    assert "50 workers" in reason.text
    assert "w4 and 45 more)" in reason.text


@pytest.mark.parametrize(
    ("at_s", "level"),
    [(74.9, "invalid"), (99.9, "invalid"), (100.0, "suspect"), (101.0, "suspect")],
)
def test_a_run_that_was_cut_is_never_valid(at_s: float, level: str) -> None:
    """Nor a pass, unless all of its load was run and only its results were not written."""
    cut = Cut(at_s, 100.0, "killed", sessions_live=3, half_written_lines=2)
    verdict = assess(Seen(), RunFacts(cut=cut))
    assert verdict.level == level
    (reason,) = verdict.reasons
    assert reason.kind is ReasonKind.CUT
    assert reason.text.startswith(f"the run was cut after {at_s:g} of 100 s (killed)")
    assert "2 half-written lines left out" in reason.text


def test_a_run_that_was_stopped_is_no_pass() -> None:
    """However little of it was missing; the stop is told before all other doubts."""
    stopped = RunFacts(stopped="after 59.9 of 60 s, by Ctrl-C (SIGINT)")
    verdict = assess(Seen(counts={"errors.local_limit": 1}), stopped)
    assert verdict.level == "invalid"
    said = "stopped early: after 59.9 of 60 s, by Ctrl-C (SIGINT)"
    assert str(verdict.reasons[0]).startswith(said)
    assert not verdict.reasons[0].is_doubt


@pytest.mark.parametrize(
    ("to_s", "started", "level", "says"),
    [
        (None, 0, "invalid", "no worker was heard of from 14 s on: the load asked for after that"),
        (None, 1, "invalid", "no worker was heard of from 14 s on"),
        (20.5, 0, "suspect", "no worker was heard of from 14 to 20.5 s, when there was one again:"),
        (20.5, 2, "suspect", "one again (2 workers started again by loadkit): what nobody asked"),
    ],
)
def test_a_time_without_a_worker_is_told(
    to_s: float | None, started: int, level: str, says: str
) -> None:
    """What nobody ran until the end is not delivered; else its length is judged with the load."""
    facts = RunFacts(without_workers=(Absence(14.0, to_s, started),))
    verdict = assess(Seen(), facts)
    assert verdict.level == level
    assert says in verdict.reasons[0].text


def flooded(floods: int) -> Validity:
    """Of two workers that had no time for 100 s."""
    counts = {"errors.frame_flood": floods}
    seen = Seen(CALM | lag(130.0, 900.0), counts, saturated_share=0.25, workers=2)
    return assess(seen, RunFacts(duration_s=100.0))


@pytest.mark.parametrize(("floods", "blamed"), [(0, False), (2, True), (900, True)])
def test_a_flood_that_may_have_taken_the_time_is_blamed_for_it(floods: int, blamed: bool) -> None:
    """Two workers have 200 s, of which a hundredth is what two floods may take."""
    assert "use more workers" in flooded(1).reasons[0].remedy
    verdict = flooded(floods)
    assert len(verdict.reasons) == 2
    for reason in verdict.reasons:
        assert (f"the target flooded {floods} sessions (`frame_flood`)" in reason.text) == blamed
        assert ("use more workers" in reason.remedy) != blamed
    assert verdict.level == ("suspect" if blamed else "invalid")


def test_a_flood_excuses_no_load_that_was_not_delivered() -> None:
    """It says why, and stays invalid."""
    facts = RunFacts(duration_s=10.0, asked_users=100, peak_users=50, undelivered_s=8.0)
    verdict = assess(Seen(counts={"errors.frame_flood": 5}), facts)
    assert verdict.level == "invalid"
    assert len(verdict.reasons) == 2
    assert all("the target flooded 5 sessions" in reason.remedy for reason in verdict.reasons)


def test_a_flood_alone_is_the_targets_failure_and_no_flaw_of_the_run() -> None:
    seen = Seen(counts={"errors.frame_flood": 5})
    assert assess(seen, RunFacts(duration_s=10.0)).level == "valid"


def test_the_document_and_the_constants_agree() -> None:
    """The table of thresholds is complete and has the numbers that judge."""
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.split("## Validity")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (suspect|invalid) \|", section, re.M)
    v, g = validity, generator_limits
    assert rows == [
        (f"event-loop lag p99 over {g.LAG_SUSPECT_MS:g} ms", "suspect"),
        (f"schedule delay p99 over {g.LAG_SUSPECT_MS:g} ms", "suspect"),
        (f"either over {g.LAG_INVALID_MS:g} ms", "invalid"),
        (f"event-loop lag p999 over {g.STALL_SUSPECT_MS:g} ms", "suspect"),
        (f"a pause of the garbage collector over {g.GC_PAUSE_SUSPECT_MS:g} ms", "suspect"),
        (
            f"a worker used {SATURATED_CPU_PERCENT:g} % or more of a core in more than "
            f"{100 * g.SATURATED_SHARE:g} % of its intervals",
            "invalid",
        ),
        (f"CPU of a machine at {g.MACHINE_CPU_SUSPECT_PERCENT:g} % or more at p95", "suspect"),
        (
            f"open files or ports at {g.LIMIT_SUSPECT_PERCENT:g} % or more of what the machine "
            "allows",
            "suspect",
        ),
        ("files or ports ran out on our side", "invalid"),
        (
            f"under {100 * DELIVERED_SHARE:g} % of the users or arrivals asked for were there",
            "invalid",
        ),
        (
            f"clearly fewer users than asked for, over {v.UNDELIVERED_SUSPECT_S:g} s in all",
            "suspect",
        ),
        (
            f"the same for over {100 * v.UNDELIVERED_SHARE:g} % of the run",
            "invalid",
        ),
        ("an arrival was refused: the most sessions allowed were running", "suspect"),
        ("a worker went away, or was not let in", "suspect"),
        ("for some time there was no worker at all", "suspect"),
        ("the same until the end of the run", "invalid"),
        ("a report or a heartbeat of a worker did not arrive", "suspect"),
        ("a duration came out below zero, or over ten minutes", "suspect"),
        ("a fault of loadkit itself", "invalid"),
        ("an exception in your own code", "invalid"),
        ("the run was stopped before its time, other than by `[abort]`", "invalid"),
        ("the run was cut: the process that led it was killed, or its disk was full", "invalid"),
        ("the same after all of its load", "suspect"),
    ]
