"""How much load there should be, as tables of rows and against numerical integration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from loadkit.profile.stages import ArrivalRate, changed_from, users_at
from loadkit.profile.tables import Stage


def stages(*legs: tuple[float, int]) -> list[Stage]:
    return [Stage(duration=duration, users=users) for duration, users in legs]


RAMP_AND_HOLD = stages((10, 50), (20, 50))
UP_AND_DOWN = stages((10, 10), (10, 0))
JUMP = stages((0, 40), (10, 40))
STEPS = stages((5, 10), (0, 20), (5, 20))


@pytest.mark.parametrize(
    ("legs", "elapsed", "users"),
    [
        # inside a stage
        (RAMP_AND_HOLD, 0, 0),
        (RAMP_AND_HOLD, 0.1, 1),  # 0.5 users: halves go up
        (RAMP_AND_HOLD, 0.09, 0),
        (RAMP_AND_HOLD, 5, 25),
        (RAMP_AND_HOLD, 9.999, 50),
        (RAMP_AND_HOLD, 10, 50),
        (RAMP_AND_HOLD, 29.999, 50),
        (UP_AND_DOWN, 10, 10),
        (UP_AND_DOWN, 15, 5),
        (UP_AND_DOWN, 19.99, 0),
        # a jump takes no time
        (JUMP, 0, 40),
        (JUMP, 9, 40),
        (STEPS, 4.999, 10),
        (STEPS, 5, 20),
        (STEPS, 9, 20),
        # before the start and after the end
        (RAMP_AND_HOLD, -1, 0),
        (RAMP_AND_HOLD, 30, None),
        (RAMP_AND_HOLD, 1e9, None),
        (stages((0, 5)), 0, None),
        ([], 0, None),
    ],
)
def test_users_follow_the_stages(legs: list[Stage], elapsed: float, users: int | None):
    assert users_at(legs, elapsed) == users


legs_of_any_kind = st.lists(
    st.tuples(st.floats(min_value=0, max_value=1e5), st.integers(min_value=0, max_value=10**6)),
    min_size=1,
    max_size=6,
).map(lambda legs: stages(*legs))


@given(legs_of_any_kind, st.floats(min_value=0, max_value=1e6))
def test_users_never_leave_the_range_of_the_stages(legs: list[Stage], elapsed: float):
    users = users_at(legs, elapsed)
    assert users is None or 0 <= users <= max(leg.users for leg in legs)


def rated(*legs: tuple[float, float]) -> ArrivalRate:
    return ArrivalRate([Stage(duration=each, arrivals_per_second=rate) for each, rate in legs])


UP_HOLD_JUMP_DOWN = ((20.0, 100.0), (20.0, 100.0), (0.0, 300.0), (20.0, 0.0))


@pytest.mark.parametrize(
    ("elapsed", "rate", "expected"),
    [
        (-1, 0, 0),
        (0, 0, 0),
        (10, 50, 250),
        (20, 100, 1000),
        (30, 100, 2000),
        (40, 300, 3000),  # where two stages meet the later one counts
        (50, 150, 5250),
        (60, 0, 6000),
        (1e9, 0, 6000),
    ],
)
def test_the_rate_and_its_integral_follow_the_stages(elapsed: float, rate: float, expected: float):
    """By hand: triangles and a rectangle."""
    plan = rated(*UP_HOLD_JUMP_DOWN)
    assert (plan.at(elapsed), plan.expected(elapsed)) == (rate, expected)


@pytest.mark.parametrize(
    ("arrivals", "moment"), [(0, 0), (250, 10), (1000, 20), (2000, 30), (5250, 50), (6000, None)]
)
def test_the_moment_is_the_inverse(arrivals: float, moment: float | None):
    assert rated(*UP_HOLD_JUMP_DOWN).moment(arrivals) == pytest.approx(moment)


def test_a_leg_without_arrivals_is_passed_over():
    """What comes after it is the next moment at which anything is expected."""
    plan = rated((0, 10), (2, 10), (0, 0), (5, 0), (0, 10), (2, 10))
    assert plan.moment(20.0) == 7.0
    assert plan.moment(19.9) == pytest.approx(1.99)
    assert rated((5, 0)).moment(0.0) is None


flows = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(min_value=0.01, max_value=1e4)),
        st.one_of(st.just(0.0), st.floats(min_value=0.01, max_value=1e4)),
    ),
    min_size=1,
    max_size=6,
)


@given(flows, st.floats(min_value=0, max_value=1, allow_subnormal=False))
def test_the_inverse_leads_back(legs: list[tuple[float, float]], share: float):
    """Whatever the stages, and without loss of digits where a ramp is nearly flat."""
    plan = rated(*legs)
    moment = plan.moment(plan.total * share)
    if moment is not None:
        assert plan.expected(moment) == pytest.approx(plan.total * share, rel=1e-6, abs=1e-6)


@given(flows, st.floats(min_value=0, max_value=1, allow_subnormal=False))
def test_the_integral_is_that_of_the_rate(legs: list[tuple[float, float]], share: float):
    """Against numerical integration, leg by leg, as it knows no jumps."""
    plan = rated(*legs)
    upto, begin, area = share * sum(each for each, _ in legs), 0.0, 0.0
    for duration, _ in legs:
        end = min(begin + duration, upto)
        if end > begin:
            area += quad(plan.at, begin, end - (end - begin) * 1e-12)[0]
        begin += duration
    assert plan.expected(upto) == pytest.approx(area, rel=1e-6, abs=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), min_size=1, max_size=5),
    st.integers(0, 40),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_stages_that_are_changed_by_hand_are_the_old_ones_before_and_the_new_ones_after(
    legs: list[tuple[int, int]], at_s: int, factor: float
) -> None:
    """Second by second, and they last as long."""
    planned = [Stage(duration=float(d), users=users) for d, users in legs]
    changed = changed_from(planned, planned, float(at_s), factor)
    assert sum(one.duration for one in changed) == sum(one.duration for one in planned)
    for second in range(sum(d for d, _ in legs)):
        at = second + 0.5
        was, now = users_at(planned, at), users_at(changed, at)
        assert was is not None
        assert now is not None
        assert now == pytest.approx(was if at < at_s else factor * was, abs=1 + factor)
