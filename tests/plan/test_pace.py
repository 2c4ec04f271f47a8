"""How many users there should be, as a table of rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.plan.pace import users_at
from loadkit.plan.settings import Stage


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
