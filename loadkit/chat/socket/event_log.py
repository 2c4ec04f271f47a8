"""The server's journal as one client sees it: the cursor, and whether it is told right.

Numbered events come in rising order without holes, each once, and a replay goes on right after the
cursor. What breaks that is a violation; what breaks nothing but the order is told apart from what
is really missing, by waiting a little.
"""

from typing import Final

from loadkit.chat.effects import Counted, Effect, Keep, Violation
from loadkit.chat.violations import Wrong, told
from loadkit.figures import Count
from loadkit.protocol import Event, EventType

RECENT: Final = 64  # ids kept, of events and of messages; what is older is known by its sequence
OVERDUE: Final = 8  # numbered events after a hole until it is a gap and not a change of order
_HASH: Final = 8  # bytes
_OTHERS: Final = (RECENT - 1) * _HASH
WIDEST: Final = 10_000  # numbers in one hole; ours: a wider one is nonsense, not a loss

_BEFORE_START: Final = {  # of the socket, not of the session
    EventType.EVENT_BATCH,
    EventType.HEARTBEAT,
    EventType.LONE_SURROGATE,
    EventType.SYSTEM_MESSAGE,
}


class EventLog:
    """What came so far."""

    __slots__ = (
        "_begun",
        "_holes",
        "_message_ids",
        "_recent",
        "_resumed",
        "_resumed_at",
        "cursor",
        "known",
    )

    def __init__(self) -> None:
        self.cursor = 0  # the highest sequence seen
        self.known = False  # SESSION_START was seen
        self._resumed_at = 0  # the cursor when the present socket was opened
        self._resumed = False  # the present socket goes on with a known session
        self._begun = False  # and has told of its start
        self._recent = b""  # hashes of ids, the oldest first: an eighth of what a dict takes
        self._message_ids = b""  # likewise of messages
        self._holes: dict[int, int] | None = None  # missing number → numbered events since

    def opened(self) -> None:
        """A socket is open; its replay begins after the cursor."""
        self._resumed_at = self.cursor
        self._resumed, self._begun = self.known, False

    @property
    def _starts_over(self) -> bool:
        """Whether the present socket replays what was seen, as none of that bore a number."""
        return self._resumed and not self._resumed_at

    def begins(self, event: Event, replaying: bool) -> bool:
        """Whether a SESSION_START that was taken has its place.

        A session has one. A socket that goes on with it may tell of it once more in its replay: as
        a thing of the socket, which bears no number, or because it replays everything.
        """
        first, self._begun = not self._begun, True
        in_replay = replaying and (event.sequence is None or self._starts_over)
        return first and (in_replay or not self._resumed)

    def take(self, event: Event, replaying: bool, out: list[Effect]) -> bool:
        """Check an event's place. Returns False for one that is to be ignored."""
        kind, sequence = event.type, event.sequence
        if event.id is not None and kind is not EventType.HEARTBEAT:
            identity = _hash(event.id)
            if _holds(self._recent, identity):
                self._repeated(event, replaying, out)
                return False
            self._recent = self._recent[-_OTHERS:] + identity
        if kind is EventType.SESSION_START and not self.known:
            self.known = True
            self.cursor = max(sequence or 0, 0)  # wherever the server begins to count
            return True
        if not self.known and kind not in _BEFORE_START:
            out.append(Violation(Wrong.EVENT_BEFORE_START, _name(event)))
            return False
        if sequence is None:
            return True
        if sequence == self.cursor + 1:
            self.cursor = sequence
            if self._holes is not None:
                self._wait(out)
        elif sequence > self.cursor:
            self._skip(sequence, replaying, event, out)
        elif replaying and sequence <= self._resumed_at:
            out.append(Violation(Wrong.REPLAY_BEFORE_CURSOR, _name(event)))
            return False
        else:
            out.append(Violation(Wrong.SEQUENCE_NOT_RISING, _name(event)))
            if self._holes is not None:
                self._holes.pop(sequence, None)
        return True

    def message(self, message_id: object, out: list[Effect]) -> None:
        """A new message bears this id; no other may have."""
        if not isinstance(message_id, str):
            return
        identity = _hash(message_id)
        if _holds(self._message_ids, identity):
            out.append(Violation(Wrong.MESSAGE_ID_REUSED, told(message_id)))
        else:
            self._message_ids = self._message_ids[-_OTHERS:] + identity

    def settle(self, out: list[Effect]) -> None:
        """Nothing more will come, or not on this socket: holes are gaps."""
        if self._holes is not None:
            out.extend(Violation(Wrong.SEQUENCE_GAP, f"{number}") for number in self._holes)
            self._holes = None

    def _repeated(self, event: Event, replaying: bool, out: list[Effect]) -> None:
        """An id came once more."""
        if replaying and self._starts_over:
            return
        sequence = event.sequence
        old = replaying and sequence is not None and sequence <= self._resumed_at
        wrong = Wrong.REPLAY_BEFORE_CURSOR if old else Wrong.EVENT_REPEATED
        out.append(Counted(Count.EVENTS_DUPLICATED))
        out.append(Violation(wrong, _name(event)))

    def _skip(self, sequence: int, replaying: bool, event: Event, out: list[Effect]) -> None:
        """Numbers were left out before this one."""
        missing = range(self.cursor + 1, min(sequence, self.cursor + 1 + WIDEST))
        self.cursor = sequence
        if replaying and self._resumed_at:
            out.append(Violation(Wrong.EVENT_LOST, f"{len(missing)} before {_name(event)}"))
            out.append(Counted(Count.EVENTS_LOST, n=len(missing)))
        elif len(missing) > OVERDUE:
            out.append(Violation(Wrong.SEQUENCE_GAP, f"{len(missing)} before {_name(event)}"))
        else:
            if self._holes is not None:
                self._wait(out)  # so no more are open than came within the last few events
            if self._holes is None:
                self._holes = {}
                out.append(Keep())
            self._holes.update(dict.fromkeys(missing, 0))

    def _wait(self, out: list[Effect]) -> None:
        holes = self._holes or {}
        for number in [*holes]:
            holes[number] += 1
            if holes[number] >= OVERDUE:
                del holes[number]
                out.append(Violation(Wrong.SEQUENCE_GAP, f"{number}"))
        if not holes:
            self._holes = None


def _hash(identity: str) -> bytes:
    return hash(identity).to_bytes(_HASH, "little", signed=True)


def _holds(hashes: bytes, one: bytes) -> bool:
    at = hashes.find(one)
    while at % _HASH and at >= 0:  # the end of one and the begin of the next
        at = hashes.find(one, at + 1)
    return at >= 0


def _name(event: Event) -> str:
    return f"{event.type.removeprefix('EVENT_TYPE_')} {event.sequence}"
