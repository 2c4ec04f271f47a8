"""What becomes of a conversation as its socket is opened, lost and replaced.

What happens to the socket goes to its own machine (`loadkit.chat.socket.connection`); here is what
the conversation makes of it, and what goes on once the history is complete.
"""

from dataclasses import replace

from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Effect, Finish, Send, Violation, YourTurn
from loadkit.chat.inputs import CAUGHT_UP, OVERDUE, Closed, Input, Leave, Signal
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.turns.turn import Outcome
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Ending
from loadkit.protocol import Event

# --- the socket -----------------------------------------------------------------------------------


def of_the_socket(
    chat: Conversation, now: float, happening: Input | Event, out: list[Effect]
) -> None:
    """Something that happens to the socket: it may end the session, or complete the history."""
    replaying = chat.connection.state is SocketState.REPLAYING
    finish = chat.connection.step(now, happening, out)
    if finish is not None:
        chat.abandon_turns(now, out)
        chat.finish(now, finish, out)
    elif replaying and chat.connection.state is SocketState.LIVE:
        _caught_up(chat, now, out)


def batch(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A batch ended: a part of the history, if that is not complete."""
    if chat.connection.state is SocketState.REPLAYING:
        of_the_socket(chat, now, event, out)


def replaced(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Another token needs another socket, unless a new one is under way already."""
    if chat.connection.state is SocketState.LIVE:
        of_the_socket(chat, now, happening, out)


def closed(chat: Conversation, now: float, closed: Closed, out: list[Effect]) -> None:
    """The socket is gone. With 1000 it may be the end without a word about it."""
    if closed.code == 1000 and chat.connection.is_open and _may_end_here(chat):
        chat.finish(now, Finish(Ending.NATURAL_END), out)
    else:
        of_the_socket(chat, now, closed, out)


def _may_end_here(chat: Conversation) -> bool:
    """Whether a conversation may end so, as far as what was said goes."""
    if chat.answers.farewell or chat.state is ChatState.LEFT:
        return True
    answered = chat.turn is not None and chat.turn.outcome is Outcome.ANSWERED
    return answered and (chat.state is ChatState.READY or chat.state is ChatState.WITH_HUMAN)


def elapsed(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The deadline has come: the socket's, or that of what is owed, or both."""
    replaying = chat.connection.state is SocketState.REPLAYING
    of_the_socket(chat, now, happening, out)
    if chat.connection.state is SocketState.LIVE and not replaying and now >= chat.owed_by:
        chat.take(now, OVERDUE, out)


# --- the history is complete ----------------------------------------------------------------------


def _caught_up(chat: Conversation, now: float, out: list[Effect]) -> None:
    """What was sent into a lost socket, or held back, goes on."""
    # Due only now: the outage is not a lag of ours.
    acts, chat.pending = [replace(act, due=now) for act in chat.pending], []
    if chat.connection.reach is not None:
        _recalled(chat, chat.connection.reach, out)
    if acts and isinstance(acts[0], Leave):
        chat.take(now, acts[0], out)
        return
    chat.take(now, CAUGHT_UP, out)
    for act in acts:
        if chat.state is not ChatState.OVER:
            chat.take(now, act, out)


def _recalled(chat: Conversation, reach: int, out: list[Effect]) -> None:
    """A new process, which remembers nothing, has read the whole journal."""
    chat.connection.reach, cursor = None, chat.connection.journal.cursor
    if cursor < reach:
        out.append(Violation(Wrong.EVENT_LOST, f"a replay up to {cursor}, not {reach}"))
    if chat.state is ChatState.READY or chat.state is ChatState.WITH_HUMAN:
        out.append(YourTurn(""))


def join_in_time(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The join goes out once its page is ready for it."""
    if now < chat.owed_by:
        chat.enter(ChatState.NEW, now + chat.policy.joins_after(chat.connection.rng))
    still_owed(chat, now, happening, out)


def ask_again(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The join, or the leave, may be lost. A second one is a no-op."""
    if now >= chat.owed_by:
        chat.take(now, OVERDUE, out)
    elif chat.turn is not None and not chat.turn.echoed:
        out.append(Send(chat.turn.frame))


def say_again(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Messages without an echo may be lost."""
    if now >= chat.asked.sent + chat.policy.patience:
        chat.take(now, OVERDUE, out)
    for turn in chat.open_turns():
        if turn.echoed:
            continue
        if chat.policy.resend == "never":
            chat.lose(now, turn, Failure.UNACKNOWLEDGED, out)
        elif chat.policy.resend != "android":  # which only waits
            chat.resend(now, turn, out)


def still_owed(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """What is owed may be overdue: a socket can go again before its `ELAPSED` comes."""
    if now >= chat.owed_by:
        chat.take(now, OVERDUE, out)
