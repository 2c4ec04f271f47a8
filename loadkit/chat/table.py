"""The conversation's machine: `ROWS[state][event]` → (handler, the states it may lead to).

An event of the server's without a row is a violation and changes nothing; anything else without one
is a mistake of the tool's. Nothing that has no row here can happen, and no handler leads anywhere
but where its row says.
"""

from collections.abc import Iterable
from typing import Final

from loadkit.chat.conversation import Handler, Row
from loadkit.chat.events import (
    answer_events,
    handoff_events,
    session_end,
    session_events,
    socket_events,
    system_messages,
    timeouts,
    user_actions,
)
from loadkit.chat.inputs import (
    CAUGHT_UP,
    CUT,
    ELAPSED,
    FORCED,
    OVERDUE,
    REPLACED,
    START,
    VANISHED,
    Closed,
    Happening,
    Leave,
    Opened,
    Refused,
    Say,
    Typing,
)
from loadkit.chat.states import UNDER_WAY, ChatState
from loadkit.protocol import EventType
from loadkit.protocol.types import SURVEYS

_Rows = dict[Happening, Row]
_E = EventType
_T = ChatState


def _to(handler: Handler, *states: ChatState) -> Row:
    """What takes a happening, and the states other than the present one to which it may lead."""
    return handler, frozenset(states)


def _all(kinds: Iterable[Happening], handler: Handler) -> _Rows:
    return dict.fromkeys(kinds, _to(handler))


def _nothing(*_: object) -> None:
    """The person does not see all that the session knows; what they do may be too late."""


# --- what happens besides events ------------------------------------------------------------------

_IGNORED: Final = _all((Say, Typing, Leave, ELAPSED, REPLACED), _nothing)
_UNDER_WAY: Final[_Rows] = {
    **_IGNORED,
    START: _to(socket_events.of_the_socket),  # its machine knows when
    Opened: _to(socket_events.of_the_socket),
    Refused: _to(socket_events.of_the_socket, _T.OVER),
    FORCED: _to(socket_events.of_the_socket, _T.OVER),
    Closed: _to(socket_events.closed, _T.OVER),
    ELAPSED: _to(socket_events.elapsed, _T.OVER),
    CAUGHT_UP: _to(socket_events.still_owed),
    Leave: _to(user_actions.leave, _T.LEAVING),
    CUT: _to(user_actions.cut, _T.OVER),
    VANISHED: _to(user_actions.vanished, _T.OVER),
}
_TALKING: Final[_Rows] = {
    Typing: _to(user_actions.typing),
    REPLACED: _to(socket_events.replaced, _T.OVER),
}

# --- what the server tells ------------------------------------------------------------------------

_ANYWHERE: Final[_Rows] = {
    **_all((_E.SESSION_IDLE_WARNING, _E.LANGUAGE_CHANGED), session_events.tolerated),
    **_all(session_events.BESIDE, session_events.tolerated),
    **_all(SURVEYS, session_events.survey),
    _E.SYSTEM_MESSAGE: _to(system_messages.system),
    _E.UNKNOWN: _to(session_events.unknown),
    _E.EVENT_BATCH: _to(socket_events.batch),
    _E.SESSION_START: _to(session_events.session_start),
    _E.SESSION_END: _to(session_end.ended, _T.ENDED),
    _E.HEARTBEAT: _to(session_events.beat_echo),
}
_AGENT: Final = (_E.POLY_AGENT_THINKING, _E.POLY_AGENT_MESSAGE, _E.POLY_AGENT_MESSAGE_CHUNK)
_UNASKED: Final[_Rows] = {
    _E.USER_MESSAGE: _to(answer_events.echo),
    **_all(_AGENT, answer_events.unprompted),
}
# After a refusal there are messages, and what becomes of them, ahead of the join.
_JOIN: Final[_Rows] = {
    _E.REQUEST_POLY_AGENT_JOIN: _to(session_events.heard),
    _E.USER_MESSAGE: _to(answer_events.echo),
}
_GREETING: Final[_Rows] = {
    **_JOIN,
    _E.POLY_AGENT_THINKING: _to(session_events.heard),
    _E.POLY_AGENT_MESSAGE: _to(answer_events.greeting, _T.READY),
    _E.POLY_AGENT_MESSAGE_CHUNK: _to(answer_events.greeting_chunk, _T.READY, _T.OVER),
    _E.SESSION_END: _to(session_end.ended_too_soon, _T.ENDED),
}
_STEPS: Final = _all(
    (_E.POLY_AGENT_LEFT, _E.HANDOFF_ACCEPTED, _E.HANDOFF_QUEUE_STATUS), handoff_events.step
)
_NO_HUMAN: Final = (_E.HANDOFF_FAILED, _E.HANDOFF_TIMEOUT)
_TO_CLIENT: Final[_Rows] = {
    _E.CLIENT_HANDOFF_REQUIRED: _to(handoff_events.to_client, _T.ELSEWHERE),
}
_HUMAN_JOINS: Final[_Rows] = {
    _E.LIVE_AGENT_JOINED: _to(handoff_events.human_joined, _T.WITH_HUMAN),
}
_WITH_AGENT: Final[_Rows] = {
    **_STEPS,
    **_TO_CLIENT,
    **_HUMAN_JOINS,
    **_all(_NO_HUMAN, handoff_events.no_human_any_more),
    # A join that was sent again is echoed again, however far the conversation got meanwhile.
    _E.REQUEST_POLY_AGENT_JOIN: _to(session_events.tolerated),
    _E.POLY_AGENT_JOINED: _to(session_events.joined_again),
    _E.POLY_AGENT_TRIGGERED_HANDOFF: _to(handoff_events.triggered, _T.QUEUED),
}
_AGENT_IS_GONE: Final[_Rows] = {
    **_all(_AGENT, handoff_events.bot_after_left),
    _E.USER_MESSAGE: _to(answer_events.echo),
}
_HUMAN: Final[_Rows] = {
    **_AGENT_IS_GONE,
    **_STEPS,  # late: the human's coming was the violation
    _E.LIVE_AGENT_TYPING: _to(session_events.tolerated),
    _E.LIVE_AGENT_LEFT: _to(handoff_events.human_left, _T.LEFT),
}
_OF_A_HUMAN: Final = (_E.LIVE_AGENT_TYPING, _E.LIVE_AGENT_MESSAGE, _E.LIVE_AGENT_LEFT)
# Nothing belongs to a conversation that is at its end. A heartbeat's echo and the end of a replay
# may cross it, and a survey follow.
_AT_THE_END: Final[_Rows] = {
    **_IGNORED,
    CUT: _to(session_end.close, _T.OVER),
    VANISHED: _to(user_actions.vanished, _T.OVER),
    _E.HEARTBEAT: _to(session_events.beat_echo),
    _E.EVENT_BATCH: _to(session_events.tolerated),
    **_all(SURVEYS, session_events.survey),
}

# --- the machine ----------------------------------------------------------------------------------

_ROWS: Final[dict[ChatState, _Rows]] = {
    _T.NEW: {
        CAUGHT_UP: _to(socket_events.join_in_time),
        OVERDUE: _to(timeouts.join, _T.JOINING),
        _E.REQUEST_POLY_AGENT_JOIN: _to(session_events.join_echo, _T.JOINING),
        _E.POLY_AGENT_JOINED: _to(session_events.joined, _T.GREETING),
    },
    _T.JOINING: {
        CAUGHT_UP: _to(socket_events.ask_again),
        OVERDUE: _to(timeouts.missing, _T.OVER),
        **_all(_AGENT, answer_events.ahead_of_agent),
        **_JOIN,
        _E.POLY_AGENT_JOINED: _to(session_events.joined, _T.GREETING),
        _E.SYSTEM_MESSAGE: _to(system_messages.refused_join),
        _E.SESSION_END: _to(session_end.ended_too_soon, _T.ENDED),
    },
    _T.GREETING: {**_GREETING, OVERDUE: _to(timeouts.missing, _T.OVER)},
    _T.READY: {
        **_TALKING,
        Say: _to(user_actions.say, _T.WAITING),
        **_UNASKED,
        **_WITH_AGENT,
    },
    _T.WAITING: {
        **_TALKING,
        Say: _to(user_actions.say),
        CAUGHT_UP: _to(socket_events.say_again, _T.READY),
        OVERDUE: _to(timeouts.no_answer, _T.READY),
        **_WITH_AGENT,
        _E.USER_MESSAGE: _to(answer_events.echo),
        _E.POLY_AGENT_THINKING: _to(answer_events.thinking),
        _E.POLY_AGENT_MESSAGE: _to(answer_events.answer, _T.READY),
        _E.POLY_AGENT_MESSAGE_CHUNK: _to(answer_events.answer_chunk, _T.READY),
        _E.SYSTEM_MESSAGE: _to(system_messages.refused_message, _T.READY, _T.JOINING),
        _E.SESSION_END: _to(session_end.ended_unanswered, _T.ENDED),
    },
    _T.QUEUED: {
        OVERDUE: _to(timeouts.no_human_came, _T.READY),
        **_AGENT_IS_GONE,
        **_STEPS,
        **_TO_CLIENT,
        **_HUMAN_JOINS,
        **dict.fromkeys(_NO_HUMAN, _to(handoff_events.no_human, _T.READY)),
        _E.SYSTEM_MESSAGE: _to(system_messages.not_connected, _T.READY),
    },
    _T.WITH_HUMAN: {
        **_TALKING,
        Say: _to(user_actions.say, _T.WAITING_HUMAN),
        **_HUMAN,
        _E.LIVE_AGENT_MESSAGE: _to(session_events.tolerated),
    },
    _T.WAITING_HUMAN: {
        **_TALKING,
        Say: _to(user_actions.say),
        CAUGHT_UP: _to(socket_events.say_again, _T.WITH_HUMAN),
        OVERDUE: _to(timeouts.no_answer, _T.WITH_HUMAN),
        **_HUMAN,
        _E.LIVE_AGENT_MESSAGE: _to(answer_events.answer, _T.WITH_HUMAN),
        _E.LIVE_AGENT_TYPING: _to(answer_events.human_types),
        _E.SYSTEM_MESSAGE: _to(system_messages.refused_message, _T.WITH_HUMAN),
        _E.SESSION_END: _to(session_end.ended_unanswered, _T.ENDED),
    },
    _T.LEFT: {
        Leave: _to(_nothing),
        OVERDUE: _to(timeouts.missing, _T.OVER),
        **_AGENT_IS_GONE,
        **_STEPS,
        **_TO_CLIENT,
        **_all(_NO_HUMAN, _nothing),
        _E.LIVE_AGENT_TYPING: _to(session_events.tolerated),
        _E.LIVE_AGENT_JOINED: _to(handoff_events.transferred, _T.WITH_HUMAN),
        _E.POLY_AGENT_JOINED: _to(handoff_events.handed_back, _T.AGENT_BACK),
    },
    _T.AGENT_BACK: {**_GREETING, OVERDUE: _to(timeouts.agent_is_silent, _T.READY)},
    # Whatever was under way when the person left may cross the leave.
    _T.LEAVING: {
        Leave: _to(_nothing),
        CAUGHT_UP: _to(socket_events.ask_again),
        OVERDUE: _to(timeouts.missing, _T.OVER),
        **_UNASKED,
        **_all(_WITH_AGENT, session_events.tolerated),
        **_all(_OF_A_HUMAN, session_events.tolerated),
        _E.USER_END_SESSION: _to(session_events.heard),
        _E.SESSION_END: _to(session_end.ended_as_asked, _T.ENDED),
    },
    _T.ELSEWHERE: {
        **_all(EventType, session_events.tolerated),
        **_AT_THE_END,
        ELAPSED: _to(session_end.clock_elsewhere, _T.OVER),
        Closed: _to(session_end.go, _T.OVER),
        _E.POLY_AGENT_LEFT: _to(session_end.close, _T.OVER),
    },
    _T.ENDED: {
        **_all(EventType, session_end.after_end),
        **_AT_THE_END,
        ELAPSED: _to(session_end.clock_after_end, _T.OVER),
        Closed: _to(session_end.closed_after_end, _T.OVER),
    },
    _T.OVER: _all((Typing, ELAPSED, REPLACED), _nothing),
}

ROWS: Final[dict[ChatState, _Rows]] = {
    state: {**_UNDER_WAY, **_ANYWHERE, **rows} if state in UNDER_WAY else rows
    for state, rows in _ROWS.items()
}
"""What happens where. A happening may lead through further rows, each of which says so itself."""
