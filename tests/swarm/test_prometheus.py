"""What a scrape is told, compared with the samples that went in."""

import json
import re
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.core import Metric

from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase, Wait
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.protocol.decode import FlawKind
from loadkit.stats.histogram import Histogram
from loadkit.swarm.web.prometheus import BOUNDS, RunCollector
from loadkit.swarm.web.scrape import Scrape

ROOT = Path(__file__).parents[2]
SECRET = "eyJhbGciOi.a-token-that-nobody-may-see"


def families(live: Scrape) -> dict[str, Metric]:
    return {family.name: family for family in RunCollector(lambda: live).collect()}


def value(live: Scrape, name: str, **labels: str) -> float:
    """The one sample of that name and those labels."""
    (found,) = [
        sample.value
        for family in families(live).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


def names(live: Scrape) -> set[str]:
    return {sample.name for family in families(live).values() for sample in family.samples}


def ledger(*recorders: Recorder) -> Ledger:
    """What a master knows after an interval of each worker."""
    ledger = Ledger()
    for number, recorder in enumerate(recorders):
        ledger.add(f"worker-{number}", 1, recorder.take(10.0))
    return ledger


def gauge(*values: float) -> Histogram:
    """An interval's figure as it comes from a worker."""
    tally = Histogram()
    for one in values:
        tally.record_whole(round(one * 1000))
    return tally


@settings(max_examples=25)
@given(st.lists(st.floats(0, 600), min_size=1, max_size=60), st.integers(0, 60))
def test_a_histogram_counts_as_its_samples_do(samples: list[float], cut: int) -> None:
    """Each bucket holds the samples up to its bound, over all workers.

    A figure is known to three digits: what is up to 0.1 % above a bound may count below it.
    """
    recorders = Recorder(), Recorder()
    for recorder, part in zip(recorders, (samples[:cut], samples[cut:]), strict=True):
        for seconds in part:
            recorder.sample(Phase.RESPONSE, None, 0.0, seconds)
    buckets = {
        (sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value
        for sample in families(Scrape(ledger(*recorders)))["loadkit_latency_seconds"].samples
    }
    exact = sorted(round(seconds * 1e6) / 1e6 for seconds in samples)
    for bound in BOUNDS:
        told = buckets["bucket", str(bound)]
        assert bisect_right(exact, bound) <= told <= bisect_right(exact, bound * 1.001)
    assert buckets["count", None] == len(samples)
    assert buckets["sum", None] == pytest.approx(sum(exact), abs=1e-6)


def test_a_phase_that_was_never_measured_is_absent() -> None:
    """No histogram of zeros is shown for it."""
    recorder = Recorder()
    recorder.sample(Phase.ECHO, None, 1.0, 1.2)
    (echo,) = {
        sample.labels["phase"]
        for sample in families(Scrape(ledger(recorder)))["loadkit_latency_seconds"].samples
    }
    assert echo == "echo"


def test_waits_that_are_open_are_told_by_phase() -> None:
    """How many there are, and how long the oldest has lasted."""
    recorder = Recorder()
    recorder.sample(Phase.ECHO, None, 1.0, 1.1)
    for sent in (2.0, 7.0):
        recorder.see_waiting("CompleteChat", 9.0, [Wait(Phase.RESPONSE, None, sent)], [sent])
    known = Ledger()
    known.add("w", 1, recorder.take(9.0))
    live = Scrape(known)
    assert value(live, "loadkit_waits_open", phase="response") == 2
    assert value(live, "loadkit_wait_oldest_seconds", phase="response") == pytest.approx(7, 0.001)
    assert value(live, "loadkit_waits_open", phase="echo") == 0
    assert value(live, "loadkit_wait_oldest_seconds", phase="echo") == 0


def test_the_wait_from_the_schedule_stands_beside_the_latency() -> None:
    """The same answer, counted from when it was due."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, 1.0, 1.5, 2.5)
    live = Scrape(ledger(recorder))
    assert value(live, "loadkit_latency_seconds_sum", phase="response") == 1.0
    assert value(live, "loadkit_latency_from_schedule_seconds_sum", phase="response") == 1.5
    assert value(live, "loadkit_generator_schedule_delay_seconds_sum") == 0.5


COUNTERS: list[tuple[str, str, dict[str, str]]] = [
    ("turns.sent", "turns_sent", {}),
    ("turns.answered", "turns", {"outcome": "answered"}),
    ("turns.lost", "turns", {"outcome": "lost"}),
    ("turns.resent", "turns_resent", {}),
    ("turns.answered_twice", "turns_answered_twice", {}),
    ("disconnects.forced", "disconnects", {"kind": "forced"}),
    ("disconnects.recycled", "disconnects", {"kind": "recycled"}),
    ("disconnects.unexpected", "disconnects", {"kind": "unexpected"}),
    ("disconnects.reconnected", "reconnects", {"outcome": "reconnected"}),
    ("disconnects.gave_up", "reconnects", {"outcome": "gave_up"}),
    ("disconnects.events_lost", "events_lost", {}),
    ("disconnects.events_duplicated", "events_duplicated", {}),
]
"""What is counted, and where it is told."""


def test_every_count_has_a_counter_of_its_own() -> None:
    """Each is the sum over workers, and none is taken for another."""
    first, second = Recorder(), Recorder()
    for number, (key, _, _) in enumerate(COUNTERS, start=1):
        first.count(key, number)
        second.count(key, 100 * number)
    live = Scrape(ledger(first, second))
    told = [value(live, f"loadkit_{name}_total", **labels) for _, name, labels in COUNTERS]
    assert told == [101 * number for number in range(1, len(COUNTERS) + 1)]


def test_sessions_frames_and_faults_are_the_sums_over_workers() -> None:
    """Each is what the recorders were told."""
    first, second = Recorder(), Recorder()
    for _ in range(3):
        first.session_started()
    second.session_started()
    first.session_ended(Ending.USER_END)
    second.session_ended(Ending.FAILED)
    first.fail(Failure.UNANSWERED, "late")
    second.fail(Failure.UNANSWERED, "late")
    first.violate(Wrong.SEQUENCE_GAP, "a hole")
    first.frames_sent, first.frames_received = 1, 2
    second.frames_sent, second.bytes_sent, second.bytes_received = 10, 300, 4000
    live = Scrape(ledger(first, second))
    assert value(live, "loadkit_sessions_started_total") == 4
    assert value(live, "loadkit_sessions_live") == 2
    assert value(live, "loadkit_sessions_ended_total", how="user_end") == 1
    assert value(live, "loadkit_sessions_ended_total", how="failed") == 1
    assert value(live, "loadkit_errors_total", kind="unanswered") == 2
    assert value(live, "loadkit_violations_total", kind="sequence_gap") == 1
    assert value(live, "loadkit_frames_total", direction="sent") == 11
    assert value(live, "loadkit_frames_total", direction="received") == 2
    assert value(live, "loadkit_frame_bytes_total", direction="sent") == 300
    assert value(live, "loadkit_frame_bytes_total", direction="received") == 4000


def test_every_kind_is_there_from_the_first_scrape() -> None:
    """A rise from 0 to 1 can be seen; from nothing to 1 it cannot."""
    found = families(Scrape(Ledger()))
    kinds = {sample.labels["kind"] for sample in found["loadkit_errors"].samples}
    assert kinds == {*map(str, Failure), "other"}
    kinds = {sample.labels["kind"] for sample in found["loadkit_violations"].samples}
    assert kinds == {*map(str, Wrong), *map(str, FlawKind), "other"}
    states = {sample.labels["state"] for sample in found["loadkit_workers"].samples}
    assert {"ready", "running", "missing"} <= states


def test_labels_do_not_grow_with_what_is_counted() -> None:
    """However many kinds a user class makes up, they are one label and none is left out."""
    recorder = Recorder()
    before = {name: len(family.samples) for name, family in families(Scrape(Ledger())).items()}
    for number in range(100):
        recorder.violate(f"my-{number}", "one of my own")
        recorder.count(f"chaos.{number}")
    live = Scrape(ledger(recorder))
    assert {name: len(family.samples) for name, family in families(live).items()} == before
    assert value(live, "loadkit_violations_total", kind="other") == 100


def test_no_text_of_the_server_is_told() -> None:
    """Examples and transcripts may hold what a label must not."""
    recorder = Recorder()
    recorder.fail(Failure.HTTP_CLIENT_ERROR, SECRET)
    recorder.violate("malformed_json", SECRET, transcript=lambda: [SECRET])
    assert SECRET not in repr(families(Scrape(ledger(recorder), run="r", profile="smoke")))


def test_a_machine_is_as_near_its_limit_as_its_worst_worker() -> None:
    """Shares are the highest of all workers', each the mean of its interval; memory is the sum."""
    workers = {
        "a": {
            "cpu_percent": gauge(20, 40),
            "machine_cpu_percent": gauge(90),
            "rss_mb": gauge(100),
            "files_percent": gauge(12),
        },
        "b": {"cpu_percent": gauge(80), "machine_cpu_percent": gauge(50), "rss_mb": gauge(60.5)},
    }
    live = Scrape(Ledger(), generator=workers)
    assert value(live, "loadkit_generator_cpu_ratio") == pytest.approx(0.80)
    assert value(live, "loadkit_generator_machine_cpu_ratio") == pytest.approx(0.90)
    assert value(live, "loadkit_generator_open_files_ratio") == pytest.approx(0.12)
    assert value(live, "loadkit_generator_resident_memory_bytes") == pytest.approx(160.5e6)
    assert "loadkit_generator_ports_ratio" not in names(live)  # not told is not 0


def test_the_leading_process_tells_its_own_memory() -> None:
    """What the system says of this very process, give or take what a scrape takes."""
    told = value(Scrape(Ledger()), "loadkit_master_resident_memory_bytes")
    assert told == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_the_lag_of_every_probe_is_in_the_histogram() -> None:
    """What the recorder made of the generator's delays, in seconds."""
    recorder = Recorder()
    recorder.loop_lag(0.002)
    recorder.loop_lag(0.03)
    live = Scrape(ledger(recorder))
    lag = "loadkit_generator_loop_lag_seconds"
    assert value(live, f"{lag}_count") == 2
    assert value(live, f"{lag}_bucket", le="0.025") == 1
    assert value(live, f"{lag}_sum") == pytest.approx(0.032)


def test_the_run_is_named_while_there_is_one() -> None:
    """Profile and run are labels of a 1; before the first run there is no such line."""
    live = Scrape(Ledger(), "smoke", "2026-11-22T10:00:00", 50, 48, {"running": 2, "missing": 1})
    assert value(live, "loadkit_run_info", profile="smoke", run="2026-11-22T10:00:00") == 1
    assert value(live, "loadkit_users_asked") == 50
    assert value(live, "loadkit_users") == 48
    assert value(live, "loadkit_workers", state="running") == 2
    assert value(live, "loadkit_workers", state="missing") == 1
    assert value(live, "loadkit_workers", state="ready") == 0
    assert "loadkit_run_info" not in names(Scrape(Ledger()))


def test_the_bounds_rise_to_the_longest_sample() -> None:
    """Limits of validity are bounds, so that they can be asked for without interpolation."""
    assert all(lower < higher for lower, higher in pairwise(BOUNDS))
    assert {0.01, 0.025, 0.1} <= set(BOUNDS)
    assert BOUNDS[-1] == 600


def test_the_dashboard_asks_for_metrics_and_labels_that_there_are() -> None:
    """And shows every metric that there is."""
    board = json.loads((ROOT / "examples" / "grafana-dashboard.json").read_text())
    asked = " ".join(
        [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        + [variable["query"]["query"] for variable in board["templating"]["list"][1:]]
    )
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, due=0.0, sent=0.1, end=1.0)
    recorder.loop_lag(0.001)
    recorder.gauge("schedule_delay_ms", 1.0)
    recorder.gauge("gc_pause_ms", 1.0)
    worker = dict.fromkeys(
        ("cpu_percent", "machine_cpu_percent", "files_percent", "ports_percent", "rss_mb"), gauge(1)
    )
    live = Scrape(ledger(recorder), "smoke", "now", 5, 5, {"running": 1}, {"w": worker})
    there: dict[str, set[str]] = {}
    for family in families(live).values():
        for sample in family.samples:
            there.setdefault(sample.name, set()).update(sample.labels)
    names = set(re.findall(r"\bloadkit_\w+", asked))
    assert names - there.keys() == set()
    shown = {name.removesuffix("_bucket") for name in names}
    whole = {re.sub(r"_(?:bucket|count|sum|created)$", "", name) for name in there}
    assert whole - shown == set()
    labels = set(re.findall(r'[{,](\w+)(?:=~?|!=)"', asked))
    labels |= set(re.findall(r"by \((?:le, )?(\w+)\)", asked))
    labels |= {
        word
        for panel in board["panels"]
        for target in panel["targets"]
        for word in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    }
    assert labels - {"job"} - set().union(*there.values()) == set()
