"""Sessions leave nothing behind: ten times as many, and not one object or descriptor more."""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import gevent
import psutil
import pytest
from fleet import FLAKY, GONE, HUMAN, IDLE, RESUMING, STREAMED, TABS, WHOLE, drive, profile
from gevent import socket
from processes import HOST, PATIENCE, TOKEN, Simulator, simulator_process

from loadkit.chat.personas import Policy
from loadkit.errors import RemoteError
from loadkit.figures import NOWHERE
from loadkit.measure.recorder import Recorder
from loadkit.net.browser_tab import Tab
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionContext
from loadkit.net.transcript import Frames
from loadkit.net.websocket.link import Link, Traffic
from loadkit.security.credentials import Credentials

EVERYBODY = (WHOLE, STREAMED, HUMAN, FLAKY, RESUMING, TABS, IDLE, GONE)
PACKAGES = ("loadkit", "gevent", "greenlet", "websockets", "geventhttpclient")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    dials = ("handoff.wait=50ms", "handoff.live_response=20ms", "handoff.queue_interval=1")
    with simulator_process(tmp_path_factory.mktemp("server"), *dials) as found:
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


def left_since(before: Counter[str]) -> Counter[str]:
    """What is there more than there was. A killed greenlet goes only when its turn comes."""
    until = time.monotonic() + PATIENCE
    while (left := census() - before) and time.monotonic() < until:
        gevent.sleep(0.1)
    return left


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
        assert left_since(before) == {}
        assert psutil.Process().num_fds() <= files


def test_a_refused_upgrade_leaves_nothing_behind(server: Simulator) -> None:
    """Neither what the server said nor what was made of it."""
    target = Target.resolve(server.url)

    def ask() -> None:
        status = None
        try:  # pytest.raises would keep the error
            Link.open(target, "", Traffic())
        except RemoteError as error:
            status = error.status
        assert status == 400

    ask()
    with no_collector():
        before = census()
        ask()
        assert left_since(before) == {}


def test_a_tab_that_still_waits_for_its_socket_goes_with_its_session() -> None:
    """Killed in the midst of an upgrade, and nobody's any more."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = Target.resolve(f"http://127.0.0.1:{silent.getsockname()[1]}")

        def open_and_finish() -> None:
            setting = SessionContext(
                target, Credentials(TOKEN, HOST), Recorder(), Traffic(), Policy(), Random(1)
            )
            tab = Tab(setting, lambda cursor, style: "", 0, NOWHERE, Frames())
            asking, _ = silent.accept()
            assert asking.recv(1 << 16).startswith(b"GET ")
            tab.finish(0, ended=True)
            assert asking.recv(1) == b""  # it has hung up
            asking.close()

        open_and_finish()
        with no_collector():
            before = census()
            open_and_finish()
            assert left_since(before) == {}
