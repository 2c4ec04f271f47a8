"""What every worker noted for itself is in the summary, to the last sample."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import LOCUST, ROOT, SECRETS, Simulator, forked, profile, run, simulator, summary

KEEPS_ITS_OWN_RECORD = """
import json, os, pathlib
from loadkit.swarm.courier import Courier

deliver = Courier.deliver

def kept(self, interval):
    path = pathlib.Path(os.environ["OWN_RECORDS"]) / f"{os.getpid()}.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(interval) + "\\n")
    deliver(self, interval)

Courier.deliver = kept
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def runs() -> Counter[str]:
    """The counts of all runs together."""
    return Counter()


@pytest.mark.parametrize("time_in_a_row", range(10))
def test_the_summary_is_the_sum_of_what_each_worker_noted_for_itself(
    server: Simulator, runs: Counter[str], tmp_path: Path, time_in_a_row: int
) -> None:
    """Not a sample of the last second is lost on the way to the master."""
    own = tmp_path / "own"
    own.mkdir()
    locustfile = tmp_path / "keeping.py"
    locustfile.write_text(KEEPS_ITS_OWN_RECORD + (ROOT / "locustfile.py").read_text())
    path = profile(tmp_path, users=12, seconds=1.3 + 0.05 * time_in_a_row)
    command = [LOCUST, "-f", locustfile, "--headless", "--profile", path, "-H", server.url]
    command += ["--out", tmp_path / "out", *forked(3)]
    ended = run(command, tmp_path, {**SECRETS, "OWN_RECORDS": str(own)})
    assert ended.code in (0, 3), ended.output  # so short a run may well be invalid
    told = summary(tmp_path / "out")
    counts: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    records = sorted(own.iterdir())
    assert len(records) == 3
    for record in records:
        intervals = [json.loads(line) for line in record.read_text().splitlines()]
        frames.update(intervals[-1]["frames"])
        for interval in intervals:
            counts.update(interval["counts"])
            for phase, wire in interval["latency"].items():
                samples[phase] += sum(wire["counts"][1::2])
                totals[phase] += wire["total"]
    assert told["sessions"]["started"] == counts["sessions.started"]
    for ending, count in told["sessions"]["ended"].items():
        assert count == counts[f"ended.{ending}"]
    for name in ("sent", "answered", "lost"):
        assert told["turns"][name] == counts[f"turns.{name}"]
    assert told["frames"] == dict(frames)
    assert {phase: stats["count"] for phase, stats in told["latency_ms"].items()} == dict(samples)
    for phase, stats in told["latency_ms"].items():
        assert stats["mean"] == pytest.approx(totals[phase] / samples[phase] / 1000, abs=0.0006)
    runs.update(counts)


def test_the_server_saw_the_sessions_of_all_these_runs(
    server: Simulator, runs: Counter[str]
) -> None:
    """Who is cut off while asking for a token has begun, and no server knows it."""
    unknown = runs["sessions.started"] - len(server.stop().of("session"))
    assert runs["sessions.started"] > 0
    assert 0 <= unknown <= runs["ended.cut_off"]
