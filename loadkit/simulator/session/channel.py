"""From one session to its sockets: the journal, who listens, and what they are told."""

from bisect import bisect_right
from typing import Any, Final, Protocol

from loadkit.protocol.types import EventType
from loadkit.simulator.app.frame_writer import Frame
from loadkit.simulator.clock import Clock
from loadkit.simulator.dials import Dials
from loadkit.simulator.session.events import batch, encode
from loadkit.simulator.session.habits import Habits, receipts_of, vary
from loadkit.simulator.session.room import Sent

CLEAN: Final = 1000
"""The close code after SESSION_END: any other makes clients reconnect."""

_LONGEST: Final = 18  # digits; no journal gets there, and int() of thousands of them is slow


def parse_cursor(text: str | None) -> int:
    """The sequence a client has seen last: `seq:n` or `n`; anything else means none, 0."""
    digits = (text or "").removeprefix("seq:")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST:
        return 0
    return int(digits)


class SessionLog:
    """The session's lasting events. Sequences start at 1 and rise by 1, but for skipped ones."""

    __slots__ = ("_events", "_skipped", "size")

    def __init__(self) -> None:
        self.size = 0  # of all of them, in bytes
        self._events: list[bytes] = []
        self._skipped: list[int] = []

    def __len__(self) -> int:
        return len(self._events)

    @property
    def last(self) -> int:
        """The highest sequence that is taken, 0 when there is none."""
        return len(self._events) + len(self._skipped)

    def append(self, event: bytes) -> None:
        """Keep an event that was encoded with the sequence `last + 1`."""
        self._events.append(event)
        self.size += len(event)

    def skip(self) -> None:
        """Take the sequence `last + 1` for nothing."""
        self._skipped.append(self.last + 1)

    def after(self, cursor: int) -> list[bytes]:
        """The events with a higher sequence than `cursor`, in order."""
        return self._events[self._count(cursor) :]

    def up_to(self, cursor: int) -> bytes | None:
        """The last event with a sequence that is not higher than `cursor`."""
        count = min(self._count(cursor), len(self._events))
        return self._events[count - 1] if count else None

    def _count(self, cursor: int) -> int:
        """How many events a client with this cursor has seen."""
        return cursor - bisect_right(self._skipped, cursor)


class Outlet(Protocol):
    """One open socket, as the session sees it."""

    number: int

    def deliver(self, frame: Frame) -> None:
        """Hand one event to the socket; nothing is raised when it is gone."""

    def close(self, code: int) -> None:
        """Close from our side, after everything that was delivered."""

    def fail(self, how: str) -> None:
        """Break on purpose: `reset`, `half_open` or `cut`. Nothing is delivered any more."""


class Channel:
    """Numbers the events of one session, keeps the lasting ones and tells every socket.

    The order of the journal is the order on every socket, because an event is journaled and
    written in one step.
    """

    __slots__ = (
        *("_clock", "_dials", "_events", "_habits", "_prefix", "_stamp", "journal", "outlets"),
    )

    def __init__(self, session_id: str, dials: Dials, clock: Clock, habits: Habits) -> None:
        self._dials, self._stamp, self._clock = dials, dials.timestamps, clock
        self._habits = habits
        self._prefix, self._events = session_id[:24], 0
        self.journal = SessionLog()
        self.outlets: list[Outlet] = []  # the sockets that listen

    def send(
        self,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None = None,
        *,
        lasting: bool = True,
    ) -> Sent:
        """Tell every socket of an event; `lasting` journals it."""
        event, sequence = self._compose(kind, payload, custom, lasting)
        frame = Frame(event) if self.outlets else None
        # Before the write, which hands the bytes to the client's kernel before it returns: taken
        # after it, the time could be later than the client's own.
        at = self._clock.now()
        if frame is not None:
            self.spread(frame)
        return {
            "type": kind.removeprefix("EVENT_TYPE_"),
            "sequence": sequence,
            "at": at,
            "sockets": len(self.outlets),
        }

    def emit(self, kind: EventType, payload: dict[str, Any], *, lasting: bool = True) -> Sent:
        """Tell every socket of an event with the fields that it happens to have."""
        payload = vary(kind, payload, self._habits, self._dials.optional_fields)
        sent = self.send(kind, payload, lasting=lasting)
        self.receipts(kind, payload)
        return sent

    def receipts(self, kind: EventType, payload: dict[str, Any]) -> None:
        """That a message was received, and that it was read; some of the time."""
        about = receipts_of(kind, payload)
        if about and self._habits.has(self._dials.receipts):
            for receipt in about:
                self.send(receipt, {"message_id": payload["message_id"]}, lasting=False)

    def survey(self) -> int:
        """Ask how it was. Returns by how many events: it may have been answered elsewhere."""
        events = [EventType.SHOW_CSAT_REQUEST, EventType.CSAT_RESPONSE]
        told = events if self._habits.share() < 0.5 else events[:1]
        for kind in told:
            self.send(kind, {}, lasting=False)
        return len(told)

    def echo(
        self, outlet: Outlet, payload: dict[str, Any], custom: dict[str, str] | None
    ) -> tuple[Sent | None, str | None]:
        """Echo a user's message that came from `outlet`.

        Returns the echo, where there was one, and the fault that befell the message.
        """
        return self.send(EventType.USER_MESSAGE, payload, custom), None

    def reply(
        self,
        outlet: Outlet,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None,
    ) -> None:
        """Answer one socket alone: a heartbeat or a mistake is no news to the others."""
        event, _ = self._compose(kind, payload, custom, False)
        outlet.deliver(Frame(event))

    def replay(self, cursor: int) -> list[Frame]:
        """The batches for a socket that has seen everything up to `cursor`."""
        events, dials = self._history(cursor), self._dials.history
        if not events and not dials.empty_batch:
            return []
        return [
            Frame(
                batch(
                    events[start : start + dials.batch_size],
                    id=self._event_id(),
                    typed_keys=dials.typed_payload_keys,
                    stamp=self._stamp,
                )
            )
            for start in range(0, max(len(events), 1), dials.batch_size)
        ]

    def detach(self, outlet: Outlet) -> None:
        """The socket is gone; harmless the second time."""
        if outlet in self.outlets:
            self.outlets.remove(outlet)

    def close(self) -> None:
        """Close every socket, as is right after SESSION_END."""
        self._close(CLEAN)

    def sever(self) -> bool:
        """Break every socket in the middle of a reply. Returns whether any was broken."""
        return False

    def _close(self, code: int) -> None:
        outlets, self.outlets = self.outlets, []
        for outlet in outlets:
            outlet.close(code)

    def _history(self, cursor: int) -> list[bytes]:
        return self.journal.after(cursor)

    def _compose(
        self, kind: EventType, payload: dict[str, Any], custom: dict[str, str] | None, lasting: bool
    ) -> tuple[bytes, int | None]:
        """Encode an event and, if it is a lasting one, number and journal it."""
        journal = self.journal
        sequence = journal.last + 1 if lasting else None
        event = self.encode(kind, payload, sequence, custom)
        if lasting:
            journal.append(event)
        return event, sequence

    def encode(
        self,
        kind: EventType,
        payload: dict[str, Any],
        sequence: int | None,
        custom: dict[str, str] | None = None,
    ) -> bytes:
        """An event of this session under an id of its own, told to nobody."""
        identity, stamp = self._event_id(), self._stamp
        return encode(kind, payload, id=identity, sequence=sequence, custom=custom, stamp=stamp)

    def spread(self, frame: Frame) -> None:
        """Write a frame to every socket, whatever is in it."""
        for outlet in tuple(self.outlets):  # a delivery may detach its socket
            outlet.deliver(frame)

    def _event_id(self) -> str:
        self._events += 1
        # A UUID made from the session's own by counting: drawing 128 bits for each costs more.
        return f"{self._prefix}{self._events:012x}"
