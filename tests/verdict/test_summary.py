"""The frozen result of a run."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from scipy.stats import binom

from loadkit.errors import Failure
from loadkit.figures import STEPS, VIOLATED, Count, Ending, Origin, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.rates import by_class
from loadkit.measure.recorder import Recorder
from loadkit.protocol.expectations import EXPECTED
from loadkit.verdict.run_facts import Cut, Loss
from loadkit.verdict.summary import Summary, summarise
from tests.answers import answered
from tests.verdict.known import asked_and_known

# The contract, copied: the keys are what users script against. Of the first version there is
# nothing missing; what has come since has its place among them.
CONTRACT = json.loads("""
{"schema": "loadkit.summary/1", "profile": "smoke", "started_at": "…Z", "duration_s": 30.1,
 "stopped_early": null, "target": "http://127.0.0.1:8100",
 "verdict": {"slo": "pass|fail|none", "validity": "valid|suspect|invalid", "reasons": ["…"],
             "exit_code": 0, "strict": false, "reasons_detail": []},
 "sessions": {"started": 0, "completed": 0, "peak_concurrent": 0,
              "ended": {"user_end": 0, "natural_end": 0, "abandoned": 0, "client_handoff": 0,
                        "failed": 0, "cut_off": 0},
              "reached": {"token": 0, "session": 0, "socket": 0, "greeting": 0, "answer": 0}},
 "turns": {"sent": 0, "answered": 0, "lost": 0, "open": 0, "lost_ratio": 0.0,
           "resent": 0, "answered_twice": 0},
 "throughput": {"sessions_per_second": 0.0, "turns_per_second": 0.0, "measured_s": 30.1},
 "frames": {"sent": 0, "received": 0, "bytes_sent": 0, "bytes_received": 0},
 "latency_ms": {"response": {"count": 0, "min": 0, "mean": 0, "p50": 0, "p90": 0, "p95": 0,
                             "p99": 0, "p999": 0, "max": 0}},
 "from_schedule_ms": {"response": {}},
 "intervals_ms": {"response": {"p50": [0, 0], "p90": [0, 0]}},
 "waits": {},
 "disconnects": {"forced": 0, "recycled": 0, "refreshed": 0, "unexpected": 0, "reconnected": 0,
                 "gave_up": 0, "events_lost": 0, "events_duplicated": 0},
 "violations": {}, "errors": {}, "user_classes": {}, "clients": {},
 "generator": {"workers": 1, "loop_lag_ms": {}, "schedule_delay_ms": {}, "cpu_percent": {},
               "rss_mb": {}, "machine_cpu_percent": {}, "gc_pause_ms": {}, "files_percent": {},
               "ports_percent": {}, "ending_lag_ms": {}, "left_out": {"negative": 0, "overflow": 0},
               "heartbeats_lost": 0, "workers_lost": [],
               "without_workers": [], "workers_refused": []},
 "slo": [{"metric": "response.p95", "limit": 2500, "actual": 812.3, "pass": true,
          "status": "pass", "samples": 100, "needed": 90, "interval": [790, 830],
          "at_least": false, "stale": 0}],
 "counts": {}}
""")


def keys(tree: Any) -> Any:
    """The key tree of an object, in order; statistics count as leaves."""
    if isinstance(tree, dict) and "p50" not in tree:
        return [(key, keys(value)) for key, value in tree.items()]
    return keys(tree[0]) if isinstance(tree, list) and tree and isinstance(tree[0], dict) else None


TURNS = 50
"""Enough for p50 (7) and p90 (44), and too few for p95 (90)."""


def good_run(recorder: Recorder) -> None:
    for number in range(TURNS):
        recorder.sample(Phase.RESPONSE, due=1.0, sent=1.0, end=1.8 + number / 1000)
    recorder.count(Count.TURNS_SENT, TURNS)
    recorder.count(Count.TURNS_ANSWERED, TURNS)
    recorder.session_started()
    recorder.session_ended(Ending.USER_END)


def summary_of(*acts: Callable[[Recorder], None], **options: Any) -> Summary:
    recorder, ledger = Recorder(), Ledger()
    for act in acts:
        act(recorder)
    ledger.add("w", 1, recorder.take(10.0))
    return summarise(ledger, *asked_and_known(**options))


def test_the_keys_are_those_of_the_contract_in_its_order() -> None:
    """Nothing is missing, nothing is extra, nothing has moved."""
    summary = summary_of(good_run, limits=[("response.p90", 2500)])
    made = summary.to_dict()
    assert list(made["latency_ms"]["response"]) == list(CONTRACT["latency_ms"]["response"])
    # Statistics are leaves for `keys`: whether they are empty depends on what was measured.
    CONTRACT["from_schedule_ms"]["response"] = made["from_schedule_ms"]["response"]
    CONTRACT["generator"]["schedule_delay_ms"] = made["generator"]["schedule_delay_ms"]
    assert keys(made) == keys(CONTRACT)


def test_it_says_how_far_sessions_got() -> None:
    """From the first moment on: a session that fails in the warm-up has failed."""
    recorder = Recorder(measure_from=100.0)
    for step, sessions in zip(STEPS, (5, 4, 3, 2, 1), strict=True):
        recorder.count(f"reached.{step}", sessions)
    ledger = Ledger()
    ledger.add("w", 1, recorder.take(1.0))
    summary = summarise(ledger, *asked_and_known())
    assert summary.sessions["reached"] == dict(zip(STEPS, (5, 4, 3, 2, 1), strict=True))
    assert summary.counts == {}


def test_it_has_the_responses_by_the_number_of_the_turn() -> None:
    """The twentieth has all that come later."""
    recorder, ledger = Recorder(), Ledger()
    for number, took in ((1, 0.1), (1, 0.3), (2, 0.5), (20, 1.0), (31, 3.0)):
        recorder.sample(Phase.RESPONSE, None, 1.0, 1.0 + took, answered(0.5, number))
    ledger.add("w", 1, recorder.take(9.0))
    by_turn = summarise(ledger, *asked_and_known()).by_turn
    assert {number: (one["count"], one["max"]) for number, one in by_turn.items()} == {
        "1": (2, 300),
        "2": (1, 500),
        "20": (2, 3000),
    }


def test_a_latency_that_was_not_measured_is_absent() -> None:
    """Absent, not zero."""
    made = summary_of().to_dict()
    assert made["latency_ms"] == {}
    assert made["from_schedule_ms"] == {}
    assert made["generator"]["cpu_percent"] == {}


def test_a_summary_survives_json() -> None:
    """A report can be made again from the file."""
    limits = [("response.p90", 2500), ("response.p95", 2500), ("echo.p95", 1)]
    summary = summary_of(
        good_run,
        limits=limits,
        strict=True,
        aborted="response p95 broken for 30 s",
        asked_sessions=1,
        workers_lost=(LOST,),
        workers_refused=("old_1",),
        heartbeats_lost=2,
    )
    assert Summary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary


def test_a_summary_of_the_first_version_is_read() -> None:
    """It has no intervals, no states of objectives, and no figures of the machine."""
    old = summary_of(good_run, limits=[("response.p90", 2500), ("response.p50", 1)]).to_dict()
    for key in ("stopped_early", "intervals_ms"):
        del old[key]
    del old["verdict"]["strict"]
    del old["verdict"]["reasons_detail"]
    for key in list(old["generator"])[5:]:
        del old["generator"][key]
    for line in old["slo"]:
        for key in ("status", "samples", "needed", "interval"):
            del line[key]
    read = Summary.from_dict(json.loads(json.dumps(old)))
    assert [line.status for line in read.slo] == ["pass", "fail"]
    assert (read.intervals_ms, read.arrivals, read.stopped_early) == ({}, None, None)
    assert not read.verdict.strict


def test_a_summary_of_another_schema_is_refused() -> None:
    """Figures whose meaning has changed are not compared by accident."""
    with pytest.raises(ValueError, match=r"loadkit\.summary/2"):
        Summary.from_dict(summary_of().to_dict() | {"schema": "loadkit.summary/2"})


def test_keys_that_a_later_version_adds_are_passed_over() -> None:
    """The contract changes by adding only, so an older tool still reads the file."""
    summary = summary_of(good_run)
    assert Summary.from_dict(summary.to_dict() | {"weather": "fine"}) == summary


def test_completed_sessions_are_those_that_ended_as_conversations_do() -> None:
    """A user's end, the agent's end and the hand-over count; leaving, failing, cutting do not."""

    def one_each(recorder: Recorder) -> None:
        for ending in Ending:
            recorder.session_started()
            recorder.session_ended(ending)

    sessions = summary_of(one_each).to_dict()["sessions"]
    assert (sessions["started"], sessions["completed"]) == (6, 3)
    assert set(sessions["ended"].values()) == {1}


def test_the_ratio_of_lost_turns_is_of_those_sent() -> None:
    """One of four, and 0.0 where none was sent."""

    def one_of_four(recorder: Recorder) -> None:
        recorder.count(Count.TURNS_SENT, 4)
        recorder.count(Count.TURNS_LOST)

    assert summary_of(one_of_four).turns["lost_ratio"] == 0.25
    assert summary_of().turns["lost_ratio"] == 0.0


def failing(recorder: Recorder) -> None:
    recorder.fail(Failure.UNANSWERED, "no answer in 60 s")


def refused_one(recorder: Recorder) -> None:
    recorder.count(Count.ARRIVALS_REFUSED)


def own_code(recorder: Recorder) -> None:
    recorder.fail(Failure.OWN_CODE, "My.plan: ValueError: no (my.py:7)")


def broken_tool(recorder: Recorder) -> None:
    recorder.fail(Failure.INTERNAL, "KeyError: 'x'")


def out_of_files(recorder: Recorder) -> None:
    recorder.fail(Failure.LOCAL_LIMIT, "too many open files")


HOLDS, BREAKS = [("response.p90", 2500.0)], [("response.p90", 100.0)]
UNKNOWN = [("response.p99", 2500.0)]
CUT = Cut(50.0, 60.0, "killed", sessions_live=3, half_written_lines=0)
LOST = Loss("host_1a2b", 12.5, 40)


@pytest.mark.parametrize(
    ("acts", "options", "slo", "validity", "code"),
    [
        ([good_run], {}, "none", "valid", 0),
        ([good_run], {"limits": HOLDS}, "pass", "valid", 0),
        ([good_run], {"limits": BREAKS}, "fail", "valid", 1),
        ([good_run, failing], {}, "none", "valid", 1),
        ([good_run, failing], {"limits": HOLDS}, "pass", "valid", 0),
        ([good_run, lambda r: r.violate("gap", "")], {}, "none", "valid", 1),
        ([good_run, lambda r: r.count(Count.TURNS_LOST)], {}, "none", "valid", 1),
        ([good_run, lambda r: r.session_ended(Ending.FAILED)], {}, "none", "valid", 1),
        ([good_run, lambda r: r.session_ended(Ending.CUT_OFF)], {}, "none", "valid", 0),
        ([good_run, lambda r: r.session_ended(Ending.ABANDONED)], {}, "none", "valid", 0),
        ([good_run], {"limits": UNKNOWN}, "pass", "valid", 0),
        ([good_run], {"limits": UNKNOWN, "strict": True}, "fail", "valid", 1),
        ([good_run], {"limits": HOLDS, "strict": True}, "pass", "valid", 0),
        ([good_run], {"limits": UNKNOWN + BREAKS}, "fail", "valid", 1),
        ([good_run], {"limits": HOLDS, "aborted": "for a test"}, "fail", "valid", 1),
        ([good_run], {"limits": HOLDS, "stopped": "after 3 of 60 s"}, "pass", "invalid", 3),
        ([good_run], {"stopped": "after 59.8 of 60 s"}, "none", "invalid", 3),
        ([good_run], {"limits": HOLDS, "cut": CUT}, "pass", "invalid", 3),
        ([good_run], {"limits": HOLDS, "workers_lost": (LOST,)}, "pass", "suspect", 0),
        ([good_run], {"limits": HOLDS, "heartbeats_lost": 1}, "pass", "suspect", 0),
        ([good_run], {"limits": HOLDS, "workers_refused": ("old_1",)}, "pass", "suspect", 0),
        ([good_run, out_of_files], {"limits": HOLDS}, "pass", "invalid", 3),
        ([good_run], {"limits": HOLDS, "undelivered_s": 5.0}, "pass", "suspect", 0),
        ([good_run], {"limits": HOLDS, "undelivered_s": 20.0}, "pass", "invalid", 3),
        (
            [good_run, out_of_files],
            {"limits": BREAKS, "aborted": "x"},
            "fail",
            "invalid",
            3,
        ),
        ([good_run], {"asked_sessions": 1}, "none", "valid", 0),
        ([good_run], {"asked_sessions": 2}, "none", "invalid", 3),
        ([good_run, refused_one], {"asked_sessions": 2}, "none", "suspect", 0),
        ([good_run, lambda r: r.loop_lag(0.2)], {"limits": HOLDS}, "pass", "invalid", 3),
        ([good_run, lambda r: r.loop_lag(0.2)], {"limits": BREAKS}, "fail", "invalid", 3),
        ([good_run], {"asked_users": 50}, "none", "invalid", 3),
        ([good_run], {"asked_users": 50, "peak_users": 50}, "none", "valid", 0),
        ([good_run, broken_tool], {"limits": HOLDS}, "pass", "invalid", 70),
        ([good_run], {"limits": HOLDS, "fault": "KeyError: 'x'"}, "pass", "invalid", 70),
        ([good_run, own_code], {"limits": HOLDS}, "pass", "invalid", 3),
        ([own_code], {"limits": [("violations", 0)]}, "pass", "invalid", 2),
        ([], {"limits": HOLDS}, "fail", "valid", 1),
        ([], {"limits": [("turns.lost_ratio", 0.0)]}, "fail", "valid", 1),
    ],
)
def test_the_exit_code_follows_the_contract(
    acts: Any, options: Any, slo: str, validity: str, code: int
) -> None:
    """3 for an invalid run, 1 for a broken SLO or, without one, any failure; else 0."""
    verdict = summary_of(*acts, **options).verdict
    assert (verdict.slo, verdict.validity, verdict.exit_code) == (slo, validity, code)
    untold = options == {"limits": UNKNOWN}  # undecided is no plain pass either
    assert bool(verdict.reasons) == (code != 0 or validity != "valid" or untold)


def test_reasons_name_doubts_first_and_then_every_line_that_did_not_hold() -> None:
    """In words, with the figures; the end before its time comes between."""
    limits = [("response.p90", 100.0), *UNKNOWN, ("turns.answered", 0)]
    verdict = summary_of(
        good_run, limits=limits, workers_lost=(LOST,), aborted="broken for 30 s"
    ).verdict
    said = list(map(str, verdict.reasons))
    assert said[0].startswith("1 worker went away during the run (host_1a2b)")
    assert verdict.doubts == verdict.reasons[:1]
    assert said[1] == "stopped early: broken for 30 s"
    assert said[2].startswith("SLO broken: response p90 844 ms > 100 ms")
    assert said[3:] == [
        "SLO undecided: response p99: too few samples (50 of 459)",
        "SLO broken: turns answered 50 > 0",
    ]


def test_a_strict_run_says_that_it_was_strict() -> None:
    """Else the exit code of an undecided objective would puzzle."""
    (reason,) = summary_of(good_run, limits=UNKNOWN, strict=True).verdict.reasons
    assert str(reason) == "SLO undecided: response p99: too few samples (50 of 459), and --strict"


def test_a_percentile_that_the_count_does_not_support_has_no_interval() -> None:
    """Of 50 samples p50 and p90 are told; the ends are the order statistics of the binomial."""
    intervals = summary_of(good_run).intervals_ms["response"]
    assert list(intervals) == ["p50", "p90"]
    for name, share in (("p50", 0.5), ("p90", 0.9)):
        low, high = (int(binom.ppf(at, TURNS, share)) for at in (0.025, 0.975))
        # Rank k is the sample of 800 + k - 1 ms; the upper end is the next rank after its quantile.
        assert intervals[name] == pytest.approx((800 + low - 1, 800 + high), abs=0.5)


def test_arrivals_are_of_the_open_model_alone() -> None:
    """Asked for, started, refused; a refused one is not missing."""
    made = summary_of(good_run, refused_one, asked_sessions=2).to_dict()
    assert made["arrivals"] == {"asked": 2, "started": 1, "refused": 1}
    assert "arrivals" not in summary_of(good_run).to_dict()


def test_the_generator_keeps_what_speaks_against_it() -> None:
    """For whoever asks later why a run was suspect."""
    generator = summary_of(
        good_run,
        lambda r: r.gauge("gc_pause_ms", 12.5),
        lambda r: r.gauge("ports_percent", 40.0),
        workers_lost=(LOST,),
        workers_refused=("old_1",),
        heartbeats_lost=3,
    ).generator
    assert generator["gc_pause_ms"]["max"] == 12.5
    assert generator["ports_percent"]["max"] == 40.0
    assert generator["files_percent"] == {}
    assert generator["workers_lost"] == [asdict(LOST)]
    assert generator["workers_refused"] == ["old_1"]
    assert generator["heartbeats_lost"] == 3


def test_without_an_slo_the_reason_names_what_failed() -> None:
    """An exit code of 1 is never left unexplained."""
    (reason,) = summary_of(good_run, failing).verdict.reasons
    assert str(reason) == "no SLO, and something failed: 1 error"


def test_every_count_can_be_an_objective() -> None:
    """Also one that has no key of its own in the file: a limit on it must not hold unseen."""
    for count in Count:
        verdict = summary_of(lambda r, count=count: r.count(count, 2), limits=[(count.value, 1)])
        assert (count, verdict.slo[0].actual) == (count, 2)


def test_users_without_a_single_session_are_an_invalid_run() -> None:
    """A worker that missed the start of the run must not let it pass."""
    nothing = summarise(Ledger(), *asked_and_known(asked_users=5, peak_users=5))
    assert nothing.verdict.validity == "invalid"
    assert nothing.verdict.exit_code == 3


def test_each_user_class_has_its_figures() -> None:
    """Those of which there was a session; nothing of one class is counted with another."""
    recorder = Recorder(named=frozenset({"CompleteChat", "HandoffChat", "IdleChat"}))
    good_run(recorder.scoped("CompleteChat"))  # type: ignore[arg-type]  # with the same methods
    failed = recorder.scoped("HandoffChat")
    failed.session_started()
    failed.count(Count.TURNS_SENT)
    failed.count(Count.TURNS_LOST)
    failed.fail(Failure.UNANSWERED, "")
    failed.violate("gap", "")
    failed.session_ended(Ending.FAILED)
    ledger = Ledger()
    ledger.add("w", 1, recorder.take(10.0))
    found = by_class(ledger)
    assert found["CompleteChat"].pop("latency_ms")["response"]["count"] == TURNS
    assert found == {
        "CompleteChat": {
            "sessions": {"started": 1, "failed": 0},
            "turns": {"sent": TURNS, "answered": TURNS, "lost": 0, "open": 0},
            "errors": 0,
            "violations": 0,
        },
        "HandoffChat": {
            "sessions": {"started": 1, "failed": 1},
            "turns": {"sent": 1, "answered": 0, "lost": 1, "open": 0},
            "errors": 1,
            "violations": 1,
            "latency_ms": {},
        },
    }


@pytest.mark.parametrize(
    ("duration_s", "warmup_s", "rates"),
    [
        (10.0, 0.0, {"sessions_per_second": 0.1, "turns_per_second": 5.0, "measured_s": 10.0}),
        (30.0, 20.0, {"sessions_per_second": 0.033, "turns_per_second": 5.0, "measured_s": 10.0}),
        (10.0, 20.0, {"sessions_per_second": 0.1}),  # it never came to be measured
        (0.0, 0.0, {}),
    ],
)
def test_rates_are_of_the_time_in_which_they_were_counted(
    duration_s: float, warmup_s: float, rates: dict[str, float]
) -> None:
    found = summary_of(good_run, duration_s=duration_s, warmup_s=warmup_s)
    assert found.throughput == rates


def test_a_violation_says_what_was_expected_how_far_it_spread_and_what_shows_it() -> None:
    """Three times in one session of four; the smallest transcript of those that are kept."""
    recorder, ledger = Recorder(), Ledger()
    for _ in range(4):
        recorder.session_started()
    for frames in (("1 → a", "2 ← b"), ("3 ← c",), ("4 ← d", "5 ← e")):
        recorder.violate("sequence_gap", f"{len(frames)}", Origin(session="s"), lambda f=frames: f)
    recorder.count(f"{VIOLATED}.sequence_gap")
    ledger.add("w", 1, recorder.take(10.0))
    summary = summarise(ledger, *asked_and_known())
    told = {
        "sequence_gap": {
            "count": 3,
            "sessions": 1,
            "share": 0.25,
            "expected": EXPECTED["sequence_gap"],
            "example": {"detail": "1", "session": "s", "frames": ["3 ← c"]},
        }
    }
    assert summary.violations_detail == summary.to_dict()["violations_detail"] == told
    assert Summary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary
    assert summary.violations == {"sequence_gap": 3}
    assert "violated.sequence_gap" not in summary.counts
