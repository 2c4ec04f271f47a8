"""Users are stopped wherever they happen to be: each session is killed in another of its waits."""

from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import greenlet
import pytest
from fleet import (
    FLAKY,
    GONE,
    HUMAN,
    IDLE,
    RESUMING,
    STREAMED,
    TABS,
    WHOLE,
    drive,
    profile,
    under,
)
from simulator_client import HOST, QUICK, TOKEN, simulator

WAITS = 24  # of a session, in which it is cut off; the longest ones have more
DIALS = (
    *QUICK,
    "handoff.wait=20ms",
    "handoff.live_response=20ms",
    "handoff.queue_interval=10ms",
    "ended_session_linger_seconds=30",
)
EVERYBODY = (WHOLE, STREAMED, HUMAN, FLAKY, RESUMING, TABS, IDLE, GONE)


class Executioner:
    """Kills the first session of a class in its first wait, the second one in its second …"""

    def __init__(self) -> None:
        self._due: dict[Any, int] = {}
        self._waited: Counter[Any] = Counter()
        self.killed = 0

    def take(self, session: gevent.Greenlet) -> None:
        self._due[session] = len(self._due) // len(EVERYBODY) + 1

    def __call__(self, event: str, args: tuple[Any, Any]) -> None:
        """A session gives way: a tracer of `greenlet.settrace`."""
        session, _ = args
        if session in self._due and not session.dead:
            self._waited[session] += 1
            if self._waited[session] == self._due[session]:
                self.killed += 1
                session.kill(block=False)


def test_a_session_may_be_cut_off_wherever_it_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That is no fault of this tool and no failure of the server, and everybody is counted."""
    executioner = Executioner()
    plan = profile(
        conversation={"turns": {"min": 1, "max": 2}, "patience": 30.0},
        connection={"recycle": 0.3},
        chaos={"classes": [FLAKY.name], "per_turn": 0.5},
        idle={"duration": {"median": 500.0, "sigma": 0.0}},
        abandon={"comes_back": 1.0, "away": {"median": 50.0, "sigma": 0.0}},
    )
    with simulator(*DIALS, truth=tmp_path / "truth") as server:
        greenlet.settrace(executioner)
        try:
            interval = drive(
                server.url, TOKEN, HOST, EVERYBODY * WAITS, plan, spawned=executioner.take
            )
        finally:
            greenlet.settrace(None)
    ended = under(interval, "ended")
    assert executioner.killed > len(EVERYBODY) * WAITS / 3
    assert sum(ended.values()) == len(EVERYBODY) * WAITS
    assert ended["cut_off"] > len(EVERYBODY) * WAITS / 3
    assert not under(interval, "violations"), interval.examples
    assert not caplog.records  # of the simulator, whose clients are gone
    # What a socket that is broken on purpose may cost is told by test_chaos.
    assert under(interval, "errors").keys() <= {"unacknowledged", "connection_lost"}
