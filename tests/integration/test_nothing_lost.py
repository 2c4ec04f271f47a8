"""What every worker noted for itself is in the summary, to the last sample, run after run."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import (
    READY_LOCUST,
    ROOT,
    SECRETS,
    Truth,
    forked,
    free_port,
    profile,
    simulator,
    started,
)
from web_ui import Ui

KEEPS_ITS_OWN_RECORD = """
import os, pathlib
from loadkit.codec import Codec
from loadkit.measure.interval import Interval
from loadkit.swarm.worker.report_sender import ReportSender

deliver = ReportSender.deliver

CODEC = Codec(Interval)

def kept(self, interval):
    run = pathlib.Path(os.environ["OWN_RECORDS"]) / self._run[:19]
    run.mkdir(exist_ok=True)
    with (run / f"{os.getpid()}.jsonl").open("ab") as file:
        file.write(CODEC.json(interval) + b"\\n")
    deliver(self, interval)

ReportSender.deliver = kept
"""
RUNS, WORKERS = 6, 3


class Run(NamedTuple):
    """One of the runs.

    Attributes:
        summary: what the master wrote.
        records: by worker, the intervals that it noted for itself.
    """

    summary: dict[str, Any]
    records: list[list[dict[str, Any]]]

    def counts(self) -> Counter[str]:
        """All that the workers counted."""
        counts: Counter[str] = Counter()
        for intervals in self.records:
            for interval in intervals:
                counts.update(interval["counts"])
        return counts


class All(NamedTuple):
    """All runs, one after the other in the same processes, and what the server knows of them."""

    runs: list[Run]
    truth: Truth


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory: pytest.TempPathFactory) -> All:
    folder = tmp_path_factory.mktemp("runs")
    own, port = folder / "own", free_port()
    own.mkdir()
    locustfile = folder / "keeping.py"
    locustfile.write_text(KEEPS_ITS_OWN_RECORD + (ROOT / "locustfile.py").read_text())
    with simulator(folder) as server:
        command = [READY_LOCUST, "-f", locustfile, "--profile", profile(folder), "-H", server.url]
        command += ["--out", folder / "out", *forked(WORKERS)]
        command += ["--web-host", "127.0.0.1", "--web-port", port]
        with started(command, folder, {**SECRETS, "OWN_RECORDS": str(own)}) as process:
            ui = Ui(process, port, folder / "out", WORKERS)
            runs = [one_run(ui, folder, own, server.url, number) for number in range(RUNS)]
        return All(runs, server.stop())


def one_run(ui: Ui, folder: Path, own: Path, url: str, number: int) -> Run:
    """Each a little longer than the last one, so that they end at all moments of a second."""
    path = profile(folder, name=f"run{number}", users=12, seconds=1.5 + number / RUNS, pause="50ms")
    assert ui.post("/swarm", profile=str(path), host=url)["success"] is True
    ui.until(lambda: len(ui.folders()) == number + 1 and ui.is_written(), f"over: run {number}")
    told = json.loads((ui.folders()[-1] / "summary.json").read_text())
    assert told["profile"] == f"run{number}"
    records = sorted((own / told["started_at"].removesuffix("Z")).iterdir())
    lines = [record.read_text().splitlines() for record in records]
    return Run(told, [[*map(json.loads, each)] for each in lines])


@pytest.fixture(params=range(RUNS))
def run(request: pytest.FixtureRequest, all_runs: All) -> Run:
    return all_runs.runs[request.param]


def test_the_summary_is_the_sum_of_what_each_worker_noted_for_itself(run: Run) -> None:
    """Not a sample of the last second is lost on the way to the master."""
    told, counts = run.summary, run.counts()
    assert len(run.records) == WORKERS
    samples: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    unfinished: dict[str, Counter[str]] = {}
    for intervals in run.records:
        frames.update(intervals[-1]["frames"])
        for interval in intervals:
            for phase, wire in interval["latency"].items():
                samples[phase] += sum(wire["counts"][1::2])
                totals[phase] += wire["total"]
                for what in ("lost", "open"):
                    if pairs := wire.get(what):
                        unfinished.setdefault(phase, Counter())[what] += sum(pairs[1::2])
    assert told["sessions"]["started"] == counts["sessions.started"]
    for ending, count in told["sessions"]["ended"].items():
        assert count == counts[f"ended.{ending}"]
    for name in ("sent", "answered", "lost", "open"):
        assert told["turns"][name] == counts[f"turns.{name}"]
    assert counts["turns.sent"] == sum(counts[f"turns.{n}"] for n in ("answered", "lost", "open"))
    assert told["frames"] == dict(frames)
    assert {phase: stats["count"] for phase, stats in told["latency_ms"].items()} == dict(samples)
    assert {
        phase: {what: stats[what] for what in ("lost", "open") if stats[what]}
        for phase, stats in told["waits"].items()
    } == unfinished
    for phase, stats in told["latency_ms"].items():
        if phase in unfinished:
            continue  # its mean is that of all waits, of which some have no end
        assert stats["mean"] == pytest.approx(totals[phase] / samples[phase] / 1000, abs=0.0006)


def test_the_server_saw_the_sessions_of_all_these_runs(all_runs: All) -> None:
    """Who is cut off while asking for a token has begun, and no server knows it."""
    counts = sum((run.counts() for run in all_runs.runs), Counter[str]())
    unknown = counts["sessions.started"] - len(all_runs.truth.of("session"))
    # On a machine that is full a run may be over before anybody has come.
    assert any(run.summary["sessions"]["started"] for run in all_runs.runs)
    assert 0 <= unknown <= counts["ended.cut_off"]
