"""What the live page is told of a run, held against what its workers said."""

import json
from typing import Any

import gevent
import pytest

from loadkit.errors import Failure
from loadkit.figures import Count, Phase
from loadkit.swarm.web.now import Now
from tests.swarm.doubles import OPEN
from tests.swarm.worlds import Begin


class Clock:
    now = 100.0

    def __call__(self) -> float:
        self.now += 10.0  # so much later, whenever somebody asks
        return self.now


class Asked:
    """A world whose page is asked for."""

    def __init__(self, begin: Begin, **asked: Any) -> None:
        self.world = begin(headless=False, **asked)
        self.now = Now(self.world.controller, self.world.master, Clock())

    def told(self, since: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.now.json(since))
        return found


@pytest.fixture
def asked(begin: Begin) -> Asked:
    return Asked(begin)


def test_before_the_first_run_there_is_nothing_to_tell(asked: Asked) -> None:
    told = asked.told()
    assert told["now"] == {"stage": "none", "workers": 2}
    asked.world.master.shape_greenlet = object()
    assert asked.told()["now"]["stage"] == "starting"


def test_a_run_under_way_by_what_its_workers_said(asked: Asked) -> None:
    world = asked.world
    run = world.controller.start()
    world.recorder.fail(Failure.CONNECT_REFUSED, "nobody <b>there</b>")
    world.recorder.violate("echo_missing", "\x1b[31mred")
    world.recorder.count(Count.DISCONNECTS_UNEXPECTED)
    world.recorder.sample(Phase.FIRST_CHUNK, None, 6.0, 6.1)
    world.report(run, 1, answers=40)
    now = asked.told()["now"]
    assert now["stage"] == "under way"
    assert now["run"] == run
    assert now["answered"] == 40
    assert now["latency"]["response"]["overall"]["count"] == 40
    assert now["latency"]["response"]["overall"]["p50"] == pytest.approx(250, rel=0.001)
    assert now["latency"]["response"]["overall"]["p95"] is None  # of 40
    assert now["latency"]["first_chunk"]["overall"]["max"] == pytest.approx(100, rel=0.001)
    assert now["errors"] == {"connect_refused": 1}
    assert now["violations"] == {"echo_missing": 1}
    assert now["disconnects"]["dropped"] == 1
    assert {one["detail"] for one in now["found"]} == {"nobody <b>there</b>", r"\x1b[31mred"}
    assert now["asked"] == {"users": 4}
    assert now["total_s"] == 60.0
    assert now["stages"] == [{"from_s": 0.0, "to_s": 60.0, "text": "4 users", "to": 4.0}]
    assert now["validity"]["level"] == "valid"
    (line,) = now["slo"]
    assert (line["metric"], line["status"], line["limit"]) == ("response.p50", "pass", "1,000 ms")


def test_charts_come_once_to_whoever_has_them(asked: Asked) -> None:
    """And anew as soon as there is a second more."""
    world = asked.world
    run = world.controller.start()
    world.report(run, 1)
    first = asked.told()
    assert asked.told(first["version"])["charts"] is None
    assert asked.told()["charts"] == first["charts"]  # to one who comes in mid-run
    found = world.controller.run
    assert found is not None
    found.tick(20.0, 4, world.pool.membership)
    then = asked.told(first["version"])
    assert then["version"] > first["version"]
    names = [chart["id"] for chart in then["charts"]["charts"]]
    assert names[0] == "response-time"
    assert then["charts"]["end"] > 0
    assert all(chart["question"] for chart in then["charts"]["charts"])


def test_many_tabs_cost_as_much_as_one(begin: Begin) -> None:
    """Within a second they are told the same, whatever came meanwhile."""
    world = begin(headless=False)
    now = Now(world.controller, world.master, lambda: 100.0)
    run = world.controller.start()
    before = now.json(0)
    world.report(run, 1, answers=5)
    assert now.json(0) == before


def test_the_end_of_a_run_and_the_next_one(asked: Asked) -> None:
    world = asked.world
    world.report(world.controller.start(), 1)
    first = asked.told()
    world.controller.drain()
    world.controller.finish()
    told = asked.told()["now"]
    assert told["stage"] == "over"
    assert told["over"]["word"] == "INVALID"  # as it was stopped at once
    assert told["over"]["exit_code"] == 3
    assert told["validity"]["level"] == "invalid"
    assert "stopped" in told["over"]["text"]
    world.master.shape_greenlet = object()
    begins = asked.told(first["version"])
    assert begins["now"]["stage"] == "starting"
    assert begins["charts"] == {}  # the old ones go
    run = world.controller.start()
    assert asked.told()["now"]["run"] == run
    assert asked.told()["now"]["answered"] == 0
    gevent.sleep(0)


def test_the_open_model_by_its_arrivals(begin: Begin) -> None:
    asked = Asked(begin, profile=OPEN)
    asked.world.controller.start()
    now = asked.told()["now"]
    assert now["asked"] == {"arrivals_per_second": 4.0}
    assert now["stages"][0]["text"] == "4 arrivals a second"
