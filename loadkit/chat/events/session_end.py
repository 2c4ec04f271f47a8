"""How a conversation ends: SESSION_END, or CLIENT_HANDOFF_REQUIRED, and what may follow it."""

from typing import Final

from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Effect, Failed, Finish, Sample, Violation
from loadkit.chat.events.session_events import BESIDE, tolerated
from loadkit.chat.events.timeouts import MISSING
from loadkit.chat.inputs import Closed, Signal
from loadkit.chat.states import ChatState
from loadkit.chat.violations import Wrong, told
from loadkit.errors import Failure
from loadkit.figures import Ending, Phase
from loadkit.protocol import Event

TO_CLOSE: Final = 5.0  # seconds after SESSION_END in which the server should close; ours

_ENDINGS: Final = {
    "REASON_USER_END": Ending.USER_END,
    "REASON_NATURAL_END": Ending.NATURAL_END,
    "REASON_USER_ABANDONED": Ending.ABANDONED,
}


def ended(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """SESSION_END: nothing follows it but the server's close."""
    reason = told(event.payload.get("reason"))
    ending = _ENDINGS.get(reason, Ending.FAILED)
    if chat.answers.thinking:  # the patience was over before, and now nothing can follow
        out.append(Violation(Wrong.THINKING_WITHOUT_ANSWER))
    if ending is Ending.FAILED:
        out.append(Violation(Wrong.UNKNOWN_REASON, reason))
    elif ending is Ending.ABANDONED:
        out.append(Failed(Failure.SESSION_ABANDONED, "while this client was connected"))
    chat.ending = ending
    chat.enter(ChatState.ENDED, now + TO_CLOSE)


def ended_as_asked(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The person has left, and this is the answer to it."""
    if chat.turn is not None:
        out.append(Sample(Phase.END, chat.turn.due, chat.turn.sent, now))
    ended(chat, now, event, out)


def ended_unanswered(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An answer is owed, perhaps several, or even an echo."""
    for turn in chat.open_turns():
        kind = Failure.UNANSWERED if turn.echoed else Failure.UNACKNOWLEDGED
        out.append(Failed(kind, "the session ended before the answer"))
    chat.abandon_turns(now, out)
    ended(chat, now, event, out)


def ended_too_soon(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent is owed, or its greeting."""
    chat.give_up(now, out)
    out.append(Failed(MISSING[chat.state], "the session ended before it"))
    ended(chat, now, event, out)


# --- SESSION_END came -----------------------------------------------------------------------------


def after_end(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """Nothing that belongs to the conversation follows SESSION_END."""
    if event.type in BESIDE:
        tolerated(chat, now, event, out)
    else:
        out.append(Violation(Wrong.EVENT_AFTER_END, event.type.removeprefix("EVENT_TYPE_")))


def closed_after_end(chat: Conversation, now: float, closed: Closed, out: list[Effect]) -> None:
    """The server closes, as it should."""
    if closed.code != 1000 and not closed.flooded:
        out.append(Violation(Wrong.WRONG_CLOSE_CODE, f"{closed.code} after SESSION_END"))
    go(chat, now, closed, out)


def clock_after_end(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The server does not close."""
    if now < chat.owed_by:
        return
    if now > chat.owed_by + TO_CLOSE:  # this side was away: the close may lie there unread
        chat.enter(ChatState.ENDED, now + TO_CLOSE)
        return
    if not chat.surveyed:
        out.append(Violation(Wrong.NOT_CLOSED, f"{TO_CLOSE:g} s after SESSION_END"))
    close(chat, now, happening, out)


# --- CLIENT_HANDOFF_REQUIRED came -----------------------------------------------------------------


def clock_elsewhere(chat: Conversation, now: float, happening: Signal, out: list[Effect]) -> None:
    """The agent stays, and this client has waited long enough."""
    if now >= chat.owed_by:
        close(chat, now, happening, out)


def close(chat: Conversation, now: float, happening: Event | Signal, out: list[Effect]) -> None:
    """All was said: close the socket."""
    assert chat.ending is not None
    chat.finish(now, Finish(chat.ending, close=1000), out)


def go(chat: Conversation, now: float, happening: Closed, out: list[Effect]) -> None:
    """All was said, and the socket is closed."""
    assert chat.ending is not None
    chat.finish(now, Finish(chat.ending), out)
