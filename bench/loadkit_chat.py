"""loadkit's own locustfile, made to measure; the rest is the real thing.

What the bench wants comes by the environment: `BENCH_BEGIN` is the file to write the moment to from
which on is measured (seconds on the monotonic clock), `BENCH_WINDOW` after how many seconds people
fall silent, so that every turn is answered before the run ends, `BENCH_STALL_MS` how long the
worker's event loop is blocked now and then (0: never), `BENCH_TYPING` 0 that people type unseen,
and `BENCH_SPREAD` within how many seconds they say their first line: each is found on the way.
"""

import os
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final

import gevent
from locust import events
from locust.runners import WorkerRunner

from loadkit.people.person import Person
from loadkit.swarm import CompleteChat, ProfileShape, StreamingChat, add_options, install
from loadkit.swarm.worker import worker

__all__ = ["CompleteChat", "ProfileShape", "StreamingChat"]

STALL_EVERY: Final = 0.7  # seconds between two stalls, on average
TYPING: Final = os.environ.get("BENCH_TYPING", "1") == "1"
SPREAD: Final = float(os.environ.get("BENCH_SPREAD", "0"))
PHI: Final = 0.618034  # a multiple's fraction is spread evenly, however many there are


class Guest(Person):
    """Does nothing any more once the time is over.

    Attributes:
        until: when that is, in seconds on the monotonic clock.
    """

    __slots__ = ("_came",)
    until = float("inf")
    number = 0

    def react(self, *heard: Any, **more: Any) -> list[Any]:
        """As a person does, up to the end. Arguments and acts are a person's own."""
        acts = super().react(*heard, **more)
        if not TYPING:
            acts = [act for act in acts if not act.kind.startswith("typing")]
        if SPREAD and not hasattr(self, "_came"):
            Guest.number += 1
            self._came = heard[0] + Guest.number * PHI % 1 * SPREAD
            later = self._came - acts[-1].due
            acts = [act._replace(due=act.due + later) for act in acts]
            acts = [act for act in acts if act.due >= heard[0]]
            self._busy += later  # what they remember of it moves along
            self._writer._started += later
        return [act for act in acts if act.due < Guest.until]


def accompany(environment: Any, **_: Any) -> None:
    """Do what the environment asks for, in a worker (a listener of `init`, after `install`)."""
    if isinstance(environment.runner, WorkerRunner) and "BENCH_BEGIN" in os.environ:
        gevent.spawn(_accompany, environment.loadkit)


def _accompany(ours: Any) -> None:
    while not hasattr(ours, "recorder"):  # the run has not begun
        gevent.sleep(0.05)
    begin = ours.recorder.measure_from
    Guest.until = begin + float(os.environ["BENCH_WINDOW"])
    path = Path(os.environ["BENCH_BEGIN"])
    path.with_suffix(".part").write_text(repr(begin), encoding="utf-8")
    path.with_suffix(".part").rename(path)  # whoever waits for it finds all of it
    stall = float(os.environ.get("BENCH_STALL_MS", "0")) / 1000
    gevent.sleep(max(0.0, begin - perf_counter()))
    rng = Random(7)
    while stall and perf_counter() < Guest.until:
        gevent.sleep(rng.expovariate(1 / STALL_EVERY))
        until = perf_counter() + stall
        while perf_counter() < until:
            pass


worker.Person = Guest  # type: ignore[attr-defined]
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)
events.init.add_listener(accompany)
