"""What each server event does to a conversation; a hand-off's are in `loadkit.chat.handing_over`.

The table `ROWS` at the end says which function takes an event where; an event without a row is a
violation by the server and changes nothing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loadkit.actions import Cue
from loadkit.chat.answers import completes, suggestions, text_of
from loadkit.chat.connection import Link
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Sample, Send, Violation
from loadkit.chat.handing_over import (
    bot_after_left,
    handed_back,
    human_joined,
    human_left,
    no_human,
    step_of_handoff,
    to_client,
    transferred,
    triggered,
)
from loadkit.chat.moments import is_handed_back
from loadkit.chat.policy import Talk
from loadkit.chat.stream import LONGEST, MOST_CHUNKS
from loadkit.chat.turn import Turn
from loadkit.chat.violations import Wrong, told
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import END_SESSION, JOIN
from loadkit.protocol.system_texts import Family, family
from loadkit.protocol.types import RECEIPTS, SURVEYS

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = ["MISSING", "ROWS", "not_closed"]

TO_CLOSE: Final = 5.0  # seconds after SESSION_END in which the server should close; ours


def _batch(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    if session.connection.batch(now, event.payload["size"], out):
        session.caught_up(now, out)


def _session_start(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    connection = session.connection
    if not connection.journal.begins(event, connection.link is Link.REPLAYING):
        out.append(Violation(Wrong.SESSION_START_REPEATED, f"while {session.talk.name}"))
        return
    take_limit = session.policy.max_reconnect_attempts is None
    connection.capabilities(now, event.payload, limit=take_limit)


def _joined_again(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """Who has joined joins once more: its greeting will come again as well."""
    out.append(Violation(Wrong.SECOND_GREETING, f"POLY_AGENT_JOINED while {session.talk.name}"))


def _joined(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    if session.turn is not None:
        out.append(Sample(Phase.JOIN, None, session.turn.sent, now))
        session.turn.echoed = True  # or at least heard: no need to ask again
    session.talk, session.owed_by = Talk.GREETING, now + session.policy.patience


def _heard(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The echo of the join or of the end, or that the agent thinks of a greeting."""
    if session.turn is not None:
        session.turn.echoed = True


def _echo(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    turn = session.said(event.local_id)
    if turn is None:
        unexpected = Violation(Wrong.ECHO_TO_NOBODY, f"while {session.talk.name}")
        out.append(Counted("events.late_echo") if session.answers.late else unexpected)
        return
    if turn.echoed:
        return
    turn.echoed = session.answers.prompted = True
    out.append(Sample(Phase.ECHO, None, turn.sent, now))
    session.connection.journal.message(event.payload.get("message_id"), out)
    if event.payload.get("text", turn.text) != turn.text:
        out.append(Violation(Wrong.ECHO_ALTERED, "", (turn.sent, turn.frame)))
    if turn.is_open:
        session.in_order_of_echoes()


def _thinking(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    turn = session.turn
    if turn is None or turn.thought:
        return
    if session.answers.is_late(event, echoed=turn.echoed):
        out.append(Counted("events.late_answer"))
        return
    if session.answers.thinking:  # about the next message, so it is done with the last one
        out.append(Violation(Wrong.THINKING_WITHOUT_ANSWER))
        session.answers.thinking = False
    turn.thought = True
    out.append(Sample(Phase.THINKING, None, turn.sent, now))


def _chunk(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    if not _is_ours(session, now, event, out):
        return
    turn, stream = session.turn, session.answers.stream
    last_at = None if stream is None else stream.last_at
    begins, wrong = session.answers.chunk(event, now)
    if begins:
        if last_at is None and turn is not None and session.talk is Talk.WAITING:
            out.append(Sample(Phase.FIRST_CHUNK, turn.due, turn.sent, now))
        if not session.streaming:
            out.append(Violation(Wrong.UNASKED_STREAMING))
        session.connection.journal.message(event.payload.get("message_id"), out)
    elif last_at is not None and session.connection.link is Link.LIVE:
        # a replay's pace says nothing about the agent's
        out.append(Sample(Phase.CHUNK_GAP, None, last_at, now))
    stream = session.answers.stream
    assert stream is not None
    stream.last_at = now
    if wrong is not None:
        out.append(wrong)
    if stream.is_too_big:
        _too_big(session, now, event, out)
    elif completes(event):
        _complete(session, now, stream.text, event, out)


def _too_big(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """A streamed answer is longer than any may be: who waits for it goes on without it."""
    detail = f"a streamed answer of over {LONGEST:,} characters or {MOST_CHUNKS:,} chunks"
    kind, turn = Failure.ANSWER_TOO_BIG, session.turn
    if session.talk is Talk.WAITING and turn is not None:
        session.lose(now, turn, kind, out, refused=completes(event), detail=detail)
        return
    out.append(Failed(kind, detail))  # the greeting: nothing can be said without it
    out.append(Send(END_SESSION))
    session.finish(now, Finish(Ending.FAILED, close=1000), out)


def _message(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    if _is_ours(session, now, event, out):
        session.connection.journal.message(event.payload.get("message_id"), out)
        _complete(session, now, text_of(event), event, out)


def _is_ours(session: "Session", now: float, event: Event, out: list[Effect]) -> bool:
    """Whether an answer, or a part of one, is the one that the person waits for."""
    turn, answers = session.turn, session.answers
    if answers.adds(event):
        _unprompted(session, now, event, out)
        return False
    echoed = turn is None or turn.echoed
    wrong = answers.beside(event, owed=session.talk is Talk.WAITING and echoed)
    if wrong is not None:
        out.append(wrong)
        return False
    if answers.is_late(event, echoed=echoed):
        out.append(Counted("events.late_answer"))
        return False
    if session.talk is Talk.WAITING and turn is not None and not (echoed or turn.thought):
        # The journal is in order: it came before our message was there.
        _unprompted(session, now, event, out)
        return False
    if session.talk is Talk.WAITING_HUMAN and turn is not None and not (echoed or turn.thought):
        _tolerated(session, now, event, out)  # humans speak when they like
        return False
    return True


def _complete(session: "Session", now: float, heard: str, event: Event, out: list[Effect]) -> None:
    """The greeting, or the answer to a turn, is there as a whole."""
    turn = session.turn
    session.answers.completed(event, now, turn)
    if session.talk is Talk.GREETING or turn is None:
        if turn is not None:
            out.append(Sample(Phase.GREETING, None, turn.sent, now))
        session.answers.prompted = False
        # After a refusal the person says it again; the greeting was only in its way.
        cue = Cue.OVERLOADED if session.rejoins and session.handoff is None else Cue.GREETED
        if is_handed_back(session):
            session.handoff, cue = None, Cue.AGENT_BACK
        session.your_turn(heard, cue, out, suggestions(event.payload))
        return
    by_human = session.talk is Talk.WAITING_HUMAN
    phase = Phase.LIVE_RESPONSE if by_human else Phase.RESPONSE
    out.append(Sample(phase, turn.due, turn.sent, now))
    session.answered(turn, out)
    if not turn.echoed:
        session.unfinished(now, [Wait(Phase.ECHO, None, turn.sent)], out)
        out.append(Violation(Wrong.ECHO_MISSING, "", (turn.sent, turn.frame)))
        turn.echoed = True
    if not session.next_turn():
        session.your_turn(heard, Cue.ANSWERED, out, suggestions(event.payload))


def _ahead_of_agent(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """An agent speaks that has not joined: after a refusal it may be the last one's answer."""
    if session.answers.is_beyond(event):
        out.append(Violation(Wrong.UNEXPECTED_EVENT, _where(session, event)))
    else:
        out.append(Counted("events.late_answer"))


def _where(session: "Session", event: Event) -> str:
    return f"{event.type.removeprefix('EVENT_TYPE_')} while {session.talk.name}"


def _unprompted(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The agent speaks, or thinks, although nothing was asked: a late answer, or one more thing."""
    turn, answers = session.turn, session.answers
    wrong = answers.beside(event)
    if wrong is not None:
        out.append(wrong)
    elif answers.late and turn is not None and turn.answered and turn.resends and completes(event):
        answers.take(event)
        out.append(Counted(Count.TURNS_ANSWERED_TWICE, turn.sent))
    elif not answers.is_beyond(event):
        out.append(Counted("events.late_answer"))
    elif completes(event):
        _follow_up(session, now, event, out)


def _follow_up(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """Agents add something, and nudge the idle: what was complete has answered its turn."""
    answers = session.answers
    session.connection.journal.message(event.payload.get("message_id"), out)
    out.append(Counted(Count.FOLLOW_UPS))
    if answers.answered_at is not None:
        out.append(Sample(Phase.FOLLOW_UP, None, answers.answered_at, now))
    turn, answers.answered = answers.answered, None
    if turn is not None:  # its first one
        out.append(Counted(Count.TURNS_FOLLOWED_UP, turn.sent))


def _beat_echo(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    session.connection.beat_echo(now, out)


def _system(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words what it cannot do."""
    about = family(event.payload.get("message"))
    out.append(Counted(f"system.{about}"))
    turn = session.turn if event.local_id is None else session.said(event.local_id)
    rejoins = about is Family.NO_CONVERSATION
    may_rejoin = rejoins and session.rejoins < session.policy.rejoins
    if session.talk is Talk.JOINING and rejoins and event.local_id is None:
        if may_rejoin:
            session.rejoins += 1
            out.append(Counted(Count.JOINS_AGAIN))
            out.append(Send(JOIN))
        elif session.rejoins == session.policy.rejoins:
            session.rejoins += 1  # told once
            out.append(Counted(Count.JOINS_GIVEN_UP))
    elif session.talk is Talk.WAITING and about in _REFUSALS and turn is not None and turn.is_open:
        kind, cue = _REFUSALS[about]
        if may_rejoin:
            session.rejoins += 1
            out.append(Counted(Count.JOINS_AGAIN))
            session.abandon_turns(now, out)
            out.append(Failed(kind))
            session.owe(Talk.JOINING, Turn(JOIN, now), out)  # the greeting is their cue
        else:
            session.lose(now, turn, kind, out, cue, refused=True)


def _human_types(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    if session.turn is not None and event.payload.get("state") == "TYPING_STATE_STARTED":
        session.turn.thought = True
    _tolerated(session, now, event, out)


# --- the end


def _session_end(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """Nothing follows it but the server's close."""
    reason = told(event.payload.get("reason"))
    ending = _ENDINGS.get(reason, Ending.FAILED)
    if session.talk is Talk.LEAVING and session.turn is not None:
        out.append(Sample(Phase.END, session.turn.due, session.turn.sent, now))
    if session.talk in (Talk.WAITING, Talk.WAITING_HUMAN):
        session.abandon_turns(now, out)
        out.append(Failed(Failure.UNANSWERED, "the session ended before the answer"))
    elif session.talk in (Talk.JOINING, Talk.GREETING):
        session.give_up(now, out)
        out.append(Failed(MISSING[session.talk], "the session ended before it"))
    if session.answers.thinking:  # the patience was over before, and now nothing can follow
        out.append(Violation(Wrong.THINKING_WITHOUT_ANSWER))
    if ending is Ending.FAILED:
        out.append(Violation(Wrong.UNKNOWN_REASON, reason))
    elif ending is Ending.ABANDONED:
        out.append(Failed(Failure.SESSION_ABANDONED, "while this client was connected"))
    session.talk, session.ending, session.owed_by = Talk.ENDED, ending, now + TO_CLOSE


def not_closed(session: "Session", now: float, ending: Ending, out: list[Effect]) -> None:
    """SESSION_END came, and no close after it; or a client is to go, and its agent stays."""
    if ending is not Ending.CLIENT_HANDOFF:
        if now > session.owed_by + TO_CLOSE:  # this side was away: the close may lie there unread
            session.owed_by = now + TO_CLOSE
            return
        if not session.surveyed:
            out.append(Violation(Wrong.NOT_CLOSED, f"{TO_CLOSE:g} s after SESSION_END"))
    session.finish(now, Finish(ending, close=1000), out)


def _at_the_end(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """Nothing follows SESSION_END; the agent's leave is the last of a hand-off to the client."""
    if event.type in _BESIDE:
        _tolerated(session, now, event, out)
    elif session.ending is not Ending.CLIENT_HANDOFF:
        out.append(Violation(Wrong.EVENT_AFTER_END, event.type.removeprefix("EVENT_TYPE_")))
    elif event.type is EventType.POLY_AGENT_LEFT:
        session.finish(now, Finish(Ending.CLIENT_HANDOFF, close=1000), out)
    else:
        _tolerated(session, now, event, out)


def _survey(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    """How was it? May come around the end and after it; the socket stays open for the answer."""
    session.surveyed = True
    _tolerated(session, now, event, out)


def _unknown(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    out.append(Violation(Wrong.UNKNOWN_TYPE, told(event.payload.get("type"))))


def _tolerated(session: "Session", now: float, event: Event, out: list[Effect]) -> None:
    name = _BESIDE.get(event.type) or event.type.removeprefix("EVENT_TYPE_").lower()
    out.append(Counted(f"events.{name}"))


# What belongs to no conversation: who has received or read what, and what is asked about it all.
_BESIDE: Final = {
    **dict.fromkeys(RECEIPTS, "receipt"),
    **dict.fromkeys(SURVEYS, "survey"),
    EventType.LONE_SURROGATE: "lone_surrogate",
}


_ENDINGS: Final = {
    "REASON_USER_END": Ending.USER_END,
    "REASON_NATURAL_END": Ending.NATURAL_END,
    "REASON_USER_ABANDONED": Ending.ABANDONED,
}
MISSING: Final = {
    Talk.JOINING: Failure.JOIN_MISSING,
    Talk.GREETING: Failure.GREETING_MISSING,
}
_REFUSALS: Final = {
    Family.HIGH_LOAD: (Failure.OVERLOADED, Cue.OVERLOADED),
    Family.NO_CONVERSATION: (Failure.NO_CONVERSATION, Cue.OVERLOADED),
    Family.AGENT_ERROR: (Failure.AGENT_ERROR, Cue.SILENCE),
}

_Row = Callable[["Session", float, Event, list[Effect]], None]
_E = EventType
_ACTS: Final[dict[EventType, _Row]] = {
    _E.POLY_AGENT_THINKING: _thinking,
    _E.POLY_AGENT_MESSAGE: _message,
    _E.POLY_AGENT_MESSAGE_CHUNK: _chunk,
}
_UNASKED: Final[dict[EventType, _Row]] = {
    _E.USER_MESSAGE: _echo,
    **dict.fromkeys(_ACTS, _unprompted),
}
_ANYWHERE: Final[dict[EventType, _Row]] = {
    _E.SESSION_IDLE_WARNING: _tolerated,
    _E.LANGUAGE_CHANGED: _tolerated,
    **dict.fromkeys(_BESIDE, _tolerated),
    **dict.fromkeys(SURVEYS, _survey),
    _E.SYSTEM_MESSAGE: _system,
    _E.UNKNOWN: _unknown,
    _E.EVENT_BATCH: _batch,
    _E.SESSION_START: _session_start,
    _E.SESSION_END: _session_end,
    _E.HEARTBEAT: _beat_echo,
}
_STEPS: Final[dict[EventType, _Row]] = {
    _E.POLY_AGENT_LEFT: step_of_handoff,
    _E.HANDOFF_ACCEPTED: step_of_handoff,
    _E.HANDOFF_QUEUE_STATUS: step_of_handoff,
    _E.CLIENT_HANDOFF_REQUIRED: to_client,
    _E.HANDOFF_FAILED: no_human,
    _E.HANDOFF_TIMEOUT: no_human,
    _E.LIVE_AGENT_JOINED: human_joined,
}
# After a refusal there are messages, and what becomes of them, ahead of the join.
_JOIN: Final[dict[EventType, _Row]] = {
    _E.REQUEST_POLY_AGENT_JOIN: _heard,
    _E.USER_MESSAGE: _echo,
}
_NO_AGENT_YET: Final[dict[EventType, _Row]] = dict.fromkeys(_ACTS, _ahead_of_agent)
# A join that was sent again is echoed again, however far the conversation got meanwhile.
_AGAIN: Final[dict[EventType, _Row]] = {_E.REQUEST_POLY_AGENT_JOIN: _tolerated}
_AFTER_END: Final[dict[EventType, _Row]] = dict.fromkeys(EventType, _at_the_end)
_BOT_IS_GONE: Final[dict[EventType, _Row]] = dict.fromkeys(_ACTS, bot_after_left)
_HUMAN: Final[dict[EventType, _Row]] = {
    **_BOT_IS_GONE,
    _E.USER_MESSAGE: _echo,
    _E.LIVE_AGENT_TYPING: _tolerated,
    _E.LIVE_AGENT_LEFT: human_left,
    _E.POLY_AGENT_LEFT: step_of_handoff,
    _E.HANDOFF_ACCEPTED: step_of_handoff,  # late: the human's coming was the violation
    _E.HANDOFF_QUEUE_STATUS: step_of_handoff,
}

ROWS: Final[dict[Talk, dict[EventType, _Row]]] = {
    Talk.NEW: _ANYWHERE | {_E.POLY_AGENT_JOINED: _joined},
    Talk.JOINING: _ANYWHERE | _NO_AGENT_YET | _JOIN | {_E.POLY_AGENT_JOINED: _joined},
    Talk.GREETING: _ANYWHERE | _ACTS | _JOIN | {_E.POLY_AGENT_THINKING: _heard},
    Talk.READY: _ANYWHERE
    | _UNASKED
    | _STEPS
    | _AGAIN
    | {_E.POLY_AGENT_JOINED: _joined_again, _E.POLY_AGENT_TRIGGERED_HANDOFF: triggered},
    Talk.WAITING: _ANYWHERE
    | _ACTS
    | _STEPS
    | _AGAIN
    | {
        _E.USER_MESSAGE: _echo,
        _E.POLY_AGENT_JOINED: _joined_again,
        _E.POLY_AGENT_TRIGGERED_HANDOFF: triggered,
    },
    Talk.QUEUED: _ANYWHERE | _BOT_IS_GONE | _STEPS | {_E.USER_MESSAGE: _echo},
    Talk.WITH_HUMAN: _ANYWHERE | _HUMAN | {_E.LIVE_AGENT_MESSAGE: _tolerated},
    Talk.WAITING_HUMAN: _ANYWHERE
    | _HUMAN
    | {_E.LIVE_AGENT_MESSAGE: _message, _E.LIVE_AGENT_TYPING: _human_types},
    Talk.LEFT: _ANYWHERE
    | _BOT_IS_GONE
    | dict.fromkeys(_STEPS, step_of_handoff)
    | {
        _E.USER_MESSAGE: _echo,
        _E.LIVE_AGENT_TYPING: _tolerated,
        _E.LIVE_AGENT_JOINED: transferred,
        _E.POLY_AGENT_JOINED: handed_back,
        _E.CLIENT_HANDOFF_REQUIRED: to_client,
    },
    # Whatever was under way when the person left may cross the leave.
    Talk.LEAVING: _ANYWHERE
    | _UNASKED
    | dict.fromkeys(_STEPS, _tolerated)
    | _AGAIN
    | {
        _E.USER_END_SESSION: _heard,
        _E.POLY_AGENT_JOINED: _tolerated,
        _E.POLY_AGENT_TRIGGERED_HANDOFF: _tolerated,
        _E.LIVE_AGENT_TYPING: _tolerated,
        _E.LIVE_AGENT_MESSAGE: _tolerated,
        _E.LIVE_AGENT_LEFT: _tolerated,
    },
    # A heartbeat's echo, a receipt and the end of a replay may cross the end, and a survey follow.
    Talk.ENDED: _AFTER_END
    | {
        _E.HEARTBEAT: _beat_echo,
        _E.EVENT_BATCH: _tolerated,
        _E.SHOW_CSAT_REQUEST: _survey,
        _E.CSAT_RESPONSE: _survey,
    },
    Talk.OVER: {},
}
