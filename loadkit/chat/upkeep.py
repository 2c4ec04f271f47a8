"""What the clock and the socket do to a conversation: what is overdue, and what an outage leaves.

What happens to the socket goes to its own machine (`loadkit.chat.connection`); here is what the
conversation makes of it.
"""

from dataclasses import replace

from loadkit.actions import Cue
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Send, Violation, YourTurn
from loadkit.chat.inputs import CAUGHT_UP, OVERDUE, Closed, Input, Leave, Signal
from loadkit.chat.states import Link, Talk
from loadkit.chat.turn import Outcome, Turn
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Count, Ending
from loadkit.protocol import Event
from loadkit.protocol.encode import END_SESSION, JOIN

# --- the socket -----------------------------------------------------------------------------------


def of_the_socket(
    chat: Conversation, now: float, happening: Input | Event, out: list[Effect]
) -> None:
    """Something that happens to the socket: it may end the session, or complete the history."""
    replaying = chat.connection.link is Link.REPLAYING
    finish = chat.connection.step(now, happening, out)
    if finish is not None:
        chat.abandon_turns(now, out)
        chat.finish(now, finish, out)
    elif replaying and chat.connection.link is Link.LIVE:
        _caught_up(chat, now, out)


def batch(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A batch ended: a part of the history, if that is not complete."""
    if chat.connection.link is Link.REPLAYING:
        of_the_socket(chat, now, event, out)


def replaced(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Another token needs another socket, unless a new one is under way already."""
    if chat.connection.link is Link.LIVE:
        of_the_socket(chat, now, happening, out)


def closed(chat: Conversation, now: float, closed: Closed, out: list[Effect]) -> None:
    """The socket is gone. With 1000 it may be the end without a word about it."""
    if closed.code == 1000 and chat.connection.is_open and _may_end_here(chat):
        chat.finish(now, Finish(Ending.NATURAL_END), out)
    else:
        of_the_socket(chat, now, closed, out)


def _may_end_here(chat: Conversation) -> bool:
    """Whether a conversation may end so, as far as what was said goes."""
    if chat.answers.farewell or chat.talk is Talk.LEFT:
        return True
    answered = chat.turn is not None and chat.turn.outcome is Outcome.ANSWERED
    return answered and (chat.talk is Talk.READY or chat.talk is Talk.WITH_HUMAN)


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
        if chat.talk is not Talk.OVER:
            chat.take(now, act, out)


def _recalled(chat: Conversation, reach: int, out: list[Effect]) -> None:
    """A new process, which remembers nothing, has read the whole journal."""
    chat.connection.reach, cursor = None, chat.connection.journal.cursor
    if cursor < reach:
        out.append(Violation(Wrong.EVENT_LOST, f"a replay up to {cursor}, not {reach}"))
    if chat.talk is Talk.READY or chat.talk is Talk.WITH_HUMAN:
        out.append(YourTurn(""))


def join_in_time(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The join goes out once its page is ready for it."""
    if now < chat.owed_by:
        chat.enter(Talk.NEW, now + chat.policy.joins_after(chat.connection.rng))
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


# --- the clock ------------------------------------------------------------------------------------


def elapsed(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The deadline has come: the socket's, or that of what is owed, or both."""
    replaying = chat.connection.link is Link.REPLAYING
    of_the_socket(chat, now, happening, out)
    if chat.connection.link is Link.LIVE and not replaying and now >= chat.owed_by:
        chat.take(now, OVERDUE, out)


def join(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Ask for the agent."""
    chat.owe(Talk.JOINING, Turn(JOIN, now), out)


def no_join(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The agent has not joined."""
    _missing(chat, now, Failure.JOIN_MISSING, out)


def no_greeting(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The agent has not greeted."""
    _missing(chat, now, Failure.GREETING_MISSING, out)


def no_end(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The session was to end."""
    _missing(chat, now, Failure.END_MISSING, out)


def _missing(chat: Conversation, now: float, failure: Failure, out: list[Effect]) -> None:
    out.append(Failed(failure))
    if chat.talk is not Talk.LEAVING:
        out.append(Send(END_SESSION))  # or the server keeps the session until its idle limit
    chat.finish(now, Finish(Ending.FAILED, close=1000), out)


def no_answer(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """No answer has come, or no echo: say it again, or give it up."""
    turn = chat.asked
    if now < turn.sent + chat.policy.patience:
        chat.resend(now, turn, out)
        return
    kind = Failure.UNANSWERED if turn.echoed else Failure.UNACKNOWLEDGED
    # An answer may be late. A human may type and think better of it.
    thinking = turn.thought and chat.talk is Talk.WAITING and chat.answers.stream is None
    chat.answers.thinking = thinking
    chat.lose(now, turn, kind, out)


def agent_is_silent(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The agent is back from the human, and says nothing: no greeting is owed."""
    chat.handoff = None
    chat.your_turn("", Cue.AGENT_BACK, out)


def no_human_came(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The person gives up on the queue."""
    chat.give_up(now, out)
    out.append(Counted(Count.HANDOFFS_GAVE_UP))
    chat.your_turn("", Cue.NO_HUMAN, out)
