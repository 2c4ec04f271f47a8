"""What each of the vendor's clients does where the protocol leaves a choice: the table's cells."""

from dataclasses import replace
from typing import Any

import pytest

from loadkit.chat.effects import Drop, Hangup
from loadkit.chat.inputs import ELAPSED, START, Closed, Opened, Refused, Say
from loadkit.chat.personas import CONTEXT, MOST_REJOINS, PERSONAS
from loadkit.chat.session import Session
from loadkit.errors import Failure
from loadkit.figures import Ending

from .helpers import (
    DUE,
    batch,
    counts,
    echo,
    failures,
    feed,
    finish,
    joined,
    message,
    new_session,
    only,
    sent,
    start,
    system,
    violations,
)

UNABLE = "Sorry, I'm unable to start a conversation right now. Please try again later."
CLIENTS = ["android", "ios", "web", "web-context"]


def opened(client: str, at: float = 0.1, **policy: Any) -> Session:
    """A client whose first socket has its history; heartbeats are off."""
    session = Session(replace(PERSONAS[client].policy, **policy), new_session().connection.rng)
    begin = start(heartbeat_interval_seconds=0)
    feed(session, (0.0, START), (0.05, Opened()), (at, begin), (at, batch()))
    return session


def greeted(client: str, **policy: Any) -> Session:
    """The agent has greeted it, after 6 s."""
    session = opened(client, **policy)
    if session.policy.context:
        feed(session, (DUE, ELAPSED))
    feed(session, (5.0, joined(2)), (6.0, message("Hello!", 3)))
    return session


def later(session: Session) -> float:
    """How long after the last input something is due, which then happens."""
    at = session.deadline
    feed(session, (at, ELAPSED))
    return at


# --- a message without an echo ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "again", "lost_at"),
    [
        ("android", [], 20.0),
        ("ios", [13.0, 16.0, 19.0], 22.0),
        ("web", [15.0, 25.0, 45.0], 70.0),
        ("web-context", [15.0, 25.0, 45.0], 70.0),
        ("reference", [], 70.0),
    ],
)
def test_a_message_without_an_echo(client: str, again: list[float], lost_at: float) -> None:
    session = greeted(client)
    feed(session, (10.0, Say("hi", due=10.0)))
    for at in again:
        assert session.deadline == at
        assert sent(feed(session, (at, ELAPSED))) == ["USER_MESSAGE"]
    assert session.deadline == lost_at
    assert failures(feed(session, (lost_at, ELAPSED))) == [Failure.UNACKNOWLEDGED]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_message_with_an_echo_has_the_whole_patience(client: str) -> None:
    session = greeted(client)
    said = feed(session, (10.0, Say("hi", due=10.0)))
    feed(session, (10.1, echo(said, 4)))
    assert session.deadline == 70.0


# --- a drop, and coming back --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "waits"),
    [
        ("android", [1.0, 10.0, 10.0, 10.0]),
        ("ios", [1.0, 2.0, 4.0, 8.0]),
        ("web", [1.0, 2.0, 4.0, 8.0]),
    ],
)
def test_the_waits_of_one_who_does_not_reach_the_server(client: str, waits: list[float]) -> None:
    session, at, waited = greeted(client), 20.0, []
    feed(session, (at, Closed(1006)))
    for _ in waits:
        waited.append(session.deadline - at)
        at = session.deadline
        feed(session, (at, ELAPSED), (at, Refused(Failure.CONNECT_REFUSED)))
    assert waited == [pytest.approx(wait, rel=0.201) for wait in waits]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("client", ["android", "ios", "web"])
def test_what_a_refused_upgrade_means(client: str, status: int) -> None:
    session = greeted(client)
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED))
    end = finish(feed(session, (22.0, Refused(Failure.UPGRADE_REFUSED, status=status))))
    if client == "web" and status not in (401, 404):
        assert end is None  # it backs off, and resumes
    else:
        assert end is not None
        assert (end.ending, end.renew) == (Ending.FAILED, True)


@pytest.mark.parametrize(("client", "attempts"), [("android", 0), ("ios", 40), ("web", 0)])
def test_no_reconnect_attempts(client: str, attempts: int) -> None:
    session = Session(PERSONAS[client].policy, new_session().connection.rng)
    begin = start(heartbeat_interval_seconds=0, max_reconnect_attempts=0)
    feed(session, (0.0, START), (0.05, Opened()), (0.1, begin), (0.1, batch()))
    out = feed(session, (20.0, Closed(1006)))
    for _ in range(attempts):
        assert finish(out) is None
        out = feed(session, (DUE, ELAPSED), (DUE, Refused(Failure.CONNECT_REFUSED)))
    assert (finish(out) is None) == (attempts > 0)


@pytest.mark.parametrize(
    ("client", "farewell"),
    [("android", Hangup(4002)), ("ios", Drop()), ("reference", Hangup(4002))],
)
def test_a_socket_that_has_grown_old(client: str, farewell: Any) -> None:
    session = greeted(client, recycle=100.0)
    out = feed(session, (DUE, ELAPSED))
    assert only(out, type(farewell)) == [farewell]
    assert counts(out)["disconnects.recycled"] == 1


def test_browsers_do_not_replace_old_sockets() -> None:
    assert [name for name, one in PERSONAS.items() if not one.recycles] == ["web", "web-context"]


# --- the join -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "limit"),
    [("android", MOST_REJOINS), ("ios", MOST_REJOINS), ("web", 3), ("reference", 3)],
)
def test_how_often_a_join_is_sent_again_that_the_server_cannot_meet(
    client: str, limit: int
) -> None:
    session = opened(client)
    out = feed(session, *((0.2, system(UNABLE)) for _ in range(limit + 2)))
    assert (sent(out), violations(out)) == (["REQUEST_POLY_AGENT_JOIN"] * limit, [])
    assert (counts(out)["joins.again"], counts(out)["joins.given_up"]) == (limit, 1)


def test_a_page_s_context_is_waited_for() -> None:
    waits = []
    for seed in range(400):
        session = Session(PERSONAS["web-context"].policy, new_session().connection.rng)
        session.connection.rng.seed(seed)
        begin = start(heartbeat_interval_seconds=0)
        out = feed(session, (0.0, START), (0.05, Opened()), (0.1, begin), (0.1, batch()))
        assert sent(out) == []
        waits.append(session.deadline - 0.1)
        assert sent(feed(session, (DUE, ELAPSED))) == ["REQUEST_POLY_AGENT_JOIN"]
    typical = sum(0.2 <= wait <= 0.5 for wait in waits) / len(waits)
    assert typical > 0.75
    assert max(waits) <= CONTEXT[2]


@pytest.mark.parametrize("client", ["android", "ios", "web", "reference"])
def test_nobody_else_waits_for_one(client: str) -> None:
    session = Session(PERSONAS[client].policy, new_session().connection.rng)
    out = feed(session, (0.0, START), (0.05, Opened()), (0.1, start()), (0.1, batch()))
    assert sent(out) == ["REQUEST_POLY_AGENT_JOIN"]


# --- what they announce -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "platform", "devices"),
    [
        ("android", "android", {"mobile", "tablet"}),
        ("ios", "ios", {"mobile", "tablet"}),
        ("web", "web", {"mobile", "tablet", "desktop"}),
        ("web-context", "web", {"mobile", "tablet", "desktop"}),
        ("reference", "web", set()),
    ],
)
def test_what_they_announce(client: str, platform: str, devices: set[str]) -> None:
    persona = PERSONAS[client]
    assert (persona.platform, set(persona.devices)) == (platform, devices)
