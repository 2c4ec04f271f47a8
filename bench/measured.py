"""loadkit's own locustfile, made to measure: for a set time, and if asked to, with a loop held up.

What the bench wants comes by the environment: `BENCH_BEGIN` is the file to write the moment to from
which on is measured (seconds on the monotonic clock), `BENCH_WINDOW` after how many seconds people
fall silent, so that every turn is answered before the run ends, and `BENCH_STALL_MS` how long the
worker's event loop is blocked now and then; without it, or at 0, it never is.
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
from loadkit.swarm import ProfileShape, StreamingChat, add_options, install
from loadkit.swarm.worker import worker

__all__ = ["ProfileShape", "StreamingChat"]

STALL_EVERY: Final = 0.7  # seconds between two stalls, on average


class Guest(Person):
    """Does nothing any more once the time is over.

    Attributes:
        until: when that is, in seconds on the monotonic clock.
    """

    __slots__ = ()
    until = float("inf")

    def react(self, *heard: Any, **more: Any) -> list[Any]:
        """As a person does, up to the end. Arguments and acts are a person's own."""
        return [act for act in super().react(*heard, **more) if act.due < Guest.until]


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
