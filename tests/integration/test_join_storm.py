"""A full server tells who joins to try again later: the vendor's mobile clients do so at once."""

import json
from itertools import pairwise
from pathlib import Path

from fleet import WHOLE, drive, profile, under
from simulator_client import HOST, TOKEN, simulator

from loadkit.chat.personas import MOST_REJOINS

WAIT = 0.05


def storm(wait: float, truth: Path, within: float) -> tuple[list[float], dict[str, int]]:
    """When the one who is refused joined, by the server, and what was counted of that."""
    dials = ("agent.slots=1", "agent.queue_limit=0", "agent.join=60s", f"agent.start_wait={wait}s")
    plan = profile(clients={"android": 1.0}, conversation={"patience": 30.0})
    with simulator(*dials, truth=truth) as server:
        interval = drive(server.url, TOKEN, HOST, [WHOLE] * 2, plan, within=within)
    assert under(interval, "violations") == {}
    came: dict[str, list[float]] = {}
    for record in map(json.loads, truth.read_text().splitlines()):
        if record["kind"] == "join":
            came.setdefault(record["session_id"], []).append(record["received"])
    served, refused = sorted(came.values(), key=len)
    assert len(served) == 1
    return refused, under(interval, "joins")


def test_a_client_joins_again_at_once_as_often_as_it_may(tmp_path: Path) -> None:
    came, counts = storm(0.0, tmp_path / "truth.jsonl", within=4.0)
    assert len(came) == 1 + MOST_REJOINS
    assert counts == {"again": MOST_REJOINS, "given_up": 1}


def test_a_server_that_takes_its_time_to_refuse_sets_the_pace(tmp_path: Path) -> None:
    came, counts = storm(WAIT, tmp_path / "truth.jsonl", within=2.0)
    assert 2 < len(came) <= 1 + counts["again"] < 2.0 / WAIT + 2
    # Timers are as fine as a millisecond.
    assert all(later - earlier > WAIT - 0.002 for earlier, later in pairwise(came))
