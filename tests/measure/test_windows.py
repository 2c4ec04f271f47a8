"""Windows that stay few, and lose nothing of the rows that they are made of."""

from collections import Counter
from itertools import pairwise
from random import Random
from sys import getsizeof

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.measure.histogram import Distribution, Tally
from loadkit.measure.timeline import Row, Standing
from loadkit.measure.windows import Sketch, Window, Windows, joined


def distribution(seconds: list[float]) -> Distribution:
    tally, found = Tally(), Distribution()
    for value in seconds:
        tally.record(value)
    found.add(tally.to_wire())
    return found


def row(start: float, waits: list[float], asked: float = 5, length: float = 1.0) -> Row:
    """A row with a memory of 100 MB more than its second, and one error for each answer."""
    return Row(
        start,
        length,
        {"users": asked},
        {Phase.RESPONSE.value: distribution(waits)} if waits else {},
        counts=Counter({str(Count.TURNS_ANSWERED): len(waits), "errors.unanswered": len(waits)}),
        standing={"w": Standing(start + length, {}, 5, 100 + start)},
    )


def percentile_of(waits: list[float], per_mille: int) -> float:
    """In milliseconds, from the samples themselves, between the two that are nearest to it."""
    ordered, at = sorted(waits), len(waits) * per_mille / 1000 - 0.5
    low = int(at)
    return 1000 * (ordered[low] + (at - low) * (ordered[low + 1] - ordered[low]))


def sketch(waits: list[float]) -> Sketch:
    return (windows_of([row(0.0, waits)]).whole()[0]).latency["response"]


def windows_of(rows: list[Row], since: float = 0.0, most: int = 240) -> Windows:
    windows = Windows(since, most)
    windows.add(*rows)
    return windows


@pytest.mark.parametrize("per_mille", [500, 950])
@pytest.mark.parametrize("spread", [0.0005, 0.1, 0.5, 1.0])
def test_a_percentile_is_that_of_the_samples(spread: float, per_mille: int) -> None:
    """Coarse buckets with known means give a percentile to a fifth of a percent of the exact one,
    also where all samples lie in one bucket."""
    rng = Random(1)
    for middle in (0.06, 0.0333, 0.8):
        waits = [middle * rng.lognormvariate(0, spread) for _ in range(20_000)]
        found = sketch(waits).percentile(per_mille)
        assert found == pytest.approx(percentile_of(waits, per_mille), rel=0.002)


def test_a_percentile_moves_with_the_samples_and_not_from_bucket_to_bucket() -> None:
    """A rise by 0.2 % is seen as one, wherever it lies to the borders of the buckets."""
    rng = Random(2)
    shape = [rng.lognormvariate(0, 0.01) for _ in range(2_000)]
    seen = [
        sketch([0.06 * (1 + 0.002 * step) * wait for wait in shape]).percentile(500)
        for step in range(30)
    ]
    rises = [after / before - 1 for before, after in pairwise(seen)]
    assert min(rises) > 0.001
    assert max(rises) < 0.003


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(0.001, 60), max_size=4), max_size=70), st.integers(2, 9))
def test_windows_lose_nothing_and_are_of_one_length(rows: list[list[float]], most: int) -> None:
    """However often they were joined: all but the open one at the end is in them, in order."""
    windows = windows_of([row(float(at), waits) for at, waits in enumerate(rows)], most=most)
    whole = windows.whole()
    assert len(whole) <= most
    if not whole:
        return
    length = whole[0].seconds
    assert [window.start for window in whole] == [length * at for at in range(len(whole))]
    assert all(window.seconds == length for window in whole)
    covered = int(length) * len(whole)
    assert len(rows) - covered < 2 * length
    assert len(whole) >= min(len(rows) // 2, most // 2)
    for window in whole:
        inside = [wait for waits in rows[int(window.start) : int(window.end)] for wait in waits]
        assert window.answered == window.errors == len(inside)
        found = window.latency.get("response")
        assert (found.count if found else 0) == len(inside)
        assert window.rss_mb == pytest.approx(100 + window.start + (length - 1) / 2)


def test_the_room_they_take_does_not_hang_on_the_length_of_the_run() -> None:
    """There are never more than asked for, and from the first doubling on never under half."""
    windows, seen = Windows(most=10), []
    for second in range(1, 1_000):
        windows.add(row(float(second - 1), []))
        if second >= 10:
            seen.append(len(windows.whole()))
    assert (min(seen), max(seen)) == (5, 10)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_a_window_of_many_samples_is_no_larger_than_one_of_few(spread: float) -> None:
    """Or memory would go on growing while windows grow longer, all through a soak.

    Also where they spread over more buckets than there is room for; and they tell the same.
    """
    rng = Random(3)
    few, many = ([0.1 * rng.lognormvariate(0, spread) for _ in range(n)] for n in (10, 50_000))
    found = sketch(many)
    assert size_of(found) == size_of(sketch(few)) < 2_000
    assert found.count == len(many)
    for per_mille in (500, 950):
        exact = percentile_of(many, per_mille)
        assert found.percentile(per_mille) == pytest.approx(exact, rel=0.005)


def size_of(found: Sketch) -> int:
    return sum(getsizeof(getattr(found, name)) for name in ("_keys", "_counts", "_places"))


def test_the_warm_up_is_left_out() -> None:
    """The first window begins with the first row after it."""
    windows = windows_of([row(float(second), []) for second in range(10)], since=3.5)
    assert [window.start for window in windows.whole()] == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_the_steady_part_has_one_load_all_along() -> None:
    """Of a ramp up, a long hold, a short one and an end with nobody it is the long hold."""
    asked = [1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0]
    windows = windows_of([row(float(at), [], users) for at, users in enumerate(asked)])
    assert [window.start for window in windows.steady()] == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_window_in_which_the_load_changed_is_not_steady() -> None:
    """Two rows joined of which one had another load belong to no steady part."""
    windows = [
        Window.joined(pair)
        for pair in (
            [Window(0.0, 1.0, 3.0), Window(1.0, 1.0, 3.0)],
            [Window(2.0, 1.0, 3.0), Window(3.0, 1.0, 4.0)],
        )
    ]
    assert [window.asked for window in windows] == [3.0, None]


def test_what_comes_after_the_run_was_told_to_end_is_no_part_of_it() -> None:
    """Sessions that are being ended answer no more, and that is no drift."""
    windows = windows_of([row(float(second), []) for second in range(10)])
    assert windows.steady(until=6.5)[-1].end == 6.0


def test_joining_leaves_out_what_does_not_fill_a_window() -> None:
    """Seven joined by three are two; the last one is left out."""
    found = joined([Window(float(at), 1.0, None) for at in range(7)], 3)
    assert [(window.start, window.seconds) for window in found] == [(0.0, 3.0), (3.0, 3.0)]


def test_memory_is_weighed_by_time_and_may_be_unknown() -> None:
    """A worker that has not spoken yet is not a worker without memory."""
    windows = [Window(0.0, 1.0, None), Window(1.0, 1.0, None, rss_mb=100.0)]
    assert Window.joined(windows).rss_mb == 100.0
    assert Window.joined(windows[:1]).rss_mb is None
    later = Window(2.0, 3.0, None, rss_mb=200.0, master_rss_mb=80.0)
    assert Window.joined([*windows, later]).rss_mb == 175.0
    assert Window.joined([*windows, later]).master_rss_mb == 80.0


def aged(slow: float, classes: dict[int, list[float]]) -> Row:
    found = row(0.0, [])
    found.ages = {
        number: distribution([slow * wait for wait in waits]) for number, waits in classes.items()
    }
    return found


def rise_of(*rows: Row) -> float:
    return Window.joined(windows_of(list(rows)).whole()).age_rise


def test_old_sessions_that_wait_longer_are_a_rise() -> None:
    """Ranks: a quarter either way for two classes that do not overlap, times half a class."""
    waits = aged(1.0, {0: [0.1] * 4, 1: [0.2] * 4})
    assert rise_of(waits) == pytest.approx(8 * 0.25 * 0.5)
    assert rise_of(aged(1.0, {0: [0.2] * 4, 1: [0.1] * 4})) == pytest.approx(-8 * 0.25 * 0.5)


def test_a_target_that_is_slow_while_sessions_are_old_is_no_rise() -> None:
    """Each response is held against those of its own row: time is no age."""
    young = aged(1.0, {0: [0.1, 0.2, 0.3], 1: [0.1, 0.2, 0.3]})
    old = aged(9.0, {2: [0.1, 0.2, 0.3], 3: [0.1, 0.2, 0.3]})
    assert rise_of(young, old) == pytest.approx(0.0)


def test_one_age_alone_says_nothing() -> None:
    """There is nothing to hold it against."""
    assert rise_of(aged(1.0, {3: [0.1, 0.9]})) == 0.0
