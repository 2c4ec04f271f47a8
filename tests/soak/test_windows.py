"""Windows that stay few, and lose nothing of the rows that they are made of."""

from collections import Counter
from dataclasses import replace
from sys import getsizeof

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row
from loadkit.soak.windows import Window, Windows, joined
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram
from loadkit.stats.sketch import Sketches


def distribution(seconds: list[float]) -> Distribution:
    tally, found = Histogram(), Distribution()
    for value in seconds:
        tally.record(value)
    found.merge(tally)
    return found


def row(start: float, waits: list[float], asked: float = 5, length: float = 1.0) -> Row:
    """A row with a memory of 100 MB more than its second, and one error for each answer."""
    return Row(
        start,
        length,
        {"users": asked},
        latency={Phase.RESPONSE.value: distribution(waits)} if waits else {},
        counts=Counter({str(Count.TURNS_ANSWERED): len(waits), "errors.unanswered": len(waits)}),
        standing={"w": Standing(start + length, {}, 5, 100 + start)},
    )


def windows_of(rows: list[Row], since: float = 0.0, most: int = 240) -> Windows:
    windows = Windows(since, most)
    windows.add(*rows)
    return windows


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


def test_a_window_that_saw_much_is_no_larger_than_one_that_saw_little() -> None:
    """Or memory would go on growing while windows grow longer, all through a soak."""
    rows = [row(float(second), [0.1 * (second + 1)] * 50) for second in range(64)]
    every = {phase.value: distribution([0.1] * 10) for phase in Phase}
    rows[40] = replace(rows[40], latency=every)
    few, many = Windows(most=100), Windows(most=2)
    few.add(*rows)
    many.add(*rows)
    short, long = few.whole()[0].latency, many.whole()[-1].latency
    assert (len(short), len(long)) == (1, len(Phase))
    assert size_of(short) == size_of(long) < 29_000  # bytes; all phases


def size_of(found: Sketches) -> int:
    return sum(getsizeof(getattr(found, name)) for name in found.__slots__)


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
