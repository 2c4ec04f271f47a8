"""What a check says to a server's agent, and what it makes of the answers."""

import json
import uuid
from collections.abc import Callable
from typing import Any, Final

from loadkit.chat.violations import told
from loadkit.check_server import waits
from loadkit.check_server.table import CheckVerdict
from loadkit.check_server.visit import OverError, Visit, ending
from loadkit.check_server.waits import (
    BESIDE,
    is_a,
    is_complete,
    name,
    of_agent,
    owed,
    rest,
    upgraded,
)
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import END_SESSION, JOIN, TYPING_STARTED, TYPING_STOPPED, user_message
from loadkit.security.escaping import one_line

SAID: Final = "Hello. What can you help me with?"

_CAPABILITIES: Final[dict[str, tuple[type, ...]]] = {
    "streaming": (bool,),
    "max_message_size_bytes": (int,),
    "max_reconnect_attempts": (int,),
    "heartbeat_interval_seconds": (int, float),
}
_OUTCOMES: Final = {
    EventType.LIVE_AGENT_JOINED,
    EventType.CLIENT_HANDOFF_REQUIRED,
    EventType.HANDOFF_FAILED,
    EventType.HANDOFF_TIMEOUT,
}


def begin(visit: Visit, *, streaming: bool) -> dict[str, Any]:
    """Connect and read the history; returns the capabilities."""
    since = upgraded(visit, "upgrade")
    visit.found.ok("upgrade")
    start = owed(visit, "history", is_a(EventType.SESSION_START), since, waits.AGENT)
    if start is None:
        raise OverError("no SESSION_START came")
    batch = visit.wait(is_a(EventType.EVENT_BATCH), since, waits.LEAVES)
    if batch is None:
        visit.found.wrong("history", "SESSION_START, but in no EVENT_BATCH")
    elif visit.events[since] is not start:
        visit.found.wrong("history", f"{name(visit.events[since])} before SESSION_START")
    else:
        visit.found.ok("history")
    given = start.payload.get("capabilities", {})
    if type(given) is not dict:
        visit.found.wrong("capabilities", "capabilities that are no object")
        return {}
    wrong = [
        key
        for key, types in _CAPABILITIES.items()
        if given.get(key) is not None and type(given[key]) not in types
    ]
    unasked = given.get("streaming") is True and not streaming
    if wrong:
        visit.found.wrong("capabilities", f"not of the right type: {', '.join(wrong)}")
    elif unasked:
        visit.found.add("capabilities", CheckVerdict.DIFFERS, "streaming, which was not asked for")
    else:
        shown = [f"{key} {json.dumps(given[key])}" for key in _CAPABILITIES if key in given]
        absent = [key for key in _CAPABILITIES if key not in given]
        left_out = f"left out: {', '.join(absent)}" if absent else ""
        visit.found.ok("capabilities", "; ".join(filter(None, [*shown, left_out])))
    return given


def agent_comes(visit: Visit) -> bool:
    """Have the agent join and greet; whether one has come."""
    joined = next(filter(is_a(EventType.POLY_AGENT_JOINED), visit.events), None)
    since = 0
    if joined is None:
        since = len(visit.events)
        visit.link.send(JOIN)
        if owed(visit, "join_echo", is_a(EventType.REQUEST_POLY_AGENT_JOIN), since, waits.ECHO):
            visit.found.ok("join_echo")
        joined = of_agent(visit, "joined", is_a(EventType.POLY_AGENT_JOINED), since)
        if joined is None:
            visit.found.stopped("no agent had joined")
            return False
    else:
        visit.found.not_seen("join_echo", "not sent: the agent had joined by itself")
    visit.found.ok("joined")
    greeting = of_agent(visit, "greeting", is_complete, since)
    if greeting is not None:
        visit.found.ok("greeting")
        rest(visit, waits.SETTLES)
    return True


def turn(
    visit: Visit, judge: Callable[[Event, int], tuple[CheckVerdict, str]], key: str = "answer"
) -> None:
    """Say something, and look at what comes back."""
    since, local_id = len(visit.events), str(uuid.uuid4())
    for frame in (TYPING_STARTED, TYPING_STOPPED, user_message(SAID, local_id)):
        visit.link.send(frame)
    echo = owed(visit, "echo", is_a(EventType.USER_MESSAGE), since, waits.ECHO)
    if echo is not None:
        lacks = [
            what
            for what, there in (
                ("metadata.custom.local_id", echo.local_id == local_id),
                ("message_id", type(echo.payload.get("message_id")) is str),
                ("the same text", echo.payload.get("text") == SAID),
            )
            if not there
        ]
        verdict = CheckVerdict.WRONG if lacks else CheckVerdict.OK
        visit.found.add("echo", verdict, f"without {', '.join(lacks)}" if lacks else "as expected")
    answer = of_agent(visit, key, is_complete, since)
    rest(visit, waits.SETTLES)
    came = visit.events[since:]
    if answer is not None:
        visit.found.add(key, *judge(answer, since))
        at = came.index(answer)
        thinking = any(map(is_a(EventType.POLY_AGENT_THINKING), came[:at]))
        came_of = "as expected" if thinking else "an answer without it"
        visit.found.add("thinking", CheckVerdict.OK if thinking else CheckVerdict.DIFFERS, came_of)
    echoed = any(map(is_a(EventType.USER_TYPING), came))
    verdict, came_of = (
        (CheckVerdict.WRONG, "an echo") if echoed else (CheckVerdict.OK, "as expected")
    )
    visit.found.add("typing", verdict, came_of)


def judge_whole(answer: Event, _: int) -> tuple[CheckVerdict, str]:
    if answer.type is EventType.POLY_AGENT_MESSAGE_CHUNK:
        return CheckVerdict.WRONG, "chunks, which were not asked for"
    if type(answer.payload.get("message_id")) is not str:
        return CheckVerdict.WRONG, "POLY_AGENT_MESSAGE without a message_id"
    return CheckVerdict.OK, "as expected"


def judge_streamed(
    visit: Visit, answer: Event, since: int, streams: bool
) -> tuple[CheckVerdict, str]:
    """Judge the answer of one with streaming, which `since` events came before.

    `streams` says whether the server has announced that it does.
    """
    if answer.type is EventType.POLY_AGENT_MESSAGE:
        why = "" if streams else ", as announced: streaming is not true in SESSION_START"
        return CheckVerdict.DIFFERS, f"a whole message{why}"
    came = visit.events[since : visit.events.index(answer) + 1]
    chunks = [each for each in came if each.type is EventType.POLY_AGENT_MESSAGE_CHUNK]
    ids = [each.payload.get("message_id") for each in chunks]
    if not all(type(each) is str for each in ids):
        return CheckVerdict.WRONG, "chunks without a message_id"
    if len({*ids}) != 1:
        return CheckVerdict.WRONG, "chunks of several messages before one was complete"
    indexes = [each.payload.get("chunk_index") for each in chunks]
    if indexes != list(range(1, len(chunks) + 1)):
        shown = ", ".join(one_line(told(each), 20) for each in indexes[:10])
        return CheckVerdict.WRONG, f"chunk_index {shown}"
    return CheckVerdict.OK, f"{len(chunks)} chunk{'s' if len(chunks) > 1 else ''}"


def end(visit: Visit) -> None:
    """End the session as a user does, and see it closed."""
    since = len(visit.events)
    visit.link.send(END_SESSION)
    last = owed(visit, "session_end", is_a(EventType.SESSION_END), since, waits.ECHO)
    if any(map(is_a(EventType.USER_END_SESSION), visit.events[since:])):
        visit.found.ok("end_echo")
    else:
        visit.found.wrong("end_echo", "no echo")
    if last is None:
        return
    reason = last.payload.get("reason")
    right = reason == "REASON_USER_END"
    came = "as expected" if right else f"reason {one_line(told(reason))}"
    visit.found.add("session_end", CheckVerdict.OK if right else CheckVerdict.WRONG, came)
    rest(visit, waits.ECHO)  # until it closes
    after = visit.events[visit.events.index(last) + 1 :]
    late = [name(each) for each in after if each.type not in BESIDE]
    closed = visit.link.closed
    if late:
        visit.found.wrong("closed", f"after SESSION_END came {late[0]}")
    elif closed is None:
        visit.found.wrong("closed", f"still open after {waits.ECHO:g} s")
    elif closed.code != 1000:
        visit.found.wrong("closed", ending(visit.link))
    else:
        visit.found.ok("closed")


def handoff(visit: Visit, text: str) -> None:
    """Ask for a human, and see what becomes of it."""
    since = len(visit.events)
    visit.link.send(user_message(text, str(uuid.uuid4())))
    triggered = owed(
        visit, "handoff", is_a(EventType.POLY_AGENT_TRIGGERED_HANDOFF), since, waits.AGENT
    )
    if triggered is None:
        return
    visit.found.ok("handoff")
    outcome = visit.wait(lambda event: event.type in _OUTCOMES, since, waits.AGENT)
    if outcome is not None:
        visit.found.ok("handed_over", name(outcome))
    else:
        seen = {name(each) for each in visit.events[since:] if "HANDOFF_" in each.type}
        only = f"within {waits.AGENT:g} s only {', '.join(sorted(seen))}"
        visit.found.not_seen("handed_over", only)
