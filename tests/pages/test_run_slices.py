"""A run's files, added up to slices that are few enough to be drawn."""

from itertools import chain
from math import ceil
from pathlib import Path

import pytest
from scipy.stats import CensoredData, ecdf

from loadkit.pages.run_slices import MOST_SLICES, read_slices
from loadkit.results.series import HISTOGRAMS, TIMELINE

from .runs import Lived, live


def joined(seconds: list[list[float]]) -> list[float]:
    return list(chain.from_iterable(seconds))


def test_a_run_of_minutes_has_a_slice_for_each_second(hostile: Lived) -> None:
    slices = read_slices(hostile.folder)
    assert slices.length == 1.0
    assert slices.starts == [row.start for row in hostile.rows]
    assert slices.wrong == []


def test_no_row_is_left_out_of_the_slices_of_a_long_one(long: Lived) -> None:
    """Counts are sums of the rows, gauges their highest, loads their means."""
    slices = read_slices(long.folder)
    assert slices.length == 2.0
    assert len(slices.starts) <= MOST_SLICES
    assert sum(n or 0 for n in slices.columns["turns_answered"]) == 900 * 3
    assert sum(n or 0 for n in slices.columns["turns_lost"]) == 2
    assert set(slices.columns["asked_users"]) == {10.0}
    assert set(slices.columns["rss_mb"]) == {80.0}


@pytest.mark.parametrize("phase", ["response", "first_chunk", "from_schedule.response"])
def test_the_histograms_add_up_to_those_of_the_run(long: Lived, phase: str) -> None:
    """Waits without an end among them: what a curve of nines is drawn from is the summary's."""
    found = read_slices(long.folder).whole[phase]
    bare = phase.removeprefix("from_schedule.")
    known = (long.ledger.latency if bare == phase else long.ledger.from_schedule)[bare]
    assert dict(found.counts) == dict(known.counts.items())
    assert [found.estimate(p) for p in (500, 950, 990)] == [
        pytest.approx(known.estimate(p)) for p in (500, 950, 990)
    ]


def test_a_point_of_a_curve_is_the_nearest_rank_of_its_samples(long: Lived) -> None:
    """By sorting them; at most 0.05 % off, as every percentile here."""
    slices = read_slices(long.folder)
    curve, each = slices.curves["response"], int(slices.length * slices.together["response"])
    for point in (3, 7, len(curve.p50) - 2):
        waits = sorted(joined(long.waits[point * each : (point + 1) * each]))
        assert curve.count[point] == len(waits)
        assert curve.p50[point] == pytest.approx(
            1000 * waits[ceil(0.5 * len(waits)) - 1], rel=0.001
        )
        assert curve.p95[point] == pytest.approx(
            1000 * waits[ceil(0.95 * len(waits)) - 1], rel=0.001
        )


def test_a_wait_that_was_given_up_counts_for_as_long_as_it_lasted(long: Lived) -> None:
    """As by the estimate of Kaplan and Meier, here scipy's."""
    slices = read_slices(long.folder)
    each = int(slices.length * slices.together["response"])
    point = 294 // each
    waits = joined(long.waits[point * each : (point + 1) * each])
    curve = ecdf(CensoredData(uncensored=waits, right=[10.0, 10.0])).sf
    truth = min(
        x for x, left in zip(curve.quantiles, curve.probabilities, strict=True) if left <= 0.05
    )
    assert slices.curves["response"].p95[point] == pytest.approx(1000 * truth, rel=0.001)


def test_most_points_have_samples_enough_for_a_p95(long: Lived) -> None:
    """Three answers a second take 30 s and more; of eight points at least there is a curve."""
    slices = read_slices(long.folder)
    points = slices.curves["response"].p95
    assert sum(point is not None for point in points) > len(points) / 2
    assert len(points) >= 8


def test_every_answer_is_in_one_cell_of_the_heat_map(long: Lived) -> None:
    """Between the edges of its bin, within the three digits of a histogram."""
    slices = read_slices(long.folder)
    assert sum(slices.heat.values()) == 900 * 3
    place, length = 100, int(slices.length)
    truth = sorted(joined(long.waits[place * length : (place + 1) * length]))
    cells = sorted(bin_ for (at, bin_), n in slices.heat.items() if at == place for _ in range(n))
    for wait, bin_ in zip(truth, cells, strict=True):
        assert slices.bins[bin_] * 0.998 <= 1000 * wait <= slices.bins[bin_ + 1] * 1.002


@pytest.mark.parametrize("name", [TIMELINE, HISTOGRAMS])
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"elapsed_s,length_s\n1,x\n", b"Tag=response,0,1,1,AAAA\n"]
)
def test_a_damaged_file_is_named_and_nothing_else_happens(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = live(tmp_path, 5).folder
    (folder / name).write_bytes(content)
    wrong = read_slices(folder).wrong
    assert len(wrong) == 1
    assert name in wrong[0]


def test_a_folder_without_rows_says_so(tmp_path: Path) -> None:
    slices = read_slices(tmp_path)
    assert slices.starts == []
    assert TIMELINE in slices.wrong[0]
