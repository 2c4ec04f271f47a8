"""What gets worse with time and with use: a server in slow decline, on purpose."""

from loadkit.config.table import Duration, Table
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Clock
from loadkit.simulator.distributions import dial

_HOUR = 3600.0  # seconds


class DriftDials(Table):
    """How fast the server declines. The three kinds of growth add up."""

    per_hour: float = dial(
        0.0,
        "growth of the agent's waits with each hour that the server is up (share of what is drawn:"
        " 0.05 = 5 % an hour)",
        ge=0,
    )
    starts_after: Duration = dial(0.0, "uptime from which on `drift.per_hour` counts (seconds)")
    per_session_hour: float = dial(
        0.0, "growth of the agent's waits with each hour of their session's age (share)", ge=0
    )
    per_thousand_sessions: float = dial(
        0.0, "growth of the agent's waits with every thousand sessions ever created (share)", ge=0
    )
    sessions_until_refusal: int = dial(
        0,
        "sessions ever created after which create-session gets 500 and every upgrade"
        " 503, until the server is restarted: a leak (count, 0 = none)",
        ge=0,
    )


class Decline:
    """How far the decline of one server has come."""

    def __init__(self, dials: DriftDials, clock: Clock, truth: TruthLog) -> None:
        self._dials, self._clock, self._truth = dials, clock, truth
        self.restart()

    def restart(self) -> None:
        """Begin anew: the server is up since now, and nothing has leaked."""
        self._up_since, self._created = self._clock.now(), 0

    @property
    def spent(self) -> bool:
        """Whether so much has leaked that nobody else is let in."""
        return 0 < self._dials.sessions_until_refusal <= self._created

    def created(self) -> None:
        """One session more."""
        self._created += 1
        if self._created == self._dials.sessions_until_refusal:
            self._truth.record("spent", at=self._clock.now(), sessions=self._created)

    def slowness(self, born: float) -> float:
        """What an agent's waits are multiplied by now.

        Args:
            born: when its session was created, in monotonic seconds.

        Returns:
            1 + the hours up × `per_hour` + the session's hours × `per_session_hour` + the
            thousands of sessions × `per_thousand_sessions`.
        """
        dials, now = self._dials, self._clock.now()
        up = max(0.0, now - self._up_since - dials.starts_after)
        return (
            1.0
            + up / _HOUR * dials.per_hour
            + (now - born) / _HOUR * dials.per_session_hour
            + self._created / 1000 * dials.per_thousand_sessions
        )
