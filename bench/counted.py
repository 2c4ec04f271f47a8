"""loadkit's own locustfile, whose processes count their objects when they get SIGUSR2.

The counting is done by a fork, so that it takes nothing of the memory that is being watched. It
writes `master-1.json`, `worker-1.json`, `worker-2.json` … into the folder `BENCH_OBJECTS`: the
number and the bytes of objects of each type, and how long each long container is.
"""

import gc
import json
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import gevent
from gevent import monkey
from locust import events
from locust.runners import WorkerRunner

from loadkit.swarm import (
    AbandoningChat,
    CompleteChat,
    FlakyNetworkChat,
    HandoffChat,
    ProfileShape,
    ResumingChat,
    StreamingChat,
    add_options,
    install,
)

__all__ = [
    "AbandoningChat",
    "CompleteChat",
    "FlakyNetworkChat",
    "HandoffChat",
    "ProfileShape",
    "ResumingChat",
    "StreamingChat",
]

LONG: Final = 200  # entries
_CONTAINERS: Final = (dict, list, set, deque)
_fork: Final = monkey.get_original("os", "fork")  # gevent's own would wake every greenlet there


def ready_to_count(environment: Any, **_: Any) -> None:
    """Wait for the signal (a listener of `init`)."""
    if "BENCH_OBJECTS" not in os.environ:
        return
    role = "worker" if isinstance(environment.runner, WorkerRunner) else "master"
    numbers, folder = count(1), Path(os.environ["BENCH_OBJECTS"])

    def on_signal() -> None:
        path = folder / f"{role}-{next(numbers)}.json"
        if not _fork():  # libev sees to its end, as to that of every child
            try:
                _count(path)
            finally:
                os._exit(0)

    gevent.signal_handler(signal.SIGUSR2, on_signal)


def _count(path: Path) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    gc.disable()
    gc.unfreeze()  # else what was there before the first user could grow unseen
    objects = gc.get_objects()
    numbers, sizes = Counter[str](), Counter[str]()
    long: dict[int, Any] = {}
    for one in objects:
        kind = f"{type(one).__module__}.{type(one).__qualname__}"
        numbers[kind] += 1
        sizes[kind] += sys.getsizeof(one)
        if isinstance(one, _CONTAINERS) and len(one) >= LONG and one is not objects:
            long[id(one)] = one
    lengths = Counter[str]()
    for owner in objects:
        if owner is not objects and owner is not long:
            for name, one in _long_parts(owner, long):
                lengths[name] += len(one)
    found = {"numbers": numbers, "bytes": sizes, "lengths": lengths}
    path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
    path.with_suffix(".part").rename(path)


def _long_parts(owner: Any, long: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """The long containers that hang on an object, with a name for each."""
    if isinstance(owner, FunctionType | ModuleType):
        return  # all functions of a module hang on its one dictionary
    parts = [one for one in gc.get_referents(owner) if id(one) in long]
    if not parts:
        return
    named: dict[int, str] = {}
    if type(owner) is dict:
        named = {id(one): repr(key) for key, one in owner.items()}
    else:
        slots = [name for cls in type(owner).__mro__ for name in getattr(cls, "__slots__", ())]
        for name in (*getattr(owner, "__dict__", ()), *slots):
            named[id(getattr(owner, name, None))] = name
    for one in parts:
        name = named.get(id(one), "?")[:60]
        yield f"{type(owner).__qualname__}.{name} ({type(one).__name__})", one


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(install)
events.init.add_listener(ready_to_count)
