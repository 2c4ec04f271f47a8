"""One session as a check sees it: its sockets one after another, and every event in order."""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final

from loadkit.check_server.table import Findings
from loadkit.errors import RemoteError
from loadkit.net.http.entry import Entry
from loadkit.net.http.target import Target
from loadkit.net.websocket.link import Link, Traffic
from loadkit.protocol import Event, EventType, Flaw
from loadkit.protocol.encode import END_SESSION
from loadkit.security.escaping import one_line

CONNECTS: Final = 10.0  # seconds for TCP, TLS and the upgrade together
RETURNS: Final = 2.0  # seconds for the same, by who only wants to say that it leaves
QUICKLY: Final = 0.5  # seconds for a close that nothing is learnt from


class OverError(Exception):
    """No further check can be made in this session; the text says why."""


class Visit:
    """A session with at most one socket of its own at a time, until `deadline` (`perf_counter`).

    Attributes:
        found: what has come of the checks.
        events: that came, over all sockets.
        flaws: what could not be read.
        sockets: how many of `events` there were as each socket opened.
        link: the newest socket.
    """

    link: Link

    def __init__(self, target: Target, entry: Entry, deadline: float, found: Findings) -> None:
        self._target, self._entry, self._deadline, self.found = target, entry, deadline, found
        self.events: list[Event] = []
        self.flaws: list[Flaw] = []
        self.sockets: list[int] = []

    def connect(self, cursor: int = 0, style: str = "seq") -> int:
        """Open a socket, which becomes the session's; the one before it is let go.

        Returns how many events there were before it. Raises RemoteError as `Link.open`, or
        OverError.
        """
        self.leave()
        self.link = self.another(cursor, style)
        self.sockets.append(len(self.events))
        return len(self.events)

    def another(self, cursor: int, style: str = "seq", token: str | None = None) -> Link:
        """Open a socket beside the session's own, by another token if given; see `connect`."""
        left = self._deadline - perf_counter()
        if left <= 0:
            raise OverError("no time was left")
        entry = self._entry if token is None else self._entry._replace(token=token)
        query = entry.query(cursor, style)
        return Link.open(self._target, query, Traffic(), timeout=min(CONNECTS, left))

    def wait(self, wanted: Callable[[Event], bool], since: int, within: float) -> Event | None:
        """Read until something wanted has come that is no older than `since` events.

        None where it did not come within so many seconds, or the socket has closed. Raises
        OverError.
        """
        until = min(perf_counter() + within, self._deadline)
        while True:
            for event in self.events[since:]:
                if wanted(event):
                    return event
            since = len(self.events)
            if perf_counter() >= self._deadline:
                raise OverError("no time was left")
            if self.link.closed is not None or perf_counter() >= until:
                return None
            for message in self.link.receive(until):
                for each in self.link.events(message):
                    if isinstance(each, Flaw):
                        self.flaws.append(each)
                    else:
                        self.events.append(each)

    def silence(self, within: float) -> str:
        """What to say where `wait` has found nothing."""
        if self.link.closed is not None:
            return f"the connection ended with {ending(self.link)}"
        return f"nothing within {within:g} s"

    def end(self) -> None:
        """End the session before all was seen, or the server keeps it until its idle limit.

        Where it has no socket, as one was let go or was just being opened, it gets one for that.
        """
        if any(event.type is EventType.SESSION_END for event in self.events):
            return
        with suppress(RemoteError):
            link = getattr(self, "link", None)
            if link is None or link.closed is not None:
                query = self._entry.query(0, "seq")
                link = Link.open(self._target, query, Traffic(), timeout=RETURNS)
            link.send(END_SESSION)
            link.close(1000, timeout=QUICKLY)

    def leave(self) -> None:
        if hasattr(self, "link"):
            self.link.drop()


def ending(link: Link) -> str:
    if link.closed is None:
        return "no close"
    reason = f" ({one_line(link.closed.reason)})" if link.closed.reason else ""
    return f"code {link.closed.code}{reason}"


def refusal(error: RemoteError) -> str:
    status = f"HTTP {error.status}" if error.status is not None else str(error.kind)
    return f"{status}: {one_line(error.detail)}" if error.detail else status
