"""Which message an answer belongs to: answers do not name what they answer.

One answer to a message, in the order of the messages. An answer ahead of the echo of the present
message belongs to an earlier one that was given up, or was sent twice; so does what goes on with a
stream that began before. What belongs to none is a follow-up: one more thing that the agent says.
"""

from collections.abc import Callable
from typing import Any, Final

from loadkit.chat.effects import Violation
from loadkit.chat.turns.stream import Key, StreamedAnswer
from loadkit.chat.turns.turn import Turn
from loadkit.chat.violations import Wrong, told
from loadkit.figures import Answered, Origin
from loadkit.protocol import Event, EventType
from loadkit.protocol.lenient_json import mend

MOST_SUGGESTIONS: Final = 50  # of a message that a person looks at; ours
LONGEST_ID: Final = 200  # characters of a message's id that is kept as it is; ours
LONGEST_SUGGESTION: Final = 1000  # characters of one that can be tapped; ours


class Answers:
    """What is known of the answers that came and may still come."""

    __slots__ = (
        "_done",
        "_follow_up",
        "_passed",
        "answered",
        "answered_at",
        "farewell",
        "late",
        "stream",
        "thinking",
    )

    def __init__(self) -> None:
        self.late = 0  # how many may still come although nobody waits for them
        self.thinking = False  # the agent was given up while it thought, and has said nothing since
        self.answered: Turn | None = None  # by the last complete answer, until that is followed up
        self.answered_at: float | None = None  # when that answer, or the greeting, was complete
        self.farewell = False  # with it the agent has said that the conversation is over
        self.stream: StreamedAnswer | None = None  # the one that is being streamed to the person
        self._passed: Key = None  # the key of the last stream that nobody waits for
        self._done: Key = None  # of the last one that was complete
        self._follow_up: Key = None  # of a follow-up that is being streamed

    def heard(self, event: Event) -> None:
        """Take note of what an event says, whoever waits for it: is it the last?"""
        if completes(event):
            self.farewell = event.payload.get("end_conversation") is True

    def chunk(self, event: Event, now: float) -> tuple[bool, Violation | None]:
        """Take a chunk of what is waited for: whether it begins a stream, and what is wrong."""
        stream, message_id = self.stream, event.payload.get("message_id")
        begins = False
        if stream is None or (stream.key != message_id and stream.key != _key(message_id)):
            begins = True
            stream = self.stream = StreamedAnswer(_key(message_id), now)
        wrong = stream.add(event.payload)
        if wrong is None:
            return begins, None
        return begins, Violation(wrong, f"chunk_index {told(event.payload.get('chunk_index'))}")

    def completed(self, now: float, turn: Turn | None) -> None:
        """What the person waited for is there: the answer to `turn`, or a greeting."""
        self.answered, self.answered_at = turn, now
        self.interrupted()

    def told(self, since: float, origin: Callable[[], Origin], person: str) -> Answered:
        """What the turn that was answered last is told as.

        Args:
            since: when the session began (seconds, monotonic).
            origin: gives whose it was.
            person: who said it.
        """
        turn = self.answered
        assert turn is not None
        return Answered(since, turn.number, lambda: turn.seen(origin()), person)

    def interrupted(self) -> None:
        """What was being said is over."""
        if self.stream is not None:
            self._done = self.stream.key
        self.stream, self.thinking = None, False

    def given_up(self, sendings: int) -> None:
        """Nobody waits any more for the answers to a message that was sent so many times."""
        self.late += sendings
        if self.stream is not None:
            self._passed, self.stream = self.stream.key, None

    def is_late(self, event: Event, *, echoed: bool) -> bool:
        """Whether an answer, or a part of one, belongs to an earlier message; takes it if so."""
        if (self.late and not echoed) or self._goes_on(event):
            self.take(event)
            return True
        return False

    def take(self, event: Event) -> None:
        """One that nobody waits for, or a part of it, has come."""
        if event.type is not EventType.POLY_AGENT_THINKING:
            self.thinking = False
        if event.type is EventType.POLY_AGENT_MESSAGE_CHUNK:
            self._passed = _key(event.payload.get("message_id"))
        if self.late and completes(event):
            self.late -= 1

    def beside(self, event: Event, *, owed: bool = False) -> Violation | None:
        """What is wrong with an answer that adds to one which is complete, or in the making.

        Args:
            owed: an answer is due: what begins one is that answer, even under a used id.
        """
        stream, message_id = self.stream, event.payload.get("message_id")
        going_on = stream is not None and (
            stream.key == message_id or stream.key == _key(message_id)
        )
        if event.type is EventType.POLY_AGENT_MESSAGE_CHUNK and going_on:
            return None
        if owed and stream is None and event.payload.get("chunk_index", 1) == 1:
            return None
        key = _key(message_id)
        if event.type is EventType.POLY_AGENT_MESSAGE:
            if key is not None and (going_on or key == self._done):
                return Violation(Wrong.WHOLE_BESIDE_CHUNKS, told(event.payload["message_id"]))
        elif (
            event.type is EventType.POLY_AGENT_MESSAGE_CHUNK
            and key is not None
            and key == self._done
        ):
            return Violation(Wrong.CHUNK_AFTER_COMPLETE, told(event.payload["message_id"]))
        return None

    def adds(self, event: Event) -> bool:
        """Whether an event goes on with a follow-up, which a message may have overtaken."""
        return self._follow_up is not None and self._follow_up == _key(
            event.payload.get("message_id")
        )

    def is_beyond(self, event: Event) -> bool:
        """Whether nothing that was asked explains an answer, or a part of one; takes it if so.

        Else it is the late answer to an earlier message.
        """
        key = _key(event.payload.get("message_id"))
        if not self.adds(event) and (self.late > 0 or self._goes_on(event)):
            self.take(event)
            return False
        if event.type is EventType.POLY_AGENT_MESSAGE_CHUNK:
            self._follow_up = None if completes(event) else key
            self._done = key if completes(event) else self._done
        return True

    def _goes_on(self, event: Event) -> bool:
        return self._passed is not None and self._passed == _key(event.payload.get("message_id"))


def _key(message_id: Any) -> Key:
    """What is kept of a message's id: itself if it is short, else what stands for it."""
    if type(message_id) is str:
        return message_id if len(message_id) <= LONGEST_ID else hash(message_id)
    return message_id if isinstance(message_id, (int, float)) else None


MESSAGES: Final = {
    EventType.POLY_AGENT_MESSAGE,
    EventType.POLY_AGENT_MESSAGE_CHUNK,
    EventType.LIVE_AGENT_MESSAGE,
}
"""What answers come in."""


def completes(event: Event) -> bool:
    """Whether an answer is complete with this event."""
    kind = event.type
    if kind is EventType.POLY_AGENT_MESSAGE_CHUNK:
        return event.payload.get("is_complete") is True
    return kind is EventType.POLY_AGENT_MESSAGE or kind is EventType.LIVE_AGENT_MESSAGE


def text_of(event: Event) -> str:
    """What a message says."""
    text = event.payload.get("text")
    return mend(text) if type(text) is str else ""


def suggestions(payload: dict[str, Any]) -> tuple[str, ...]:
    """The texts of the answers that a message offers to be tapped, as far as a person could."""
    offered = payload.get("response_suggestions")
    if type(offered) is not list:
        return ()
    seen = offered[:MOST_SUGGESTIONS]
    texts = [offer.get("message_text") for offer in seen if type(offer) is dict]
    return tuple(
        text for text in texts if type(text) is str and 0 < len(text) <= LONGEST_SUGGESTION
    )
