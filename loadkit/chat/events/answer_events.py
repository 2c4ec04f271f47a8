"""What was said, and what the far side makes of it: echoes, thoughts, greetings, answers."""

from typing import Final

from loadkit.actions import Cue
from loadkit.chat.conversation import Conversation
from loadkit.chat.effects import Counted, Effect, Failed, Finish, Sample, Send, Violation
from loadkit.chat.events.session_events import tolerated, unexpected
from loadkit.chat.states import ChatState, SocketState
from loadkit.chat.turns.answers import completes, suggestions, text_of
from loadkit.chat.turns.stream import LONGEST, MOST_CHUNKS, StreamedAnswer
from loadkit.chat.turns.turn import MOST_STAMPS, Outcome
from loadkit.chat.violations import Wrong
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.protocol import Event
from loadkit.protocol.encode import END_SESSION

TOO_BIG: Final = f"a streamed answer of over {LONGEST:,} characters or {MOST_CHUNKS:,} chunks"


# --- what was said, and the answers to it ---------------------------------------------------------


def echo(chat: Conversation, now: float, event: Event, out: list[Effect]) -> None:
    """The server has a message."""
    turn = chat.said(event.local_id)
    if turn is None:
        nobody = Violation(Wrong.ECHO_TO_NOBODY, f"while {chat.state.name}")
        out.append(Counted("events.late_echo") if chat.answers.late else nobody)
        return
    if turn.echoed:
        return
    turn.echoed, turn.echo_at = True, now
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
    turn.thought, turn.thinking_at = True, now
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
    """The agent answers, or the human."""
    turn = chat.asked
    if _is_another_s(chat, now, event, out, echoed=turn.echoed, owed=turn.echoed):
        return
    if turn.echoed or turn.thought:
        chat.connection.journal.message(event.payload.get("message_id"), out)
        _answered(chat, now, text_of(event), event, out)
    elif chat.state is ChatState.WAITING_HUMAN:
        tolerated(chat, now, event, out)  # humans speak when they like
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
    if turn.chunks_at is None:
        turn.chunks_at = [now]
    elif len(turn.chunks_at) < MOST_STAMPS:
        turn.chunks_at.append(now)
    stream = _stream(chat, now, event, out)
    if stream.is_too_big:
        kind, complete = Failure.ANSWER_TOO_BIG, completes(event)
        chat.lose(now, turn, kind, out, refused=complete, detail=TOO_BIG)
    elif completes(event):
        _answered(chat, now, stream.text, event, out)


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


def _answered(chat: Conversation, now: float, said: str, event: Event, out: list[Effect]) -> None:
    """The answer to a turn is there as a whole."""
    turn, human = chat.asked, chat.state is ChatState.WAITING_HUMAN
    phase = Phase.LIVE_RESPONSE if human else Phase.RESPONSE
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
