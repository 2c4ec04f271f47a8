"""The load that a profile asks for against the load that there was, second by second."""

from collections.abc import Mapping
from typing import Final

from loadkit.figures import DELIVERED_SHARE
from loadkit.profile.arrivals import unit_process
from loadkit.profile.stages import ArrivalRate, users_at
from loadkit.profile.tables import Load

AHEAD: Final = 1.5
"""Seconds by which users are moved before the stages ask for it, at most: to where they are to be
at the end of the second that has begun."""

LAG: Final = 2.0  # seconds for Locust to spawn a tick's users, and to hear of them from workers


class Delivery:
    """What was asked for and what there was. Constant in size.

    Attributes:
        asked: the most users that were asked for at once so far; 0 in the open model.
        reached: the most that there were.
        undelivered_s: seconds with clearly fewer users than were asked for.
    """

    def __init__(self, load: Load) -> None:
        self.follow(load)
        self._looked_at = 0.0
        self.asked = self.reached = 0
        self.undelivered_s = 0.0

    def follow(self, load: Load) -> None:
        """Ask for another load from a moment to come; what lies before it is the same."""
        self._load = load
        self._rate = ArrivalRate(load.stages) if load.model == "open" else None

    def asked_at(self, elapsed_s: float) -> Mapping[str, float]:
        """Return what is asked for at a second of the run: `users`, or `arrivals_per_second`."""
        if self._rate is not None:
            return {"arrivals_per_second": self._rate.at(elapsed_s)}
        return {"users": users_at(self._load.stages, elapsed_s) or 0}

    def observe(self, elapsed_s: float, users: int) -> None:
        """Take how many users there are at a second of the run."""
        if self._load.model == "open":
            return
        wanted = [users_at(self._load.stages, elapsed_s - ago) or 0 for ago in (-AHEAD, 0.0, LAG)]
        since, self._looked_at = elapsed_s - self._looked_at, elapsed_s
        # Of a ramp the lowest end: what has just been asked for may be on its way, and those who
        # are to leave may be gone.
        if users < DELIVERED_SHARE * min(wanted):
            self.undelivered_s += since
        self.asked = max(self.asked, wanted[-1])
        self.reached = max(self.reached, users)

    def expected_sessions(self, elapsed_s: float) -> float:
        """Return how many were to begin on average; 0 if closed."""
        return 0.0 if self._rate is None else self._rate.expected(elapsed_s)

    def asked_sessions(self, elapsed_s: float) -> int | None:
        """Return how many sessions were to begin up to a second of the run; None if closed."""
        if self._rate is None or self._load.arrivals is None:
            return None
        # The number of the next one; to count one by one would take a day's run a minute to end.
        expected = self._rate.expected(elapsed_s)
        asked, _ = next(unit_process(self._load.arrivals, self._load.seed, expected))
        return asked
