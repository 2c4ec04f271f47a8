"""Who waits for longer than they should have to."""

import pytest

from loadkit.figures import Phase, Wait
from loadkit.measure.open_waits import Waiting
from loadkit.measure.overdue import overdue


def waiting(**ages: list[float]) -> Waiting:
    """By phase, for how many seconds."""
    found = Waiting()
    for phase, seconds in ages.items():
        for age in seconds:
            found.see(100.0, [Wait(Phase(phase), None, 100.0 - age)], 1)
    return found


def test_a_wait_is_overdue_once_it_is_longer_than_its_limit() -> None:
    late = overdue(waiting(response=[1.0, 2.6, 14.2]), [("response.p95", 2500.0)])
    assert (late.many, late.oldest) == ("2", "14 s")


def test_of_several_limits_the_greatest_counts() -> None:
    """A p50 may be exceeded by half of all."""
    limits = [("response.p50", 1000.0), ("response.p99", 4000.0), ("HandoffChat.response.p95", 2.0)]
    assert overdue(waiting(response=[3.0, 5.0]), limits).waits == 1


def test_where_no_objective_says_it_is_ten_seconds() -> None:
    late = overdue(waiting(greeting=[9.0, 11.0], connect=[12.0]), [("turns.lost_ratio", 0.0)])
    assert (late.waits, late.oldest_s) == (2, pytest.approx(12.0, rel=0.001))


@pytest.mark.parametrize("phase", ["live_response", "handoff_wait"])
def test_for_a_human_one_waits_as_long_as_it_takes_unless_an_objective_says(phase: str) -> None:
    assert not overdue(waiting(**{phase: [300.0]}), [])
    assert overdue(waiting(**{phase: [300.0]}), [(f"{phase}.p95", 60_000.0)])


def test_one_who_waits_for_an_echo_and_an_answer_counts_once() -> None:
    found = waiting(response=[20.0], echo=[20.0], first_chunk=[20.0])
    assert overdue(found, []).waits == 1


def test_nobody_waits_too_long() -> None:
    late = overdue(waiting(response=[1.0]), [])
    assert (bool(late), late.waits) == (False, 0)
