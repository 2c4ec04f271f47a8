"""What a worker measures of itself and its machine, so that a run can say if it may be believed.

What it costs, measured on Linux 6.18 with two cores (AMD EPYC): a second's figures 0.03 ms, files
and ports 0.06 ms, the collector's callback 0.9 µs a collection, of which half last over 8 µs.
"""

import gc
from time import perf_counter, process_time
from typing import Final, Protocol

import gevent
import psutil

from loadkit.machine.resources import (
    CpuClock,
    counting_files_is_cheap,
    files_limit,
    open_files,
    port_use,
)
from loadkit.measure.recorder import PROBE_EVERY

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what this process and the machine use."""

STOCK_EVERY: Final = 5
"""Looks from one count of open files and ports to the next."""

COSTLY_STOCK_EVERY: Final = 30
"""The same where files must be listed to be counted: 5 ms for 10,000 would show in the p99 of
the loop's lag if one probe in a hundred met it."""


class Gauges(Protocol):
    """Where the figures go: `loadkit.measure.recorder.Recorder`."""

    def gauge(self, name: str, value: float, at: float | None = None) -> None:
        """Take one figure of the generator, in the unit shown."""

    def loop_lag(self, seconds: float, at: float | None = None) -> None:
        """Take how late the event loop woke the probe."""


class Pauses:
    """The garbage collector's pauses, of every generation, from `start` to `stop`."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._found: list[tuple[float, float]] = []

    def start(self) -> None:
        """Begin to watch; to be called once before each `stop`."""
        self._began = None
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        """End it. What was found stays until it is taken."""
        gc.callbacks.remove(self._note)

    def take(self) -> list[tuple[float, float]]:
        """Return the pauses since the last call: when each ended, and its seconds."""
        # The collector may run between any two steps here, and its pause must not get lost.
        taken = self._found[:]
        del self._found[: len(taken)]
        return taken

    def _note(self, phase: str, _: dict[str, int]) -> None:
        # It may run in the middle of anything, a recorder's work on the same figure included:
        # so it records nothing itself.
        now = perf_counter()
        if phase == "start":
            self._began = now
        elif self._began is not None:
            self._found.append((now, now - self._began))
            self._began = None


class Probes:
    """Greenlets that watch the generator while a run lasts.

    Args:
        recorder: what takes the figures: `loop_lag_ms` ten times a second; `cpu_percent` (of one
            core), `machine_cpu_percent` (of all usable cores), `rss_mb` and `gc_pause_ms` once a
            second; `files_percent` and `ports_percent` every five seconds.
    """

    def __init__(self, recorder: Gauges) -> None:
        self._recorder = recorder
        self._pauses = Pauses()
        self._greenlets: list[gevent.Greenlet[[], None]] = []
        self._due = 0.0

    def start(self) -> None:
        """Begin to watch; nothing happens if it does already."""
        if not self._greenlets:
            self._due = perf_counter() + PROBE_EVERY
            self._pauses.start()
            self._greenlets = [gevent.spawn(self._watch_loop), gevent.spawn(self._watch_use)]

    def stop(self) -> None:
        """End it and hand over the rest; nothing happens if it has ended already."""
        if not self._greenlets:
            return
        gevent.killall(self._greenlets)
        self._greenlets = []
        self._pauses.stop()
        now = perf_counter()
        if now > self._due:  # a stall that lasted to the end is one too
            self._recorder.loop_lag(now - self._due, now)
        self._hand_over_pauses()

    def _watch_loop(self) -> None:
        while True:
            gevent.sleep(max(0.0, self._due - perf_counter()))
            now = perf_counter()
            lag = max(0.0, now - self._due)
            self._due = next_probe(self._due, lag)
            self._recorder.loop_lag(lag, now)

    def _watch_use(self) -> None:
        recorder, process, machine = self._recorder, psutil.Process(), CpuClock()
        stock_every = STOCK_EVERY if counting_files_is_cheap() else COSTLY_STOCK_EVERY
        then, used, looks = perf_counter(), process_time(), 0
        while True:
            gevent.sleep(LOOK_EVERY)
            before, used_before = then, used
            then, used = perf_counter(), process_time()
            recorder.gauge("cpu_percent", 100 * (used - used_before) / (then - before), then)
            recorder.gauge("machine_cpu_percent", machine.busy_percent(), then)
            recorder.gauge("rss_mb", process.memory_info().rss / 1e6, then)
            self._hand_over_pauses()
            if looks % stock_every == 0:
                self._take_stock(then)
            looks += 1

    def _take_stock(self, now: float) -> None:
        self._recorder.gauge("files_percent", 100 * open_files() / files_limit().soft, now)
        ports = port_use()
        if ports is not None:
            self._recorder.gauge("ports_percent", 100 * ports.used / ports.available, now)

    def _hand_over_pauses(self) -> None:
        for ended, seconds in self._pauses.take():
            self._recorder.gauge("gc_pause_ms", 1000 * seconds, ended)


def next_probe(due: float, lag: float) -> float:
    """Return when the probe after the one of `due` is due, that one having come `lag` s late.

    The probes that fell into the stall are skipped: the recorder counts them by itself, each with
    what it would have waited. So every tenth of a second is counted once, whoever counts it.
    """
    return due + PROBE_EVERY * (1 + int(lag / PROBE_EVERY))
