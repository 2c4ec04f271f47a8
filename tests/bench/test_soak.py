"""What the soak bench makes of readings whose slope is known, and of counts."""

from random import Random

import pytest

from bench.figures import Figure
from bench.soak import growth, slopes, steadily_more

MB = 1e6


def readings(megabytes_an_hour: float, noise: float = 0.05) -> list[tuple[float, float]]:
    """Twenty minutes of a process of 100 MB, every five seconds, from any zero."""
    chance = Random(4)
    return [
        (7_000.0 + at, (100 + megabytes_an_hour * at / 3600 + chance.gauss(0, noise)) * MB)
        for at in range(0, 1200, 5)
    ]


def found(name: str, figures: list[Figure]) -> Figure:
    (figure,) = [one for one in figures if one.name == name]
    return figure


@pytest.mark.parametrize("slope", [0.0, 0.7, 3.0, -2.0])
def test_the_slope_is_within_its_interval(slope: float) -> None:
    """In percent of 100 MB an hour, and in kilobytes a minute."""
    percent = found("worker's memory, % an hour", slopes({"worker": readings(slope)}))
    low, middle, high = percent.values
    assert low < slope < high
    assert high - low < 0.6
    assert middle == pytest.approx(slope, abs=0.25)
    (kilobytes,) = [one for one in slopes({"worker": readings(slope)}) if "KB" in one.name]
    assert kilobytes.median == pytest.approx(slope * 1000 / 60, abs=4)


def test_a_leak_misses_the_target_and_a_flat_process_meets_it() -> None:
    """The simulator's own memory has no target: it is the other end."""
    figures = slopes({"worker": readings(4.0), "master": readings(0.2), "simulator": readings(9.0)})
    met = {one.name: one.met for one in figures if one.name.endswith("% an hour")}
    assert list(met.values()) == [False, True, None]


def test_what_settles_shows_in_the_second_half() -> None:
    """A process that fills its caches for ten minutes and then is still."""
    settling = [(at, (100 + min(at - 7_000, 600) / 600) * MB) for at, _ in readings(0)]
    figures = slopes({"master": settling})
    assert found("master's memory, % an hour", figures).median > 1
    assert found("master's memory, % an hour, second half", figures).median == 0


def test_disk_is_told_file_by_file() -> None:
    """A file that appears counts whole, one that stays as it is is not told."""
    before, after = {"timeline.csv": 1_000, "run.json": 5}, {"timeline.csv": 61_000, "new": 600}
    told = {one.name: one.values for one in growth(before, after | {"run.json": 5}, 60.0)}
    assert told == {"timeline.csv, bytes a second": [1000.0], "new, bytes a second": [10.0]}


def test_only_what_grew_both_times_is_told() -> None:
    """Sessions come and go; a leak only comes."""
    counts = [
        {"bytes": {"leak": size, "to and fro": other, "still": 10**6}, "lengths": {"d": length}}
        for size, other, length in ((10**6, 10**6, 5), (2 * 10**6, 3 * 10**6, 5), (3 * 10**6, 2, 5))
    ]
    assert list(steadily_more(counts)) == ["bytes of leak: 1,000,000 → 2,000,000 → 3,000,000"]
