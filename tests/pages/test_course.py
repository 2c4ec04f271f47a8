"""The course of a run as it goes, held against what its files say of it in the end."""

import pytest

from loadkit.figures import Phase
from loadkit.measure.timeline import Row
from loadkit.pages.course import MOST, Course, figures
from loadkit.pages.run_slices import read_slices
from loadkit.pages.time_charts import live_charts
from tests.pages.runs import Lived, live


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return live(tmp_path_factory.mktemp("run"), 40, per_second=8, lost_at=frozenset({11, 30}))


def followed(lived: Lived, duration_s: float = 40.0) -> Course:
    course = Course(duration_s, 1.0)
    for row in lived.rows:
        course.add([row])
    return course


def test_what_is_drawn_while_it_goes_on_is_what_its_files_say_in_the_end(lived: Lived) -> None:
    ours, theirs = followed(lived).slices(), read_slices(lived.folder)
    assert ours.starts == theirs.starts
    assert ours.length == theirs.length
    assert ours.columns.keys() == theirs.columns.keys()
    for name, values in ours.columns.items():
        assert values == pytest.approx(theirs.columns[name], abs=0.001), name


def test_the_last_seconds_are_those_of_their_answers(lived: Lived) -> None:
    """By the waits that were recorded."""
    course = followed(lived)
    waits = sorted(1000 * took for second in lived.waits[-10:] for took in second)
    assert course.recent_s == pytest.approx(10.0, abs=0.01)
    found = figures(course.recent(Phase.RESPONSE))
    assert found["count"] == len(waits) == 80
    assert found["p50"] == pytest.approx(waits[39], rel=0.001)
    assert found["max"] == pytest.approx(waits[-1], rel=0.001)
    assert found["p99"] is None  # of 80 samples nobody knows
    curve = course.slices().curves["response"]
    assert curve.p50[-1] == found["p50"]
    assert curve.count[4] == sum(len(second) for second in lived.waits[:5])


def test_a_point_of_a_long_run_is_of_all_its_answers(lived: Lived) -> None:
    """Two of 15 s each, and the one that is open."""
    slices = followed(lived, duration_s=15.0 * MOST).slices()
    assert slices.length == 15.0
    assert slices.starts == [0.0, 15.0, 30.0]
    assert slices.curves["response"].count == [120, 120, 80]
    assert slices.columns["turns_answered"] == [120, 120, 80]
    waits = sorted(1000 * took for second in lived.waits[15:30] for took in second)
    assert slices.curves["response"].p50[1] == pytest.approx(waits[59], rel=0.01)


def test_a_run_without_an_end_takes_no_more_room() -> None:
    """Of a search that goes on and on the last slices are kept."""
    course = Course(10.0, 1.0)
    course.add(Row(float(second), 1.0) for second in range(3 * MOST))
    slices = course.slices()
    assert len(slices.starts) == 2 * MOST
    assert slices.starts[-1] == 3 * MOST - 1
    assert slices.starts[0] == MOST


def test_what_was_never_measured_has_no_chart(lived: Lived) -> None:
    names = [chart.id for chart in live_charts(followed(lived).slices(), 10.0)]
    assert names == [
        "response-time",
        "first-chunk-time",
        "load",
        "states",
        "errors",
        "generator",
        "memory",
    ]
    course = Course(10.0, 1.0)
    course.add([Row(0.0, 1.0)])
    assert [chart.id for chart in live_charts(course.slices(), 10.0)] == [
        "load",
        "states",
    ]
