"""A fleet of virtual users in this process: real sockets, real people, no Locust."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import gevent

from loadkit import fleet as clients
from loadkit.figures import State
from loadkit.measure.interval import Interval
from loadkit.measure.recorder import Recorder
from loadkit.net.driver import Driver
from loadkit.net.http.target import Target
from loadkit.net.interfaces import SessionPlan
from loadkit.net.websocket.link import Traffic
from loadkit.people.person import Person
from loadkit.profile.chaos import ChaosPlan, in_storm
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.security.credentials import Credentials
from loadkit.stats.random_streams import person_rng

WHOLE = SessionKind("CompleteChat")
STREAMED = SessionKind("StreamingChat", streaming=True)
HUMAN = SessionKind("HandoffChat", Errand.HUMAN)
FLAKY = SessionKind("FlakyNetworkChat", streaming=True)
RESUMING = SessionKind("ResumingChat", restarts=1)
TABS = SessionKind("MultiTabChat", tabs=2)
IDLE = SessionKind("IdleChat", Errand.IDLE)
GONE = SessionKind("AbandoningChat", Errand.ABANDON)


class Fleet(NamedTuple):
    """What some sessions counted, and what the server wrote down about them."""

    interval: Interval
    records: list[dict[str, Any]]
    size: int

    @classmethod
    def seen(cls, interval: Interval, truth: Path, size: int) -> "Fleet":
        """Of a server that has stopped."""
        return cls(interval, [json.loads(line) for line in truth.read_text().splitlines()], size)

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            record
            for record in self.records
            if record["kind"] == kind and fields.items() <= record.items()
        ]

    def count(self, key: str) -> int:
        number: int = self.interval.counts.get(key, 0)
        return number


def profile(**tables: Any) -> Profile:
    """People a thousand times as fast as people."""
    conversation = {"turns": {"min": 3, "max": 5}, "time_scale": 0.001, "patience": 1.0}
    return Profile.model_validate(
        {
            "name": "fleet",
            "load": {"stages": [{"duration": 1.0, "users": 1}]},
            "mix": {"CompleteChat": 1.0},
            "conversation": conversation | tables.pop("conversation", {}),
            **tables,
        }
    )


def drive(
    url: str,
    token: str,
    host: str,
    session_kinds: Sequence[SessionKind],
    plan: Profile | None = None,
    *,
    within: float = 60.0,
    cut_off_once: State | None = None,
    spawned: Callable[[gevent.Greenlet], None] = lambda _: None,
) -> Interval:
    """Live the sessions, all at once, and give what was recorded as one interval.

    Args:
        within: seconds after which sessions that are still running are cut off.
        cut_off_once: a state in which all are cut off, once all of them are in it.
        spawned: is told of each session's greenlet, in their order, before it runs.
    """
    plan = profile() if plan is None else plan
    plan = plan.model_copy(
        update={"mix": dict.fromkeys((each.name for each in session_kinds), 1.0)}
    )
    recorder, traffic = Recorder(), Traffic()
    fleet_of = clients.Fleet(plan, Target.resolve(url), Credentials(token, host), recorder, traffic)
    numbers: Counter[str] = Counter()
    fleet, drivers, began = [], [], perf_counter()
    for session_kind in session_kinds:
        number = numbers[session_kind.name]
        numbers[session_kind.name] += 1
        person = Person(plan, person_rng(1, session_kind.name, number), session_kind.errand)
        rng = person_rng(1, "chaos", session_kind.name, number)
        member = fleet_of.member(session_kind.name, number)
        struck = [
            (began + storm.at, fault)
            for index, storm in enumerate(plan.chaos.storms)
            if (fault := in_storm(member.chaos, index, f"{session_kind.name}-{number}", 1))
            is not None
        ]
        session_plan = SessionPlan(
            streaming=session_kind.streaming,
            faults=ChaosPlan.of(member.chaos, session_kind.name, rng),
            storms=tuple(struck),
            tabs=session_kind.tabs,
            restarts=session_kind.restarts,
            device=member.device,
        )
        driver = Driver(member.setting, person, session_plan)
        drivers.append(driver)
        fleet.append(gevent.spawn(driver.run, perf_counter()))
        spawned(fleet[-1])
    if cut_off_once is None:
        gevent.joinall(fleet, timeout=within)
    else:
        while any(driver.state is not cut_off_once for driver in drivers):
            assert perf_counter() < began + within, [str(driver.state) for driver in drivers]
            gevent.sleep(0.01)
    gevent.killall(fleet)
    for greenlet in fleet:
        greenlet.get()  # what failed in there fails here; a killed one gives its GreenletExit
    recorder.frames_sent, recorder.bytes_sent = traffic.frames_sent, traffic.bytes_sent
    recorder.frames_received = traffic.frames_received
    recorder.bytes_received = traffic.bytes_received
    return recorder.take(perf_counter())


def under(interval: Interval, prefix: str) -> dict[str, int]:
    """The counts whose key starts so, without the start."""
    return {
        key.removeprefix(f"{prefix}."): count
        for key, count in interval.counts.items()
        if key.startswith(f"{prefix}.")
    }
