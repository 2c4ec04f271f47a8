"""Which workers take part, and who was lost."""

from locust.runners import STATE_MISSING, STATE_RUNNING

from loadkit.swarm.workers.membership import Roster
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
    roster = Roster()
    assert roster.look(0, there("b", "a"), no_sessions)
    assert not roster.look(1, there("b", "a"), no_sessions)
    assert roster.look(2, there("a", "b", "c"), no_sessions)
    assert roster.present == ["b", "a", "c"]


def test_a_worker_that_went_away_is_a_loss_with_its_last_sessions() -> None:
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    assert roster.look(7.26, there("a", missing=("b",)), {"b": 12}.__getitem__)
    assert roster.present == ["a"]
    assert list(roster.lost.values()) == [Loss("b", 7.3, 12)]


def test_a_worker_that_locust_has_forgotten_is_a_loss_too() -> None:
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    roster.look(5, there("a"), no_sessions)
    assert list(roster.lost) == ["b"]


def test_a_worker_that_handed_over_all_it_had_may_go() -> None:
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    assert roster.look(5, there("a"), no_sessions, finished={"b"})
    assert (roster.present, roster.lost) == (["a"], {})


def test_a_worker_that_comes_back_is_no_loss() -> None:
    """It was out of reach, and hands over what it measured meanwhile."""
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    roster.look(6, there("a", missing=("b",)), no_sessions)
    assert roster.look(9, there("a", "b"), no_sessions)
    assert (roster.present, roster.lost) == (["a", "b"], {})


def test_who_was_refused_neither_takes_part_nor_is_lost() -> None:
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    roster.refuse("b", "b runs another version")
    assert roster.look(1, there("a", "b"), no_sessions)
    assert not roster.look(2, there("a", "b"), no_sessions)
    assert (roster.present, roster.lost) == (["a"], {})
    assert roster.refused == {"b": "b runs another version"}


def test_every_second_without_a_heartbeat_counts() -> None:
    roster = Roster()
    roster.look(0, there("a", "b"), no_sessions)
    for second in (1, 2):
        roster.look(second, there("a", late=("b",)), no_sessions)
    roster.look(3, there("a", missing=("b",)), no_sessions)  # a loss by now, not lateness
    assert roster.heartbeats_lost == 2
