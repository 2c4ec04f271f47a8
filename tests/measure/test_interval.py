"""What a worker measured, on its way to the master and to the journal."""

import copy
import json
import random
import re
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.codec import Codec
from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Origin, Phase, Wait
from loadkit.measure.interval import AGES, GAUGES, Interval, age_class
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.turn_times import TurnTime
from tests.answers import answered

INTERVAL = Codec[Interval](Interval)


def an_interval(seed: int = 1) -> Interval:
    """One with something of everything."""
    chance = random.Random(seed)
    recorder = Recorder(
        1.0, frozenset({"HandoffChat"}), lambda: 9.0, lambda: 1.8e9, frozenset({"web"})
    )
    for _ in range(50):
        scoped = recorder.scoped("HandoffChat", "web")
        scoped.session_started()
        took = chance.expovariate(0.1)
        scoped.sample(Phase.RESPONSE, 2.0, 2.1, 2.1 + took, turn=answered(1.5))
        recorder.sample(Phase.ECHO, None, 2.0, 2.0 + took / 100)
        scoped.unfinished(Phase.RESPONSE, 2.0, 2.1, 2.1 + took, lost=chance.random() < 0.5)
        scoped.count(Count.TURNS_SENT)
    scoped.fail(Failure.UNANSWERED, "no answer", Origin("HandoffChat", "s1", "c1", "web"))
    scoped.violate("gap", "4 after 2", transcript=lambda: ["1.0 ← {}", "2.0 ← {}"])
    scoped.session_ended(Ending.FAILED)
    for name in GAUGES:
        recorder.gauge(name, 12.5)
    recorder.see_waiting(["HandoffChat"], 9.0, [Wait(Phase.RESPONSE, 4.0, 5.0)], [5.0])
    recorder.states = {"ready": 40, "waiting": 9}
    recorder.frames_sent, recorder.bytes_received = 7, 70_000
    return recorder.take(9.0)


PLAIN: dict[str, Any] = INTERVAL.encode(an_interval())


def test_it_arrives_as_it_was_measured() -> None:
    """Over msgpack, which takes a map's keys as they are, and over JSON, which makes them text."""
    sent = an_interval()
    packed = msgpack.unpackb(msgpack.packb(INTERVAL.encode(sent)))
    assert INTERVAL.decode(packed) == INTERVAL.decode(json.loads(INTERVAL.json(sent))) == sent


SLOW = {
    "took_ms": 500.0,
    "at_s": 2.0,
    "at": "2027-01-15T07:59:59.750Z",
    "number": 1,
    "due_ms": None,
    "echo_ms": None,
    "thinking_ms": None,
    "user_class": "",
    "session": "",
    "correlation_id": "",
    "client": "",
}


def test_it_is_written_as_it_always_was() -> None:
    """A journal of the version before can be read, and so can this one by that version."""
    recorder = Recorder(wall=lambda: 1_800_000_000.25)
    recorder.sample(Phase.RESPONSE, None, 2.0, 2.5, turn=answered(1.0))
    recorder.sample(Phase.RESPONSE, None, 2.0, 2.5, turn=answered(1.0))
    recorder.unfinished(Phase.ECHO, None, 2.0, 3.0, lost=True)
    recorder.fail(Failure.UNANSWERED, "late", Origin("Chat", "s1"))
    recorder.see_waiting([], 4.0, [Wait(Phase.ECHO, None, 3.0)], [3.0])
    nothing = {"counts": [], "total": 0, "min": 600_000_001, "max": -1}
    left_out = {"negative": 0, "overflow": 0}
    twice = {"counts": [499_968, 2], "total": 1_000_000, "min": 500_000, "max": 500_000}
    assert INTERVAL.encode(recorder.take(4.0)) == {
        "from": 4.0,
        "to": 4.0,
        "measure_from": 0.0,
        "latency": {
            "response": twice | left_out,
            "echo": nothing | left_out | {"lost": [999_936, 1]},
        },
        "from_schedule": {},
        "generator": {},
        "ages": {"0": twice | left_out},
        "counts": {"errors.unanswered": 1},
        "scopes": {},
        "examples": {"errors.unanswered": "late"},
        "evidence": [
            {
                "of": "errors",
                "kind": "unanswered",
                "at": "2027-01-15T08:00:00.250Z",
                "detail": "late",
                "user_class": "Chat",
                "session": "s1",
                "correlation_id": "",
                "client": "",
            }
        ],
        "live": 0,
        "peak": 0,
        "session_seconds": 0.0,
        "states": {},
        "waiting": {"turns": 1, "latency": {"echo": [999_936, 1]}, "from_schedule": {}},
        "frames": {"sent": 0, "received": 0, "bytes_sent": 0, "bytes_received": 0},
        "by_turn": {"1": twice | left_out},
        "slow": 2 * [SLOW],
    }


def test_whoever_takes_it_leaves_it_as_it_is() -> None:
    """It is one thing for ledger, timeline and journal; nothing is copied on the way."""
    interval = an_interval()
    before = INTERVAL.json(interval)
    ledger = Ledger()
    for worker in ("a", "b"):
        ledger.add(worker, 1, interval)
        ledger.add(worker, 2, an_interval(2))
    assert INTERVAL.json(interval) == before


def put(where: str, value: Any) -> dict[str, Any]:
    """The interval with another value at a place, or without what is there."""
    plain = copy.deepcopy(PLAIN)
    *inner, last = where.split("/")
    at: Any = plain
    for key in inner:
        at = at[int(key) if isinstance(at, list) else key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return plain


NEEDED = [
    *sorted(PLAIN.keys() - {"by_turn", "slow"}),  # which journals of before have not
    *(f"latency/response/{key}" for key in ("counts", "total", "min", "max", "negative")),
    "waiting/turns",
    "waiting/latency",
    "scopes/HandoffChat/waiting",
    "scopes/HandoffChat/latency",
    "scopes/HandoffChat/counts",
    "evidence/0/kind",
]


@pytest.mark.parametrize("where", NEEDED)
def test_nothing_of_it_may_be_missing(where: str) -> None:
    name = where.rpartition("/")[2]
    with pytest.raises(ValueError, match=f"{name} is missing"):
        INTERVAL.decode(put(where, ...))


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        ("from", "1", "from: should be a valid number"),
        ("to", float("inf"), "to: should be a finite number"),
        ("measure_from", 1e13, "measure_from: should be less"),
        ("latency/lunch", PLAIN["latency"]["echo"], "latency.lunch: no phase is called so"),
        ("generator/mood", PLAIN["latency"]["echo"], "generator.mood: no figure is called so"),
        ("ages/99", PLAIN["latency"]["echo"], "ages.99: no class of ages is called so"),
        ("latency/echo/counts", [1], "echo.counts: should be pairs"),
        ("latency/echo/counts", [5, 1, 5, 1], "echo.counts: should have each value once"),
        ("latency/echo/counts", [2049, 1], "echo.counts: 2049 is the value of no bucket"),
        ("latency/echo/counts", [-1, 1], "echo.counts: -1 is the value of no bucket"),
        ("latency/echo/counts", [600_000_001, 1], "is the value of no bucket"),
        ("latency/echo/counts", [5, 2**32], "echo.counts: how often should be from 0 to"),
        ("latency/echo/counts", [5, -1], "echo.counts: how often should be from 0 to"),
        ("latency/echo/counts", [5, True], "echo.counts.1: should be a valid integer"),
        ("latency/echo/counts", [5.0, 1], "echo.counts.0: should be a valid integer"),
        ("latency/echo/counts", {"5": 1}, "echo.counts: should be a valid list"),
        ("latency/echo/min", 600_000_002, "echo.min: should be less"),
        ("latency/echo/max", 1, "echo: min and max do not fit its counts"),
        ("latency/response/lost", [3, "1"], "response.lost.1: should be a valid integer"),
        ("counts/turns.sent", -1, "counts.turns.sent: should be greater"),
        ("counts/turns.sent", 1.5, "counts.turns.sent: should be a valid integer"),
        ("evidence/0/of", "wishes", "evidence.0.of: should be 'errors' or 'violations'"),
        ("evidence/1/frames", "x", "evidence.1.frames: should be"),
        ("examples/errors.unanswered", 3, "should be a valid string"),
        ("live", -1, "live: should be greater"),
        ("peak", None, "peak: should be a valid integer"),
        ("session_seconds", -0.5, "session_seconds: should be greater"),
        ("waiting/latency/response", [5, 1, 5, 1], "should have each value once"),
        ("frames/lost", 1, "frames.lost: no count of frames is called so"),
        ("scopes/HandoffChat", [], "scopes.HandoffChat: should be"),
    ],
)
def test_what_it_may_not_be_is_refused_with_its_place(where: str, value: Any, says: str) -> None:
    """A stranger's journal, and a worker that is not what it says, are checked alike."""
    with pytest.raises(ValueError, match=re.escape(says)):
        INTERVAL.decode(put(where, value))


@pytest.mark.parametrize(
    ("seconds", "begins"),
    [
        (0.0, 0),
        (14.999, 0),
        (15.0, 15),
        (29.9, 15),
        (30.0, 30),
        (59.0, 30),
        (60.0, 60),
        (7_200.0, 3_840),
        (15_360.0, 15_360),
        (200_000.0, 15_360),
    ],
)
def test_a_class_reaches_from_its_beginning_to_the_next_ones(seconds: float, begins: int) -> None:
    """Each class from 15 s on begins at twice the age of the one before it."""
    assert AGES[age_class(seconds)] == begins


@given(st.floats(0, 1e6))
def test_every_age_lies_in_its_class(seconds: float) -> None:
    """The classes are few, whatever the age, and leave none out."""
    number = age_class(seconds)
    assert AGES[number] <= seconds
    assert number == len(AGES) - 1 or seconds < AGES[number + 1]


def test_turns_arrive_as_they_were_taken() -> None:
    """One by one, with whose they are; the first of a run alone."""
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, None, 2.0, 2.5, turn=answered(1.0, 3, person="Chat-7"))
    sent = recorder.take(4.0)
    assert sent.turns == (TurnTime("Chat-7", 3, 2.0, 500_000),)
    packed = msgpack.unpackb(msgpack.packb(INTERVAL.encode(sent)))
    assert INTERVAL.decode(packed).turns == sent.turns
    assert INTERVAL.decode(json.loads(INTERVAL.json(sent))).turns == sent.turns


def test_turns_are_told_up_to_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not each interval has its own: a run has so many."""
    monkeypatch.setattr("loadkit.measure.recorder.MOST", 3)
    recorder, told = Recorder(), list[int]()
    for now in (1.0, 2.0, 3.0):
        for number in (1, 2):
            recorder.sample(Phase.RESPONSE, None, now, now, answered(0.0, number, person="Chat-7"))
        told.append(len(recorder.take(now).turns))
    assert told == [2, 1, 0]
