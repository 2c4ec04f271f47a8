"""Which workers take part, and who was lost."""

from locust.runners import STATE_MISSING, STATE_RUNNING

from loadkit.swarm.workers.membership import Membership
from loadkit.verdict.run_facts import Loss

FRESH = 3  # heartbeats left of a worker that was just heard of


def there(*workers: str, missing: tuple[str, ...] = (), late: tuple[str, ...] = ()) -> dict:
    """Locust's view: state and heartbeats left."""
    return {
        **dict.fromkeys(workers, (STATE_RUNNING, FRESH)),
        **dict.fromkeys(missing, (STATE_MISSING, -1)),
        **dict.fromkeys(late, (STATE_RUNNING, 1)),
    }


def no_sessions(_: str) -> int:
    return 0


def test_whoever_is_there_takes_part_in_the_order_of_coming() -> None:
    membership = Membership()
    assert membership.update(0, there("b", "a"), no_sessions)
    assert not membership.update(1, there("b", "a"), no_sessions)
    assert membership.update(2, there("a", "b", "c"), no_sessions)
    assert membership.present == ["b", "a", "c"]


def test_a_worker_that_went_away_is_a_loss_with_its_last_sessions() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    assert membership.update(7.26, there("a", missing=("b",)), {"b": 12}.__getitem__)
    assert membership.present == ["a"]
    assert list(membership.lost.values()) == [Loss("b", 7.3, 12)]


def test_a_worker_that_locust_has_forgotten_is_a_loss_too() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.update(5, there("a"), no_sessions)
    assert list(membership.lost) == ["b"]


def test_a_worker_that_handed_over_all_it_had_may_go() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    assert membership.update(5, there("a"), no_sessions, finished={"b"})
    assert (membership.present, membership.lost) == (["a"], {})


def test_a_worker_that_comes_back_is_no_loss() -> None:
    """It was out of reach, and hands over what it measured meanwhile."""
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.update(6, there("a", missing=("b",)), no_sessions)
    assert membership.update(9, there("a", "b"), no_sessions)
    assert (membership.present, membership.lost) == (["a", "b"], {})


def test_who_was_refused_neither_takes_part_nor_is_lost() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    membership.refuse("b", "b runs another version")
    assert membership.update(1, there("a", "b"), no_sessions)
    assert not membership.update(2, there("a", "b"), no_sessions)
    assert (membership.present, membership.lost) == (["a"], {})
    assert membership.refused == {"b": "b runs another version"}


def test_every_second_without_a_heartbeat_counts() -> None:
    membership = Membership()
    membership.update(0, there("a", "b"), no_sessions)
    for second in (1, 2):
        membership.update(second, there("a", late=("b",)), no_sessions)
    membership.update(3, there("a", missing=("b",)), no_sessions)  # a loss by now, not lateness
    assert membership.heartbeats_lost == 2
