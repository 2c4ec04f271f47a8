"""The two machines of a session, each row of them held to the states that it names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loadkit.chat.conversation import Conversation
from loadkit.chat.session import Session
from loadkit.chat.socket import connection
from loadkit.chat.socket.connection import SOCKET_ROWS, ClientSocket
from loadkit.chat.states import NEVER, ChatState, SocketState
from loadkit.chat.table import ROWS

Move = tuple[Any, Any, Any]  # a state, what happened there, and the state to which that led


def declared(rows: Any) -> set[Move]:
    """Every move that a table allows."""
    return {
        (state, kind, other)
        for state, kinds in rows.items()
        for kind, (_, others) in kinds.items()
        for other in others
    }


class Machine:
    """A table whose handlers are watched, and the moves that they made."""

    def __init__(self, rows: Any) -> None:
        self.made: set[Move] = set()
        self._under_way: list[tuple[Any, Any, frozenset[Any]]] = []
        self.rows = {
            state: {
                kind: (self._watched(state, kind, handler, others), others)
                for kind, (handler, others) in kinds.items()
            }
            for state, kinds in rows.items()
        }

    def _watched(
        self, state: Any, kind: Any, handler: Callable[..., Any], others: frozenset[Any]
    ) -> Callable[..., Any]:
        def row(*happens: Any) -> Any:
            self._under_way.append((state, kind, others))
            try:
                return handler(*happens)
            finally:
                self._under_way.pop()

        return row

    def enters(self, state: Any) -> None:
        if not self._under_way:
            return
        before, kind, others = self._under_way[-1]
        if state is not before:
            assert state in others, f"{kind} leads from {before} to {state}, which no row says"
            self.made.add((before, kind, state))


@contextmanager
def watched() -> Iterator[tuple[Machine, Machine]]:
    """Watch all sessions meanwhile: conversations and sockets."""
    talks, links = Machine(ROWS), Machine(SOCKET_ROWS)
    enter, enter_link = Conversation.enter, ClientSocket._enter

    def enters(self: Conversation, talk: ChatState, until: float = NEVER) -> None:
        talks.enters(talk)
        enter(self, talk, until)

    def enters_link(self: ClientSocket, link: SocketState, until: float = NEVER) -> None:
        links.enters(link)
        enter_link(self, link, until)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "rows", talks.rows)
        patch.setattr(connection, "SOCKET_ROWS", links.rows)
        patch.setattr(Conversation, "enter", enters)
        patch.setattr(ClientSocket, "_enter", enters_link)
        yield talks, links
