"""What is waited for at a moment, read off where socket and conversation stand.

Not whether the agent thinks, which it need not tell, nor the next chunk and the heartbeat's echo: a
stream that has stopped is an answer that is open, a dead socket a reconnect.
"""

from collections.abc import Iterator

from loadkit.chat.handoff import Handoff
from loadkit.chat.socket.connection import ClientSocket
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.turns.turn import Turn
from loadkit.figures import Phase, Wait

__all__ = ["of_the_far_side", "of_the_socket", "of_turn"]


def of_the_socket(connection: ClientSocket) -> Iterator[Wait]:
    """The next socket, and its history."""
    if connection.lost_at is not None:
        yield Wait(Phase.RECONNECT, None, connection.lost_at)
    if connection.state is SocketState.REPLAYING:
        yield Wait(Phase.HISTORY, None, connection.opened_at)


def of_the_far_side(state: ChatState, turn: Turn | None, handoff: Handoff | None) -> Iterator[Wait]:
    """The join, the greeting, the human, the end: what is owed besides answers."""
    if state is ChatState.QUEUED and handoff is not None:
        yield Wait(Phase.HANDOFF_WAIT, None, handoff.at)
    if turn is None:
        return
    if state is ChatState.JOINING:
        yield Wait(Phase.JOIN, None, turn.sent)
    if state is ChatState.JOINING or state is ChatState.GREETING:
        yield Wait(Phase.GREETING, None, turn.sent)
    elif state is ChatState.LEAVING:
        yield Wait(Phase.END, turn.due, turn.sent)


def of_turn(state: ChatState, turn: Turn, *, in_chunks: bool) -> Iterator[Wait]:
    """The answer to a message, its first chunk, and its echo.

    Args:
        state: where the conversation stands: who is to answer.
        turn: the message.
        in_chunks: whether the answer may come so, and has not begun to.
    """
    by_human = state is ChatState.WAITING_HUMAN
    yield Wait(Phase.LIVE_RESPONSE if by_human else Phase.RESPONSE, turn.due, turn.sent)
    if not turn.echoed:
        yield Wait(Phase.ECHO, None, turn.sent)
    if in_chunks and not by_human:
        yield Wait(Phase.FIRST_CHUNK, turn.due, turn.sent)
