"""Where a session is: the moment at which it may be cut on purpose, and the state in a chart."""

from typing import TYPE_CHECKING, Final

from loadkit.chat.connection import Link
from loadkit.chat.policy import Talk
from loadkit.figures import State

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = ["is_handed_back", "may_end_here", "moment_of", "state_of"]

_OF_TALK: Final = {
    Talk.JOINING: "join",
    Talk.GREETING: "join",
    Talk.READY: "between_turns",
    Talk.QUEUED: "queue",
    Talk.WITH_HUMAN: "human",
    Talk.WAITING_HUMAN: "human",
}
_STATES: Final = {
    Talk.NEW: State.STARTING,
    Talk.JOINING: State.JOINING,
    Talk.GREETING: State.JOINING,
    Talk.READY: State.READY,
    Talk.WAITING: State.WAITING,
    Talk.QUEUED: State.QUEUED,
    Talk.WITH_HUMAN: State.WITH_HUMAN,
    Talk.WAITING_HUMAN: State.WITH_HUMAN,
    Talk.LEFT: State.ENDING,
    Talk.LEAVING: State.ENDING,
    Talk.ENDED: State.ENDING,
    Talk.OVER: State.ENDING,
}
_AWAY: Final = frozenset({Link.CONNECTING, Link.REPLAYING, Link.BACKOFF})
_DONE: Final = frozenset({Talk.ENDED, Talk.OVER})
_OF_LINK: Final = {Link.CONNECTING: "connect", Link.REPLAYING: "replay"}


def moment_of(session: "Session") -> str | None:
    """The moment at which a session is; None for none that bears a name."""
    link, talk = session.connection.link, session.talk
    if link is not Link.LIVE:
        return _OF_LINK.get(link)
    if talk is Talk.WAITING and session.turn is not None:
        if not session.turn.echoed:
            return "before_echo"
        return None if session.answers.stream is None else "mid_stream"
    return _OF_TALK.get(talk)


def state_of(session: "Session") -> State:
    """The state of a session: that of its conversation, unless a lost socket is being replaced."""
    connection = session.connection
    if connection.journal.known and connection.link in _AWAY and session.talk not in _DONE:
        return State.RECONNECTING
    return _STATES[session.talk]


def is_handed_back(session: "Session") -> bool:
    """Whether the agent is there again after a human, and has not said anything so far."""
    return session.talk is Talk.GREETING and session.turn is None and session.handoff is not None


def may_end_here(session: "Session") -> bool:
    """Whether a conversation may end without a word about it, as far as what was said goes."""
    answered = session.turn is not None and session.turn.answered
    return (
        session.answers.farewell
        or session.talk is Talk.LEFT
        or (answered and session.talk in (Talk.READY, Talk.WITH_HUMAN))
    )
