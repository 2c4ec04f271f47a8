"""`latency.hlog`, read by an implementation of HdrHistogram that shares no code with ours."""

import json
import os
import random
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loadkit.figures import Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Timeline
from loadkit.results.series import HISTOGRAMS, Series
from loadkit.stats.distribution import PERCENTILES, Distribution

PACKAGE = "hdr-histogram-js"
MODULES = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"
STARTED = datetime(2026, 11, 22, 15, 6, 54, tzinfo=UTC)
SECONDS = 60
SAMPLES = 2_500  # of each phase, worker and second

READER = """
const hdr = require("hdr-histogram-js");
const percentiles = JSON.parse(process.argv[2]);
const log = new hdr.HistogramLogReader(require("fs").readFileSync(process.argv[1], "utf8"), 64);
const found = {};
for (let one; (one = log.nextIntervalHistogram()); ) {
  const tag = (found[one.tag] ??= {
    intervals: 0, first: one.startTimeStampMsec, last: 0,
    sum: hdr.build({ bitBucketSize: 64, highestTrackableValue: 600000000 }),
  });
  tag.intervals += 1;
  tag.last = one.endTimeStampMsec;
  tag.sum.add(one);
}
const told = {};
for (const [name, { sum, intervals, first, last }] of Object.entries(found)) {
  const buckets = [];
  sum.recordedValuesIterator.reset();
  while (sum.recordedValuesIterator.hasNext()) {
    const { valueIteratedTo, countAtValueIteratedTo } = sum.recordedValuesIterator.next();
    buckets.push([sum.lowestEquivalentValue(valueIteratedTo), countAtValueIteratedTo]);
  }
  told[name] = {
    intervals, first, last, buckets, count: sum.totalCount,
    percentiles: percentiles.map((p) => sum.getValueAtPercentile(p)),
  };
}
console.log(JSON.stringify(told));
"""


def reader_environment() -> dict[str, str]:
    """What node needs to find the package; the test is skipped where there is none."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    places = [str(MODULES), *filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))]
    if not any((Path(place) / PACKAGE).is_dir() for place in places):
        pytest.skip(f"no {PACKAGE}: npm install --prefix .venv/node {PACKAGE}")
    return os.environ | {"NODE_PATH": os.pathsep.join(places)}


def read_by_node(path: Path, percentiles: list[float]) -> dict[str, Any]:
    command = ["node", "-e", READER, str(path), json.dumps(percentiles)]
    done = subprocess.run(
        command, env=reader_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def write_log(folder: Path) -> Ledger:
    """Two workers, whose clocks share no zero, a minute of latencies from 1 µs to minutes."""
    timeline = Timeline()
    ledger = Ledger(timeline)
    series = Series(folder, STARTED)
    chance = random.Random(11)
    zeros = {"a": 5_000.0, "b": 12.25}
    recorders = {worker: Recorder() for worker in zeros}
    for worker, recorder in recorders.items():
        recorder.take(zeros[worker])
    for second in range(1, SECONDS + 1):
        for worker, recorder in recorders.items():
            for _ in range(SAMPLES):
                took = min(chance.lognormvariate(-1, 2), 599.0)
                recorder.sample(Phase.RESPONSE, 1.0 - chance.random() / 10, 1.0, 1.0 + took)
                recorder.sample(Phase.ECHO, None, 0.0, chance.random() / 1000)
            recorder.sample(Phase.ECHO, None, 1.0, 0.5)  # negative: no sample
            ledger.add(worker, second, recorder.take(zeros[worker] + second), float(second))
        series.write(timeline.closed(float(second)))
    series.write(timeline.finish())
    series.close()
    assert series.failed is None
    return ledger


def test_another_implementation_finds_the_same_counts_and_percentiles(tmp_path: Path) -> None:
    """Every bucket of every tag, summed over all intervals by the other one's own addition."""
    reader_environment()
    ledger = write_log(tmp_path)
    shares = list(PERCENTILES.values())
    told = read_by_node(tmp_path / HISTOGRAMS, [share / 10 for share in shares])
    whole: dict[str, Distribution] = {
        "response": ledger.latency["response"],
        "echo": ledger.latency["echo"],
        "from_schedule.response": ledger.from_schedule["response"],
    }
    assert set(told) == set(whole)
    for tag, mine in whole.items():
        theirs = told[tag]
        assert theirs["count"] == mine.count == 2 * SECONDS * SAMPLES
        assert dict(map(tuple, theirs["buckets"])) == mine.counts
        assert theirs["intervals"] == SECONDS
        assert theirs["first"] == STARTED.timestamp() * 1000
        assert theirs["last"] == (STARTED.timestamp() + SECONDS) * 1000
        for share, value in zip(shares, theirs["percentiles"], strict=True):
            # It names the upper end of a bucket, we name the middle.
            assert value / 1000 == pytest.approx(mine.percentile(share), rel=1e-3, abs=0.001)
