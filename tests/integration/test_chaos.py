"""Every forced disconnect is what its name says on the wire, and the session outlives it."""

import contextlib
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import gevent
import pytest
from fleet import GONE, HUMAN, IDLE, STREAMED, WHOLE, Fleet, SessionKind, drive, profile, under
from simulator_client import HOST, TOKEN, simulator

from loadkit.profile.profile import Profile

FAST = (
    "agent.join=5ms",
    "agent.greeting=5ms",
    "agent.thinking=1ms",
    "agent.first_response=5ms",
    "agent.gap=2ms",
    "handoff.wait=20ms",
    "handoff.live_response=5ms",
    "handoff.queue_interval=5ms",
    "handoff.live_idle=30s",
    "ended_session_linger_seconds=30",
)
KINDS = ("close-1001", "close-4002", "fin", "reset", "half_open", "stall")
# The moment, who comes to it, and what else has to be struck so that they do.
MOMENTS: dict[str, tuple[SessionKind, dict[str, float]]] = {
    "connect": (WHOLE, {"connect": 0.15}),
    "replay": (WHOLE, {"between_turns": 0.8, "replay": 0.1}),
    "join": (WHOLE, {"join": 0.5}),
    "between_turns": (WHOLE, {"between_turns": 0.3}),
    "before_echo": (WHOLE, {"before_echo": 0.4}),
    "mid_stream": (STREAMED, {"mid_stream": 0.2}),
    "queue": (HUMAN, {"queue": 0.5}),
    "human": (HUMAN, {"human": 0.6}),
}


CELLS = [(kind, moment) for kind in KINDS for moment in MOMENTS]
SIZE = 10  # sessions of a fleet


class Socket(NamedTuple):
    """One connection as the server saw it: from its upgrade to its end."""

    opened: dict[str, Any]
    closed: dict[str, Any]


def sockets_of(fleet: Fleet) -> dict[str, list[Socket]]:
    """The sockets of each session, in the order in which they were opened."""
    closed = {record["socket"]: record for record in fleet.of("socket_close")}
    found = defaultdict[str, list[Socket]](list)
    for record in sorted(fleet.of("socket_open"), key=lambda record: int(record["socket"])):
        found[record["session_id"]].append(Socket(record, closed[record["socket"]]))
    return found


def dropped_of(fleet: Fleet) -> list[tuple[Socket, Socket]]:
    """Each socket that was not its session's last, with the one that followed."""
    return [pair for each in sockets_of(fleet).values() for pair in pairwise(each)]


class Struck(NamedTuple):
    """A fleet that was hit by one kind at one moment."""

    kind: str
    moment: str
    fleet: Fleet


def chaos(**settings: Any) -> dict[str, Any]:
    """Nothing by chance but what is named; for everybody."""
    return {"classes": ["*"], "per_minute": 0.0, "per_turn": 0.0, "at": {}, **settings}


def plan(**tables: Any) -> Profile:
    conversation = {"turns": {"min": 1, "max": 2}, "patience": 10.0}
    return profile(conversation=conversation, **tables)


def live(truth: Path, session_kinds: list[SessionKind], plan: Profile, *dials: str) -> Fleet:
    with simulator(*FAST, *dials, truth=truth) as server:
        interval = drive(server.url, TOKEN, HOST, session_kinds, plan, within=30)
    return Fleet.seen(interval, truth, len(session_kinds))


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Fleet]:
    """A fleet for each kind at each moment; all at once, as they mostly wait, each with a server
    of its own."""
    folder = tmp_path_factory.mktemp("chaos")
    running = {}
    with contextlib.ExitStack() as stack:
        for kind, moment in CELLS:
            name, _, code = kind.partition("-")
            session_kind, at = MOMENTS[moment]
            settings = chaos(at=at, how={name: 1.0}, codes={code or "1001": 1.0}, stall_for=0.05)
            server = stack.enter_context(simulator(*FAST, truth=folder / f"{kind}-{moment}"))
            session_kinds = [session_kind] * SIZE
            running[kind, moment] = gevent.spawn(
                drive, server.url, TOKEN, HOST, session_kinds, plan(chaos=settings), within=40
            )
        gevent.joinall(running.values())
    return {
        cell: Fleet.seen(greenlet.get(), folder / "-".join(cell), SIZE)
        for cell, greenlet in running.items()
    }


@pytest.fixture(params=CELLS, ids=" at ".join)
def struck(request: pytest.FixtureRequest, fleets: dict[tuple[str, str], Fleet]) -> Struck:
    kind, moment = request.param
    return Struck(kind, moment, fleets[kind, moment])


def survived(fleet: Fleet) -> None:
    """Every session went on as itself to its proper end, and missed nothing."""
    interval = fleet.interval
    assert not under(interval, "violations"), interval.examples
    assert fleet.count("disconnects.events_lost") == fleet.count("disconnects.gave_up") == 0
    assert fleet.count("disconnects.unexpected") == fleet.count("disconnects.events_duplicated")
    assert fleet.count("disconnects.unexpected") == 0
    assert len(fleet.of("session")) == len(fleet.of("session_end")) == fleet.size
    ended = under(interval, "ended")
    assert ended.get("user_end", 0) + ended.get("natural_end", 0) == fleet.size
    assert len(fleet.of("session_end", reason="REASON_USER_END")) == ended.get("user_end", 0)
    for sockets in sockets_of(fleet).values():
        cursors = [socket.opened["cursor"] for socket in sockets]
        assert cursors == sorted(cursors)
        for before, after in pairwise(sockets):
            # Whoever has spoken had the history; the server replays from the cursor alone.
            assert after.opened["cursor"] > 0 or before.closed["received"] == 0
            assert after.opened["cursor"] <= after.opened["last_sequence"]
        # The last one is closed in order, by whoever is quicker.
        last = sockets[-1].closed
        assert 1000 in (last["client_code"], last["server_code"])


def test_a_session_survives_each_kind_at_each_moment(struck: Struck) -> None:
    survived(struck.fleet)


def test_a_socket_dies_on_the_wire_as_its_kind_says_and_as_often_as_was_counted(
    struck: Struck,
) -> None:
    kind, moment, fleet = struck
    name, _, code = kind.partition("-")
    times = fleet.count(f"chaos.{name}")
    assert times, "the test would prove nothing"
    assert under(fleet.interval, "chaos") == {name: times}
    dropped = dropped_of(fleet)
    if name == "stall":
        assert not dropped
        assert not under(fleet.interval, "disconnects")
        return
    assert fleet.count("disconnects.forced") == len(dropped) == times
    ends = {(old.closed["how"], old.closed["client_code"]) for old, _ in dropped}
    # Only a half-open socket is still there, for the server, when the next one is opened.
    open_yet = [old.closed["at"] > new.opened["at"] for old, new in dropped]
    assert all(open_yet) if name == "half_open" else not any(open_yet)
    match name:
        case "close":
            assert ends == {("close_frame", int(code))}
        case "fin":
            # What the server was still saying then is answered with a reset by any TCP.
            allowed = {"fin"} if moment == "between_turns" else {"fin", "reset"}
            assert {how for how, _ in ends} <= allowed
        case "reset":
            assert ends == {("reset", None)}
        case "half_open":
            assert {code for _, code in ends} == {None}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "stall"])
def test_a_resume_is_struck_in_the_middle_of_its_replay(
    kind: str, fleets: dict[tuple[str, str], Fleet]
) -> None:
    resumes = [old for old, _ in dropped_of(fleets[kind, "replay"]) if old.opened["cursor"]]
    assert any(socket.closed["received"] == 0 for socket in resumes)


def test_a_message_is_lost_only_where_the_server_never_got_it(struck: Struck) -> None:
    fleet = struck.fleet
    heard = len(fleet.of("turn")) + len(fleet.of("live_turn"))
    lost = fleet.count("turns.lost")
    assert fleet.count("turns.sent") - lost == heard == fleet.count("turns.answered")
    assert fleet.count("errors.unacknowledged") == lost
    assert sum(under(fleet.interval, "errors").values()) == lost


def test_every_outage_is_over_once(struck: Struck) -> None:
    fleet = struck.fleet
    # Drops in a row, before the client has caught up, are one outage.
    assert fleet.count("disconnects.reconnected") <= fleet.count("disconnects.forced")
    outages = sum(
        any(new.opened["session_id"] == name for _, new in dropped_of(fleet))
        for name in sockets_of(fleet)
    )
    assert fleet.count("disconnects.reconnected") >= outages


def test_the_server_finds_out_about_a_half_open_socket_by_its_silence(tmp_path: Path) -> None:
    # The heartbeats keep the session alive for longer than the server bears a dead socket.
    settings = chaos(at={"join": 1.0}, how={"half_open": 1.0})
    fleet = live(
        tmp_path / "truth",
        [IDLE] * 6,
        plan(chaos=settings, idle={"duration": {"median": 6500.0, "sigma": 0.0}}),
        "idle_timeout_seconds=4",
        "close_timeout_seconds=0.2",
        "heartbeat_interval_seconds=1",
    )
    survived(fleet)
    assert fleet.count("chaos.half_open") == len(fleet.of("socket_close", how="half_open")) == 6


@pytest.mark.parametrize(
    "how",
    [
        "reset",
        "half_open",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("fin", "close")),
    ],
)
def test_a_storm_hits_its_share_of_all_sessions_at_once(how: str, tmp_path: Path) -> None:
    at = {"storms": [{"at": 1.5, "share": 0.5, "how": how}], "codes": {"1001": 1.0}}
    settings = chaos(**at, classes=["FlakyNetworkChat"])  # a storm asks for nobody's class
    people = plan(chaos=settings, idle={"duration": {"median": 2500.0, "sigma": 0.0}})
    fleet = live(tmp_path / "truth", [IDLE] * 40, people)
    survived(fleet)
    hit = fleet.count(f"chaos.{how}")
    assert 10 <= hit <= 30
    assert fleet.count("disconnects.forced") == len(dropped_of(fleet)) == hit
    assert fleet.count("disconnects.reconnected") == hit
    if how != "half_open":
        died = [old.closed["at"] for old, _ in dropped_of(fleet)]
        returned = [new.opened["at"] for _, new in dropped_of(fleet)]
        # Most were gone before the first was back; the last of them a busy machine strikes late.
        assert median(died) < min(returned)


def test_clients_come_back_likewise_as_the_vendors_sdks_do(tmp_path: Path) -> None:
    settings = chaos(at={"between_turns": 0.4}, how={"fin": 1.0, "reset": 1.0}, reconnect="sdk")
    fleet = live(tmp_path / "truth", [WHOLE] * 12 + [STREAMED] * 12, plan(chaos=settings))
    survived(fleet)
    ends = Counter(old.closed["how"] for old, _ in dropped_of(fleet))
    assert ends == under(fleet.interval, "chaos")
    assert ends.total() == fleet.count("disconnects.reconnected") > 5


class TestAVisitorWhoClosesTheBrowser:
    SIZE = 16

    def gone(self, truth: Path, *dials: str, away: float) -> Fleet:
        abandon = {
            "silent": 0.5,
            "comes_back": 1.0,
            "after": {"min": 0, "max": 1},
            "away": {"median": away * 1000, "sigma": 0.0},
        }
        quiet = ("idle_timeout_seconds=1", "close_timeout_seconds=0.2", *dials)
        fleet = live(truth, [GONE] * self.SIZE, plan(abandon=abandon), *quiet)
        assert fleet.interval.counts["ended.abandoned"] == self.SIZE
        assert not under(fleet.interval, "violations")
        assert not under(fleet.interval, "errors")
        first = [sockets[0].closed for sockets in sockets_of(fleet).values()]
        ends = Counter(closed["how"] for closed in first)
        vanished = under(fleet.interval, "vanished")
        assert sum(vanished.values()) == self.SIZE
        assert vanished["silent"] > 0 < vanished["fin"]
        # Who is gone silently is found out by the silence; the others' TCP says so.
        told = sum(closed["client_code"] is None for closed in first)
        assert told == self.SIZE
        assert ends["fin"] + ends["reset"] >= vanished["fin"]
        if away > 1:
            assert ends["half_open"] == vanished["silent"]
        return fleet

    def test_finds_the_session_abandoned(self, tmp_path: Path) -> None:
        linger = "ended_session_linger_seconds=30"
        fleet = self.gone(tmp_path / "truth", linger, away=2.0)
        assert len(fleet.of("session_end", reason="REASON_USER_ABANDONED")) == self.SIZE
        assert under(fleet.interval, "came_back") == {"user_abandoned": self.SIZE}
        for sockets in sockets_of(fleet).values():
            back = sockets[1].opened
            assert 0 < back["cursor"] < back["last_sequence"]

    def test_finds_the_session_gone_where_the_server_keeps_none(self, tmp_path: Path) -> None:
        fleet = self.gone(tmp_path / "truth", "ended_session_linger_seconds=0", away=2.0)
        assert len(fleet.of("session_end", reason="REASON_USER_ABANDONED")) == self.SIZE
        assert under(fleet.interval, "came_back") == {"refused_404": self.SIZE}
        assert len(fleet.of("socket_open")) == self.SIZE
