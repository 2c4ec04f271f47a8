"""Locust's shape that follows a profile's stages."""

import logging
from time import perf_counter
from typing import Final

import gevent
from locust import LoadTestShape
from locust.runners import MasterRunner

from loadkit.errors import LoadkitError
from loadkit.profile.stages import users_at

logger = logging.getLogger(__name__)

EARLY: Final = 0.05  # seconds; a timer may fire a moment early, and the next tick is a second away


class ProfileShape(LoadTestShape):
    """As many users as the profile's stages ask for, second by second."""

    _asked: int | None = None  # by the last tick

    def reset_time(self) -> None:
        """A run begins."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._asked = None

    def tick(self) -> tuple[int, float] | None:
        """The users that the next second should reach; None when the stages are over.

        Users who are spawned now begin spread over the coming second (`Worker.first_due`), so
        the target is the one at its end. The spawn rate is above any step: the stages are the
        only ramp. The open model needs none of Locust's users: its sessions come through the
        gate (`loadkit.swarm.worker.arrival_gate`), and 0 users are enough for Locust to start
        every worker.
        """
        assert self.runner is not None
        controller = self.runner.environment.loadkit_controller  # type: ignore[attr-defined]
        try:
            load = controller.load()
        except LoadkitError as error:
            logger.error("%s", error)
            return None
        if isinstance(self.runner, MasterRunner) and controller.stage != "under way":
            # Without a worker Locust starts nothing, and would not ask again for the same load.
            self.runner.shape_last_tick = None
            self.start_time = perf_counter()
        elapsed = perf_counter() - self.start_time + EARLY
        if elapsed >= load.duration_s:
            return None
        users = users_at(load.stages, elapsed + 1.0)
        if users is None:
            users = load.stages[-1].users or 0
        left = load.duration_s - elapsed
        if users == self._asked and left < 1.0 - 2 * EARLY:
            # The next tick would be a second away, and the run too long by the rest of it.
            gevent.sleep(left)
            return self.tick()
        self._asked = users
        return users, float(max(users, 100))
