"""What the server says in words (SYSTEM_MESSAGE): that it cannot do what was asked."""

from typing import Final

from loadkit.actions import Cue
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Send
from loadkit.chat.states import ChatState
from loadkit.chat.turns.turn import Turn
from loadkit.errors import Failure
from loadkit.figures import Count
from loadkit.protocol import Event
from loadkit.protocol.encode import JOIN
from loadkit.protocol.system_texts import Family, family

_REFUSALS: Final = {
    Family.HIGH_LOAD: (Failure.OVERLOADED, Cue.OVERLOADED),
    Family.NO_CONVERSATION: (Failure.NO_CONVERSATION, Cue.OVERLOADED),
    Family.AGENT_ERROR: (Failure.AGENT_ERROR, Cue.SILENCE),
    Family.SESSION_ERROR: (Failure.SESSION_ERROR, Cue.SILENCE),
    Family.HANDOFF_ERROR: (Failure.HANDOFF_ERROR, Cue.NO_HUMAN),
}


def system(chat: Conversation, now: float, event: Event, out: list[Effect]) -> Family:
    """The server says in words what it cannot do. Returns what that is about."""
    about = family(event.payload.get("message"))
    out.append(Counted(f"system.{about}"))
    return about


def refused_join(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The same while the join is owed."""
    if system(chat, now, event, out) is not Family.NO_CONVERSATION or event.local_id is not None:
        return
    if _may_rejoin(chat, out):
        out.append(Send(JOIN))
    elif chat.rejoins == chat.policy.rejoins:
        chat.rejoins += 1  # told once
        out.append(Counted(Count.JOINS_GIVEN_UP))


def _may_rejoin(chat: Conversation, out: list[Effect]) -> bool:
    if chat.rejoins >= chat.policy.rejoins:
        return False
    chat.rejoins += 1
    out.append(Counted(Count.JOINS_AGAIN))
    return True


def refused_message(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The same while an answer is owed: by the agent, or a human, whom the next may reach."""
    about = system(chat, now, event, out)
    turn = chat.turn if event.local_id is None else chat.said(event.local_id)
    if about not in _REFUSALS or turn is None or not turn.is_open:
        return
    kind, cue = _REFUSALS[about]
    by_human = chat.state is ChatState.WAITING_HUMAN
    if by_human and about is not Family.HIGH_LOAD:
        cue = Cue.SILENCE
    if about is Family.NO_CONVERSATION and not by_human and _may_rejoin(chat, out):
        chat.abandon_turns(now, out)
        out.append(Failed(kind))
        chat.owe(ChatState.JOINING, Turn(JOIN, now), out)  # the greeting is their cue
    else:
        chat.lose(now, turn, kind, out, cue, refused=True)


def not_connected(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words that no human is to be had; the event may follow, and need not."""
    if system(chat, now, event, out) is not Family.HANDOFF_ERROR:
        return
    if event.local_id is None or chat.said(event.local_id) is not None:
        out.append(Failed(Failure.HANDOFF_ERROR))
        chat.give_up(now, out)
        chat.your_turn("", Cue.NO_HUMAN, out)
