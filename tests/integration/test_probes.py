"""Probes in a process of their own, patched by gevent as a worker is."""

import json
import subprocess
import sys
from typing import Any

import pytest

WORKER = """
import locust  # it patches the process
import gc, json, os, resource, time
import gevent
from loadkit.swarm.worker.self_probes import Probes

class Sheet:
    def __init__(self):
        self.figures = {}
    def gauge(self, name, value, at=None):
        self.figures.setdefault(name, []).append((at, value))
    def loop_lag(self, seconds, at=None):
        self.gauge("loop_lag", seconds, at)

def collections():
    return sum(generation["collections"] for generation in gc.get_stats())

def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

gc.disable()  # so that the count below is of one moment
sheet, probes = Sheet(), None
probes = Probes(sheet)
probes.start()
gevent.sleep(0.2)
collected = collections()
gc.collect(), gc.collect(0), gc.collect(1)
collected = collections() - collected
stalled = time.perf_counter()
used_before = used()
while time.perf_counter() < stalled + 0.35:
    pass
burnt = used() - used_before
stalled = time.perf_counter() - stalled
while len(sheet.figures.get("cpu_percent", ())) < 2:
    gevent.sleep(0.05)
files = len(os.listdir("/proc/self/fd")) - 1 if os.path.exists("/proc/self/fd") else None
last = time.perf_counter()
while time.perf_counter() < last + 0.25:  # a stall that lasts to the end
    pass
last = time.perf_counter() - last
probes.stop()
at_stop = {name: len(values) for name, values in sheet.figures.items()}
gevent.sleep(0.3)
print(json.dumps({
    "figures": sheet.figures, "collected": collected, "stalled": stalled, "burnt": burnt,
    "files": files, "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "last": last,
    "after": {n: len(v) for n, v in sheet.figures.items()} != at_stop,
    "callbacks": [f.__qualname__ for f in gc.callbacks if "Pauses" in f.__qualname__],
}))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values(told: dict[str, Any], name: str) -> list[float]:
    return [value for _, value in told["figures"][name]]


def test_a_stall_is_seen_in_its_length(told: dict[str, Any]) -> None:
    """A loop that was held up is found late by all but the wait for the probe's turn, 0.1 s."""
    longest = max(values(told, "loop_lag")[:-1])
    assert longest >= told["stalled"] - 0.1


def test_a_stall_that_lasts_to_the_end_is_seen_too(told: dict[str, Any]) -> None:
    """The end of the run does not hide it."""
    assert values(told, "loop_lag")[-1] >= told["last"] - 0.1


def test_every_collection_is_a_pause(told: dict[str, Any]) -> None:
    """As many as the interpreter has counted."""
    assert len(values(told, "gc_pause_ms")) == told["collected"] == 3


def test_cpu_is_what_the_system_charged(told: dict[str, Any]) -> None:
    """In the second with the stall at least its CPU was used, by the system's own account."""
    (at, percent), (later, _) = told["figures"]["cpu_percent"]
    assert percent >= 100 * told["burnt"] / (later - at) * 0.5
    assert all(0 <= value <= 100 for value in values(told, "machine_cpu_percent"))


def test_memory_is_of_a_python_process_in_megabytes(told: dict[str, Any]) -> None:
    """Between ten megabytes and a gigabyte."""
    assert all(10 < value < 1000 for value in values(told, "rss_mb"))


def test_files_are_a_percentage_of_the_limit(told: dict[str, Any]) -> None:
    """What a listing gives, over the limit of the moment."""
    if told["files"] is None:
        pytest.skip("no /proc to compare with")
    (percent,) = values(told, "files_percent")
    assert percent == pytest.approx(100 * told["files"] / told["limit"], abs=300 / told["limit"])


def test_nothing_is_measured_after_the_end(told: dict[str, Any]) -> None:
    """No greenlet and no callback stays behind."""
    assert told["after"] is False
    assert told["callbacks"] == []
