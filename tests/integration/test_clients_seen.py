"""The kinds of clients as a server sees them: what each says, sends again, and closes with."""

import json
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent
import pytest
from fleet import IDLE, WHOLE, SessionKind, drive, profile
from processes import SECRETS, as_run, run, summary
from processes import profile as profile_file

from tests.hostile.peer import Wire, answer, greet, peer, reply
from tests.rfc6455 import CLOSE, TEXT, close_frame

CLIENTS = ("reference", "android", "ios", "web", "web-context")
FAIL = "SYSTEM_MESSAGE"
DEVICES = {
    "android": {"mobile", "tablet"},
    "ios": {"mobile", "tablet"},
    "web": {"mobile", "tablet", "desktop"},
}
UNABLE = "Sorry, I'm unable to start a conversation right now. Please try again later."


class Seen:
    """What a server has seen of each session.

    Attributes:
        announced: the body of its creation.
        upgrades: when it asked for a socket, in seconds of the clock.
        events: by type, when they came.
        local_ids: of its messages.
        codes: of its closes; None for a socket that was gone without one.
        began: when SESSION_START was sent.
    """

    def __init__(self, announced: dict[str, Any]) -> None:
        self.announced = announced
        self.upgrades: list[float] = []
        self.events: defaultdict[str, list[float]] = defaultdict(list)
        self.local_ids: set[str] = set()
        self.codes: list[int | None] = []
        self.began = 0.0


class Watching:
    """A server that writes down what it sees."""

    def __init__(self, behave: Callable[["Watching", Wire, Seen], None]) -> None:
        self.seen: dict[str, Seen] = {}
        self._behave = behave

    def session(self, wire: Wire) -> None:
        name = f"session-{len(self.seen)}"
        self.seen[name] = Seen(json.loads(wire.body))
        wire.send(answer(200, {"session_id": name}))

    def upgrade(self, wire: Wire) -> None:
        query = parse_qs(urlsplit(wire.request.split(" ")[1]).query)
        one = self.seen[query["session_id"][0]]
        one.upgrades.append(time.monotonic())
        self._behave(self, wire, one)

    def read(self, wire: Wire, one: Seen, take: Callable[[dict[str, Any]], bool]) -> None:
        """Hand each event to `take` until that says no, and write the close down."""
        try:
            while True:
                opcode, data = wire.read_frame()
                if opcode == CLOSE:
                    one.codes.append(struct.unpack("!H", data[:2])[0])
                    wire.send(close_frame(one.codes[-1] or 1000))
                    return
                if opcode == TEXT:
                    event = json.loads(data)
                    if "metadata" in event:
                        one.local_ids.add(event["metadata"]["custom"]["local_id"])
                    one.events[event["type"].removeprefix("EVENT_TYPE_")].append(time.monotonic())
                    if not take(event):
                        wire.silence()
                        return
        except (EOFError, OSError):
            one.codes.append(None)

    def resumes(self, wire: Wire) -> None:
        wire.upgrade(wire.event("EVENT_BATCH", {"events": []}, numbered=False))
        wire._sequence = 100


def begins(wire: Wire, one: Seen) -> None:
    told = {"capabilities": {"heartbeat_interval_seconds": 0}}
    start = wire.event("SESSION_START", told)
    events = [json.loads(start[start.index(b"{") :])]
    wire.upgrade(wire.event("EVENT_BATCH", {"events": events}, numbered=False))
    one.began = time.monotonic()


def soundly(server: Watching, wire: Wire, one: Seen) -> None:
    if len(one.upgrades) == 1:
        begins(wire, one)

        def take(event: dict[str, Any]) -> bool:
            go_on = reply(wire, event)
            if event["type"].endswith("REQUEST_POLY_AGENT_JOIN"):
                wire.send(wire.event("POLY_AGENT_JOINED", {"agent_name": "Ada"}))
                wire.send(wire.event("POLY_AGENT_MESSAGE", {"message_id": "m", "text": "Hello"}))
            return go_on

        server.read(wire, one, take)
    else:
        server.resumes(wire)
        server.read(wire, one, lambda event: reply(wire, event))


def full(server: Watching, wire: Wire, one: Seen) -> None:
    """No conversation can be started."""
    begins(wire, one)

    def take(event: dict[str, Any]) -> bool:
        if event["type"].endswith("REQUEST_POLY_AGENT_JOIN"):
            wire.send(wire.event(FAIL, {"message": UNABLE}, numbered=False))
            return True
        return reply(wire, event)

    server.read(wire, one, take)


def without_echo(server: Watching, wire: Wire, one: Seen) -> None:
    greet(wire)
    server.read(
        wire, one, lambda event: event["type"].endswith("USER_MESSAGE") or reply(wire, event)
    )


def down(server: Watching, wire: Wire, one: Seen) -> None:
    """The first socket is cut, and no other is to be had."""
    if len(one.upgrades) == 1:
        greet(wire)
        wire.fin()
    else:
        wire.send(answer(503, b""))


def watched(
    behave: Callable[[Watching, Wire, Seen], None],
    clients: Iterable[str],
    *,
    session_kind: SessionKind = WHOLE,
    sessions: int = 3,
    within: float = 30.0,
    **tables: Any,
) -> dict[str, list[Seen]]:
    """What a server each saw of the clients, all of them at once: they mostly wait."""
    servers = {client: Watching(behave) for client in clients}
    with ExitStack() as stack:
        running = []
        for client, server in servers.items():
            target = stack.enter_context(peer(session=server.session, upgrade=server.upgrade))
            plan = profile(clients={client: 1.0}, **tables)
            session_kinds = [session_kind] * sessions
            drives = (drive, target.url, "connector", "host", session_kinds, plan)
            running.append(gevent.spawn(*drives, within=within))
        gevent.joinall(running, raise_error=True)
    return {client: list(server.seen.values()) for client, server in servers.items()}


STAYS = {"idle": {"duration": {"median": 3000.0, "sigma": 0.0}}}  # three seconds


def test_what_it_announces_and_how_soon_it_joins() -> None:
    for client, sessions in watched(soundly, CLIENTS, sessions=6).items():
        platform = client if client in ("android", "ios") else "web"
        assert len(sessions) == 6
        for one in sessions:
            assert one.announced["platform"] == platform
            assert ("device_type" in one.announced) == (client != "reference")
            assert one.announced.get("device_type", "mobile") in DEVICES[platform]
            (joined,) = one.events["REQUEST_POLY_AGENT_JOIN"]
            waits = client == "web-context"
            assert not waits or 0.08 < joined - one.began < 5.0


def test_how_often_it_joins_where_nobody_is() -> None:
    joins = {"reference": 4, "android": 1001, "ios": 1001, "web": 4, "web-context": 4}
    seen = watched(full, joins, sessions=1, conversation={"patience": 3.0})
    assert joins == {
        client: len(one.events["REQUEST_POLY_AGENT_JOIN"]) for client, (one,) in seen.items()
    }


def test_what_it_closes_with_when_the_network_changes() -> None:
    codes: dict[str, set[int | None]] = {
        "reference": {1001, 4002},
        "android": {4002},
        "ios": {None},
        "web": {1001},
        "web-context": {1001},
    }
    storm = {"at": 1.0, "share": 1.0, "how": "close"}
    seen = watched(
        soundly,
        codes,
        session_kind=IDLE,
        sessions=8,
        chaos={"per_minute": 0.0, "per_turn": 0.0, "at": {}, "storms": [storm]},
        **STAYS,
    )
    for client, sessions in seen.items():
        assert {one.codes[0] for one in sessions} == codes[client], client
        assert all(len(one.upgrades) == 2 for one in sessions), client


def test_what_it_replaces_an_old_socket_with() -> None:
    codes = {"reference": [4002], "android": [4002], "ios": [None], "web": []}
    seen = watched(
        soundly, codes, session_kind=IDLE, sessions=1, connection={"recycle": 1.5}, **STAYS
    )
    for client, (one,) in seen.items():
        assert one.codes[: len(codes[client])] == codes[client], client
        assert len(one.upgrades) == 1 + len(codes[client]), client


@pytest.mark.slow
def test_when_it_sends_a_message_again_that_has_no_echo() -> None:
    """Until it is lost, and the person leaves: the reference and the web when the patience ends."""
    again = {"reference": [], "android": [], "ios": [3.0, 6.0, 9.0], "web": [5.0, 15.0, 35.0]}
    lost = {"reference": 40.0, "android": 10.0, "ios": 12.0, "web": 40.0}
    seen = watched(
        without_echo,
        again,
        sessions=1,
        within=45.0,
        conversation={"turns": {"min": 1, "max": 1}, "patience": 40.0},
    )
    for client, (one,) in seen.items():
        first, *others = one.events["USER_MESSAGE"]
        assert [at - first for at in others] == pytest.approx(again[client], abs=1.0), client
        assert len(one.local_ids) == 1, client  # it is the same one
        (left,) = one.events["USER_END_SESSION"]
        assert left - first == pytest.approx(lost[client], abs=1.5), client


@pytest.mark.slow
def test_how_often_it_asks_for_a_socket_that_is_refused() -> None:
    """Within nine seconds: after one, two and four where it backs off."""
    upgrades = {"reference": 3, "android": 2, "ios": 2, "web": 3}
    seen = watched(down, upgrades, session_kind=IDLE, sessions=3, within=9.0, **STAYS)
    for client, sessions in seen.items():
        assert all(len(one.upgrades) >= upgrades[client] for one in sessions), client
        if upgrades[client] == 2:
            assert all(len(one.upgrades) == 2 for one in sessions), client
        assert all(0.7 <= one.upgrades[1] - one.upgrades[0] <= 3.0 for one in sessions), client


def unreachable(server: Watching, wire: Wire, one: Seen) -> None:
    """The first socket is cut, and whoever comes back finds a door that slams."""
    if len(one.upgrades) == 1:
        greet(wire)
        wire.fin()
    else:
        wire.reset()


@pytest.mark.slow
def test_how_long_it_waits_for_a_server_that_it_does_not_reach() -> None:
    """After the first second, and as long as nobody answers, each in its own way."""
    waits = {"android": [1.0, 10.0], "ios": [1.0, 2.0, 4.0], "web": [1.0, 2.0, 4.0]}
    seen = watched(unreachable, waits, session_kind=IDLE, sessions=3, within=15.0, **STAYS)
    for client, sessions in seen.items():
        for one in sessions:
            gaps = [after - before for before, after in pairwise(one.upgrades)]
            expected = [pytest.approx(wait, rel=0.21, abs=0.5) for wait in waits[client]]
            assert gaps[: len(expected)] == expected, client


@pytest.mark.parametrize("client", ["android", "ios"])
def test_a_refused_upgrade_is_answered_by_a_new_session_three_times_in_a_row(
    client: str, tmp_path: Path
) -> None:
    """0.3 s after the refusal; with the fourth one it has failed for good."""

    def refuse(_: Watching, wire: Wire, one: Seen) -> None:
        wire.send(answer(503))

    watching = Watching(refuse)
    only = f"[clients]\n{client} = 1"
    path = profile_file(tmp_path, users=1, seconds=4, more=only)
    with peer(session=watching.session, upgrade=watching.upgrade) as server:
        ended = run(as_run(path, server.url, tmp_path / "out"), tmp_path, SECRETS)
    assert ended.code in (1, 3), ended.output
    seen = list(watching.seen.values())
    assert [len(one.upgrades) for one in seen] == [1, 1, 1, 1]
    refused_at = [one.upgrades[0] for one in seen]
    assert all(after - before >= 0.3 for before, after in pairwise(refused_at))
    assert summary(tmp_path / "out")["counts"]["sessions.renewed"] == 3
