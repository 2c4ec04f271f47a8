"""The socket machine by itself; what a conversation makes of it is told in the other files."""

from random import Random
from typing import Any

import pytest

from loadkit.chat.effects import Connect, Counted, Effect, Hangup, Sample, Send
from loadkit.chat.inputs import ELAPSED, FORCED, START, Closed, Opened, Refused
from loadkit.chat.personas import Policy
from loadkit.chat.socket.connection import ClientSocket
from loadkit.chat.states import NEVER, SocketState
from loadkit.errors import Failure, LocalError
from loadkit.figures import Count, Ending, Phase

from .helpers import (
    DUE,
    asking_session,
    attributes,
    batch,
    counts,
    ended,
    failures,
    feed,
    finish,
    live_session,
    start,
    unfinished,
    violations,
)


def connection(*links: SocketState, recycle: float = 0.0, age: float = 0.0) -> ClientSocket:
    """A connection that has come as far as the last of `links`."""
    one = ClientSocket(Policy(recycle=recycle), Random(1), age=age)
    for link in links:
        if link is SocketState.CONNECTING:
            one.step(0.0, START, [])
        elif link is SocketState.REPLAYING:
            one.step(0.0, Opened(), [])
        elif link is SocketState.LIVE:
            one.journal.take(start(), True, [])
            one.step(0.1, batch(1), [])
        elif link is SocketState.BACKOFF:
            one.step(1.0, Closed(1006), [])
        assert one.state is link
    return one


UP_TO = {
    SocketState.GONE: (),
    SocketState.CONNECTING: (SocketState.CONNECTING,),
    SocketState.REPLAYING: (SocketState.CONNECTING, SocketState.REPLAYING),
    SocketState.LIVE: (SocketState.CONNECTING, SocketState.REPLAYING, SocketState.LIVE),
    SocketState.BACKOFF: (
        SocketState.CONNECTING,
        SocketState.REPLAYING,
        SocketState.LIVE,
        SocketState.BACKOFF,
    ),
}


def state(one: ClientSocket) -> dict[str, Any]:
    return {
        name: repr(getattr(part, name))
        for part in (one, one.journal, one.heartbeat, one.attempts)
        for name in attributes(part)
        if name not in ("rng", "_rng", "journal", "heartbeat", "attempts")
    }


@pytest.mark.parametrize(
    "link", [link for link in SocketState if link is not SocketState.CONNECTING]
)
def test_only_a_connecting_socket_can_open_or_be_refused(link: SocketState) -> None:
    one = connection(*UP_TO[link])
    before = state(one)
    with pytest.raises(LocalError):
        one.step(5.0, Opened(), [])
    with pytest.raises(LocalError):
        one.step(5.0, Refused(Failure.CONNECT_REFUSED), [])
    assert state(one) == before


@pytest.mark.parametrize("link", [SocketState.GONE, SocketState.CONNECTING, SocketState.BACKOFF])
def test_only_an_open_socket_can_close(link: SocketState) -> None:
    one = connection(*UP_TO[link])
    before = state(one)
    with pytest.raises(LocalError):
        one.step(5.0, Closed(1006), [])
    assert state(one) == before


@pytest.mark.parametrize("link", list(SocketState))
def test_nothing_elapses_ahead_of_the_deadline(link: SocketState) -> None:
    one = connection(*UP_TO[link])
    before = state(one)
    out: list[Effect] = []
    early = min(one.deadline, 1e9) - 0.01
    assert one.step(early, ELAPSED, out) is None
    assert (state(one), out) == (before, [])


def test_a_socket_waits_for_nothing_while_it_connects_or_is_gone() -> None:
    assert connection().deadline == NEVER
    assert connection(SocketState.CONNECTING).deadline == NEVER


def test_a_connect_names_the_cursor() -> None:
    one = connection(*UP_TO[SocketState.BACKOFF])
    out: list[Effect] = []
    one.journal.cursor = 7
    one.step(one.deadline, ELAPSED, out)
    assert out == [Connect(7)]


@pytest.mark.parametrize("link", [SocketState.CONNECTING, SocketState.REPLAYING, SocketState.LIVE])
def test_a_socket_that_we_broke_is_opened_again(link: SocketState) -> None:
    one = connection(*UP_TO[link])
    out: list[Effect] = []
    assert one.step(5.0, FORCED, out) is None
    assert counts(out) == {"disconnects.forced": 1}
    assert (one.state, one.attempts.made) == (SocketState.BACKOFF, 1)
    assert 5.8 <= one.deadline <= 6.2


@pytest.mark.parametrize("link", [SocketState.GONE, SocketState.BACKOFF])
def test_only_a_socket_that_is_there_can_be_broken(link: SocketState) -> None:
    one = connection(*UP_TO[link])
    before = state(one)
    with pytest.raises(LocalError):
        one.step(5.0, FORCED, [])
    assert state(one) == before


def test_the_sdk_polls_every_ten_seconds_after_a_first_second() -> None:
    one = ClientSocket(Policy(max_reconnect_attempts=4, reconnect="sdk"), Random(1))
    one.step(0.0, START, [])
    waits, at = [], 0.0
    while one.step(at, Refused(Failure.CONNECT_REFUSED), []) is None:
        waits.append(one.deadline - at)
        at = one.deadline
        one.step(at, ELAPSED, [])
    assert waits == [pytest.approx(1.0, abs=0.2), 10.0, 10.0, 10.0]


def test_a_replay_that_is_known_to_go_on_is_not_complete_with_a_small_batch() -> None:
    one = connection(*UP_TO[SocketState.REPLAYING])
    one.reach = 3
    one.journal.take(start(), True, [])
    one.step(0.1, batch(1), [])
    assert one.state is SocketState.REPLAYING
    assert one.deadline == pytest.approx(2.1)
    one.journal.cursor = 3
    one.step(0.2, batch(2), [])
    assert one.state is SocketState.LIVE


@pytest.mark.parametrize(
    ("capabilities", "limit"),
    [
        ({"max_reconnect_attempts": 3}, 3),
        ({"max_reconnect_attempts": 0}, 0),
        ({}, 10),
        ({"max_reconnect_attempts": -1}, 10),
        ({"max_reconnect_attempts": True}, 10),
        ({"max_reconnect_attempts": "3"}, 10),
        ({"max_reconnect_attempts": 3.0}, 10),
        ({"max_reconnect_attempts": None}, 10),
        ([], 10),
        (None, 10),
        ("ten", 10),
    ],
)
def test_nonsense_for_the_number_of_attempts_keeps_ten(capabilities: Any, limit: int) -> None:
    one = connection(*UP_TO[SocketState.REPLAYING])
    one.capabilities(0.1, {"capabilities": capabilities})
    assert one.attempts.limit == limit


def test_the_profile_s_number_of_attempts_comes_before_the_server_s() -> None:
    one = ClientSocket(Policy(max_reconnect_attempts=7), Random(1))
    one.capabilities(0.1, {"capabilities": {"max_reconnect_attempts": 3}})
    assert one.attempts.limit == 7


@pytest.mark.parametrize(
    ("interval", "every"),
    [
        (15, 15.0),
        (0.5, 0.5),
        (0, 0.0),
        (0.0, 0.0),
        (2**64 - 1, 2.0**64),
        (-1, 30.0),
        (1e-9, 30.0),
        (5e-324, 30.0),
        (True, 30.0),
        (False, 30.0),
        ("15", 30.0),
        (None, 30.0),
        ([15], 30.0),
    ],
)
def test_nonsense_for_the_heartbeat_interval_keeps_thirty_seconds(
    interval: Any, every: float
) -> None:
    one = connection(*UP_TO[SocketState.REPLAYING])
    one.capabilities(0.1, {"capabilities": {"heartbeat_interval_seconds": interval}})
    assert one.heartbeat.every == every
    assert one.heartbeat.due == (every or NEVER)


def test_history_lasts_from_the_upgrade_to_the_last_batch() -> None:
    one = connection(*UP_TO[SocketState.REPLAYING])
    out: list[Effect] = []
    one.journal.take(start(), True, out)
    one.step(0.3, batch(1), out)
    assert out == [Sample(Phase.HISTORY, None, 0.0, 0.3)]


class TestRecycling:
    """A socket that has grown old is replaced, as the vendor's SDKs do after two hours."""

    def test_an_old_socket_is_closed_with_4002_and_opened_again_a_second_later(self) -> None:
        """It is a count of its own, neither forced nor unexpected."""
        one = connection(*UP_TO[SocketState.LIVE], recycle=20.0)
        assert one.deadline == 20.0
        out: list[Effect] = []
        assert one.step(20.0, ELAPSED, out) is None
        assert out == [Counted(Count.DISCONNECTS_RECYCLED), Hangup(4002)]
        assert (one.state, one.attempts.made) == (SocketState.BACKOFF, 1)
        assert 20.8 <= one.deadline <= 21.2

    def test_the_next_socket_is_young_again(self) -> None:
        """Its age counts from its own upgrade, and the outage ends as any other does."""
        one = connection(*UP_TO[SocketState.LIVE], recycle=20.0)
        out: list[Effect] = []
        one.step(20.0, ELAPSED, out)
        one.step(one.deadline, ELAPSED, out)
        one.step(22.0, Opened(), [])
        one.step(22.5, batch(0), out)
        assert one.deadline == 42.0
        assert counts(out)["disconnects.reconnected"] == 1
        assert Sample(Phase.RECONNECT, None, 20.0, 22.5) in out

    def test_heartbeats_go_on_meanwhile_as_they_were(self) -> None:
        """A beat that is due sooner comes first, and the age stays what it is."""
        one = connection(*UP_TO[SocketState.LIVE], recycle=100.0)
        out: list[Effect] = []
        one.step(30.0, ELAPSED, out)
        assert [type(effect) for effect in out] == [Sample, Send]
        one.heartbeat.echoed(30.1, out)
        one.step(60.0, ELAPSED, out)
        one.heartbeat.echoed(60.1, out)
        one.step(90.0, ELAPSED, out)
        assert one.deadline == 100.0

    @pytest.mark.parametrize(("age", "at"), [(0.0, 20.0), (5.0, 15.0), (20.0, 20.0), (47.0, 13.0)])
    def test_the_first_socket_may_be_taken_for_an_older_one(self, age: float, at: float) -> None:
        """Of a session that has been under way for long the socket is not the first one."""
        one = connection(*UP_TO[SocketState.LIVE], recycle=20.0, age=age)
        assert one.deadline == at
        one.step(at, ELAPSED, [])
        one.step(one.deadline, ELAPSED, [])
        one.step(50.0, Opened(), [])
        one.step(50.0, batch(0), [])
        assert one.deadline == 70.0

    def test_without_a_limit_a_socket_grows_as_old_as_it_may(self) -> None:
        """Nought is never."""
        assert connection(*UP_TO[SocketState.LIVE]).stale_at == NEVER

    def test_a_replay_that_takes_long_is_not_cut_short(self) -> None:
        """The socket is replaced once the history is complete, not before."""
        one = connection(*UP_TO[SocketState.REPLAYING], recycle=5.0)
        one.journal.take(start(), True, [])
        out: list[Effect] = []
        one.step(6.0, batch(1), out)
        assert one.deadline == 5.0
        one.step(6.0, ELAPSED, out)
        assert out[-1] == Hangup(4002)


class TestARefusal:
    """What the server says when it does not let a socket in."""

    @pytest.mark.parametrize(
        ("asked", "least"), [(None, 0.8), (0.0, 0.8), (5.0, 5.0), (30.0, 30.0)]
    )
    def test_that_asks_to_wait_is_not_tried_again_sooner(
        self, asked: float | None, least: float
    ) -> None:
        """The back-off stands where it is the longer one."""
        one = connection(*UP_TO[SocketState.CONNECTING])
        out: list[Effect] = []
        assert one.step(100.0, Refused(Failure.RATE_LIMITED, "slow down", 429, asked), out) is None
        assert failures(out) == [Failure.RATE_LIMITED]
        assert least <= one.deadline - 100.0 <= max(1.2, least)

    def test_of_a_token_that_is_too_old_ends_the_session_under_its_own_name(self) -> None:
        """The session is bound to its token: only a new one of each helps."""
        one = connection(*UP_TO[SocketState.CONNECTING])
        out: list[Effect] = []
        end = one.step(5.0, Refused(Failure.TOKEN_EXPIRED, "authentication failed", 401), out)
        assert end is not None
        assert end.renew
        assert failures(out) == [Failure.TOKEN_EXPIRED]


def test_a_flood_ends_the_session_and_is_not_come_back_to() -> None:
    """Whoever saw it has counted it by its name."""
    session = asking_session()
    out = session.step(9.0, Closed(1008, flooded=True))
    over = finish(out)
    assert over is not None
    assert over.ending is Ending.FAILED
    assert not over.renew
    assert failures(out) == []
    assert counts(out)[Count.TURNS_LOST] == 1
    assert counts(out)[Count.DISCONNECTS_UNEXPECTED] == 1


def test_a_flood_in_a_replay_tells_of_no_wait_twice() -> None:
    """Nor is the history waited for any more."""
    session = asking_session()
    feed(session, (20.0, Closed(1006)), (DUE, ELAPSED), (22.0, Opened()))
    waits = unfinished(session.step(23.0, Closed(1008, flooded=True)))
    assert waits[Phase.HISTORY] == (1.0, True)
    assert waits[Phase.RECONNECT] == (3.0, True)


def test_a_flood_behind_the_end_leaves_the_end_as_it_was() -> None:
    """The code is ours, and so is no violation."""
    session = live_session()
    session.step(2.0, ended("REASON_NATURAL_END"))
    out = session.step(2.1, Closed(1008, flooded=True))
    over = finish(out)
    assert over is not None
    assert over.ending is Ending.NATURAL_END
    assert violations(out) == []
