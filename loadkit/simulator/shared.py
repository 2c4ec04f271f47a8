"""What all sessions of a server share."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Clock
from loadkit.simulator.dials import Dials
from loadkit.simulator.faults.decline import Decline
from loadkit.simulator.faults.dice import Faults, rates
from loadkit.simulator.faults.incidents import IncidentSchedule
from loadkit.simulator.limits import Pool

LONGEST_ID: Final = 64  # characters that are written down of what names no session; ours have 36


class SharedState(NamedTuple):
    """The dials, and what is made from them once."""

    dials: Dials
    clock: Clock
    truth: TruthLog
    agents: Pool  # the slots of the agents at work
    people: Pool  # the live agents
    rates: Mapping[str, float]  # the faults that are turned on
    drift: Decline  # how far the server's decline has come
    incidents: IncidentSchedule  # what befalls the server as a whole

    @classmethod
    def of(cls, dials: Dials, clock: Clock, truth: TruthLog) -> Self:
        """Make it from the dials."""
        agents = Pool(dials.agent.slots, dials.agent.queue_limit, clock)
        people = Pool(dials.handoff.agents, None, clock)
        drift = Decline(dials.drift, clock, truth)
        incidents = IncidentSchedule(dials.incidents, clock, truth)
        return cls(dials, clock, truth, agents, people, rates(dials.faults), drift, incidents)

    def refused(self, call: str, status: int, session_id: str | None = None) -> None:
        """Write down that a call was turned away, other than by a fault or a rate limit."""
        at = self.clock.now()
        if session_id is not None:  # whatever a stranger says
            session_id = session_id[:LONGEST_ID].encode("utf-8", "replace").decode()
        self.truth.record("refused", call=call, session_id=session_id, at=at, status=status)

    def faults(self, seed: str, session_id: str | None = None) -> Faults:
        """The dice of a session, or of what belongs to none."""
        return Faults(self.rates, f"{self.dials.seed}/{seed}", self.truth, self.clock, session_id)
