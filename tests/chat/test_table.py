"""The tables of the two machines tell all that their handlers do, and no more."""

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from loadkit import compiled
from loadkit.chat.events import (
    answer_events,
    handoff_events,
    session_end,
    session_events,
    socket_events,
    system_messages,
    timeouts,
    user_actions,
)
from loadkit.chat.inputs import (
    CUT,
    ELAPSED,
    FORCED,
    REPLACED,
    START,
    VANISHED,
    Closed,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.session import Session
from loadkit.chat.socket.connection import SOCKET_ROWS
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.table import ROWS
from loadkit.chat.turns.stream import LONGEST
from loadkit.errors import Failure, LocalError
from loadkit.protocol import Event, EventType

from .helpers import (
    DUE,
    asking_session,
    batch,
    feed,
    new_session,
    opened_session,
    queued_session,
    waiting_session,
)
from .test_session import REACHABLE, session_at
from .watched import declared, watched

HANDLERS = (
    answer_events,
    handoff_events,
    session_end,
    socket_events,
    system_messages,
    timeouts,
    session_events,
    user_actions,
)
CHAT = Path(__file__).parents[2] / "loadkit" / "chat"
SOMETHING: dict[str, Any] = {"message_id": "m", "text": "Yes?", "chunk_index": 1}
PAYLOADS: list[dict[str, Any]] = [
    SOMETHING | {"is_complete": True, "reason": "REASON_NATURAL_END"},
    SOMETHING | {"text": "x" * (LONGEST + 1)},
    {"message": "Our system is experiencing high load."},
    {"message": "Sorry, we could not connect you to an agent. Please try again."},
    {"message": "Error: Conversation not found"},
]
EVENTS: list[Any] = [
    Event(kind, f"id {number}", None, payload)
    for kind in EventType
    if kind is not EventType.EVENT_BATCH
    for number, payload in enumerate(PAYLOADS)
]
REFUSED = [Refused(Failure.CONNECT_REFUSED, "", status) for status in (None, 404)]
CLOSED = [Closed(code) for code in (1000, 1006, 4001)]
INPUTS: list[Any] = [
    *(START, CUT, FORCED, REPLACED, VANISHED, Opened(), *REFUSED, *CLOSED),
    *(Say("hi", 25.0), Typing(True), Leave(25.0), batch(), batch(0)),
]


# --- the tables and the code ----------------------------------------------------------------------


def test_every_state_has_its_rows() -> None:
    """Of a conversation, and of a socket."""
    assert set(ROWS) == set(ChatState)
    assert set(SOCKET_ROWS) == set(SocketState)


@pytest.mark.parametrize("talk", [talk for talk in ChatState if talk is not ChatState.OVER])
@pytest.mark.parametrize(
    "kind", [EventType.EVENT_BATCH, EventType.HEARTBEAT, EventType.SESSION_END, EventType.UNKNOWN]
)
def test_what_may_come_at_any_time_has_a_row_everywhere(talk: ChatState, kind: EventType) -> None:
    """Until the session is over."""
    assert kind in ROWS[talk]


def test_every_handler_has_its_row() -> None:
    """But what is done about an event without one."""
    public = {
        function
        for module in (
            handoff_events,
            session_end,
            socket_events,
            timeouts,
            session_events,
            user_actions,
        )
        for name, function in inspect.getmembers(module, inspect.isroutine)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    used = {handler for rows in ROWS.values() for handler, _ in rows.values()}
    assert public - used == {session_events.unexpected}


def test_one_place_writes_a_state_and_its_deadline() -> None:
    """Of the conversation, and of the socket; all else goes through it."""
    assert {where for name, where in writes() if name in {"state", "owed_by", "deadline"}} == {
        ("conversation", "enter"),
        ("connection", "_enter"),
    }


def writes() -> Iterator[tuple[str, tuple[str, str]]]:
    """Every attribute that the package assigns to, and the module and the function that do."""
    for path in sorted(CHAT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                        yield node.attr, (path.stem, function.name)


# --- the tables and what happens ------------------------------------------------------------------


def unechoed(make: Callable[..., Session]) -> Session:
    """One that lost its socket with what was said, and is back."""
    session = make(echoed=False)
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    return session


def recalling() -> Session:
    """One that reads the journal of another's session."""
    session = opened_session().again()
    session.connection.reach = 9
    feed(session, (20.0, START), (21.0, Opened()), (22.0, Event(EventType.SESSION_START, "a", 1)))
    return session


def with_context() -> Session:
    """One whose page takes its time before it joins."""
    session = opened_session(context=True)
    feed(session, (0.1, Event(EventType.SESSION_START, "a", 1)), (0.1, batch()))
    return session


def sessions() -> Iterator[Session]:
    """Sessions in every state, each time new ones."""
    for link, talk in REACHABLE:
        yield session_at(link, talk)
    yield unechoed(waiting_session)
    yield unechoed(asking_session)
    yield recalling()
    yield with_context()
    yield queued_session(queue_patience=10.0)


def last_attempt(session: Session) -> None:
    """Without its socket it is lost."""
    session.connection.attempts.limit = 0


def nothing_is_owed(session: Session) -> None:
    """Or not for long, and without its socket it is lost."""
    last_attempt(session)
    if session.ending is None:
        session.enter(session.state, 1e6)


def once(happening: Any) -> Callable[[Session], None]:
    def happens(session: Session) -> None:
        with suppress(LocalError):
            session.step(25.0, happening)

    return happens


def time_goes_by(session: Session) -> None:
    """No heartbeat is echoed."""
    for _ in range(8):
        if session.deadline < 1e5:
            feed(session, (DUE, ELAPSED))


@pytest.mark.skipif(not compiled.why_not, reason="compiled methods call each other, unwatched")
def test_the_tables_allow_what_happens_and_nothing_else() -> None:
    """Everything that can happen, everywhere: no move without a row, no row without its move."""
    ways = [*map(once, INPUTS), time_goes_by]
    circumstances: dict[Callable[[Session], None], list[Callable[[Session], None]]] = {
        lambda session: None: [*map(once, EVENTS), *ways],
        last_attempt: ways,
        nothing_is_owed: ways,
    }
    with watched() as (talks, links):
        feed(new_session(), (0.0, START), (0.1, FORCED))
        for circumstance, those in circumstances.items():
            for way in those:
                for session in sessions():
                    circumstance(session)
                    way(session)
    assert declared(ROWS) - talks.made == set(), "that a row says, and nothing leads to"
    assert declared(SOCKET_ROWS) - links.made == set()
