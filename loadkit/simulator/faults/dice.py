"""The dice of one session: whether a fault strikes, and the record that it did."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Clock
from loadkit.simulator.faults.dials import FaultDials


def rates(dials: FaultDials) -> Mapping[str, float]:
    """The rates that are above 0, by the name of the fault."""
    found = {name: getattr(dials, name) for name in FaultDials.model_fields}
    return {name: rate for name, rate in found.items() if isinstance(rate, float) and rate > 0}


class Faults:
    """Draws faults and notes those that happened.

    Args:
        rates: see `rates`; shared by all sessions.
        seed: what is drawn from, apart from all else that is: turning a fault on changes nothing
            of what an agent says and when.
        session_id: None outside of any session.
    """

    __slots__ = ("_clock", "_rates", "_session_id", "_truth", "on", "rng")

    def __init__(
        self,
        rates: Mapping[str, float],
        seed: str,
        truth: TruthLog,
        clock: Clock,
        session_id: str | None = None,
    ) -> None:
        self._rates, self._truth, self._clock = rates, truth, clock
        self.on = bool(rates)  # whether any fault is turned on
        self._session_id = session_id
        # For what a fault looks like. It is kilobytes; sessions without faults need none.
        self.rng = Random(f"{seed}/faults") if rates else _NONE

    def draw(self, names: Iterable[str]) -> str | None:
        """The first of the faults to strike here, or None: nothing bears two of a kind."""
        if self.on:
            for name in names:
                rate = self._rates.get(name)
                if rate is not None and self.rng.random() < rate:
                    return name
        return None

    def strikes(self, name: str) -> bool:
        """Whether this one strikes here."""
        return self.draw((name,)) is not None

    def note(self, name: str, *, session_id: str | None = None, **fields: Any) -> None:
        """Record a fault at the moment at which it takes place."""
        self._truth.record(
            "fault",
            fault=name,
            session_id=session_id or self._session_id,
            at=self._clock.now(),
            **fields,
        )


_NONE = Random(0)
