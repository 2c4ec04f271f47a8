"""What a long run meets: old tokens, old sockets, and a server that breaks down for a while."""

from typing import Any, NamedTuple

import gevent
import pytest
from fleet import IDLE, WHOLE, Fleet, SessionKind, drive, profile, under
from simulator_client import HOST, TOKEN, simulator

# A fleet that comes late meets its incident when it is over.
pytestmark = pytest.mark.timed

SIZE = 12  # sessions of a fleet
OLD = ("token_lifetime_seconds=6",)
AT = 3.5  # seconds from the server's start to the incident


class Case(NamedTuple):
    """A fleet and what it meets."""

    session_kind: SessionKind
    plan: dict[str, Any]
    dials: tuple[str, ...]


def storm(at: float) -> dict[str, Any]:
    """All are cut off, and none is cut off otherwise."""
    return {"storms": [{"at": at, "share": 1.0}], "per_minute": 0.0, "per_turn": 0.0, "at": {}}


def incident(kind: str, lasts: float = 1.0, **plan: Any) -> Case:
    """People who talk for some seven seconds, and something that befalls the server meanwhile."""
    talk = {"turns": {"min": 30, "max": 30}, "time_scale": 0.001, "patience": 20.0}
    dials = (
        f'incidents=[{{at={AT}, duration={lasts}, kind="{kind}"}}]',
        "agent.first_response=200ms",
        "heartbeat_interval_seconds=0.5",
    )
    return Case(WHOLE, {"conversation": talk, **plan}, dials)


def idle(seconds: float = 4.5, **plan: Any) -> dict[str, Any]:
    """People who say nothing for so long."""
    ages = {"duration": {"median": seconds, "sigma": 0.0}}
    return {"idle": ages, "conversation": {"time_scale": 1.0}, **plan}


CASES = {
    # A machine that stands still must not make a token old before its session has a socket.
    "an old token": Case(IDLE, idle(9.0), OLD),
    "an old token and a drop": Case(IDLE, idle(9.0, chaos=storm(7.5)), OLD),
    "old sockets": Case(IDLE, idle(connection={"recycle": 1.0}), ()),
    "old sockets in mid-talk": Case(
        WHOLE,
        {
            "conversation": {"turns": {"min": 60, "max": 60}, "time_scale": 0.001},
            "connection": {"recycle": 0.5},
        },
        (),
    ),
    # Cut off, a client is back after 0.8 s to 1.2 s: in the midst of it, also where the fleet began
    # some seconds after its server.
    "refuse_upgrades": incident("refuse_upgrades", 4.5, chaos=storm(AT + 0.1)),
    "rate_limit": incident("rate_limit", 4.5, chaos=storm(AT + 0.1)),
    "freeze": incident("freeze", 0.5),  # for less than two heartbeats, or it is half-open
    "half_open": incident("half_open"),
    "restart": incident("restart"),
}
INCIDENTS = ("refuse_upgrades", "rate_limit", "freeze", "half_open", "restart")


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fleet]:
    """All at once, as they mostly wait, each with a server of its own."""
    folder = tmp_path_factory.mktemp("survival")

    def live(name: str, case: Case) -> Fleet:
        truth = folder / name
        with simulator(*case.dials, truth=truth) as server:
            fleet = [case.session_kind] * SIZE
            interval = drive(server.url, TOKEN, HOST, fleet, profile(**case.plan), within=60)
        return Fleet.seen(interval, truth, SIZE)

    running = {name: gevent.spawn(live, name, case) for name, case in CASES.items()}
    gevent.joinall(running.values())
    return {name: greenlet.get() for name, greenlet in running.items()}


def survived(fleet: Fleet, *tolerated: str) -> None:
    """Every session came to its proper end as itself, and missed nothing."""
    assert under(fleet.interval, "violations").keys() <= {*tolerated}, fleet.interval.examples
    assert fleet.count("disconnects.events_lost") == fleet.count("disconnects.gave_up") == 0
    assert under(fleet.interval, "ended") == {"user_end": SIZE}
    assert len(fleet.of("session")) == SIZE
    assert len(fleet.of("session_end", reason="REASON_USER_END")) == SIZE


def test_a_token_that_expires_costs_a_session_with_an_open_socket_nothing(
    fleets: dict[str, Fleet],
) -> None:
    """No call is made in a session that would show it."""
    fleet = fleets["an old token"]
    survived(fleet)
    assert under(fleet.interval, "errors") == {}
    assert fleet.of("refused") == []


def test_a_resume_with_an_expired_token_is_told_so_and_counted_by_its_name(
    fleets: dict[str, Fleet],
) -> None:
    """Each was refused once with 401, and nobody took it for a session that the server lost."""
    fleet = fleets["an old token and a drop"]
    assert under(fleet.interval, "errors") == {"token_expired": SIZE}
    assert len(fleet.of("refused", call="ws", status=401)) == len(fleet.of("refused")) == SIZE
    assert under(fleet.interval, "ended") == {"failed": SIZE}


@pytest.mark.parametrize("name", ["old sockets", "old sockets in mid-talk"])
def test_an_old_socket_is_replaced_and_the_session_goes_on(
    name: str, fleets: dict[str, Fleet]
) -> None:
    """As often as the server saw a close with 4002; no message is lost by it."""
    fleet = fleets[name]
    # Where a socket dies between its last word and an echo, only the echo is missing.
    survived(fleet, *["heartbeat_not_echoed"] * (name == "half_open"))
    recycled = fleet.count("disconnects.recycled")
    assert recycled == len(fleet.of("socket_close", how="close_frame", client_code=4002)) >= SIZE
    assert fleet.count("disconnects.reconnected") == recycled
    assert fleet.count("disconnects.forced") == fleet.count("disconnects.unexpected") == 0
    assert len(fleet.of("socket_open")) == SIZE + recycled
    assert fleet.count("turns.lost") == 0
    assert fleet.count("turns.answered") == len(fleet.of("turn", outcome="answered"))
    assert under(fleet.interval, "errors") == {}


@pytest.mark.parametrize("name", INCIDENTS)
def test_every_session_outlives_an_incident(name: str, fleets: dict[str, Fleet]) -> None:
    """It is there again afterwards, and says and hears the rest."""
    fleet = fleets[name]
    survived(fleet)
    (end,) = fleet.of("incident_end", incident=name)
    after = [turn for turn in fleet.of("turn", outcome="answered") if turn["received"] > end["at"]]
    assert len({turn["session_id"] for turn in after}) == SIZE


def test_an_incident_is_counted_as_what_a_client_sees_of_it(fleets: dict[str, Fleet]) -> None:
    """A limit is no refusal, a refusal no drop, and a server that is slow is none of them."""
    errors = {name: under(fleets[name].interval, "errors") for name in INCIDENTS}
    lost = {name: fleets[name].count("disconnects.unexpected") for name in INCIDENTS}
    refused = {name: len(fleets[name].of("refused")) for name in INCIDENTS}
    assert errors["refuse_upgrades"].pop("upgrade_refused") == refused["refuse_upgrades"] > 0
    assert errors["rate_limit"].pop("rate_limited") == refused["rate_limit"] > 0
    assert errors["half_open"].pop("heartbeat_unanswered") == SIZE
    assert errors["restart"].pop("connect_refused", 0) >= 0
    for name in INCIDENTS:
        assert set(errors[name]) <= {"unacknowledged"}, name  # what a broken socket swallowed
    assert errors["freeze"] == {}
    assert lost == dict.fromkeys(INCIDENTS, 0) | {"half_open": SIZE, "restart": SIZE}
