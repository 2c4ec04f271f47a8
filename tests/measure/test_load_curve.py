"""The load asked for and the one that there was, in points enough for a chart."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Ending, State
from loadkit.measure.load_curve import POINTS, Delivered, LoadCurve, asked, connected
from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row


def closed(start: float, users: float, live: int, *, away: int = 0, length: float = 1.0) -> Row:
    states = {State.READY: live - away, State.RECONNECTING: away}
    standing = {"worker": Standing(start + length, states, live, None)}
    return Row(start, length, {"users": users}, standing=standing)


def opened(
    start: float, rate: float, began: int, failed: int, length: float = 1.0, starting: int = 0
) -> Row:
    counts = Counter({Count.SESSIONS_STARTED.value: began, f"ended.{Ending.FAILED}": failed})
    standing = {"worker": Standing(start + length, {State.STARTING: starting}, starting, None)}
    return Row(start, length, {"arrivals_per_second": rate}, counts=counts, standing=standing)


def test_who_has_no_socket_is_no_load() -> None:
    """A session that waits for its first socket, or for another, asks nothing of the target."""
    states = {State.READY: 5, State.WAITING: 3, State.STARTING: 2, State.RECONNECTING: 4}
    row = Row(0.0, 1.0, {"users": 14}, standing={"worker": Standing(1.0, states, 14, None)})
    assert connected(row) == Delivered().of(row) == 8
    assert asked(row) == 14


def test_in_the_open_model_the_load_is_arrivals_that_came_to_something() -> None:
    """A second, like what is asked for."""
    row = opened(0.0, 20.0, began=40, failed=10, length=2.0)
    assert (asked(row), Delivered().of(row)) == (20, 15)


def test_old_sessions_that_fail_make_no_load_below_nothing() -> None:
    """As when the target goes down while nobody comes."""
    assert Delivered().of(opened(0.0, 1.0, began=1, failed=10)) == 0


def test_arrivals_count_when_they_get_through() -> None:
    """While nobody answers they pile up; three seconds later they fail, or all come at once."""
    delivered = Delivered()
    rows = [(6, 0, 0), (6, 0, 6), (6, 0, 12), (6, 6, 12), (6, 0, 0)]  # began, failed, on their way
    found = [
        delivered.of(opened(float(at), 6.0, began, failed, starting=starting))
        for at, (began, failed, starting) in enumerate(rows)
    ]
    assert found == [6, 0, 0, 0, 18]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=1200))
def test_a_long_run_has_no_more_points_and_the_same_area(loads: list[tuple[int, int]]) -> None:
    """Points are means: what was asked for and missing in session-seconds stays what it was."""
    curve = LoadCurve()
    for second, (users, live) in enumerate(loads):
        curve.add(closed(float(second), users, live, length=1.0))
    found = curve.to_dict()
    assert found["model"] == "closed"
    points = found["points"]
    assert len(points) <= POINTS
    assert [point[0] for point in points] == pytest.approx(
        [sum(each[1] for each in points[:at]) for at in range(len(points))]
    )
    for which, every in ((2, [users for users, _ in loads]), (3, [live for _, live in loads])):
        area = sum(point[1] * point[which] for point in points)
        assert area == pytest.approx(sum(every), abs=0.006 * len(loads))


def test_a_run_without_rows_has_no_curve() -> None:
    """Nothing was asked for yet."""
    assert LoadCurve().to_dict() == {}


def test_the_open_model_is_told_apart() -> None:
    """Its unit is another."""
    curve = LoadCurve()
    curve.add(opened(0.0, 5.0, 4, 0))
    assert curve.to_dict() == {"model": "open", "points": [[0.0, 1.0, 5.0, 4.0]]}
