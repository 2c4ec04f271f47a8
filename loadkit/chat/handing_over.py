"""From the agent to a human and back: what each event of a hand-off does to a conversation."""

from typing import TYPE_CHECKING, Final

from loadkit.actions import Cue
from loadkit.chat.answers import completes
from loadkit.chat.effects import Counted, Effect, Sample, Violation
from loadkit.chat.handoff import Handoff
from loadkit.chat.policy import Talk
from loadkit.chat.violations import Wrong
from loadkit.figures import Count, Ending, Phase
from loadkit.protocol import Event, EventType

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = [
    "bot_after_left",
    "handed_back",
    "human_joined",
    "human_left",
    "no_human",
    "step_of_handoff",
    "to_client",
    "transferred",
    "triggered",
]

FAREWELL: Final = 1.0  # seconds after CLIENT_HANDOFF_REQUIRED in which the agent should leave


def triggered(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The agent hands over: what was said is answered by that."""
    out.append(Counted(Count.HANDOFFS_TRIGGERED))
    for turn in session.open_turns():
        session.answered(turn, out)
    session.answers.late += len(session.following)  # an agent that stays may still get to them
    session.following.clear()
    session.handoff = Handoff(now)
    session.answers.interrupted()
    session.talk, session.owed_by = Talk.QUEUED, now + session.policy.queue_patience


def step_of_handoff(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """What happens between the trigger and the human."""
    handoff = session.handoff
    if handoff is None:
        _out_of_order(event, out)
        return
    match event.type:
        case EventType.POLY_AGENT_LEFT:
            handoff.agent_left = True
        case EventType.HANDOFF_ACCEPTED:
            handoff.accepted(out)
        case EventType.HANDOFF_QUEUE_STATUS:
            handoff.queue(event.payload, out)


def to_client(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The person is to be taken elsewhere: this client leaves once the agent has."""
    if session.handoff is None:
        _out_of_order(event, out)
        session.handoff = Handoff(now)
    session.abandon_turns(now, out)
    session.handoff.to_client(event.payload, out)
    session.talk, session.ending = Talk.ENDED, Ending.CLIENT_HANDOFF
    session.owed_by = now + FAREWELL


def no_human(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """Nobody is to be had, or was found in time."""
    if session.handoff is None:
        _out_of_order(event, out)
        return
    failed = event.type is EventType.HANDOFF_FAILED
    out.append(Counted(Count.HANDOFFS_FAILED if failed else Count.HANDOFFS_TIMED_OUT))
    queued = session.talk is Talk.QUEUED  # else the person had given up already
    if queued:
        session.give_up(now, out)
    session.handoff = None
    if queued:
        session.your_turn("", Cue.NO_HUMAN, out)


def human_joined(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The human is there."""
    if session.handoff is None:
        session.handoff = Handoff(now)  # never accepted, which is told
    else:
        out.append(Sample(Phase.HANDOFF_WAIT, None, session.handoff.at, now))
    session.handoff.human_joined(out)
    session.abandon_turns(now, out)  # said to the agent, after the person gave up on the human
    session.talk = Talk.WITH_HUMAN
    session.your_turn("", Cue.HUMAN_JOINED, out)


def human_left(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The human has gone: the end is next, or the agent, or another human."""
    session.abandon_turns(now, out)
    session.talk, session.owed_by = Talk.LEFT, now + session.policy.patience
    session.connection.outlasts()  # nearly always the end is next


def handed_back(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The human has left and the agent is there again. It may greet, and need not."""
    out.append(Counted(Count.HANDOFFS_HANDED_BACK))
    session.turn = None
    session.talk, session.owed_by = Talk.GREETING, now + session.policy.handshake


def transferred(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The human has left and the next one is there."""
    out.append(Counted(Count.HANDOFFS_TRANSFERRED))
    session.talk = Talk.WITH_HUMAN
    session.your_turn("", Cue.HUMAN_JOINED, out)


def bot_after_left(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The agent speaks after a hand-off: while it is still there, that is its last word."""
    if session.handoff is not None and session.handoff.agent_left:
        if completes(event):
            out.append(Violation(Wrong.BOT_AFTER_LEFT, f"while {session.talk.name}"))
    else:
        session.answers.take(event)
        out.append(Counted("events.agent_beside_handoff"))


def _out_of_order(event: Event, out: list[Effect]) -> None:
    out.append(Violation(Wrong.HANDOFF_OUT_OF_ORDER, event.type.removeprefix("EVENT_TYPE_")))
