"""What a client sees of an incident, and how it is over afterwards."""

import json
import time
from pathlib import Path

import pytest
from simulator_client import (
    ACCESS,
    ASKING,
    END,
    HEARTBEAT,
    JOIN,
    SESSIONS,
    Client,
    RawSocket,
    events_until,
    records_of,
    says,
    simulator,
    types,
)

PATIENCE = 20.0  # seconds; nothing waits for it to pass
LATE = 3.0  # seconds that a busy machine may be behind


def incident(kind: str, at: float, duration: float, more: str = "") -> str:
    return f'incidents=[{{at={at}, duration={duration}, kind="{kind}"{more}}}]'


def lasted(truth: Path, seconds: float) -> bool:
    """Whether the one incident lasted so long; a busy machine may have noticed its end late."""
    (begin,), (end,) = records_of(truth, "incident_begin"), records_of(truth, "incident_end")
    return bool(seconds - 0.1 < end["at"] - begin["at"] < seconds + LATE)


def knock(client: Client, place: tuple[str, str]) -> int | None:
    """The status of one upgrade; None where there was no answer."""
    try:
        with RawSocket(client, place) as link:
            return link.status
    except (OSError, IndexError):
        return None


def knock_until(client: Client, place: tuple[str, str], status: int) -> list[int | None]:
    """Every answer up to the first of that status."""
    until, statuses = time.monotonic() + PATIENCE, list[int | None]()
    while not statuses or statuses[-1] != status:
        assert time.monotonic() < until, statuses
        time.sleep(0.05)
        statuses.append(knock(client, place))
    return statuses


def greeted(client: Client, place: tuple[str, str]) -> RawSocket:
    link = RawSocket(client, place)
    link.send(JOIN.encode())
    while json.loads(link.receive()[1])["type"] != "EVENT_TYPE_POLY_AGENT_MESSAGE":
        pass
    return link


def until_the_end(link: RawSocket) -> None:
    try:
        while link.receive()[0] != -1:
            pass
    except ConnectionResetError:
        pass


def beat_until_the_end(link: RawSocket) -> None:
    while True:
        link.send(HEARTBEAT.encode())
        link.receive()
        time.sleep(0.02)


def test_upgrades_are_refused_and_nothing_else_is(truth: Path) -> None:
    """A session can be created meanwhile; each refusal is in the truth."""
    with simulator(incident("refuse_upgrades", 0, 1.5), truth=truth) as client:
        place = client.place()
        statuses = knock_until(client, place, 101)
    assert set(statuses[:-1]) == {503}
    refused = records_of(truth, "refused")
    assert [(one["call"], one["status"]) for one in refused] == [("ws", 503)] * len(statuses[:-1])
    assert {one["session_id"] for one in refused} == {place[0]}
    assert lasted(truth, 1.5)


def test_every_call_is_told_when_the_limit_will_be_over(truth: Path) -> None:
    """REST and upgrade alike; then all goes on."""
    with simulator(incident("rate_limit", 0, 1.5), truth=truth) as client:
        answer = client.request("POST", ACCESS, ASKING, "{}")
        assert answer.status == 429
        assert answer.headers["retry-after"] in ("1", "2")
        with RawSocket(client, ("any", "thing")) as link:
            assert link.status == 429
            assert link.headers["retry-after"] in ("1", "2")
        knock_until(client, ("any", "thing"), 401)
        assert knock(client, client.place()) == 101
    calls = [one["call"] for one in records_of(truth, "refused") if one["status"] == 429]
    assert calls[:2] == ["access-token", "ws"]


def test_a_frozen_server_answers_late_and_loses_nothing(truth: Path) -> None:
    """What was asked meanwhile is answered once it goes on."""
    with simulator(incident("freeze", 0, 1.0), truth=truth) as client:
        began = time.monotonic()
        assert client.request("POST", ACCESS, ASKING, "{}").status == 200
        assert time.monotonic() - began > 0.5
    assert lasted(truth, 1.0)


def test_half_open_sockets_stay_dead_and_new_ones_live_after_it(truth: Path) -> None:
    """Nobody is told; what was said meanwhile is in the replay."""
    with simulator(incident("half_open", 1.5, 1.5), truth=truth) as client:
        place = client.place()
        with greeted(client, place) as link:
            link.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                beat_until_the_end(link)
            knock_until(client, place, 101)  # it waits for the answer until the end of the window
            with client.connect(place, "4") as again:
                again.send(says("hello"))
                assert "POLY_AGENT_MESSAGE" in types(events_until(again, "POLY_AGENT_MESSAGE"))
            link.send(HEARTBEAT.encode())
            with pytest.raises(TimeoutError):
                link.socket.recv(1)
    closes = {one["socket"]: one["how"] for one in records_of(truth, "socket_close")}
    assert closes[1] == "fault"


@pytest.mark.parametrize("forget", [False, True])
def test_a_restart_cuts_everybody_and_comes_back_on_the_same_port(
    truth: Path, forget: bool
) -> None:
    """With its sessions, or without: then a resume gets 404."""
    more = ", forget=true" if forget else ""
    with simulator(incident("restart", 1.5, 1.0, more), truth=truth) as client:
        place = client.place()
        with greeted(client, place) as link:
            until_the_end(link)
        statuses = knock_until(client, place, 404 if forget else 101)
        assert None in statuses
        if not forget:
            with client.connect(place, "4") as again:
                again.send(END)
                assert types(events_until(again, "SESSION_END"))[-1] == "SESSION_END"
        assert knock(client, client.place()) == 101
    # The last one that was created is cut when the simulator stops.
    assert len(records_of(truth, "session_cut")) == 1 + forget
    assert records_of(truth, "socket_close")[0]["how"] == "server"


def test_a_leak_ends_in_refusals_of_new_sessions_and_sockets(truth: Path) -> None:
    """Who is connected is served on; nobody else is."""
    with simulator("drift.sessions_until_refusal=2", truth=truth) as client:
        first, second = client.place(), client.place()
        assert len(first) == len(second) == 2
        headers = {"Authorization": f"Bearer {client.token()}"}
        answer = client.request("POST", SESSIONS, headers, "{}")
        assert (answer.status, answer.body["message"]) == (500, "Failed to create session")
        assert knock(client, first) == 503
    assert [one["sessions"] for one in records_of(truth, "spent")] == [2]
    assert [(one["call"], one["status"]) for one in records_of(truth, "refused")] == [
        ("sessions", 500),
        ("ws", 503),
    ]
