"""A cold resume: a new process, which remembers nothing, reads the whole journal.

What the journal tells is past: it moves the conversation to where it stands, but nobody is waiting
for it, nothing of it is timed and nothing is counted a second time.
"""

from typing import TYPE_CHECKING, Final

from loadkit.chat.connection import NEVER
from loadkit.chat.handoff import Handoff
from loadkit.chat.policy import Talk
from loadkit.protocol import Event, EventType

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = ["recall"]

_WITH_AGENT: Final = (Talk.NEW, Talk.JOINING, Talk.GREETING, Talk.READY)


def recall(session: "Session", now: float, event: Event) -> bool:
    """Take an event of the past. Returns False for one that is to be taken like any other."""
    match event.type:
        case EventType.REQUEST_POLY_AGENT_JOIN:
            if session.talk is Talk.NEW:  # else it was sent again, to no effect
                session.talk, session.owed_by = Talk.JOINING, now + session.policy.patience
        case EventType.POLY_AGENT_JOINED:
            session.talk, session.owed_by = Talk.GREETING, now + session.policy.patience
        case EventType.USER_MESSAGE:
            session.answers.prompted = True
            _with_agent(session)
        case EventType.POLY_AGENT_MESSAGE | EventType.POLY_AGENT_MESSAGE_CHUNK:
            _with_agent(session)
        case EventType.POLY_AGENT_TRIGGERED_HANDOFF:
            session.handoff = Handoff(now)
            session.talk, session.owed_by = Talk.QUEUED, now + session.policy.queue_patience
        case EventType.HANDOFF_FAILED | EventType.HANDOFF_TIMEOUT:
            session.handoff = None
            session.talk, session.owed_by = Talk.READY, NEVER
        case EventType.LIVE_AGENT_JOINED | EventType.LIVE_AGENT_MESSAGE:
            session.talk, session.owed_by = Talk.WITH_HUMAN, NEVER
        case EventType.USER_END_SESSION:
            pass
        case _:
            return False
    return True


def _with_agent(session: "Session") -> None:
    if session.talk in _WITH_AGENT:
        session.talk, session.owed_by = Talk.READY, NEVER
