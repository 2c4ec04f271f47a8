"""An iOS client near the end of its token: a new token, and the old session's socket anew."""

import json
import struct
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fleet import IDLE, drive, profile, under
from simulator_client import HOST, TOKEN, simulator

from tests.hostile.peer import Wire, answer, converse, greet, peer, reply, token
from tests.rfc6455 import CLOSE, TEXT, close_frame

LIVES = 301.0  # seconds of a token, of which an iOS client uses the first one


def idler(client: str) -> Any:
    """Somebody who stays for longer than that and says nothing."""
    return profile(
        clients={client: 1.0},
        idle={"duration": {"median": 1500.0, "sigma": 0.0}},  # a thousand times as fast
    )


def grant_short(wire: Wire) -> None:
    lives = LIVES if wire.number == 0 else 3600.0
    wire.send(answer(200, {"access_token": token(lives), "expires_in": 301}))


class Resumed:
    """A server that takes any token for the session."""

    def __init__(self) -> None:
        self.queries: list[dict[str, list[str]]] = []
        self.codes: list[int] = []

    def __call__(self, wire: Wire) -> None:
        self.queries.append(parse_qs(urlsplit(wire.request.split(" ")[1]).query))
        if len(self.queries) > 1:
            wire.upgrade(wire.event("EVENT_BATCH", {"events": []}, numbered=False))
            wire._sequence = int(self.queries[-1]["cursor"][0].removeprefix("seq:"))
        else:
            greet(wire)
        while True:
            opcode, data = wire.read_frame()
            if opcode == CLOSE:
                self.codes.append(struct.unpack("!H", data[:2])[0])
                wire.send(close_frame(self.codes[-1]))
                return
            if opcode == TEXT and not reply(wire, json.loads(data)):
                wire.silence()
                return


def test_the_old_session_goes_on_with_a_new_token() -> None:
    server = Resumed()
    with peer(token=grant_short, upgrade=server) as target:
        interval = drive(target.url, "connector", "host", [IDLE], idler("ios"))
    first, second = server.queries
    assert first["session_id"] == second["session_id"]
    assert first["access_token"] != second["access_token"]
    assert server.codes == [1001]
    assert interval.counts["disconnects.refreshed"] == 1
    assert under(interval, "ended") == {"user_end": 1}
    assert under(interval, "errors") == under(interval, "violations") == {}


def test_a_server_that_binds_a_session_to_its_token_refuses_the_new_one() -> None:
    with simulator(f"token_lifetime_seconds={LIVES}") as server:
        interval = drive(server.url, TOKEN, HOST, [IDLE], idler("ios"))
    assert interval.counts["refused.401"] == 1
    assert under(interval, "errors") == {"session_lost": 1}


@pytest.mark.parametrize("client", ["reference", "android", "web"])
def test_no_other_client_asks_for_a_new_one(client: str) -> None:
    with peer(token=grant_short, upgrade=converse) as target:
        interval = drive(target.url, "connector", "host", [IDLE], idler(client))
    assert under(interval, "ended") == {"user_end": 1}
    assert "disconnects.refreshed" not in interval.counts
