"""Answers that may still come although nobody waits for them any more."""

from loadkit.wire import Event, EventType

__all__ = ["Late", "completes"]


class Late:
    """What is known of the answers to turns given up, or sent again.

    An answer does not name the message it answers. It is late when it comes ahead of the echo of
    the present turn's message, or when its stream began before that.

    Attributes:
        owed: how many may still come.
    """

    __slots__ = ("_stream", "owed")

    def __init__(self) -> None:
        self.owed = 0
        self._stream: object = None  # the message_id of the last one that was streamed

    def began(self, message_id: object) -> None:
        """A stream that nobody waits for has begun, and may go on."""
        self._stream = message_id

    def goes_on(self, event: Event) -> bool:
        """Whether this continues such a stream."""
        return self._stream is not None and event.payload.get("message_id") == self._stream

    def take(self, event: Event) -> None:
        """One of them, or a part of it, has come."""
        if event.type is EventType.POLY_AGENT_MESSAGE_CHUNK:
            self.began(event.payload.get("message_id"))
        if self.owed and completes(event):
            self.owed -= 1


def completes(event: Event) -> bool:
    """Whether an answer is complete with this event."""
    return event.type is EventType.POLY_AGENT_MESSAGE or (
        event.type is EventType.POLY_AGENT_MESSAGE_CHUNK
        and event.payload.get("is_complete") is True
    )
