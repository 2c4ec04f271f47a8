"""What goes wrong with a session's sockets on purpose: when, and how it is done to them."""

from time import perf_counter
from typing import Any

import gevent

from loadkit.chat.states import NEVER
from loadkit.net.interfaces import SessionPlan, SocketFault
from loadkit.net.websocket.link import Link


class FaultInjector:
    """The faults and storms of one session, which was made `deaf` from when to when (monotonic)."""

    __slots__ = ("_faults", "_half_open", "_moment", "_storms", "deaf")

    def __init__(self, plan: SessionPlan) -> None:
        self._faults = plan.faults
        self._storms = list(plan.storms)
        self._moment: str | None = None
        self._half_open: list[Any] = []  # half-open sockets, whose server is still to find out
        self.deaf = (NEVER, NEVER)

    def storm(self, at: float, fault: SocketFault) -> None:
        """Plan one more, for a moment (monotonic)."""
        self._storms = sorted([*self._storms, (at, fault)], key=lambda planned: planned[0])

    def due(self, started: float) -> float:
        """When something is due next in a session that began at `started`; infinity for never."""
        due = NEVER if self._faults is None else self._faults.due(started)
        return min(due, self._storms[0][0]) if self._storms else due

    def take(self, now: float) -> SocketFault:
        if self._storms and self._storms[0][0] <= now:
            return self._storms.pop(0)[1]
        assert self._faults is not None
        return self._faults.strike(now)

    def at(self, moment: str | None) -> SocketFault | None:
        """What happens when a moment of the protocol is reached; None is one without a name."""
        if moment == self._moment:
            return None
        self._moment = moment
        return None if moment is None or self._faults is None else self._faults.at_moment(moment)

    def turn(self, begins: float, ends: float) -> None:
        """A turn begins, and will be over as far as that can be foretold."""
        if self._faults is not None:
            self._faults.turn(begins, ends)

    def stall(self, seconds: float) -> None:
        begins = perf_counter()
        gevent.sleep(seconds)
        self.deaf = (begins, perf_counter())

    def was_deaf(self, since: float, until: float) -> bool:
        """Whether this side was made deaf on purpose in a stretch of time."""
        return until >= self.deaf[0] and since < self.deaf[1]

    def end(self, link: Link, kind: str, code: int | None = None) -> None:
        """End a socket as a `SocketFault` of that kind says: a close without a code is none."""
        match kind:
            case "close" if code is not None:
                link.close(code)
            case "reset":
                link.drop(reset=True)
            case "half_open":
                self._half_open.append(link.abandon())
            case _:
                link.drop()

    def close_half_open(self) -> None:
        for sock in self._half_open:
            sock.close()
