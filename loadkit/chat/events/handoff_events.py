"""From the agent to a human and back: what each event of a hand-off does to a conversation."""

from typing import Final

from loadkit.actions import Cue
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Sample, Violation
from loadkit.chat.handoff import Handoff
from loadkit.chat.states import ChatState
from loadkit.chat.turns.answers import completes
from loadkit.chat.violations import Wrong
from loadkit.figures import Count, Ending, Phase
from loadkit.protocol import Event, EventType

GREETS_WITHIN: Final = 3.0
"""Seconds that a person waits for a word of an agent who is there again, and need not greet. Ours:
whoever speaks at once would take the greeting for the answer."""
FAREWELL: Final = 1.0  # seconds after CLIENT_HANDOFF_REQUIRED in which the agent should leave


def triggered(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent hands over: what was said is answered by that."""
    out.append(Counted(Count.HANDOFFS_TRIGGERED))
    for turn in chat.open_turns():
        chat.answered(turn, out)
    chat.answers.late += len(chat.following)  # an agent that stays may still get to them
    chat.following.clear()
    chat.handoff = Handoff(now)
    chat.answers.interrupted()
    chat.enter(ChatState.QUEUED, now + chat.policy.queue_patience)


def step(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent has gone, a human is to come, or the queue has moved."""
    if chat.handoff is None:
        _out_of_order(event, out)
    else:
        chat.handoff.step(event, out)


def to_client(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The person is to be taken elsewhere: this client leaves once the agent has."""
    if chat.handoff is None:
        _out_of_order(event, out)
        chat.handoff = Handoff(now)
    chat.abandon_turns(now, out)
    chat.handoff.to_client(event.payload, out)
    chat.ending = Ending.CLIENT_HANDOFF
    chat.enter(ChatState.ELSEWHERE, now + FAREWELL)


def no_human(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """Nobody is to be had, or was found in time."""
    _count_failed(event, out)
    chat.give_up(now, out)
    chat.handoff = None
    chat.your_turn("", Cue.NO_HUMAN, out)


def no_human_any_more(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The same, once the person has given up already."""
    if chat.handoff is None:
        _out_of_order(event, out)
        return
    _count_failed(event, out)
    chat.handoff = None


def _count_failed(event: Event, out: list[Effect]) -> None:
    failed = event.type is EventType.HANDOFF_FAILED
    out.append(Counted(Count.HANDOFFS_FAILED if failed else Count.HANDOFFS_TIMED_OUT))


def human_joined(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human is there."""
    if chat.handoff is None:
        chat.handoff = Handoff(now)  # never accepted, which is told
    else:
        out.append(Sample(Phase.HANDOFF_WAIT, None, chat.handoff.at, now))
    chat.handoff.human_joined(out)
    chat.abandon_turns(now, out)  # said to the agent, after the person gave up on the human
    chat.enter(ChatState.WITH_HUMAN)
    chat.your_turn("", Cue.HUMAN_JOINED, out)


def human_left(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human has gone: the end is next, or the agent, or another human."""
    chat.abandon_turns(now, out)
    chat.enter(ChatState.LEFT, now + chat.policy.patience)
    chat.connection.outlasts()  # nearly always the end is next


def handed_back(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human has left and the agent is there again. It may greet, and need not."""
    out.append(Counted(Count.HANDOFFS_HANDED_BACK))
    chat.turn = None
    chat.enter(ChatState.AGENT_BACK, now + GREETS_WITHIN)


def transferred(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human has left and the next one is there."""
    out.append(Counted(Count.HANDOFFS_TRANSFERRED))
    chat.enter(ChatState.WITH_HUMAN)
    chat.your_turn("", Cue.HUMAN_JOINED, out)


def bot_after_left(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent speaks after a hand-off: while it is still there, that is its last word."""
    if chat.handoff is not None and chat.handoff.agent_left:
        if completes(event):
            out.append(Violation(Wrong.BOT_AFTER_LEFT, f"while {chat.state.name}"))
    else:
        chat.answers.take(event)
        out.append(Counted("events.agent_beside_handoff"))


def _out_of_order(event: Event, out: list[Effect]) -> None:
    out.append(Violation(Wrong.HANDOFF_OUT_OF_ORDER, event.type.removeprefix("EVENT_TYPE_")))
