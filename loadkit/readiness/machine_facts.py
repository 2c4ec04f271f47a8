"""What `loadkit doctor` finds out about the machine, in little over a second; no judgement here."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Final

from loadkit import compiled
from loadkit.errors import UsageError
from loadkit.machine.resources import (
    CpuClock,
    PortUse,
    ResourceLimit,
    cores,
    files_limit,
    memory_available,
    port_use,
)
from loadkit.protocol.decode import decode
from loadkit.protocol.encode import user_message
from loadkit.security.credentials import Credentials
from loadkit.stats.histogram import Histogram

REFERENCE: Final = 6.4e-6
"""Seconds that `calibrate` takes on the machine of docs/benchmarks.md and docs/doctor.md."""

COMPILED: Final = 0.72
"""What of it is left where the modules are compiled, on the same machine: no core is faster for it.
A run gains less, as it is the system that reads and writes."""

SLEEP: Final = 0.002
"""Seconds of each of the short sleeps."""

FRAMES: Final = tuple(
    b'{"type":"EVENT_TYPE_%s","sequence":%s,"id":"0f8f1d7e-6a1b-4c55-9d5c-0d4a3f1f2b11",'
    b'"timestamp":"2026-11-22T10:00:00Z",'
    b'"payload":{"message_id":"m-17","text":"Your order leaves our house tomorrow at nine."},'
    b'"metadata":{"custom":{"local_id":"9d5c-0d4a3f1f2b11"}}}' % (kind, sequence)
    for kind, sequence in (
        (b"USER_MESSAGE", b"17"),
        (b"POLY_AGENT_THINKING", b"null"),
        (b"POLY_AGENT_MESSAGE", b"18"),
    )
)
"""What a server sends in an exchange."""

_CLOCK_SOURCE: Final = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_PACKAGES: Final = ("loadkit", "locust", "gevent", "websockets", "orjson")


@dataclass(frozen=True, slots=True)
class Facts:
    """A machine as one of its processes finds it; None is what the system does not tell."""

    files: ResourceLimit  # the limit of open files
    ports: PortUse | None  # the ephemeral ports
    cores: float  # how many this process may use, by affinity and cgroup
    machine_cores: int  # how many the machine has
    busy_percent: float  # of the usable cores, what others use now
    load: float  # processes that ran or waited to run, on average over the last minute
    memory: int  # bytes that can be had
    clock_source: str | None  # the kernel's name for where its time comes from
    clock_step: float  # seconds between two values of the clock
    clock_cost: float  # seconds that it takes to read it
    sleep_late: float  # the most that one of twenty sleeps of 2 ms was too long, in seconds
    speed: float  # of one core, relative to the machine of the benchmarks: 2 is twice as fast
    listen_backlog: int | None  # most connections that may wait to be accepted (`somaxconn`)
    tracked: tuple[int, int] | None  # connections that the firewall's table holds, and may hold
    secrets: str  # what is wrong with the target's secrets in the environment; empty if nothing
    code: str  # `loadkit.compiled.form`
    versions: Mapping[str, str]  # of Python and of the packages that matter


def collect(environment: Mapping[str, str] = os.environ) -> Facts:
    """Look at this machine. It takes little over a second, most of it asleep."""
    clock = CpuClock()
    sleep(1.0)  # so that what is busy meanwhile is not us
    busy_percent = clock.busy_percent()
    return Facts(
        files=files_limit(),
        ports=port_use(),
        cores=cores(),
        machine_cores=os.cpu_count() or 1,
        busy_percent=busy_percent,
        load=os.getloadavg()[0],
        memory=memory_available(),
        clock_source=_text(_CLOCK_SOURCE),
        clock_step=time.get_clock_info("perf_counter").resolution,
        clock_cost=_best(perf_counter, 1_000),
        sleep_late=max(_oversleep() for _ in range(20)),
        speed=REFERENCE * (1.0 if compiled.why_not else COMPILED) / calibrate(),
        listen_backlog=number_in(Path("/proc/sys/net/core/somaxconn")),
        tracked=_tracked(Path("/proc/sys/net/netfilter")),
        secrets=_secrets(environment),
        code=compiled.form(),
        versions={"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
    )


def calibrate() -> float:
    """Return the CPU seconds of the pure part of an exchange on one core, at its best.

    One message is encoded, its echo, a thinking event and an answer are decoded, three latencies
    recorded. It is CPU time and the best of several, so that other load changes little.
    """
    histogram = Histogram()

    def exchange() -> None:
        user_message("Where is my order?", "9d5c-0d4a3f1f2b11")
        for frame in FRAMES:
            decode(frame)
            histogram.record(0.0123)

    return _best(exchange, 1_000)


def number_in(path: Path) -> int | None:
    """Return the number that a file of the kernel holds; None where there is no such file."""
    text = _text(path)
    return int(text) if text is not None else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _tracked(folder: Path) -> tuple[int, int] | None:
    count, most = number_in(folder / "nf_conntrack_count"), number_in(folder / "nf_conntrack_max")
    return None if count is None or most is None else (count, most)


def _best(action: Callable[[], object], times: int) -> float:
    """Return the CPU seconds of one call, the least of seven rounds."""
    rounds = []
    for _ in range(7):
        before = process_time()
        for _ in range(times):
            action()
        rounds.append((process_time() - before) / times)
    return min(rounds)


def _oversleep() -> float:
    before = perf_counter()
    sleep(SLEEP)
    return perf_counter() - before - SLEEP


def _secrets(environment: Mapping[str, str]) -> str:
    try:
        Credentials.of(environment)
    except UsageError as error:
        return str(error)
    return ""
