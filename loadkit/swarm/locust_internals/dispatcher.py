"""Locust's dispatcher, except that a worker that comes or goes moves as few users as possible."""

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from locust import User
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode


class SteadyDispatcher(UsersDispatcher):
    """Hands users to workers.

    Locust's own deals all users out anew whenever a worker joins or is lost, as if from nothing:
    on workers that had no part in it, users of one class are stopped and others of another class
    started, which cuts conversations in the middle. Here the users of a lost worker go to the
    survivors, and a newcomer is given users of the fullest ones until the numbers are even; nobody
    else notices.
    """

    def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
        super().__init__(worker_nodes, user_classes)
        self._worker_node_generator = self._least_loaded()  # type: ignore[assignment]

    def add_worker(self, worker_node: WorkerNode) -> None:
        """Take in a worker; one that is known already has only connected again."""
        self._worker_nodes = [node for node in self._worker_nodes if node.id != worker_node.id]
        super().add_worker(worker_node)

    def _least_loaded(self) -> Iterator[WorkerNode]:
        """The worker that has the fewest users, again and again.

        Taking turns would leave them uneven once the load has gone down and up between two changes.
        """
        while True:
            yield min(self._worker_nodes, key=lambda n: sum(self._users_on_workers[n.id].values()))

    def _prepare_rebalance(self) -> None:
        nodes = {node.id: node for node in self._worker_nodes}
        users: dict[str, list[str]] = {worker: [] for worker in nodes}
        homeless: list[str] = []
        for node, user in self._active_users:
            users.get(node.id, homeless).append(user)
        for user in homeless:
            min(users.values(), key=len).append(user)
        while True:
            fewest, most = min(users.values(), key=len), max(users.values(), key=len)
            if len(most) - len(fewest) < 2:
                break
            fewest.append(most.pop())
        self._users_on_workers = {
            worker: {cls.__name__: 0 for cls in self._original_user_classes} | Counter(mine)
            for worker, mine in users.items()
        }
        # Taken from its end when the load goes down: all workers in turn.
        rounds = zip_longest(*([(nodes[w], user) for user in mine] for w, mine in users.items()))
        self._active_users = [place for turn in rounds for place in turn if place is not None]
        self._try_dispatch_fixed = True
        self._rebalance = True
