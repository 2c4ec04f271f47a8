"""Further sockets on a session: a second browser tab, and the look of who comes back."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import gevent

from loadkit.chat.effects import Counted, Effect, Keep, Violation
from loadkit.chat.socket.connection import GOING_AWAY
from loadkit.chat.socket.event_log import EventLog
from loadkit.chat.socket.heartbeat import SHORTEST_BEAT
from loadkit.chat.violations import Wrong, told
from loadkit.errors import Failure, RemoteError
from loadkit.figures import Origin
from loadkit.net.interfaces import SessionContext
from loadkit.net.transcript import Frames
from loadkit.net.websocket.link import Link
from loadkit.protocol import Event, EventType, Flaw
from loadkit.protocol.encode import HEARTBEAT

AFTER: Final = 0.5  # seconds between the openings of further tabs
BEAT: Final = 30.0  # seconds between heartbeats where the server names no interval
AGAIN: Final = 1.0  # seconds after which a tab opens another socket; as the session's own does
CLEAN: Final = 1000
LAST_EVENTS: Final = 2.0  # seconds that a tab may be behind when the session is over
LOOKS_BACK: Final = 5.0  # seconds that who comes back waits for the news


class Tab:
    """One more browser tab, in a greenlet of its own; its next upgrade takes `query`."""

    def __init__(
        self,
        setting: SessionContext,
        query: Callable[[int, str], str],
        number: int,
        origin: Origin,
        frames: Frames,
    ) -> None:
        """Opened after `number` further tabs of its session, it gets the whole history first.

        `frames` are those of the session, which counts once with what its tabs see.
        """
        self._setting, self.query, self._origin = setting, query, origin
        self._frames = Frames(frames)
        self._journal = EventLog()
        self._beat_every = BEAT
        self._ended = False
        self._lost = False
        delay = AFTER * (number + 1)
        self._greenlet: gevent.Greenlet[..., None] | None = gevent.spawn_later(delay, self._run)

    def finish(self, cursor: int, *, ended: bool) -> None:
        """The session is over: hold the highest sequence of its own socket against the tab's.

        Unless it `ended` by SESSION_END, nobody knows how far the tab should be.
        """
        greenlet, self._greenlet = self._greenlet, None
        assert greenlet is not None, "a tab is finished once"
        if ended and self._journal.known:
            greenlet.join(LAST_EVENTS)
        # A killed greenlet keeps what killed it, with the frames that it went through and so this
        # tab: were it kept here, all that a session is made of would be left to the collector.
        greenlet.kill()
        if ended and not self._lost and self._journal.known and self._journal.cursor != cursor:
            text = f"a tab saw events up to {self._journal.cursor} of {cursor}"
            self._violated(Violation(Wrong.EVENT_LOST, text))

    def _run(self) -> None:
        while self._read_along():
            gevent.sleep(AGAIN)

    def _read_along(self) -> bool:
        """Open a socket and read it to its end. Returns whether the server wants another one."""
        setting = self._setting
        try:
            query = self.query(self._journal.cursor, setting.cursor)
            link = Link.open(
                setting.target, query, setting.traffic, compression=setting.compression
            )
        except RemoteError as error:
            if not self._lost:  # else the session may be over by now
                setting.recorder.fail(error.kind, f"a tab: {error.detail}", self._origin)
            return False
        setting.recorder.count("tabs.reopened" if self._lost else "tabs.opened")
        self._journal.opened()
        try:
            beat_from, replaying = link.opened_at, True
            while link.closed is None and not self._ended:
                # The interval may only now be known, or switched off.
                every = self._beat_every
                for frame in link.receive(beat_from + every if every else None):
                    self._frames.came(link.stamp, frame)
                    for event in link.events(frame):
                        replaying = self._take(event, replaying)
                        self._lost = self._lost and replaying
                    self._frames.read()
                every = self._beat_every
                if every and link.closed is None and perf_counter() >= beat_from + every:
                    beat_from = perf_counter()
                    self._frames.sent(beat_from, HEARTBEAT)
                    link.send(HEARTBEAT)
            if link.closed is not None and not self._ended:
                self._lost = True  # what it has not seen since, nobody has kept from it
                code = link.closed.code
                # A clean close may be an end without the event, which the session's own socket
                # knows; it is followed by nothing.
                if link.flooded or code not in (GOING_AWAY, CLEAN):
                    kind = Failure.FRAME_FLOOD if link.flooded else Failure.CONNECTION_LOST
                    setting.recorder.fail(kind, f"a tab: {code}", self._origin)
            link.close(timeout=LAST_EVENTS)
            sent_away = link.closed is not None and link.closed.code == GOING_AWAY
            return sent_away and not self._ended and not link.flooded
        finally:
            link.drop()

    def _take(self, event: Event | Flaw, replaying: bool) -> bool:
        out: list[Effect] = []
        if isinstance(event, Flaw):
            self._violated(Violation(event.kind, event.detail), event)
            return replaying
        if event.type is EventType.EVENT_BATCH:
            return False
        self._journal.take(event, replaying, out)
        if event.type is EventType.SESSION_START:
            self._beat_every = _interval(event.payload.get("capabilities"))
        for effect in out:
            if isinstance(effect, Violation):
                self._violated(Violation(effect.kind, f"a tab: {effect.detail}"), event)
            elif isinstance(effect, Keep):
                self._frames.keep()
            elif isinstance(effect, Counted):
                self._setting.recorder.count(effect.key, effect.n)
        self._ended = event.type is EventType.SESSION_END
        return replaying

    def _violated(self, violation: Violation, event: Event | Flaw | None = None) -> None:
        self._frames.violated(self._setting.recorder, violation, self._origin, event)


def _interval(capabilities: Any) -> float:
    """The announced seconds between heartbeats; 0 for none."""
    every = capabilities.get("heartbeat_interval_seconds") if type(capabilities) is dict else None
    if isinstance(every, bool) or not isinstance(every, (int, float)):
        return BEAT
    return float(every) if every == 0 or every >= SHORTEST_BEAT else BEAT


def revisit(setting: SessionContext, query: str) -> str:
    """Open a session's socket once more; `query` has the cursor of what was seen before.

    Returns `still_alive`; the reason it ended for; `frame_flood`; or `refused_` with the status or
    the failure.
    """
    try:
        link = Link.open(setting.target, query, setting.traffic, compression=setting.compression)
    except RemoteError as error:
        return f"refused_{error.status or error.kind}"
    try:
        until, news = perf_counter() + LOOKS_BACK, "still_alive"
        while link.closed is None and perf_counter() < until and news == "still_alive":
            for frame in link.receive(until):
                for event in link.events(frame):
                    if isinstance(event, Event) and event.type is EventType.SESSION_END:
                        news = told(event.payload.get("reason")).removeprefix("REASON_").lower()
        if link.flooded:
            news = str(Failure.FRAME_FLOOD)
        link.close()
    finally:
        link.drop()
    return news
