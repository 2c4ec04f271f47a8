"""Stand-ins at the ports of a session: a clock whose hands we turn, and a socket that remembers."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import orjson

from loadkit.simulator import Dials, load_dials
from loadkit.simulator.app.frame_writer import Frame
from loadkit.simulator.app.registry import Registry
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.session.session import ServerSession
from loadkit.simulator.shared import SharedState

QUICK = (
    "agent.join=1s",
    "agent.greeting=2s",
    "agent.thinking=500ms",
    "agent.first_response=3s",
    "agent.gap=1s",
    "agent.chunks={min=3,max=3}",
    "agent.suggestion_rate=0",
    "agent.attachment_rate=0",
    "agent.rich_greeting=false",
    "optional_fields=0",
)


class HandTimer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class HandClock:
    """Time passes only in `advance`."""

    def __init__(self) -> None:
        self.time = 100.0
        self._due: list[tuple[float, int, HandTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.time

    def later(self, delay: float, call: Callable[[], None]) -> HandTimer:
        timer = HandTimer(call)
        heapq.heappush(self._due, (self.time + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass; everything that falls due happens, in order, at its own time."""
        end = self.time + seconds
        while self._due and self._due[0][0] <= end + 1e-9:
            self.time, _, timer = heapq.heappop(self._due)
            if timer.call is not None:
                timer.call()
        self.time = max(self.time, end)

    @property
    def pending(self) -> int:
        """Timers that would still do something."""
        return sum(timer.call is not None for _, _, timer in self._due)


class Ear:
    """An `Outlet` that keeps what it was given.

    Attributes:
        frames: what could be read, as it came.
        noise: how many frames were not JSON (`text`) or `binary`.
        closed: the code it was closed with.
        broken: how it was broken on purpose.
    """

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self.number = next(self._numbers)
        self.frames: list[dict[str, Any]] = []
        self.noise: Counter[str] = Counter()
        self.closed: int | None = None
        self.broken: str | None = None

    def deliver(self, frame: Frame) -> None:
        assert self.closed is None, "an event after the close"
        assert self.broken is None, "an event to a broken socket"
        data = frame.plain
        if data[0] & 15 == 2:
            self.noise["binary"] += 1
            return
        try:
            self.frames.append(orjson.loads(payload_of(data)))
        except orjson.JSONDecodeError:
            self.noise["text"] += 1

    def close(self, code: int) -> None:
        self.closed = code

    def fail(self, how: str) -> None:
        self.broken = how

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events so far, batches flattened."""
        flat: list[dict[str, Any]] = []
        for frame in self.frames:
            batch = frame["type"] == "EVENT_TYPE_EVENT_BATCH"
            flat += frame["payload"]["events"] if batch else [frame]
        return flat

    @property
    def types(self) -> list[str]:
        """The types of `events`, without their prefix."""
        return [event["type"].removeprefix("EVENT_TYPE_") for event in self.events]

    def last(self, kind: str) -> dict[str, Any]:
        """The newest event of a type."""
        return next(e for e in reversed(self.events) if e["type"] == f"EVENT_TYPE_{kind}")


class World:
    """A registry on a hand-turned clock, with a quick agent."""

    def __init__(self, *settings: str, truth: Path | None = None) -> None:
        self.dials: Dials = load_dials(None, [*QUICK, *settings])
        self.clock = HandClock()
        self.truth = TruthLog(truth)
        self.registry = Registry(SharedState.of(self.dials, self.clock, self.truth))

    def session(self, *, streaming: bool = False) -> ServerSession:
        return self.registry.create("owner", streaming=streaming)

    def connect(self, session: ServerSession, cursor: int = 0) -> Ear:
        ear = Ear()
        session.attach(ear, cursor)
        return ear

    def greeted(self, *, streaming: bool = False) -> tuple[ServerSession, Ear]:
        """A session whose agent has joined and finished its greeting, and an ear on it."""
        session = self.session(streaming=streaming)
        ear = self.connect(session)
        session.hear(ear, JOIN)
        self.clock.advance(10)
        return session, ear


def client_event(kind: str, payload: Any = None, **custom: str) -> bytes:
    event: dict[str, Any] = {"type": f"EVENT_TYPE_{kind}", "payload": payload or {}}
    if custom:
        event["metadata"] = {"custom": custom}
    return orjson.dumps(event)


def says(text: str, **custom: str) -> bytes:
    return client_event("USER_MESSAGE", {"text": text}, **custom)


JOIN = client_event("REQUEST_POLY_AGENT_JOIN")
HEARTBEAT = client_event("HEARTBEAT")
END = client_event("USER_END_SESSION")


def payload_of(frame: bytes) -> bytes:
    """The payload of one unmasked frame, whose header must tell its true length."""
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10], "big"), 10
    assert len(frame) == start + size
    return frame[start:]


def sequences(events: Sequence[dict[str, Any]]) -> list[int]:
    return [event["sequence"] for event in events if event["sequence"] is not None]


def rng() -> Random:
    return Random(7)
