"""A channel on which things go wrong: every fault that an event, a replay or a socket can bear.

Each fault is one row of a table, and nothing bears two of them. Where a fault needs an event that
nobody would miss, it makes one up: LANGUAGE_CHANGED is lasting, idempotent and tolerated anywhere,
so that a swap, a repeated sequence or a loss is seen as just that, and no turn comes to grief.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from loadkit.protocol.types import EventType
from loadkit.simulator.app.frame_writer import Frame
from loadkit.simulator.clock import Clock
from loadkit.simulator.dials import Dials
from loadkit.simulator.faults.dice import Faults
from loadkit.simulator.session.channel import Channel, Outlet
from loadkit.simulator.session.events import local_id
from loadkit.simulator.session.habits import Habits
from loadkit.simulator.session.room import Sent

_UNCLEAN: Final = 1011
_HARMLESS: Final = EventType.LANGUAGE_CHANGED, {"language_code": "en-GB"}
_ALTERATION: Final = " (altered)"
_NOVELTY: Final = "EVENT_TYPE_SIMULATED_NOVELTY"

_Event = tuple[EventType, dict[str, Any], dict[str, str] | None]


class FlawedChannel(Channel):
    """See `Channel`; the faults are drawn from `faults`."""

    __slots__ = ("_ended", "_greeted", "faults", "interrupted")

    def __init__(
        self, session_id: str, dials: Dials, clock: Clock, habits: Habits, faults: Faults
    ) -> None:
        super().__init__(session_id, dials, clock, habits)
        self.faults = faults
        self.interrupted = False  # a socket was broken by a fault and none has come since
        self._greeted = self._ended = False

    def send(
        self,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None = None,
        *,
        lasting: bool = True,
    ) -> Sent:
        """See `Channel.send`."""
        self._ended = self._ended or kind is EventType.SESSION_END
        if not lasting or not self.outlets:
            return super().send(kind, payload, custom, lasting=lasting)
        fault = self.faults.draw(_AT_END if kind is EventType.SESSION_END else _EVENT)
        if fault is None:
            return super().send(kind, payload, custom)
        sent = (_AT_END.get(fault) or _EVENT[fault])(self, (kind, payload, custom))
        self.faults.note(fault, type=sent["type"], sequence=sent["sequence"])
        return sent

    def echo(
        self, outlet: Outlet, payload: dict[str, Any], custom: dict[str, str] | None
    ) -> tuple[Sent | None, str | None]:
        """See `Channel.echo`."""
        fault = self.faults.draw(_MESSAGE)
        if fault is None:
            return super().echo(outlet, payload, custom)
        return _MESSAGE[fault](self, outlet, (EventType.USER_MESSAGE, payload, custom)), fault

    def reply(
        self,
        outlet: Outlet,
        kind: EventType,
        payload: dict[str, Any],
        custom: dict[str, str] | None,
    ) -> None:
        """See `Channel.reply`."""
        if kind is EventType.HEARTBEAT and self.faults.strikes("heartbeat_not_echoed"):
            self.faults.note("heartbeat_not_echoed", socket=outlet.number)
        else:
            super().reply(outlet, kind, payload, custom)

    def close(self) -> None:
        """See `Channel.close`."""
        if self.outlets and self.faults.strikes("wrong_close_code"):
            self.faults.note("wrong_close_code")
            self._close(_UNCLEAN)
        else:
            super().close()

    def sever(self) -> bool:
        """See `Channel.sever`."""
        outlets = tuple(self.outlets)
        for outlet in outlets:
            self.break_off(outlet, "cut")
        return bool(outlets)

    def break_off(self, outlet: Outlet, how: str) -> None:
        """Break one socket; what comes after reaches its client with the replay."""
        self.detach(outlet)
        self.interrupted = True
        outlet.fail(how)

    def plain(self, event: _Event) -> Sent:
        """Send an event without drawing anything."""
        return Channel.send(self, *event)

    def harmless(self) -> bytes:
        """Journal an event that nobody misses, and tell nobody yet."""
        return self._compose(*_HARMLESS, None, True)[0]

    def _history(self, cursor: int) -> list[bytes]:
        self.interrupted = False
        names = _ON_RESUME if cursor > 0 else () if self._greeted else _ON_START
        self._greeted = True
        if self._ended:  # what is added would follow SESSION_END, which is another fault
            return super()._history(cursor)
        fault = self.faults.draw(names)
        if fault is None or cursor > self.journal.last:
            return super()._history(cursor)
        events = (_ON_START.get(fault) or _ON_RESUME[fault])(self, cursor)
        self.faults.note(fault, cursor=cursor)
        return events


# An event with a sequence.

_Bears = Callable[[FlawedChannel, _Event], Sent]


def _twice(channel: FlawedChannel, event: _Event) -> Sent:
    sent = channel.plain(event)
    again = channel.journal.up_to(channel.journal.last)
    if again is not None:
        channel.spread(Frame(again))
    return sent


def _overtaking(channel: FlawedChannel, event: _Event) -> Sent:
    overtaken = channel.harmless()
    sent = channel.plain(event)
    channel.spread(Frame(overtaken))
    return sent


def _after_a_gap(channel: FlawedChannel, event: _Event) -> Sent:
    channel.journal.skip()
    return channel.plain(event)


def _and_its_sequence_again(channel: FlawedChannel, event: _Event) -> Sent:
    sent = channel.plain(event)
    channel.spread(Frame(channel.encode(*_HARMLESS, sent["sequence"])))
    return sent


def _preceded(made: Callable[[FlawedChannel], Frame]) -> _Bears:
    """A frame that nobody may send comes right before the event."""

    def act(channel: FlawedChannel, event: _Event) -> Sent:
        channel.spread(made(channel))
        return channel.plain(event)

    return act


def _broken(channel: FlawedChannel) -> Frame:
    return Frame(b'{"type":"EVENT_TYPE_POLY_AGENT_THINKING","id":')


def _without_id(channel: FlawedChannel) -> Frame:
    event = orjson.loads(channel.encode(*_HARMLESS, None))
    del event["id"]
    return Frame(orjson.dumps(event))


def _novelty(channel: FlawedChannel) -> Frame:
    event = orjson.loads(channel.encode(*_HARMLESS, None))
    return Frame(orjson.dumps({**event, "type": _NOVELTY}))


def _and_something_after(channel: FlawedChannel, event: _Event) -> Sent:
    sent = channel.plain(event)
    Channel.send(channel, EventType.POLY_AGENT_THINKING, {}, lasting=False)
    return sent


_EVENT: Final[dict[str, _Bears]] = {
    "duplicate_event": _twice,
    "reordered_event": _overtaking,
    "sequence_gap": _after_a_gap,
    "sequence_not_rising": _and_its_sequence_again,
    "malformed_json": _preceded(_broken),
    "malformed_envelope": _preceded(_without_id),
    "unknown_type": _preceded(_novelty),
    "binary_frame": _preceded(lambda _: Frame(b"\x00\x01", binary=True)),
}
_AT_END: Final[dict[str, _Bears]] = {"event_after_end": _and_something_after}


# A user's message.


def _unheard(channel: FlawedChannel, outlet: Outlet, event: _Event) -> None:
    channel.faults.note("silent_drop", local_id=local_id(event[2]))


def _not_echoed(channel: FlawedChannel, outlet: Outlet, event: _Event) -> None:
    channel.faults.note("missing_echo", message_id=event[1]["message_id"])


def _altered(channel: FlawedChannel, outlet: Outlet, event: _Event) -> Sent:
    kind, payload, custom = event
    channel.faults.note("altered_echo", message_id=payload["message_id"])
    return channel.plain((kind, {**payload, "text": payload["text"] + _ALTERATION}, custom))


def _breaking(name: str) -> Callable[[FlawedChannel, Outlet, _Event], Sent]:
    def act(channel: FlawedChannel, outlet: Outlet, event: _Event) -> Sent:
        sent = channel.plain(event)
        channel.break_off(outlet, name)
        channel.faults.note(name, socket=outlet.number)
        return sent

    return act


def _followed_by(
    name: str, kind: EventType, *, lasting: bool
) -> Callable[[FlawedChannel, Outlet, _Event], Sent]:
    def act(channel: FlawedChannel, outlet: Outlet, event: _Event) -> Sent:
        sent = channel.plain(event)
        payload: dict[str, Any] = _HARMLESS[1] if kind is _HARMLESS[0] else {}
        if kind is EventType.USER_RECEIVED_MESSAGE:
            payload = {"message_id": event[1]["message_id"]}
        Channel.send(channel, kind, payload, lasting=lasting)
        channel.faults.note(name)
        return sent

    return act


def _later(channel: FlawedChannel, outlet: Outlet, event: _Event) -> Sent:
    """The session sees to it: it depends on who hears the message."""
    return channel.plain(event)


_MESSAGE: Final[dict[str, Callable[[FlawedChannel, Outlet, _Event], Sent | None]]] = {
    "silent_drop": _unheard,
    "missing_echo": _not_echoed,
    "altered_echo": _altered,
    "reset": _breaking("reset"),
    "half_open": _breaking("half_open"),
    "high_load": _later,
    "conversation_not_found": _later,
    "language_changed": _followed_by("language_changed", EventType.LANGUAGE_CHANGED, lasting=True),
    "idle_warning": _followed_by("idle_warning", EventType.SESSION_IDLE_WARNING, lasting=False),
    "receipts": _followed_by("receipts", EventType.USER_RECEIVED_MESSAGE, lasting=False),
}


# The replay.


def _something_before(channel: FlawedChannel, cursor: int) -> list[bytes]:
    early, _ = channel._compose(EventType.POLY_AGENT_THINKING, {}, None, False)
    return [early, *channel.journal.after(cursor)]


def _with_the_one_at_the_cursor(channel: FlawedChannel, cursor: int) -> list[bytes]:
    seen = channel.journal.up_to(cursor)
    return ([] if seen is None else [seen]) + channel.journal.after(cursor)


def _without_one(channel: FlawedChannel, cursor: int) -> list[bytes]:
    missed = channel.journal.after(cursor)
    lost, kept = channel.harmless(), channel.harmless()
    for event in (lost, kept):  # the session's other sockets lose nothing
        channel.spread(Frame(event))
    return [*missed, kept]


_ON_START: Final[dict[str, Callable[[FlawedChannel, int], list[bytes]]]] = {
    "event_before_start": _something_before
}
_ON_RESUME: Final[dict[str, Callable[[FlawedChannel, int], list[bytes]]]] = {
    "replay_before_cursor": _with_the_one_at_the_cursor,
    "event_lost_on_resume": _without_one,
}
