"""A conversation with the simulated service in no time: its core and ours, on one clock of ours.

No socket and no loop: what one end sends reaches the other a latency later, in order, unless the
line was cut meanwhile. The driver's part is played by `Visit`, the person's by a function.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from random import Random
from typing import Any

from loadkit.actions import Cue
from loadkit.chat.effects import (
    Connect,
    Counted,
    Drop,
    Effect,
    Failed,
    Finish,
    Hangup,
    Keep,
    Named,
    Sample,
    Send,
    Unfinished,
    Violation,
    YourTurn,
)
from loadkit.chat.inputs import (
    ELAPSED,
    FORCED,
    START,
    VANISHED,
    Closed,
    Input,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.personas import Policy
from loadkit.chat.session import Session
from loadkit.errors import Failure
from loadkit.figures import Phase
from loadkit.protocol import Event, Flaw, FlawKind, decode
from loadkit.simulator import load_dials
from loadkit.simulator.app.frame_writer import Frame
from loadkit.simulator.app.registry import Registry
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.dials import Dials
from loadkit.simulator.shared import SharedState

LATENCY = 0.01  # seconds, one way
BUSY = 100_000  # steps of one visit: more is a busy loop
Act = tuple[float, Any]  # seconds from now, and what is done: an Input or "restart"
Person = Callable[[YourTurn], Iterable[Act]]


@cache
def dials_of(settings: tuple[str, ...]) -> Dials:
    return load_dials(None, settings)


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class World:
    """The clock, and a service with its dials."""

    def __init__(self, *settings: str, seed: int = 1) -> None:
        self.time = 0.0
        self._due: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        dials = dials_of(settings).model_copy(update={"seed": seed})
        self.registry = Registry(SharedState.of(dials, self, TruthLog(None)))

    def now(self) -> float:
        return self.time

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._due, (self.time + delay, next(self._order), timer))
        return timer

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            self.time, _, timer = heapq.heappop(self._due)
            if timer.call is not None:
                timer.call()


class Line:
    """One socket: the server's `Outlet` at one end, a visit at the other."""

    _numbers = itertools.count(1)

    def __init__(self, visit: "Visit") -> None:
        self.visit, self.number = visit, next(self._numbers)
        self.up = True  # the client's end
        self.open = True  # the server's

    def deliver(self, frame: Frame) -> None:
        assert self.open
        self._send(lambda: self.visit.hear(frame))

    def close(self, code: int) -> None:
        self.open = False
        self._send(lambda: self.visit.lose(self, code))

    def fail(self, how: str) -> None:
        self.open = False
        if how != "half_open":
            self._send(lambda: self.visit.lose(self, 1006))

    def _send(self, call: Callable[[], None]) -> None:
        self.visit.world.later(LATENCY, lambda: call() if self.up else None)


class Visit:
    """One client session with its person, from its start to its end.

    Attributes:
        effects: everything that was asked of the driver.
        finished: how it ended, and when.
    """

    def __init__(
        self,
        world: World,
        person: Person,
        *,
        streaming: bool = False,
        policy: Policy | None = None,
        strikes: Callable[[str], bool] = lambda moment: False,
        seed: int = 1,
        settle: float = LATENCY,
    ) -> None:
        """
        Args:
            strikes: whether the line is cut at a moment of the protocol.
            settle: seconds until the server finds out that a line was cut.
        """
        self.world, self.person, self.strikes, self.settle = world, person, strikes, settle
        self.session = Session(policy or Policy(), Random(seed), streaming=streaming)
        self.server = world.registry.create("owner", streaming=streaming)
        self.line: Line | None = None
        self.effects: list[Effect] = []
        self.finished: tuple[float, Finish] | None = None
        self.moment: str | None = None
        self.recalled: YourTurn | None = None
        self._timer: Timer | None = None
        self._acts: list[Timer] = []
        self._steps = 0
        self.step(START)

    # --- what the driver does ---------------------------------------------------------------

    def step(self, happening: Event | Flaw | Input) -> None:
        assert self.finished is None, f"{happening} after the end"
        self._steps += 1
        assert self._steps < BUSY, f"a busy loop at {self.world.time}"
        self.effects += (out := self.session.step(self.world.time, happening))
        for effect in out:
            self.perform(effect)
        if self.finished is None:
            self.watch()
            moment, self.moment = self.moment, self.session.moment
            if self.moment is not None and self.moment != moment and self.strikes(self.moment):
                self.world.later(0.0, self.strike)

    def watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.session.deadline < float("inf"):
            wait = max(0.0, self.session.deadline - self.world.time)
            self._timer = self.world.later(wait, self.elapse)

    def elapse(self) -> None:
        if self.finished is None and self.session.deadline <= self.world.time:
            self.step(ELAPSED)
        elif self.finished is None:
            self.watch()

    def perform(self, effect: Effect) -> None:
        match effect:
            case Connect(cursor=cursor):
                self.world.later(LATENCY, lambda: self.connect(cursor))
            case Send(frame=frame):
                line = self.line
                assert line is not None, "nobody is there to send it to"
                self.world.later(LATENCY, lambda: line.open and self.server.hear(line, frame))
            case Drop() | Hangup() | Keep():
                self.hang_up()
            case Finish():
                self.finished = (self.world.time, effect)
                assert (effect.close is None) == (self.line is None)
                self.hang_up()
            case YourTurn():
                self.tell(effect)
            case _:
                told = (Sample, Unfinished, Counted, Named, Failed, Violation)
                assert isinstance(effect, told)

    def connect(self, cursor: int) -> None:
        if self.finished is not None:
            return
        if self.world.registry.find(self.server.id) is None:
            self.step(Refused(Failure.UPGRADE_REFUSED, "session not found", 404))
            return
        line = self.line = Line(self)
        if self.strikes("connect"):
            self.hang_up()
            self.step(FORCED)
            return
        self.step(Opened())
        if line.up:
            self.server.attach(line, cursor)
            line.open = line.open and self.server.ended is None

    def hear(self, frame: Frame) -> None:
        data, start = frame.plain, 2
        size = data[1]
        if size == 126:
            start = 4
        elif size == 127:
            start = 10
        if data[0] & 15 == 2:
            self.step(Flaw(FlawKind.BINARY_FRAME, "binary"))
            return
        for event in decode(data[start:]):
            if self.finished is None and self.line is not None:
                self.step(event)

    def lose(self, line: Line, code: int) -> None:
        if self.line is line and self.finished is None:
            line.up, self.line = False, None
            self.step(Closed(code))

    def hang_up(self) -> None:
        """Our end is gone; the server finds out later."""
        line, self.line = self.line, None
        if line is not None:
            line.up = False

            def found_out() -> None:
                line.open = False
                self.server.detach(line)

            self.world.later(self.settle, found_out)

    def strike(self) -> None:
        if self.finished is None and self.session.breakable and self.line is not None:
            self.hang_up()
            self.step(FORCED)

    # --- what the person does ---------------------------------------------------------------

    def tell(self, turn: YourTurn) -> None:
        if self.recalled is not None:
            turn, self.recalled = self.recalled, None
        if turn.cue in (Cue.HUMAN_JOINED, Cue.NO_HUMAN):
            for act in self._acts:
                act.cancel()
            self._acts.clear()
        self._acts = [act for act in self._acts if act.call is not None]
        for delay, act in self.person(turn):
            if act == "restart":
                self.restart(turn)
                return
            self._act(delay, act)

    def _act(self, delay: float, act: Any) -> None:
        def done() -> None:
            timer.call = None
            if self.finished is not None:
                return
            now = self.world.time
            match act:
                case Say(text=text):
                    self.step(Say(text, now))
                case Leave():
                    self.step(Leave(now))
                case Typing():
                    self.step(act)
                case _:
                    assert act is VANISHED
                    self.hang_up()
                    self.step(VANISHED)

        timer = self.world.later(delay, done)
        self._acts.append(timer)

    def restart(self, turn: YourTurn) -> None:
        """The process is gone; another one goes on with the session."""
        self.hang_up()
        for act in self._acts:
            act.cancel()
        self.recalled = turn
        self.session = self.session.again()
        self.world.later(0.0, lambda: self.step(START))

    # --- what came of it ---------------------------------------------------------------------

    @property
    def violations(self) -> Counter[str]:
        return Counter(str(e.kind) for e in self.effects if isinstance(e, Violation))

    @property
    def counts(self) -> Counter[str]:
        return Counter(str(e.key) for e in self.effects if isinstance(e, Counted))

    @property
    def failures(self) -> Counter[str]:
        return Counter(str(e.kind) for e in self.effects if isinstance(e, Failed))

    @property
    def ending(self) -> str | None:
        return None if self.finished is None else str(self.finished[1].ending)

    def durations(self, phase: Phase) -> list[float]:
        found = [e for e in self.effects if isinstance(e, Sample) and e.phase is phase]
        return [sample.end - sample.sent for sample in found]

    @property
    def open(self) -> int:
        """Messages that were sent and neither answered nor lost."""
        sums = self.counts
        return sums["turns.sent"] - sums["turns.answered"] - sums["turns.lost"]
