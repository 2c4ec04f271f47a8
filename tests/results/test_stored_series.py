"""The rows of a run read from its files tell the same as those that were written."""

from pathlib import Path
from random import Random

import pytest

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Phase, Wait
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline
from loadkit.results.series import TIMELINE, Series
from loadkit.results.stored_series import read_rows
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.stats.distribution import Distribution

from .master import STARTED

SECONDS = 200


def lived(seconds: int) -> list[Row]:
    """The rows of a worker with ten sessions whose target breaks down for ten seconds."""
    chance, now = Random(5), [0.0]
    timeline = Timeline(1.0, lambda _: {"users": 10})
    ledger, recorder, rows = Ledger(timeline), Recorder(clock=lambda: now[0]), []
    for _ in range(10):
        recorder.session_started()
    for second in range(1, seconds + 1):
        now[0] = float(second)
        down = seconds // 2 <= second < seconds // 2 + 10
        for _ in range(3 if down else 20):
            recorder.sample(Phase.RESPONSE, None, now[0], now[0] + chance.lognormvariate(-1, 0.4))
            recorder.count(Count.TURNS_SENT)
            recorder.count(Count.TURNS_ANSWERED)
        if down:
            recorder.unfinished(Phase.RESPONSE, None, now[0] - 1, now[0], lost=True)
        for _ in range(12 if down else 0):
            recorder.fail(Failure.UPGRADE_REFUSED, "503")
        recorder.states = {"talking": 10}
        recorder.gauge("rss_mb", 80 + second / 100)
        ledger.lead(120.0)
        ledger.add("w1", second, recorder.take(now[0]), now[0])
        rows += timeline.closed(now[0] + 1)
    return rows + timeline.finish()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return lived(SECONDS)


@pytest.fixture(scope="module")
def folder(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("run"), rows)


def written(folder: Path, rows: list[Row]) -> Path:
    series = Series(folder, STARTED)
    series.write(rows)
    series.close()
    return folder


def test_every_row_is_there_with_its_counts_and_its_latencies(
    rows: list[Row], folder: Path
) -> None:
    """Counts to the digit, buckets to the sample."""
    again = list(read_rows(folder))
    assert [(row.start, row.length) for row in again] == [(row.start, row.length) for row in rows]
    for row, written in zip(again, rows, strict=True):
        assert row.asked == written.asked
        assert row.live == written.live
        assert row.rss_mb == pytest.approx(written.rss_mb)
        assert row.master_rss_mb == written.master_rss_mb
        assert {key: n for key, n in row.counts.items() if n} == dict(written.counts)
        found, known = (one.latency["response"] for one in (row, written))
        assert dict(found.counts) == dict(known.counts)
        assert dict(found.lost) == dict(known.lost)


def test_incidents_drift_and_load_are_found_again(rows: list[Row], folder: Path) -> None:
    """The same windows with the same causes, and the same slopes but for rounding."""
    live, again = RunAnalysis(), RunAnalysis()
    live.add(rows)
    again.add(read_rows(folder))
    (incident,) = live.incidents.to_dicts()
    assert dict(incident["causes"]) == {Failure.UPGRADE_REFUSED: 120}
    assert list(again.incidents.to_dicts()) == [incident]
    assert again.load.to_dict() == live.load.to_dict()
    known, found = (one.drift(SECONDS, {}).to_dict() for one in (live, again))
    assert known is not None
    assert found is not None
    assert found.keys() == known.keys()


def test_a_file_that_is_none_of_loadkits_is_refused(rows: list[Row], tmp_path: Path) -> None:
    """By its name."""
    (written(tmp_path, rows[:1]) / TIMELINE).write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match=TIMELINE):
        list(read_rows(tmp_path))


def test_a_file_that_is_gone_is_named(rows: list[Row], tmp_path: Path) -> None:
    """As one that cannot be read."""
    (written(tmp_path, rows[:1]) / TIMELINE).unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_rows(tmp_path))


def test_who_is_silent_for_a_row_still_waits(tmp_path: Path) -> None:
    """As a worker on a busy machine: all rows together have no wait left that has ended."""
    timeline, now = Timeline(1.0), [0.0]
    ledger, recorder = Ledger(timeline), Recorder(clock=lambda: now[0])
    series = Series(tmp_path, STARTED)
    for seq, at in enumerate((1.0, 2.0, 4.0, 5.0), start=1):
        now[0] = at
        if at == 2.0:
            recorder.see_waiting([], at, [Wait(Phase.RESPONSE, None, 1.5)], [1.5])
        if at == 4.0:
            recorder.sample(Phase.RESPONSE, None, 1.5, 3.9)
        ledger.add("w1", seq, recorder.take(at), at)
        series.write(timeline.closed(at + 1))
    series.write(timeline.finish())
    series.close()
    rows = list(read_rows(tmp_path))
    assert [len(row.reported) for row in rows] == [1, 1, 0, 1, 1]
    assert [row.waiting.turns for row in rows] == [0, 1, 1, 0, 0]
    whole = Distribution()
    for row in rows:
        whole.merge(row.latency.get(Phase.RESPONSE, Distribution()))
    assert (whole.count, whole.open, whole.entered) == (1, {}, {})
