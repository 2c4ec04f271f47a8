"""The load asked for against the load that there was."""

import pytest

from loadkit.profile.arrivals import Arrivals
from loadkit.profile.delivery import Delivery
from loadkit.profile.tables import Load

CLOSED = Load.model_validate(
    {"stages": [{"duration": "10s", "users": 100}, {"duration": "20s", "users": 100}]}
)
HOLD = [{"duration": f"{seconds}s", "arrivals_per_second": 5} for seconds in (0, 20)]
OPEN = Load.model_validate({"model": "open", "arrivals": "uniform", "stages": HOLD})


def a_run(users_at: dict[int, int]) -> Delivery:
    delivery = Delivery(CLOSED)
    for second, users in users_at.items():
        delivery.observe(second, users)
    return delivery


def test_users_that_follow_the_ramp_are_enough() -> None:
    """Even two seconds behind it: Locust takes its time to spawn and to tell."""
    delivery = a_run({second: min(100, 10 * max(0, second - 2)) for second in range(30)})
    assert delivery.undelivered_s == 0
    assert (delivery.asked, delivery.reached) == (100, 100)


def test_seconds_with_too_few_users_are_added_up() -> None:
    """A worker's death leaves two thirds of the users for five seconds."""
    delivery = a_run({second: 66 if 15 <= second < 20 else 100 for second in range(30)})
    assert delivery.undelivered_s == 5


def test_one_in_twenty_may_be_missing() -> None:
    delivery = a_run(dict.fromkeys(range(12, 30), 95))
    assert delivery.undelivered_s == 0


def test_a_ramp_down_asks_for_the_lower_number_at_once() -> None:
    load = Load.model_validate(
        {"stages": [{"duration": "0s", "users": 100}, {"duration": "10s", "users": 0}]}
    )
    delivery = Delivery(load)
    for second in range(10):
        delivery.observe(second, 100 - 10 * second)
    assert delivery.undelivered_s == 0


def test_who_is_to_leave_may_be_gone_a_moment_ahead() -> None:
    """Users are moved to where the stages are at the end of the second that has begun."""
    load = Load.model_validate(
        {"stages": [{"duration": "0s", "users": 200}, {"duration": "10s", "users": 0}]}
    )
    delivery = Delivery(load)
    for second in range(9):
        delivery.observe(second, 200 - 20 * (second + 1))
    assert delivery.undelivered_s == 0


def test_sessions_are_asked_for_in_the_open_model_alone() -> None:
    assert Delivery(CLOSED).asked_sessions(30) is None
    delivery = Delivery(OPEN)
    assert [delivery.asked_sessions(seconds) for seconds in (0, 10, 20, 30)] == [0, 50, 100, 100]
    delivery.observe(10, 0)
    assert (delivery.asked, delivery.undelivered_s) == (0, 0)


@pytest.mark.parametrize("kind", ["poisson", "uniform"])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 7.7, 12.5, 20.0, 400.0])
def test_as_many_sessions_are_asked_for_as_the_plan_has_arrivals(kind: str, seconds: float) -> None:
    """Counted one by one: on a ramp, in the steady part, and after the end."""
    ramp = [{"duration": f"{leg}s", "arrivals_per_second": 300} for leg in (10, 10)]
    load = Load.model_validate({"model": "open", "arrivals": kind, "stages": ramp, "seed": 5})
    planned = sum(1 for _, moment in Arrivals(load) if moment < seconds)
    assert Delivery(load).asked_sessions(seconds) == planned


@pytest.mark.parametrize(
    ("load", "asked"), [(CLOSED, {"users": 50}), (OPEN, {"arrivals_per_second": 5})]
)
def test_a_row_of_the_timeline_says_what_was_asked_for(load: Load, asked: dict[str, float]) -> None:
    assert Delivery(load).asked_at(5) == asked


def test_a_load_that_changes_in_mid_run_is_what_is_asked_from_then_on() -> None:
    """A capacity search decides step by step; what is behind stays asked for as it was."""
    first = Load.model_validate(
        {"stages": [{"duration": 0, "users": 4}, {"duration": 9, "users": 4}]}
    )
    then = Load.model_validate(
        {
            "stages": [
                {"duration": 0, "users": 4},
                {"duration": 5, "users": 4},
                {"duration": 0, "users": 8},
                {"duration": 9, "users": 8},
            ]
        }
    )
    delivery = Delivery(first)
    delivery.observe(3.0, 4)
    delivery.follow(then)
    assert [delivery.asked_at(at)["users"] for at in (3.0, 8.0)] == [4, 8]
    delivery.observe(8.0, 8)
    assert (delivery.asked, delivery.reached, delivery.undelivered_s) == (8, 8, 0.0)
