"""Sessions brought to where a test begins, events as a server sends them, and effects by kind."""

import itertools
import json
from collections import Counter
from random import Random
from typing import Any, TypeVar

from loadkit.chat.effects import (
    Connect,
    Counted,
    Effect,
    Failed,
    Finish,
    Named,
    Sample,
    Send,
    Unfinished,
    Violation,
    YourTurn,
)
from loadkit.chat.inputs import START, Input, Opened, Say
from loadkit.chat.personas import Policy
from loadkit.chat.session import Session
from loadkit.errors import Failure
from loadkit.figures import Count, Phase
from loadkit.protocol import Event, EventType, Flaw

Happening = Event | Flaw | Input
DUE = None  # in place of a time: when the session's deadline comes
_T = TypeVar("_T")
_ids = itertools.count()


def attributes(part: object) -> list[str]:
    """What an object of ours consists of, by name; mypyc leaves no slots."""
    kinds = [vars(kind) for kind in type(part).__mro__]
    return [
        name
        for kind in kinds
        for name in kind.get("__mypyc_attrs__", kind.get("__slots__", ()))
        if not name.startswith("__")
    ]


def event(
    kind: str,
    sequence: int | None = None,
    *,
    local_id: str | None = None,
    id: str | None = None,
    **payload: Any,
) -> Event:
    """A server event with an id of its own."""
    identity = f"id-{next(_ids)}" if id is None else id
    return Event(EventType[kind], identity, sequence, payload, local_id)


def beat() -> Event:
    return Event(EventType.HEARTBEAT)


def batch(size: int = 1) -> Event:
    """The end of a batch."""
    return Event(EventType.EVENT_BATCH, payload={"size": size})


def start(sequence: int | None = 1, **capabilities: Any) -> Event:
    return event("SESSION_START", sequence, capabilities=capabilities)


def joined(sequence: int | None = None) -> Event:
    return event("POLY_AGENT_JOINED", sequence, agent_name="Ada")


def thinking() -> Event:
    return event("POLY_AGENT_THINKING")


def message(text: str, sequence: int | None = None) -> Event:
    return event("POLY_AGENT_MESSAGE", sequence, text=text, message_id=f"m-{next(_ids)}")


def chunk(
    index: Any, text: str = "", *, of: Any = "m", last: Any = False, sequence: int | None = None
) -> Event:
    return event(
        "POLY_AGENT_MESSAGE_CHUNK",
        sequence,
        message_id=of,
        chunk_index=index,
        text=text,
        is_complete=last,
    )


def ended(reason: Any = "REASON_USER_END", sequence: int | None = None) -> Event:
    return event("SESSION_END", sequence, reason=reason)


def echo(said: list[Effect], sequence: int | None = None) -> Event:
    """The server's echo of the message among `said`."""
    return event("USER_MESSAGE", sequence, local_id=local_id(said), message_id=f"u-{next(_ids)}")


def local_id(said: list[Effect]) -> str:
    (sent,) = [sent for sent in frames(said) if sent["type"] == EventType.USER_MESSAGE]
    identity = sent["metadata"]["custom"]["local_id"]
    assert isinstance(identity, str)
    return identity


def feed(session: Session, *happenings: tuple[float | None, Happening]) -> list[Effect]:
    """Let things happen, each at its time; return all effects."""
    out: list[Effect] = []
    for now, happening in happenings:
        out += session.step(session.deadline if now is DUE else now, happening)
    return out


def new_session(*, seed: int = 1, streaming: bool = True, **policy: Any) -> Session:
    return Session(Policy(**policy), Random(seed), streaming=streaming)


def opened_session(at: float = 0.0, **policy: Any) -> Session:
    """A session whose first socket has just opened."""
    session = new_session(**policy)
    feed(session, (at, START), (at, Opened()))
    return session


def joining_session(capabilities: dict[str, Any] | None = None, **policy: Any) -> Session:
    """A session that opened at 0 and has asked for the agent at 0.1."""
    session = opened_session(**policy)
    feed(session, (0.1, start(1, **(capabilities or {}))), (0.1, batch()))
    return session


def live_session(capabilities: dict[str, Any] | None = None, **policy: Any) -> Session:
    """A session that opened at 0 and was greeted at 1; the highest sequence is 4."""
    session = joining_session(capabilities, **policy)
    feed(
        session,
        (0.2, event("REQUEST_POLY_AGENT_JOIN", 2)),
        (0.3, joined(3)),
        (1.0, message("Hello!", 4)),
    )
    return session


def waiting_session(*, echoed: bool = True, **policy: Any) -> Session:
    """A live session whose person said "hi" at 10, echoed (sequence 5) at 10.1."""
    session = live_session(**policy)
    said = feed(session, (10.0, Say("hi", due=9.9)))
    if echoed:
        feed(session, (10.1, echo(said, 5)))
    return session


def queued_session(**policy: Any) -> Session:
    """A waiting session whose agent handed over at 11 and left; the highest sequence is 8."""
    session = waiting_session(**policy)
    feed(
        session,
        (11.0, event("POLY_AGENT_TRIGGERED_HANDOFF", 6)),
        (11.1, event("POLY_AGENT_LEFT", 7)),
        (11.2, event("HANDOFF_ACCEPTED", 8)),
    )
    return session


def human_session(**policy: Any) -> Session:
    """A queued session that a human joined at 15 (sequence 9)."""
    session = queued_session(**policy)
    feed(session, (15.0, event("LIVE_AGENT_JOINED", 9, agent={"id": "a", "name": "Kim"})))
    return session


def answered_session() -> Session:
    """A live session in which one message was answered, at 4."""
    session = live_session()
    said = feed(session, (3.0, Say("one", due=3.0)))
    feed(session, (3.1, echo(said, 5)), (4.0, message("One.", 6)))
    return session


def asking_session(*, echoed: bool = True, **policy: Any) -> Session:
    """A human session whose person said "hi" at 17, echoed (sequence 10) at 17.1."""
    session = human_session(**policy)
    said = feed(session, (17.0, Say("hi", due=17.0)))
    if echoed:
        feed(session, (17.1, echo(said, 10)))
    return session


def human_says(text: str, sequence: int | None = None) -> Event:
    return event("LIVE_AGENT_MESSAGE", sequence, text=text, message_id=f"h-{next(_ids)}")


def system(text: str, local_id: str | None = None) -> Event:
    return event(
        "SYSTEM_MESSAGE", level="SYSTEM_MESSAGE_LEVEL_ERROR", message=text, local_id=local_id
    )


def only(effects: list[Effect], kind: type[_T]) -> list[_T]:
    return [effect for effect in effects if isinstance(effect, kind)]


def frames(effects: list[Effect]) -> list[dict[str, Any]]:
    """What is sent."""
    return [json.loads(effect.frame) for effect in only(effects, Send)]


def sent(effects: list[Effect]) -> list[str]:
    """The types of what is sent, without the prefix."""
    return [frame["type"].removeprefix("EVENT_TYPE_") for frame in frames(effects)]


def counts(effects: list[Effect]) -> Counter[str]:
    """How often what was counted; what is counted by a word of the server's under that word."""
    found = Counter(f"{named.family}.{named.word}" for named in only(effects, Named))
    for counted in only(effects, Counted):
        found[str(counted.key)] += counted.n
    return found


def unfinished(effects: list[Effect]) -> dict[Phase, tuple[float, bool]]:
    """By phase, how long a wait had lasted that was over without an end, and if it was lost."""
    every = only(effects, Unfinished)
    found = {wait.phase: (round(wait.until - wait.sent, 6), wait.lost) for wait in every}
    assert len(found) == len(every), "no wait is told twice"
    return found


def but_waits(effects: list[Effect]) -> list[Effect]:
    """Everything but what is told of waits that nobody saw the end of."""
    return [
        effect
        for effect in effects
        if not isinstance(effect, Unfinished)
        and not (isinstance(effect, Counted) and effect.key == Count.TURNS_OPEN)
    ]


def failures(effects: list[Effect]) -> list[Failure]:
    return [failed.kind for failed in only(effects, Failed)]


def violations(effects: list[Effect]) -> list[str]:
    return [violation.kind for violation in only(effects, Violation)]


def samples(effects: list[Effect], phase: Phase) -> list[Sample]:
    return [sample for sample in only(effects, Sample) if sample.phase is phase]


def durations(effects: list[Effect], phase: Phase) -> list[float]:
    """How long each sample of `phase` lasted, in whole milliseconds' precision."""
    return [round(sample.end - sample.sent, 3) for sample in samples(effects, phase)]


def cues(effects: list[Effect]) -> list[str]:
    """Why it is the person's turn, each time."""
    return [str(turn.cue) for turn in only(effects, YourTurn)]


def heard(effects: list[Effect]) -> list[str]:
    """What the person is told, each time it is their turn."""
    return [turn.heard for turn in only(effects, YourTurn)]


def cursors(effects: list[Effect]) -> list[int]:
    return [connect.cursor for connect in only(effects, Connect)]


def finish(effects: list[Effect]) -> Finish | None:
    """How the session ended; None while it goes on."""
    ends = only(effects, Finish)
    assert len(ends) < 2
    assert not ends or effects[-1] is ends[0], "nothing follows the end"
    return ends[0] if ends else None
