"""What is done once something that is owed has not come in its time."""

from typing import Final

from loadkit.actions import Cue
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Send
from loadkit.chat.inputs import Signal
from loadkit.chat.states import ChatState
from loadkit.chat.turns.turn import Turn
from loadkit.errors import Failure
from loadkit.figures import Count, Ending
from loadkit.protocol.encode import END_SESSION, JOIN

MISSING: Final = {
    ChatState.JOINING: Failure.JOIN_MISSING,
    ChatState.GREETING: Failure.GREETING_MISSING,
    ChatState.AGENT_BACK: Failure.GREETING_MISSING,
    ChatState.LEFT: Failure.END_MISSING,
    ChatState.LEAVING: Failure.END_MISSING,
}
"""What has not come, by the state in which it is owed."""


def join(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """Ask for the agent."""
    chat.owe(ChatState.JOINING, Turn(JOIN, now), out)


def missing(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The agent has not joined, or not greeted, or the session has not ended."""
    out.append(Failed(MISSING[chat.state]))
    if chat.state is not ChatState.LEAVING:
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
    thinking = turn.thought and chat.state is ChatState.WAITING and chat.answers.stream is None
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
