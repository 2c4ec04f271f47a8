"""Sleeping on a timer of the kernel's, or without one."""

import ctypes
import os
from time import perf_counter

import gevent
import pytest

from loadkit.swarm.worker.precise_sleep import Alarm


@pytest.fixture(params=["timer of the kernel", "without one"])
def alarm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Alarm:
    if request.param == "without one":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    return Alarm()


def test_it_wakes_after_the_time_and_again(alarm: Alarm) -> None:
    """Never before; one alarm serves any number of sleeps, the shortest included."""
    for seconds in (0.003, 1e-12, 0.0, 0.001):
        began = perf_counter()
        alarm.sleep(seconds)
        assert perf_counter() - began >= seconds * 0.9
    alarm.close()


def test_the_others_run_meanwhile(alarm: Alarm) -> None:
    """It is the greenlet that sleeps, not the process."""
    done = gevent.spawn(lambda: "done")
    alarm.sleep(0.003)
    assert done.value == "done"
    alarm.close()


def test_a_sleeper_that_is_killed_leaves_nothing_open(alarm: Alarm) -> None:
    """A gate that is dealt a new slot kills its sleeper; the file must not stay behind."""
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()

    def sleep() -> None:
        own = Alarm()
        try:
            own.sleep(1000)
        finally:
            own.close()

    sleeper = gevent.spawn(sleep)
    gevent.sleep(0)
    sleeper.kill()
    after = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    assert after == before
    alarm.close()
    alarm.close()  # twice does no harm
