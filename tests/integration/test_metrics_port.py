"""Scrapes over HTTP, from a process that gevent has patched, as the one that leads is."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

LEADER = """
import locust  # it patches the process
import json, sys
import gevent
from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.swarm.web.prometheus import BOUNDS, serve_metrics
from loadkit.swarm.web.scrape import Scrape

def worker(number):
    recorder = Recorder()
    for turn in range(200):
        recorder.session_started()
        recorder.count(Count.TURNS_SENT)
        recorder.count(Count.TURNS_ANSWERED)
        recorder.sample(Phase.RESPONSE, turn, turn + 0.001 * number, turn + 0.01 * (turn + 1))
        recorder.sample(Phase.ECHO, None, turn, turn + 0.0001 * turn)
        recorder.session_ended(Ending.USER_END)
    recorder.fail(Failure.UNANSWERED, "a-text-of-the-server")
    recorder.loop_lag(0.004)
    return recorder.take(300.0)

def run(name):
    ledger = Ledger()
    for number in range(3):
        ledger.add(f"w{number}", 1, worker(number))
    return Scrape(ledger, "smoke", name, 50, 50, {"running": 3}, {"w0": worker(0).generator})

live = run("first")
server = serve_metrics(0, lambda: live)
ledger = live.ledger
refused = []
for place in sys.argv[1:]:
    host, port = place.split(":")
    try:
        serve_metrics(int(port), lambda: live, host)
    except UsageError as error:
        refused.append(str(error))
print(json.dumps({
    "refused": refused,
    "port": server.server_port,
    "counts": dict(ledger.counts),
    "stats": ledger.stats(),
    "below": {
        phase: {str(b): d.count - d.above(b * 1000) for b in BOUNDS}
        for phase, d in ledger.latency.items()
    },
}), flush=True)
gevent.os.tp_read(0, 1)  # a real wait that leaves the loop alone
live = Scrape(Ledger(), "smoke", "second")
print("{}", flush=True)
gevent.os.tp_read(0, 1)
server.stop()
print("{}", flush=True)
gevent.os.tp_read(0, 1)
"""


class Leader:
    """A process that serves three workers' figures, then those of a new run, then none.

    Args:
        places: where it is to try to listen before.
    """

    def __init__(self, places: Iterable[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LEADER, *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.told = self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("x")
        self._process.stdin.flush()
        self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def scrape(self, accept: str = "text/plain") -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.told['port']}/metrics", headers={"Accept": accept}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text: str = answer.read().decode()
            return text


NOWHERE = {
    "a port that is taken": ("127.0.0.1:{taken}", "in use"),
    "an address of another machine": ("192.0.2.1:0", "assign"),
    "no port at all": ("127.0.0.1:70000", "0-65535"),
}


class Served(NamedTuple):
    """All that one of them said, and that it can be used no more.

    Attributes:
        told: its own figures.
        plain: a scrape of them, and in the format of OpenMetrics.
        second: a scrape of the next run.
        places: where it could not listen, and what it said of each.
    """

    told: dict[str, Any]
    plain: str
    openmetrics: str
    second: str
    places: dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def served() -> Served:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        places = [place.format(taken=port) for place, _ in NOWHERE.values()]
        leader = Leader(places)
    with contextlib.closing(leader):
        plain = leader.scrape()
        openmetrics = leader.scrape("application/openmetrics-text; version=1.0.0")
        leader.go_on()
        second = leader.scrape()
        leader.go_on()
        with socket.create_server(("127.0.0.1", leader.told["port"])):
            pass  # after `stop` the port can be had again
        said = zip(places, leader.told["refused"], strict=True)
        return Served(
            leader.told, plain, openmetrics, second, dict(zip(NOWHERE, said, strict=True))
        )


def flat(families: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_scrape_is_the_ledger(served: Served) -> None:
    """Buckets, sums and counters are what the ledger itself says, read by Prometheus' parser."""
    told, found = served.told, flat(parse(served.plain))
    for phase in ("response", "echo"):
        stats, key = told["stats"][phase], (("phase", phase),)
        assert found["loadkit_latency_seconds_count", key] == stats["count"] == 600
        total = found["loadkit_latency_seconds_sum", key]
        assert total / 600 * 1000 == pytest.approx(stats["mean"], abs=0.001)
        for bound, below in told["below"][phase].items():
            assert found["loadkit_latency_seconds_bucket", (("le", bound), *key)] == below
    assert found["loadkit_sessions_started_total", ()] == told["counts"]["sessions.started"]
    assert found["loadkit_turns_total", (("outcome", "answered"),)] == 600
    assert found["loadkit_errors_total", (("kind", "unanswered"),)] == 3
    assert found["loadkit_generator_loop_lag_seconds_count", ()] == 3
    assert found["loadkit_workers", (("state", "running"),)] == 3


def test_both_formats_say_the_same(served: Served) -> None:
    """The strict parser of OpenMetrics takes it too, and finds the same figures."""
    plain = flat(parse(served.plain))
    strict = flat(parse_openmetrics(served.openmetrics))
    memory = ("loadkit_master_resident_memory_bytes", ())  # moves between two scrapes
    assert plain.pop(memory) == pytest.approx(strict.pop(memory), rel=0.2)
    assert strict == plain


def test_names_are_prometheus_own_way(served: Served) -> None:
    """One prefix, base units, `_total` on counters alone, a help text on each."""
    text = served.plain
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helped = set(re.findall(r"^# HELP (\S+) \S.*$", text, re.MULTILINE))
    assert set(kinds) == helped
    for name, kind in kinds.items():
        assert re.fullmatch(r"loadkit_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total")
        assert not re.search(r"_(ms|milliseconds|mb|percent)(_|$)", name)
        assert kind != "histogram" or name.endswith("_seconds")


def test_no_text_of_the_server_and_no_worker_is_named(served: Served) -> None:
    """Labels are closed lists, the profile and the run."""
    assert "a-text-of-the-server" not in served.plain
    labels = {name for _, pairs in flat(parse(served.plain)) for name, _ in pairs}
    assert labels == {
        *("direction", "how", "kind", "le", "outcome", "phase", "profile", "run", "state"),
    }


def test_a_new_run_begins_at_zero(served: Served) -> None:
    """What is served is the run of the moment."""
    found = flat(parse(served.second))
    assert found["loadkit_sessions_started_total", ()] == 0
    assert found["loadkit_run_info", (("profile", "smoke"), ("run", "second"))] == 1


@pytest.mark.parametrize("where", NOWHERE)
def test_where_nobody_can_listen_is_told_with_the_mend(where: str, served: Served) -> None:
    """The place and both options are in the text."""
    place, said = served.places[where]
    assert place in said
    assert NOWHERE[where][1] in said
    assert "--metrics-port" in said
    assert "--metrics-host" in said
