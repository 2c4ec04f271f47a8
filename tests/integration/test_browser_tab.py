"""A further tab of a session, against a scripted server: its socket anew, and what it finds."""

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fleet import SessionKind, drive, profile, under

from loadkit.measure.interval import Interval
from loadkit.net import browser_tab
from loadkit.profile.scenario import Errand
from loadkit.verdict.violation_details import smallest
from tests.hostile.peer import TEXT, Wire, answer, close_frame, frame, greet, peer, reply, token

TAB = SessionKind("MultiTabChat", Errand.IDLE, tabs=1)
Visit = Callable[["Server", Wire], None]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tab is opened at once, opened again likewise, and waits for no close of a server's."""
    for name, seconds in (("AFTER", 0.05), ("AGAIN", 0.05), ("LAST_EVENTS", 0.3)):
        monkeypatch.setattr(browser_tab, name, seconds)


class Server:
    """A server whose first socket is a session's own; its tab's visits are as told, one by one.

    Attributes:
        queries: of all upgrades.
        refreshed: the session's own socket is there once more, with another token.
        watching: a tab gets what the session's own socket gets. Until then no session is ended,
            if one of the visits is to come to that.
    """

    def __init__(self, *visits: Visit) -> None:
        self.queries: list[dict[str, list[str]]] = []
        self.refreshed, self.watching = threading.Event(), threading.Event()
        self._visits, self._comes_back = [*visits], goes_on in visits
        self._tab: Wire | None = None

    def __call__(self, wire: Wire) -> None:
        self.queries.append(parse_qs(urlsplit(wire.request.split(" ")[1]).query))
        first, *others = (query["access_token"] for query in self.queries)
        if not others:
            greet(wire)
            self._converse(wire)
        elif self.queries[-1]["access_token"] != first and not self.refreshed.is_set():
            wire.upgrade(wire.event("EVENT_BATCH", {"events": []}, numbered=False))
            wire.numbered_from(4)
            self.refreshed.set()
            self._converse(wire)
        else:
            self._visits.pop(0)(self, wire)

    def watched_by(self, wire: Wire) -> None:
        """From now on a tab gets all that the session's own socket gets."""
        self._tab = wire
        self.watching.set()
        wire.silence()

    def _converse(self, wire: Wire) -> None:
        send = wire.send

        def to_both(*blocks: bytes) -> None:
            send(*blocks)
            if self._tab is not None:
                self._tab.send(*blocks)

        wire.send = to_both  # type: ignore[method-assign]
        while True:
            event = wire.read_event()
            if event["type"] == "EVENT_TYPE_USER_END_SESSION" and self._comes_back:
                assert self.watching.wait(20)
            if not reply(wire, event):
                break
        wire.silence()


def told(kind: str, sequence: int) -> dict[str, Any]:
    return {
        "type": f"EVENT_TYPE_{kind}",
        "id": f"{kind}-{sequence}",
        "sequence": sequence,
        "timestamp": "2026-01-01T00:00:00Z",
        "payload": {},
    }


HISTORY = ("SESSION_START", "REQUEST_POLY_AGENT_JOIN", "POLY_AGENT_JOINED", "POLY_AGENT_MESSAGE")


def shows(wire: Wire, first: int = 1, last: int = 4) -> None:
    """What the session's own socket has seen when its agent has greeted: numbers 1 to 4."""
    events = [told(HISTORY[number - 1], number) for number in range(first, last + 1)]
    wire.upgrade(wire.event("EVENT_BATCH", {"events": events}, numbered=False))


def stays(client: str = "reference", seconds: float = 0.7) -> Any:
    """Somebody who says nothing for so long."""
    # The figures of people are a thousand times as fast.
    return profile(
        clients={client: 1.0}, idle={"duration": {"median": 1000 * seconds, "sigma": 0.0}}
    )


def live(server: Server, plan: Any, **scripts: Any) -> Interval:
    with peer(upgrade=server, **scripts) as target:
        return drive(target.url, "connector", "host", [TAB], plan, within=30.0)


def sent_away(server: Server, wire: Wire) -> None:
    """The whole history, and then the socket is taken for too old."""
    shows(wire)
    wire.send(close_frame(1001))
    wire.silence()


def goes_on(server: Server, wire: Wire) -> None:
    """Nothing new, and then whatever the session's own socket gets."""
    wire.upgrade(wire.event("EVENT_BATCH", {"events": []}, numbered=False))
    server.watched_by(wire)


def test_a_tab_that_is_sent_away_comes_back_behind_its_last_event() -> None:
    """And sees the end of its session: nothing of it is missing."""
    server = Server(sent_away, goes_on)
    interval = live(server, stays())
    own, first, second = server.queries
    assert "cursor" not in own
    assert "cursor" not in first
    assert second["cursor"] == ["seq:4"]
    assert interval.counts["tabs.opened"] == interval.counts["tabs.reopened"] == 1
    assert under(interval, "ended") == {"user_end": 1}
    assert under(interval, "errors") == under(interval, "violations") == {}


def test_a_tab_comes_back_with_the_token_that_its_session_has_by_then() -> None:
    """An iOS client has taken a new one meanwhile, and the old one is at its end."""

    def grant_short(wire: Wire) -> None:
        lives = (
            300.5 if wire.number == 0 else 3600.0
        )  # of which a client uses the first half second
        wire.send(answer(200, {"access_token": token(lives), "expires_in": 301}))

    def until_refreshed(server: Server, wire: Wire) -> None:
        shows(wire)
        assert server.refreshed.wait(20)
        wire.send(close_frame(1001))
        wire.silence()

    server = Server(until_refreshed, goes_on)
    interval = live(server, stays("ios", 1.5), token=grant_short)
    tokens = [query["access_token"] for query in server.queries]
    assert len(tokens) == 4  # the session's own, its tab, and both again
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]
    assert interval.counts["disconnects.refreshed"] == 1
    assert interval.counts["tabs.reopened"] == 1
    assert under(interval, "errors") == under(interval, "violations") == {}


def test_what_only_a_tab_sees_is_shown_by_its_own_frames() -> None:
    """The greeting once more, and what is not even JSON."""

    def odd(server: Server, wire: Wire) -> None:
        shows(wire)
        wire.send(frame(TEXT, json.dumps(told(HISTORY[3], 4)).encode()), frame(TEXT, b"{nothing"))
        server.watched_by(wire)

    server = Server(odd)
    interval = live(server, stays())
    found = {"event_repeated": 1, "malformed_json": 1}
    assert under(interval, "violations") == under(interval, "violated") == found
    first, again = smallest("event_repeated", interval.evidence)["frames"]
    assert " ←tab[4/4] {" in first
    assert again.startswith("► ")
    assert " ←tab {" in again
    assert all("POLY_AGENT_MESSAGE-4" in line for line in (first, again))
    left_out, line = smallest("malformed_json", interval.evidence)["frames"]
    assert left_out == "… 2 frames"
    assert line.startswith("► ")
    assert line.endswith(" ←tab {nothing")


def test_what_a_tab_never_got_is_shown_by_what_the_session_got() -> None:
    """Its last event, and the first that is missing."""

    def half(server: Server, wire: Wire) -> None:
        shows(wire, last=3)
        wire.silence()

    server = Server(half)
    interval = live(server, stays())
    assert under(interval, "violations") == {"event_lost": 1}
    lines = [
        line
        for line in smallest("event_lost", interval.evidence)["frames"]
        if not line.startswith("… ")
    ]
    missing, last = lines  # the tab was not there before
    assert " ←tab[3/3] {" in last
    assert "POLY_AGENT_JOINED" in last
    assert missing.startswith("► ")
    assert " ← {" in missing
    assert "POLY_AGENT_MESSAGE" in missing
