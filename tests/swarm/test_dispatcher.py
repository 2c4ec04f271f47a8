"""Users stay where they are when workers come and go, as far as the numbers allow."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from locust import User, task
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode

from loadkit.swarm.locust_internals.dispatcher import SteadyDispatcher

Places = dict[str, dict[str, int]]


class Talks(User):
    weight = 5

    @task
    def talk(self) -> None: ...


class Leaves(User):
    weight = 2

    @task
    def leave(self) -> None: ...


def a_dispatcher(workers: int, users: int, kind: type = SteadyDispatcher) -> UsersDispatcher:
    dispatcher: UsersDispatcher = kind(
        worker_nodes=[WorkerNode(str(number)) for number in range(workers)],
        user_classes=[Talks, Leaves],
    )
    dispatch(dispatcher, users)
    return dispatcher


def dispatch(dispatcher: UsersDispatcher, users: int) -> Places:
    """Where everybody is after Locust has dispatched so many users."""
    dispatcher.new_dispatch(target_user_count=users, spawn_rate=1000)
    return list(dispatcher)[-1]


def by_class(places: Places) -> Counter[str]:
    total: Counter[str] = Counter()
    for users in places.values():
        total.update(users)
    return total


def stopped(before: Places, after: Places) -> int:
    """How many users are stopped on workers that are there before and after."""
    return sum(
        max(0, count - after[worker].get(user, 0))
        for worker, users in before.items()
        if worker in after
        for user, count in users.items()
    )


def test_the_users_of_a_lost_worker_go_to_the_others_and_nobody_else_moves() -> None:
    dispatcher = a_dispatcher(3, 30)
    before = dispatch(dispatcher, 30)
    dispatcher.remove_worker(WorkerNode("1"))
    after = dispatch(dispatcher, 30)
    assert {worker: sum(users.values()) for worker, users in after.items()} == {"0": 15, "2": 15}
    assert by_class(after) == by_class(before)
    assert stopped(before, after) == 0


def test_locusts_own_dispatcher_stops_users_that_have_nothing_to_do_with_it() -> None:
    """The reason for all this; should it ever fail, ours can go."""
    dispatcher = a_dispatcher(4, 15, UsersDispatcher)
    before = dispatch(dispatcher, 15)
    dispatcher.remove_worker(WorkerNode("3"))
    assert stopped(before, dispatch(dispatcher, 15)) > 0


def test_a_newcomer_gets_its_share_and_no_more_users_move_than_that() -> None:
    dispatcher = a_dispatcher(2, 30)
    before = dispatch(dispatcher, 30)
    dispatcher.add_worker(WorkerNode("2"))
    after = dispatch(dispatcher, 30)
    assert [sum(users.values()) for users in after.values()] == [10, 10, 10]
    assert stopped(before, after) == 10


def test_a_worker_that_connects_again_changes_nothing() -> None:
    dispatcher = a_dispatcher(2, 11)
    before = dispatch(dispatcher, 11)
    dispatcher.add_worker(WorkerNode("1"))
    assert dispatch(dispatcher, 11) == before


@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 60)), max_size=8),
)
@example(
    users=0,
    changes=[
        (True, 3, 0),
        (True, 4, 2),
        (False, 2, 1),
        (False, 2, 6),
        (False, 2, 4),
        (False, 2, 6),
    ],
)
def test_whatever_happens_the_numbers_are_those_asked_for_and_even(
    users: int, changes: list[tuple[bool, int, int]]
) -> None:
    """Workers come and go, the load goes up and down: the total is right, and the load even."""
    dispatcher = a_dispatcher(2, users)
    there = {"0", "1"}
    for comes, number, users in changes:
        worker = str(number)
        if comes:
            dispatcher.add_worker(WorkerNode(worker))
            there.add(worker)
        elif worker in there and len(there) > 1:
            dispatcher.remove_worker(WorkerNode(worker))
            there.discard(worker)
        # A change is dealt out on its own first, as Locust does when the load is steady.
        dispatch(dispatcher, dispatcher.get_current_user_count())
        after = dispatch(dispatcher, users)
        loads = [sum(mine.values()) for mine in after.values()]
        assert set(after) == there
        assert sum(loads) == users
        assert max(loads) - min(loads) <= 1


@pytest.mark.parametrize("users", [0, 1])
def test_a_run_without_users_is_dispatched_once_to_every_worker(users: int) -> None:
    """The open model lives by it: the message is what starts a worker."""
    dispatcher = a_dispatcher(2, users)
    dispatcher.add_worker(WorkerNode("2"))
    assert set(dispatch(dispatcher, users)) == {"0", "1", "2"}
