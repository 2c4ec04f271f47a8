"""What a server's events do to a conversation; a hand-off's are in `loadkit.chat.handoff_events`.

An event does the same whether it arrives live or in a replay, so a reply that lands in a replay
answers its turn like any other.
"""

from typing import Final

from loadkit.actions import Cue
from loadkit.chat.answers import completes, suggestions, text_of
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Sample, Send, Violation
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.stream import LONGEST, MOST_CHUNKS, StreamedAnswer
from loadkit.chat.turn import Outcome, Turn
from loadkit.chat.violations import Wrong, told
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import END_SESSION, JOIN
from loadkit.protocol.system_texts import Family, family
from loadkit.protocol.types import RECEIPTS, SURVEYS

TOO_BIG: Final = f"a streamed answer of over {LONGEST:,} characters or {MOST_CHUNKS:,} chunks"

_REFUSALS: Final = {
    Family.HIGH_LOAD: (Failure.OVERLOADED, Cue.OVERLOADED),
    Family.NO_CONVERSATION: (Failure.NO_CONVERSATION, Cue.OVERLOADED),
    Family.AGENT_ERROR: (Failure.AGENT_ERROR, Cue.SILENCE),
    Family.SESSION_ERROR: (Failure.SESSION_ERROR, Cue.SILENCE),
    Family.HANDOFF_ERROR: (Failure.HANDOFF_ERROR, Cue.NO_HUMAN),
}

# --- of the socket and the session ----------------------------------------------------------------


def session_start(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """What the server can do."""
    connection = chat.connection
    if not connection.journal.begins(event, connection.state is SocketState.REPLAYING):
        out.append(Violation(Wrong.SESSION_START_REPEATED, f"while {chat.state.name}"))
        return
    connection.capabilities(now, event.payload)


def beat_echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A heartbeat came back."""
    chat.connection.heartbeat.echoed(now, out)


def unknown(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event of a type that this version does not know."""
    out.append(Violation(Wrong.UNKNOWN_TYPE, told(event.payload.get("type"))))


def unexpected(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event that has no place here: it breaks the protocol, and changes nothing."""
    detail = f"{event.type.removeprefix('EVENT_TYPE_')} while {chat.state.name}"
    out.append(Violation(Wrong.UNEXPECTED_EVENT, detail))


def tolerated(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An event that needs no answer."""
    name = BESIDE.get(event.type) or event.type.removeprefix("EVENT_TYPE_").lower()
    out.append(Counted(f"events.{name}"))


BESIDE: Final = {
    **dict.fromkeys(RECEIPTS, "receipt"),
    **dict.fromkeys(SURVEYS, "survey"),
    EventType.LONE_SURROGATE: "lone_surrogate",
}
"""What belongs to no conversation: who has received or read what, and what is asked about it."""


def survey(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """How was it? May come around the end and after it; the socket stays open for the answer."""
    chat.surveyed = True
    tolerated(chat, now, event, out)


# --- the agent joins ------------------------------------------------------------------------------


def join_echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A join that this process has not asked for: in a cold resume the one before it has."""
    if chat.connection.reach is None:
        unexpected(chat, now, event, out)
    else:
        chat.enter(ChatState.JOINING, now + chat.policy.patience)


def joined(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent is there; its greeting is owed."""
    if chat.turn is not None:
        out.append(Sample(Phase.JOIN, None, chat.turn.sent, now))
        chat.turn.echoed = True  # or at least heard: no need to ask again
    chat.enter(ChatState.GREETING, now + chat.policy.patience)


def joined_again(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """Who has joined joins once more: its greeting will come again as well."""
    out.append(Violation(Wrong.SECOND_GREETING, f"POLY_AGENT_JOINED while {chat.state.name}"))


def heard(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The echo of the join or of the end, or that the agent thinks of a greeting."""
    if chat.turn is not None:
        chat.turn.echoed = True


def refused_join(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words what it cannot do while the join is owed."""
    if _system(event, out) is not Family.NO_CONVERSATION or event.local_id is not None:
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


def system(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words what it cannot do, and nothing was asked."""
    _system(event, out)


def _system(event: Event, out: list[Effect]) -> Family:
    about = family(event.payload.get("message"))
    out.append(Counted(f"system.{about}"))
    return about


# --- what was said, and the answers to it ---------------------------------------------------------


def refused_message(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words what it cannot do while an answer is owed."""
    about = _system(event, out)
    turn = chat.turn if event.local_id is None else chat.said(event.local_id)
    if about not in _REFUSALS or turn is None or not turn.is_open:
        return
    kind, cue = _REFUSALS[about]
    if about is Family.NO_CONVERSATION and _may_rejoin(chat, out):
        chat.abandon_turns(now, out)
        out.append(Failed(kind))
        chat.owe(ChatState.JOINING, Turn(JOIN, now), out)  # the greeting is their cue
    else:
        chat.lose(now, turn, kind, out, cue, refused=True)


def refused_to_human(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The same while a human's answer is owed: their next message may reach them."""
    about = _system(event, out)
    turn = chat.turn if event.local_id is None else chat.said(event.local_id)
    if about in _REFUSALS and turn is not None and turn.is_open:
        cue = Cue.OVERLOADED if about is Family.HIGH_LOAD else Cue.SILENCE
        chat.lose(now, turn, _REFUSALS[about][0], out, cue, refused=True)


def not_connected(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server says in words that no human is to be had; the event may follow, and need not."""
    if _system(event, out) is not Family.HANDOFF_ERROR:
        return
    if event.local_id is None or chat.said(event.local_id) is not None:
        out.append(Failed(Failure.HANDOFF_ERROR))
        chat.give_up(now, out)
        chat.your_turn("", Cue.NO_HUMAN, out)


def echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server has a message."""
    turn = chat.said(event.local_id)
    if turn is None:
        nobody = Violation(Wrong.ECHO_TO_NOBODY, f"while {chat.state.name}")
        out.append(Counted("events.late_echo") if chat.answers.late else nobody)
        return
    if turn.echoed:
        return
    turn.echoed = True
    out.append(Sample(Phase.ECHO, None, turn.sent, now))
    payload = event.payload
    chat.connection.journal.message(payload.get("message_id"), out)
    if payload.get("text", turn.text) != turn.text:
        out.append(Violation(Wrong.ECHO_ALTERED, "", (turn.sent, turn.frame)))
    if turn.outcome is None:
        chat.in_order_of_echoes()


def thinking(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent thinks of an answer."""
    turn = chat.turn
    if turn is None or turn.thought:
        return
    if chat.answers.is_late(event, echoed=turn.echoed):
        out.append(Counted("events.late_answer"))
        return
    if chat.answers.thinking:  # about the next message, so it is done with the last one
        out.append(Violation(Wrong.THINKING_WITHOUT_ANSWER))
        chat.answers.thinking = False
    turn.thought = True
    out.append(Sample(Phase.THINKING, None, turn.sent, now))


def greeting(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent greets."""
    if not _is_another_s(chat, now, event, out):
        chat.connection.journal.message(event.payload.get("message_id"), out)
        _greeted(chat, now, text_of(event), event, out)


def greeting_chunk(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A part of the greeting. Nothing can be said without it."""
    if _is_another_s(chat, now, event, out):
        return
    stream = _stream(chat, now, event, out)
    if stream.is_too_big:
        out.append(Failed(Failure.ANSWER_TOO_BIG, TOO_BIG))
        out.append(Send(END_SESSION))
        chat.finish(now, Finish(Ending.FAILED, close=1000), out)
    elif completes(event):
        _greeted(chat, now, stream.text, event, out)


def _greeted(chat: Conversation, now: float, said: str, event: Event, out: list[Effect]) -> None:
    """The greeting is there as a whole."""
    chat.answers.completed(now, None)
    if chat.turn is not None:
        out.append(Sample(Phase.GREETING, None, chat.turn.sent, now))
    # After a refusal the person says it again; the greeting was only in its way.
    cue = Cue.OVERLOADED if chat.rejoins and chat.handoff is None else Cue.GREETED
    if chat.state is ChatState.AGENT_BACK:
        chat.handoff, cue = None, Cue.AGENT_BACK
    chat.your_turn(said, cue, out, suggestions(event.payload))


def answer(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent answers."""
    turn = chat.asked
    if _is_another_s(chat, now, event, out, echoed=turn.echoed, owed=turn.echoed):
        return
    if turn.echoed or turn.thought:
        chat.connection.journal.message(event.payload.get("message_id"), out)
        _answered(chat, now, turn, Phase.RESPONSE, text_of(event), event, out)
    else:  # The journal is in order: it came before our message was there.
        unprompted(chat, now, event, out)


def answer_chunk(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """A part of the agent's answer. Who waits for one that is too long goes on without it."""
    turn = chat.asked
    if _is_another_s(chat, now, event, out, echoed=turn.echoed, owed=turn.echoed):
        return
    if not (turn.echoed or turn.thought):
        unprompted(chat, now, event, out)
        return
    if chat.answers.stream is None:
        out.append(Sample(Phase.FIRST_CHUNK, turn.due, turn.sent, now))
    stream = _stream(chat, now, event, out)
    if stream.is_too_big:
        kind, complete = Failure.ANSWER_TOO_BIG, completes(event)
        chat.lose(now, turn, kind, out, refused=complete, detail=TOO_BIG)
    elif completes(event):
        _answered(chat, now, turn, Phase.RESPONSE, stream.text, event, out)


def human_answer(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human answers."""
    turn = chat.asked
    if _is_another_s(chat, now, event, out, echoed=turn.echoed):
        return
    if turn.echoed or turn.thought:
        chat.connection.journal.message(event.payload.get("message_id"), out)
        _answered(chat, now, turn, Phase.LIVE_RESPONSE, text_of(event), event, out)
    else:
        tolerated(chat, now, event, out)  # humans speak when they like


def _is_another_s(
    chat: Conversation,
    now: float,
    event: Event,
    out: list[Effect],
    *,
    echoed: bool = True,
    owed: bool = False,
) -> bool:
    """Whether a message, or a part of one, is another than what is waited for; tells of it if so.

    Args:
        echoed: the server has what it would answer.
        owed: what begins an answer is that answer, even under a used id.
    """
    answers = chat.answers
    if answers.adds(event):
        unprompted(chat, now, event, out)
        return True
    wrong = answers.beside(event, owed=owed)
    if wrong is not None:
        out.append(wrong)
        return True
    if answers.is_late(event, echoed=echoed):
        out.append(Counted("events.late_answer"))
        return True
    return False


def _stream(chat: Conversation, now: float, event: Event, out: list[Effect]) -> StreamedAnswer:
    """Take a chunk of what is waited for. Returns the stream that it is of."""
    before = chat.answers.stream
    begins, wrong = chat.answers.chunk(event, now)
    stream = chat.answers.stream
    assert stream is not None
    if begins:
        if not chat.streaming:
            out.append(Violation(Wrong.UNASKED_STREAMING))
        chat.connection.journal.message(event.payload.get("message_id"), out)
    elif before is not None and chat.connection.state is SocketState.LIVE:
        # a replay's pace says nothing about the agent's
        out.append(Sample(Phase.CHUNK_GAP, None, stream.last_at, now))
    stream.last_at = now
    if wrong is not None:
        out.append(wrong)
    return stream


def _answered(
    chat: Conversation,
    now: float,
    turn: Turn,
    phase: Phase,
    said: str,
    event: Event,
    out: list[Effect],
) -> None:
    """The answer to a turn is there as a whole."""
    chat.answers.completed(now, turn)
    out.append(Sample(phase, turn.due, turn.sent, now))
    chat.answered(turn, out)
    if not turn.echoed:
        chat.unfinished(now, [Wait(Phase.ECHO, None, turn.sent)], out)
        out.append(Violation(Wrong.ECHO_MISSING, "", (turn.sent, turn.frame)))
        turn.echoed = True
    if not chat.next_turn():
        chat.your_turn(said, Cue.ANSWERED, out, suggestions(event.payload))


def human_types(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The human is at the answer."""
    if event.payload.get("state") == "TYPING_STATE_STARTED":
        chat.asked.thought = True
    tolerated(chat, now, event, out)


# --- what nothing was asked for -------------------------------------------------------------------


def ahead_of_agent(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """An agent speaks that has not joined: after a refusal it may be the last one's answer."""
    if chat.answers.adds(event):  # what was begun before the refusal is said to its end
        unprompted(chat, now, event, out)
    elif chat.answers.is_beyond(event):
        unexpected(chat, now, event, out)
    else:
        out.append(Counted("events.late_answer"))


def unprompted(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The agent speaks, or thinks, although nothing was asked: a late answer, or one more thing."""
    turn, answers = chat.turn, chat.answers
    wrong = answers.beside(event)
    if wrong is not None:
        out.append(wrong)
    elif (
        answers.late
        and turn is not None
        and turn.resends
        and turn.outcome is Outcome.ANSWERED
        and completes(event)
    ):
        answers.take(event)
        out.append(Counted(Count.TURNS_ANSWERED_TWICE, turn.sent))
    elif not answers.is_beyond(event):
        out.append(Counted("events.late_answer"))
    elif completes(event):
        _follow_up(chat, now, event, out)


def _follow_up(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """Agents add something, and nudge the idle: what was complete has answered its turn."""
    answers = chat.answers
    chat.connection.journal.message(event.payload.get("message_id"), out)
    out.append(Counted(Count.FOLLOW_UPS))
    if answers.answered_at is not None:
        out.append(Sample(Phase.FOLLOW_UP, None, answers.answered_at, now))
    turn, answers.answered = answers.answered, None
    if turn is not None:  # its first one
        out.append(Counted(Count.TURNS_FOLLOWED_UP, turn.sent))
