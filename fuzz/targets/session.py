"""Whatever a server does, and a person meanwhile: no exception, and the sums add up."""

from collections import Counter
from random import Random
from typing import Any

from hypothesis import strategies as st

from fuzz.target import Target
from loadkit.chat.effects import Counted, Effect, Finish, Send, Unfinished, YourTurn
from loadkit.chat.inputs import (
    CUT,
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
from loadkit.chat.states import ChatState, SocketState
from loadkit.errors import Failure
from loadkit.protocol import Event, EventType, Flaw, FlawKind, decode

KINDS = list(EventType)
STEPS = (0.0, 0.01, 1.0, 7.0)  # seconds between two happenings
CODES = (1000, 1001, 1002, 1006, 1007, 1009, 1011, 4000, 4001, 4002, 4003, 4004, 4429, 0)
ODD: tuple[Any, ...] = (None, True, "", "m", -1, 1e300, [], {}, [{"message_text": 1}], "x" * 50)
MOST = 64
"""Effects of one happening, beside those for each turn that is open: of a row, a hole in the
numbers, and what was held back while the socket was away."""


class Dice:
    """Decisions, a byte each; zeros when there is no more."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def roll(self) -> int:
        at, self._at = self._at, self._at + 1
        return self._data[at] if at < len(self._data) else 0

    def of(self, choices: Any) -> Any:
        return choices[self.roll() % len(choices)]


class Story:
    """Plays the driver and the person."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        policy = Policy(
            patience=dice.of((0.5, 20.0, 60.0)),
            handshake=dice.of((10.0, 0.1)),
            resend=dice.of(("never", "reference")),
            max_reconnect_attempts=dice.of((None, 1, 10)),
            recycle=dice.of((0.0, 30.0)),
        )
        self.session = Session(policy, Random(1), streaming=dice.of((True, False)))
        self.now = 0.0
        self.sums: Counter[str] = Counter()
        self.said: list[str] = []  # ids of messages without an echo
        self.next = 1  # of the sequence
        self.greeted = self.over = False
        self.ids = 0
        self.happen(START)

    def happen(self, happening: Event | Flaw | Input) -> None:
        session = self.session
        waiting = len(session.open_turns()) + len(session.pending)
        out = session.step(self.now, happening)
        assert len(out) <= MOST + 8 * waiting, f"{len(out)} effects of one {happening!r}"
        self.take(out)

    def take(self, out: list[Effect]) -> None:
        for effect in out:
            assert not self.over, "something follows the end"
            match effect:
                case Counted(key=key):
                    self.sums[key] += 1
                case Unfinished():
                    assert effect.sent <= effect.until
                case YourTurn():
                    self.greeted = True
                case Finish():
                    self.over = True
                case Send(frame=frame):
                    (event,) = decode(frame)  # a truth of a kind: what we write can be read
                    if isinstance(event, Event) and event.type is EventType.USER_MESSAGE:
                        self.said.append(event.local_id or "")
        assert self.over == (self.session.state is ChatState.OVER)
        sums = self.sums
        rest = sums["turns.sent"] - sums["turns.answered"] - sums["turns.lost"]
        assert rest == sums["turns.open"] + len(self.session.open_turns()), "the sums are off"
        assert sums["turns.resent"] <= 3 * sums["turns.sent"]
        assert not self.over or self.session.deadline == float("inf")

    def move(self) -> None:
        """One thing that may happen now."""
        dice, session = self.dice, self.session
        self.now += dice.of(STEPS)
        what, link = dice.roll() % 16, session.connection.state
        is_open = link in (SocketState.REPLAYING, SocketState.LIVE)
        if link is SocketState.CONNECTING and what < 12:
            kind = dice.of((Failure.CONNECT_REFUSED, Failure.TOKEN_EXPIRED))
            refused = Refused(kind, "", dice.of((None, 401, 404, 429, 503)), dice.of((None, 5.0)))
            self.happen(Opened() if what < 9 else refused)
        elif what < 8 and is_open:
            self.happen(self.event())
        elif what == 8:
            self.elapse()
        elif what == 9 and is_open and self.said:
            identity = self.said.pop(dice.roll() % len(self.said))
            self.happen(self.event(EventType.USER_MESSAGE, identity))
        elif what == 10 and is_open:
            self.happen(Closed(dice.of(CODES)))
        elif what == 11 and session.breakable:
            self.happen(FORCED)
        elif (
            what == 12 and self.greeted and dice.roll() < 20 and session.state is not ChatState.OVER
        ):
            self.happen(VANISHED)
        elif what == 13 and is_open:
            self.happen(Flaw(dice.of(list(FlawKind)), "odd"))
        elif self.greeted:
            acts = (Say("hi", self.now), Say("ho", self.now), Typing(True), Leave(self.now))
            self.happen(dice.of(acts) if dice.roll() < 240 else Leave(self.now))

    def event(self, kind: EventType | None = None, local_id: str | None = None) -> Event:
        dice = self.dice
        kind = dice.of(KINDS) if kind is None else kind
        self.ids += dice.roll() % 8 != 0  # at times an id comes twice
        jump = dice.roll()
        sequence: int | None = None
        if jump < 128:
            sequence, self.next = self.next, self.next + 1
        elif jump < 160:  # ahead, by far too
            self.next += 1 << (jump - 128)
            sequence = self.next
        elif jump < 176:
            sequence = self.next - jump + 160
        payload: dict[str, Any] = {"message_id": f"m{self.ids}"} if jump % 2 else {}
        if kind is EventType.EVENT_BATCH:
            payload = {"size": dice.of((0, 1, 256, 1_000_000))}
        elif kind is EventType.POLY_AGENT_MESSAGE_CHUNK:
            payload = {
                "message_id": dice.of(("a", "b", None)),
                "chunk_index": dice.of((1, 2, 3, 0, "1")),
                "is_complete": dice.of((False, True, "yes")),
                "text": "part",
            }
        elif kind is EventType.SESSION_START:
            payload = {
                "capabilities": {
                    "max_reconnect_attempts": dice.of((3, -1, True, None, 10**30)),
                    "heartbeat_interval_seconds": dice.of((30, 0, 0.1, 1e-300, "x", True)),
                }
            }
        if dice.roll() < 32:
            keys = ("message_id", "text", "chunk_index", "is_complete", "reason", "capabilities")
            payload[dice.of(keys)] = dice.of(ODD)
            payload[dice.of(("response_suggestions", "agent", "queue_name"))] = dice.of(ODD)
        return Event(kind, f"id-{self.ids}", sequence, payload, local_id)

    def elapse(self) -> None:
        """Go to the deadline: it must move, or the session must end."""
        due = self.session.deadline
        if due == float("inf"):
            return
        self.now = max(self.now, due)
        for _ in range(20):
            self.happen(ELAPSED)
            if self.over or self.session.deadline > self.now:
                return
        raise AssertionError(f"a busy loop: {self.session.deadline} at {self.now}")


def check(data: bytes) -> None:
    dice = Dice(data)
    story = Story(dice)
    if dice.roll() % 2 == 0:  # or too few stories come as far as a turn
        story.happen(Opened())
        greeting = (
            Event(EventType.SESSION_START, "s", 1),
            Event(EventType.EVENT_BATCH, payload={"size": 1}),
            Event(EventType.POLY_AGENT_JOINED, "j", 2),
            Event(EventType.POLY_AGENT_MESSAGE, "g", 3, {"text": "Hello!", "message_id": "g"}),
        )
        story.next = 4
        for event in greeting:
            story.happen(event)
        story.happen(Say("hi", story.now))
    while dice.left and not story.over:
        story.move()
    if not story.over:
        story.happen(CUT)
    assert story.over, "a session that is cut is over"


TARGET = Target(
    "session",
    check,
    st.binary(max_size=120) | st.binary(max_size=600),
    (bytes(40), bytes(range(0, 250, 3)), bytes(7) + bytes([0, 9, 0, 0, 0, 4, 19, 1, 0, 99]) * 6),
)
