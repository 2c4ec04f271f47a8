"""Where a session is: the moment at which it may be cut on purpose, and the state in a chart."""

from typing import Final

from loadkit.chat.conversation import Conversation
from loadkit.chat.states import UNDER_WAY, Link, Talk
from loadkit.figures import State

__all__ = ["moment_of", "state_of"]

_OF_TALK: Final = {
    Talk.JOINING: "join",
    Talk.GREETING: "join",
    Talk.AGENT_BACK: "join",
    Talk.READY: "between_turns",
    Talk.QUEUED: "queue",
    Talk.WITH_HUMAN: "human",
    Talk.WAITING_HUMAN: "human",
}
_STATES: Final = {
    Talk.NEW: State.STARTING,
    Talk.JOINING: State.JOINING,
    Talk.GREETING: State.JOINING,
    Talk.AGENT_BACK: State.JOINING,
    Talk.READY: State.READY,
    Talk.WAITING: State.WAITING,
    Talk.QUEUED: State.QUEUED,
    Talk.WITH_HUMAN: State.WITH_HUMAN,
    Talk.WAITING_HUMAN: State.WITH_HUMAN,
    Talk.LEFT: State.ENDING,
    Talk.LEAVING: State.ENDING,
    Talk.ELSEWHERE: State.ENDING,
    Talk.ENDED: State.ENDING,
    Talk.OVER: State.ENDING,
}
_AWAY: Final = frozenset({Link.CONNECTING, Link.REPLAYING, Link.BACKOFF})
_OF_LINK: Final = {Link.CONNECTING: "connect", Link.REPLAYING: "replay"}


def moment_of(conversation: Conversation) -> str | None:
    """The moment at which a session is; None for none that bears a name."""
    link, talk = conversation.connection.link, conversation.talk
    if link is not Link.LIVE:
        return _OF_LINK.get(link)
    if talk is Talk.WAITING and conversation.turn is not None:
        if not conversation.turn.echoed:
            return "before_echo"
        return None if conversation.answers.stream is None else "mid_stream"
    return _OF_TALK.get(talk)


def state_of(conversation: Conversation) -> State:
    """The state of a session: that of its conversation, unless a lost socket is being replaced."""
    connection = conversation.connection
    if connection.journal.known and connection.link in _AWAY and conversation.talk in UNDER_WAY:
        return State.RECONNECTING
    return _STATES[conversation.talk]
