"""Where a session is: the moment at which it may be cut on purpose, and the state in a chart."""

from typing import Final

from loadkit.chat.conversation import Conversation
from loadkit.chat.states import UNDER_WAY, ChatState, SocketState
from loadkit.figures import State

__all__ = ["moment_of", "state_of"]

_OF_STATE: Final = {
    ChatState.JOINING: "join",
    ChatState.GREETING: "join",
    ChatState.AGENT_BACK: "join",
    ChatState.READY: "between_turns",
    ChatState.QUEUED: "queue",
    ChatState.WITH_HUMAN: "human",
    ChatState.WAITING_HUMAN: "human",
}
_STATES: Final = {
    ChatState.NEW: State.STARTING,
    ChatState.JOINING: State.JOINING,
    ChatState.GREETING: State.JOINING,
    ChatState.AGENT_BACK: State.JOINING,
    ChatState.READY: State.READY,
    ChatState.WAITING: State.WAITING,
    ChatState.QUEUED: State.QUEUED,
    ChatState.WITH_HUMAN: State.WITH_HUMAN,
    ChatState.WAITING_HUMAN: State.WITH_HUMAN,
    ChatState.LEFT: State.ENDING,
    ChatState.LEAVING: State.ENDING,
    ChatState.ELSEWHERE: State.ENDING,
    ChatState.ENDED: State.ENDING,
    ChatState.OVER: State.ENDING,
}
_AWAY: Final = frozenset({SocketState.CONNECTING, SocketState.REPLAYING, SocketState.BACKOFF})
_OF_SOCKET: Final = {SocketState.CONNECTING: "connect", SocketState.REPLAYING: "replay"}


def moment_of(conversation: Conversation) -> str | None:
    """The moment at which a session is; None for none that bears a name."""
    socket, state = conversation.connection.state, conversation.state
    if socket is not SocketState.LIVE:
        return _OF_SOCKET.get(socket)
    if state is ChatState.WAITING and conversation.turn is not None:
        if not conversation.turn.echoed:
            return "before_echo"
        return None if conversation.answers.stream is None else "mid_stream"
    return _OF_STATE.get(state)


def state_of(conversation: Conversation) -> State:
    """The state of a session: that of its conversation, unless a lost socket is being replaced."""
    connection = conversation.connection
    if connection.journal.known and connection.state in _AWAY and conversation.state in UNDER_WAY:
        return State.RECONNECTING
    return _STATES[conversation.state]
