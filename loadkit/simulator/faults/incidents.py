"""What befalls the server as a whole at a given time: begun, ended and written down."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal, Protocol, Self

from pydantic import AfterValidator, Field, model_validator

from loadkit.config.table import Duration, Table
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Clock, Timer


class ServerIncident(Table):
    """One thing that befalls the server, as docs/simulator.md has it."""

    at: Duration  # seconds from the moment at which the server listens
    duration: Annotated[Duration, Field(gt=0)]
    kind: Literal["refuse_upgrades", "rate_limit", "freeze", "half_open", "restart"]
    forget: bool = False  # of a `restart`: the sessions are gone after it

    @model_validator(mode="after")
    def _forgets_in_a_restart(self) -> Self:
        if self.forget and self.kind != "restart":
            raise ValueError("forget is for a restart; leave it out")
        return self


def _apart(incidents: tuple[ServerIncident, ...]) -> tuple[ServerIncident, ...]:
    in_order = tuple(sorted(incidents, key=lambda one: one.at))
    for one, following in pairwise(in_order):
        if one.at + one.duration > following.at:
            raise ValueError(
                f"the {one.kind} at {one.at:g} s is not over when the {following.kind} at"
                f" {following.at:g} s begins"
            )
    return in_order


IncidentPlan = Annotated[tuple[ServerIncident, ...], Field(strict=False), AfterValidator(_apart)]
"""Incidents in the order in which they come, none before the last one is over."""


class IncidentTarget(Protocol):
    """What an incident befalls."""

    def befall(self, incident: ServerIncident) -> None:
        """It begins."""

    def recover(self, incident: ServerIncident) -> None:
        """It is over."""


class IncidentSchedule:
    """The incidents of one server, each at its time."""

    def __init__(self, plan: Sequence[ServerIncident], clock: Clock, truth: TruthLog) -> None:
        self._plan, self._clock, self._truth = plan, clock, truth
        self._timers: list[Timer] = []
        self._until = 0.0
        self.now: ServerIncident | None = None  # the one that is under way

    @property
    def left(self) -> float:
        """Seconds until the one that is under way is over; 0 where there is none."""
        return max(0.0, self._until - self._clock.now()) if self.now is not None else 0.0

    def start(self, house: IncidentTarget) -> None:
        """The server listens: from now on times count."""
        for incident in self._plan:
            self._arrange(incident.at, partial(self._begin, incident, house))

    def stop(self) -> None:
        """Nothing more is to happen."""
        for timer in self._timers:
            timer.cancel()

    def _arrange(self, delay: float, then: Callable[[], None]) -> None:
        self._timers.append(self._clock.later(delay, then))

    def _begin(self, incident: ServerIncident, house: IncidentTarget) -> None:
        now = self._clock.now()
        self.now, self._until = incident, now + incident.duration
        self._truth.record("incident_begin", incident=incident.kind, at=now)
        self._arrange(incident.duration, partial(self._end, incident, house))
        house.befall(incident)

    def _end(self, incident: ServerIncident, house: IncidentTarget) -> None:
        self.now = None
        self._truth.record("incident_end", incident=incident.kind, at=self._clock.now())
        house.recover(incident)
