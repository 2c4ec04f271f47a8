"""A load that is decided on while it runs: the past stays, the future is what was asked last."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.capacity.load_schedule import OPEN_END, LoadSchedule
from loadkit.profile.stages import ArrivalRate, users_at
from loadkit.profile.tables import Load

LEVEL = {"closed": "users", "open": "arrivals_per_second"}

steps = st.lists(
    st.tuples(
        st.floats(min_value=1, max_value=500),  # seconds since the step before
        st.integers(min_value=0, max_value=1000),  # its level
        st.floats(min_value=0, max_value=60),  # its ramp
    ),
    min_size=1,
    max_size=8,
)


def course(model: str) -> LoadSchedule:
    stages = [{"duration": 5, LEVEL[model]: 1}]
    return LoadSchedule(Load.model_validate({"model": model, "stages": stages, "warmup": 1.0}))


def asked(of: LoadSchedule, at: float) -> float | None:
    if of.load.model == "open":
        return ArrivalRate(of.load.stages).at(at)
    return users_at(of.load.stages, at)


@pytest.mark.parametrize("model", ["closed", "open"])
@given(steps=steps, look=st.floats(min_value=0, max_value=1))
@settings(max_examples=40)
def test_a_new_level_changes_nothing_of_what_lies_before_it(
    model: str, steps: list[tuple[float, int, float]], look: float
) -> None:
    """Every worker may go by the new stages at once: up to their beginning they are the old."""
    of, now = course(model), 0.0
    for number, (after, level, ramp) in enumerate(steps):
        now += after if number else 0.0
        moment = look * now * 0.999
        before = asked(of, moment)
        of.go(now, level, ramp)
        if number and moment < now:
            # A user may be rounded the other way where a ramp was cut.
            tolerance = 1 if model == "closed" else 1e-6 * 1000
            assert asked(of, moment) == pytest.approx(before, abs=tolerance)
        assert asked(of, now + ramp + 1) == pytest.approx(level)
        assert asked(of, now + OPEN_END / 2) == pytest.approx(level)


@pytest.mark.parametrize("model", ["closed", "open"])
def test_the_way_to_a_level_is_a_straight_line(model: str) -> None:
    """From what was asked for at that moment."""
    of = course(model)
    of.go(0.0, 20, 10.0)
    of.go(60.0, 40, 10.0)
    assert [asked(of, at) for at in (5.0, 30.0, 65.0, 71.0)] == [10, 20, 30, 40]


def test_a_ramp_that_is_cut_short_goes_on_from_where_it_was() -> None:
    """Whoever gives up a step in the midst of its ramp asks for less from that level on."""
    of = course("open")
    of.go(0.0, 100, 10.0)
    of.go(5.0, 0, 5.0)
    assert asked(of, 7.5) == pytest.approx(25)


def test_its_load_ends_where_it_was_ended() -> None:
    """Locust's shape and the gates stop by it."""
    of = course("closed")
    of.go(0.0, 20, 10.0)
    assert of.load.duration_s > OPEN_END
    of.end(42.0)
    assert of.load.duration_s == pytest.approx(42)
    assert asked(of, 42.1) is None


def test_all_of_the_run_is_measured() -> None:
    """A step says itself when it has settled: there is no warm-up beside."""
    of = course("closed")
    of.go(0.0, 20, 10.0)
    kept: dict[str, Any] = of.load.model_dump(exclude={"stages"})
    assert kept["warmup"] == 0
    assert kept["seed"] == 1
