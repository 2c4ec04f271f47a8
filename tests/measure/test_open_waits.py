"""What sessions wait for at a moment."""

import pytest

from loadkit.figures import Phase, Wait
from loadkit.measure.open_waits import Waiting
from loadkit.stats.hdr_index import bucket_of


def waiting(now: float, *since: float) -> Waiting:
    found = Waiting()
    for stamp in since:
        found.see(now, [Wait(Phase.RESPONSE, stamp - 1, stamp)], 1)
    return found


def test_it_counts_waits_by_how_long_they_have_lasted() -> None:
    """From when they began, and from when they were due."""
    found = waiting(10.0, 8.0, 8.0, 5.0)
    assert found.turns == 3
    assert found.latency == {"response": {bucket_of(2_000_000): 2, bucket_of(5_000_000): 1}}
    assert found.from_schedule == {"response": {bucket_of(3_000_000): 2, bucket_of(6_000_000): 1}}
    assert found.oldest_s() == pytest.approx(5.0, rel=0.001)


def test_what_no_plan_schedules_is_not_due() -> None:
    found = Waiting()
    found.see(2.0, [Wait(Phase.HISTORY, None, 1.0)], 0)
    assert (set(found.latency), found.from_schedule) == ({"history"}, {})


def test_several_groups_of_sessions_add_up() -> None:
    one, other = waiting(10.0, 8.0), waiting(10.0, 8.0, 5.0)
    whole = Waiting.of_all([one, other])
    assert whole == waiting(10.0, 8.0, 8.0, 5.0)
    assert one == waiting(10.0, 8.0), "and stay what they were"


def test_nobody_waits_for_nothing() -> None:
    assert Waiting().oldest_s() == 0
