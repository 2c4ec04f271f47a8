"""What every part of a check is made of: waiting for what a server owes, and telling of it."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from loadkit.chat.violations import told
from loadkit.check_server.table import CheckVerdict
from loadkit.check_server.visit import OverError, Visit, refusal
from loadkit.errors import RemoteError
from loadkit.protocol import Event, EventType, FlawKind
from loadkit.protocol.system_texts import Family, family
from loadkit.protocol.types import RECEIPTS, SURVEYS
from loadkit.security.escaping import one_line

ECHO: Final = 5.0
"""Seconds for what a server says by itself: the reference sends a message again after as many."""

AGENT: Final = 15.0
"""Seconds for what an agent has to think about, or to come for."""

SETTLES: Final = 0.5
"""Seconds after an agent's message in which more of it, or the session's end, may still land."""

LEAVES: Final = 2.0
"""Seconds for a close."""

BESIDE: Final = RECEIPTS | SURVEYS | {EventType.HEARTBEAT, EventType.EVENT_BATCH}
"""What may come at any time, and is in no replay for certain."""

ENDED: Final = "the server ended the session by itself, which it may"

_TROUBLE: Final = {Family.HIGH_LOAD, Family.NO_CONVERSATION, Family.AGENT_ERROR}


def upgraded(visit: Visit, key: str, cursor: int = 0, style: str = "seq") -> int:
    """Connect the session; returns how many events there were. Raises OverError if refused."""
    try:
        return visit.connect(cursor, style)
    except RemoteError as error:
        limited = error.status == 429
        visit.found.add(
            key, CheckVerdict.NOT_SEEN if limited else CheckVerdict.WRONG, refusal(error)
        )
        raise OverError(f"an upgrade was refused: {refusal(error)}") from error


def alive(visit: Visit) -> None:
    """Go on only where the server has not ended the session by itself, as it may at any answer."""
    rest(visit, 0.0)
    closed = visit.link.closed
    if any(map(is_a(EventType.SESSION_END), visit.events)) or (
        closed is not None and closed.code == 1000
    ):
        raise OverError(ENDED)


def owed(
    visit: Visit, key: str, wanted: Callable[[Event], bool], since: int, within: float
) -> Event | None:
    """Wait for what a server owes; its absence is wrong.

    Raises:
        OverError: the session is over, or its socket has closed.
    """
    event = visit.wait(wanted, since, within)
    if event is None and any(map(is_a(EventType.SESSION_END), visit.events)):
        raise OverError(ENDED)
    if event is None:
        visit.found.wrong(key, visit.silence(within))
        if visit.link.closed is not None:
            raise OverError(visit.silence(within))
    return event


def of_agent(visit: Visit, key: str, wanted: Callable[[Event], bool], since: int) -> Event | None:
    """Wait for what an agent owes, who may also say that it cannot: a failure, not a fault."""
    event = owed(visit, key, lambda one: wanted(one) or is_trouble(one), since, AGENT)
    if event is None or wanted(event):
        return event
    words = one_line(told(event.payload.get("message", "")))
    visit.found.not_seen(key, f'{name(event)} "{words}"' if words else name(event))
    if event.type is EventType.SESSION_END:
        raise OverError("the server ended the session")
    return None


def frames(visit: Visit) -> None:
    """Judge what is true of all events of a session."""
    unknown = next((each for each in visit.events if each.type is EventType.UNKNOWN), None)
    if visit.flaws:
        kind, flaw = visit.flaws[0].kind, visit.flaws[0]
        word = str(kind).replace("_", " ")
        detail = "" if kind is FlawKind.BINARY_FRAME else f": {one_line(flaw.detail)}"
        visit.found.wrong("frames", f"{word}{detail}")
    elif unknown is not None:
        unheard_of = f"an event that no document knows: {name(unknown)}"
        visit.found.wrong("frames", unheard_of)
    elif visit.events:
        visit.found.ok("frames")
    if not visit.sockets:
        return
    ends = [*visit.sockets[1:], len(visit.events)]
    stretches = [visit.events[a:b] for a, b in zip(visit.sockets, ends, strict=True)]
    for stretch in stretches:
        numbers = [each.sequence for each in stretch if each.sequence is not None]
        for before, after in pairwise(numbers):
            if after <= before:
                visit.found.wrong("sequence", f"{after} behind {before}")
        if numbers:
            visit.found.ok("sequence")
    if visit.events and not any(each.sequence for each in visit.events):
        visit.found.wrong("sequence", "no event has one")


def is_a(kind: EventType) -> Callable[[Event], bool]:
    return lambda event: event.type is kind


def is_complete(event: Event) -> bool:
    """Whether an agent has now said something in full."""
    if event.type is EventType.POLY_AGENT_MESSAGE_CHUNK:
        return event.payload.get("is_complete") is True
    return event.type is EventType.POLY_AGENT_MESSAGE


def is_trouble(event: Event) -> bool:
    """Whether no answer is to be waited for any more."""
    if event.type is EventType.SYSTEM_MESSAGE:
        return family(event.payload.get("message")) in _TROUBLE
    return event.type is EventType.SESSION_END


def name(event: Event) -> str:
    """What an event is called, without the prefix that all have."""
    if event.type is EventType.UNKNOWN:
        return one_line(str(event.payload.get("type")))
    return event.type.removeprefix("EVENT_TYPE_")


def rest(visit: Visit, within: float) -> None:
    """Read what comes for so many seconds, or until the socket closes."""
    visit.wait(lambda _: False, len(visit.events), within)
