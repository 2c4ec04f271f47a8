"""What the person does, or the run in their place: say, type, leave, vanish, be cut off."""

from typing import Final

from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Send
from loadkit.chat.inputs import Leave, Say, Signal, Typing
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.turns.turn import Turn, new_id
from loadkit.errors import Failure
from loadkit.figures import Count, Ending
from loadkit.protocol.encode import END_SESSION, TYPING_STARTED, TYPING_STOPPED, user_message

_THEIR_TURN: Final = {
    ChatState.READY: ChatState.WAITING,
    ChatState.WITH_HUMAN: ChatState.WAITING_HUMAN,
}
_UNGREETED: Final = frozenset({ChatState.JOINING, ChatState.GREETING, ChatState.AGENT_BACK})


def say(chat: Conversation, now: float, say: Say, out: list[Effect]) -> None:
    """They say something: it is their turn, or they do not wait for the answer."""
    if chat.connection.state is not SocketState.LIVE:
        if not chat.has_left:
            chat.pending.append(say)  # for when there is a socket again
        return
    local_id = new_id(chat.connection.rng)
    chat.messages += 1
    turn = Turn(user_message(say.text, local_id), now, say.due, say.text, local_id, chat.messages)
    turn.again_at = now + chat.policy.again_after(0)
    out.append(Counted(Count.TURNS_SENT, now))
    if chat.state in _THEIR_TURN:
        chat.owe(_THEIR_TURN[chat.state], turn, out)
    else:
        chat.following.append(turn)
        out.append(Send(turn.frame))


def typing(chat: Conversation, now: float, typing: Typing, out: list[Effect]) -> None:
    """They press keys, or stop."""
    if chat.connection.state is SocketState.LIVE:
        out.append(Send(TYPING_STARTED if typing.started else TYPING_STOPPED))


def leave(chat: Conversation, now: float, leave: Leave, out: list[Effect]) -> None:
    """They click "leave", whatever is owed to them."""
    if chat.connection.state is not SocketState.LIVE:
        chat.pending = [leave]
        return
    chat.abandon_turns(now, out)
    chat.give_up(now, out)
    if chat.state in _UNGREETED:
        chat.answers.given_up(1)  # the greeting, which may come all the same
    chat.owe(ChatState.LEAVING, Turn(END_SESSION, now, leave.due), out)
    chat.connection.outlasts()


def vanished(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Their browser is gone without a word."""
    chat.finish(now, Finish(chat.ending or Ending.ABANDONED), out)


def cut(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The run was told to stop."""
    if chat.connection.is_open:
        if chat.state is not ChatState.LEAVING:
            out.append(Send(END_SESSION))
        chat.finish(now, Finish(Ending.CUT_OFF, close=1000), out)
    elif chat.connection.attempts.made > 1:  # not a session that was simply still running
        chat.abandon_turns(now, out)
        out.append(Failed(Failure.CONNECTION_LOST, "still disconnected when the run ended"))
        chat.finish(now, Finish(Ending.FAILED), out)
    else:
        chat.finish(now, Finish(Ending.CUT_OFF), out)
