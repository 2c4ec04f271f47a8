"""Sessions leave nothing behind: ten times as many, and not one object or descriptor more."""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import psutil
import pytest
from fleet import FLAKY, GONE, HUMAN, IDLE, RESUMING, STREAMED, TABS, WHOLE, drive, profile
from processes import HOST, TOKEN, Simulator, simulator

EVERYBODY = (WHOLE, STREAMED, HUMAN, FLAKY, RESUMING, TABS, IDLE, GONE)
PACKAGES = ("loadkit", "gevent", "greenlet", "websockets", "geventhttpclient")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    dials = ("handoff.wait=50ms", "handoff.live_response=20ms", "handoff.queue_interval=1")
    with simulator(tmp_path_factory.mktemp("server"), *dials) as found:
        yield found


def census() -> Counter[str]:
    """How many objects there are of each type of ours and of those that a session is made of."""
    found = Counter[str]()
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).partition(".")[0].lstrip("_") in PACKAGES:
            found[f"{kind.__module__}.{kind.__qualname__}"] += 1
    return found


@contextmanager
def no_collector() -> Iterator[None]:
    """What forms a cycle stays, and is found."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def live(server: Simulator, times: int) -> None:
    """Everybody so many times, all at once; whose network fails comes back."""
    plan = profile(chaos={"per_turn": 0.5, "stall_for": 0.01})
    drive(server.url, TOKEN, HOST, EVERYBODY * times, plan)
    gevent.sleep(0.05)  # greenlets that were killed have gone by then


def test_ten_times_as_many_sessions_leave_as_much_behind_as_the_first(server: Simulator) -> None:
    """And what was a session is gone when it is over, not when the collector finds it."""
    live(server, 1)
    with no_collector():
        before, files = census(), psutil.Process().num_fds()
        live(server, 10)
        # A killed greenlet goes when its turn comes, and one or two may still be waited for;
        # what each session left would be ten for one of these.
        until = time.monotonic() + 5
        while (after := census()) - before and time.monotonic() < until:
            gevent.sleep(0.1)
        left = {kind: n for kind, n in (after - before).items() if n > 2 * len(EVERYBODY)}
        assert left == {}
        assert psutil.Process().num_fds() <= files + 2
