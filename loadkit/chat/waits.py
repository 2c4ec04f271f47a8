"""What a session waits for at a moment, read off its state."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loadkit.chat.connection import Link
from loadkit.chat.policy import Talk
from loadkit.chat.turn import Turn
from loadkit.figures import Phase, Wait

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = ["of_the_far_side", "of_turn", "waits_of"]


def waits_of(session: "Session") -> Iterator[Wait]:
    """Everything that a session waits for now: the socket, the agent, each answer.

    Not whether the agent thinks, which it need not tell, nor the next chunk and the heartbeat's
    echo: a stream that has stopped is an answer that is open, a dead socket a reconnect.
    """
    connection = session.connection
    if connection.lost_at is not None:
        yield Wait(Phase.RECONNECT, None, connection.lost_at)
    if connection.link is Link.REPLAYING:
        yield Wait(Phase.HISTORY, None, connection.opened_at)
    yield from of_the_far_side(session)
    for turn in session.open_turns():
        yield from of_turn(session, turn)


def of_the_far_side(session: "Session") -> Iterator[Wait]:
    """The join, the greeting, the human, the end: what is owed besides answers."""
    turn, talk = session.turn, session.talk
    if talk in (Talk.JOINING, Talk.GREETING) and turn is not None:
        if talk is Talk.JOINING:
            yield Wait(Phase.JOIN, None, turn.sent)
        yield Wait(Phase.GREETING, None, turn.sent)
    elif talk is Talk.QUEUED and session.handoff is not None:
        yield Wait(Phase.HANDOFF_WAIT, None, session.handoff.at)
    elif talk is Talk.LEAVING and turn is not None:
        yield Wait(Phase.END, turn.due, turn.sent)


def of_turn(session: "Session", turn: Turn) -> Iterator[Wait]:
    """The answer to a message, its first chunk, and its echo."""
    by_human = session.talk is Talk.WAITING_HUMAN
    phase = Phase.LIVE_RESPONSE if by_human else Phase.RESPONSE
    yield Wait(phase, turn.due, turn.sent)
    if not turn.echoed:
        yield Wait(Phase.ECHO, None, turn.sent)
    begun = turn is session.turn and session.answers.stream is not None
    if session.streaming and not by_human and not begun:
        yield Wait(Phase.FIRST_CHUNK, turn.due, turn.sent)
