"""Live figures for Prometheus, from the process that leads; docs/metrics.md has the list.

Whatever grows over a run is a counter or a histogram of the run so far, so that the reader
chooses the window; a new run starts again from zero, which Prometheus takes for a restart.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import psutil
from gevent.pywsgi import WSGIServer
from locust.runners import (
    STATE_CLEANUP,
    STATE_INIT,
    STATE_MISSING,
    STATE_RUNNING,
    STATE_SPAWNING,
    STATE_STOPPED,
    STATE_STOPPING,
)
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loadkit.chat.violations import Wrong
from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.ledger import Ledger
from loadkit.protocol.decode import FlawKind
from loadkit.stats.histogram import Histogram
from loadkit.swarm.web.scrape import Scrape
from loadkit.swarm.web.server import Handler, Paced

BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 600.0),
)
"""Upper bounds of every histogram, in seconds: close together where objectives lie, with the
limits of validity (10, 25 and 100 ms) among them. The last is the longest sample there is."""

MOST: Final = 200  # connections; others wait for one of these to go
_MICROSECONDS: Final = tuple(round(bound * 1e6) for bound in BOUNDS)

_VIOLATIONS: Final = frozenset[str]({*Wrong, *FlawKind})

_STATES: Final = (
    *(STATE_INIT, STATE_SPAWNING, STATE_RUNNING, STATE_CLEANUP),
    *(STATE_STOPPING, STATE_STOPPED, STATE_MISSING),
)


def serve_metrics(port: int, source: Callable[[], Scrape], host: str = "127.0.0.1") -> WSGIServer:
    """Answer scrapes from now on, in a greenlet of its own.

    Args:
        port: where to listen; 0 takes a free one, which is the result's `server_port`.
        source: asked at each scrape.
        host: the address to bind. Nobody is asked who they are, so the default is loopback.

    Raises:
        UsageError: the port or the address cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(RunCollector(source))
    try:
        app = Paced(make_wsgi_app(registry))
        quiet: dict[str, Any] = {"log": None, "error_log": None, "handler_class": Handler}
        server = WSGIServer((host, port), app, spawn=MOST, **quiet)
        server.start()
    except (OSError, OverflowError) as error:
        # gevent adds the address to the system's words: it stands in front already.
        reason = (getattr(error, "strerror", None) or str(error)).partition(": (")[0]
        raise UsageError(
            f"the metrics cannot be served on {host}:{port}: {reason}; choose another port with "
            "--metrics-port, or an address of this machine with --metrics-host"
        ) from error
    return server


class RunCollector(Collector):
    """Turns what a scrape sees into metric families."""

    def __init__(self, source: Callable[[], Scrape]) -> None:
        self._source = source

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: the registry would collect to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family. Nothing in here gives way to another greenlet, so all is of one
        moment.
        """
        live = self._source()
        yield from _run(live)
        yield from _latencies(live.ledger)
        yield from _waits(live.ledger)
        yield from _counters(live.ledger)
        yield from _generator(live)


def _run(live: Scrape) -> Iterator[Metric]:
    info = InfoMetricFamily("loadkit_run", "The run under way, or the last one.")
    if live.run:
        info.add_metric((), {"profile": live.profile, "run": live.run})
    yield info
    for name, text, value in (
        ("users_asked", "Virtual users that the profile asks for now.", live.users_asked),
        ("users", "Virtual users that there are.", live.users),
        ("sessions_live", "Sessions running now.", live.ledger.live),
    ):
        yield GaugeMetricFamily(f"loadkit_{name}", text, value)
    workers = {state: live.workers.get(state, 0) for state in _STATES}
    yield _gauges("workers", "Workers by Locust's state.", "state", workers)


def _latencies(ledger: Ledger) -> Iterator[Metric]:
    for name, text, distributions in (
        ("latency", "From sent to complete, by phase.", ledger.latency),
        ("latency_from_schedule", "From due to complete, by phase.", ledger.from_schedule),
    ):
        family = HistogramMetricFamily(f"loadkit_{name}_seconds", text, labels=["phase"])
        for phase in Phase:
            if phase in distributions:
                family.add_metric([phase.value], *_histogram(distributions[phase]))
        yield family


def _waits(ledger: Ledger) -> Iterator[Metric]:
    waiting = ledger.waiting.latency
    ages: dict[str, Mapping[int, int]] = {
        phase.value: waiting.get(phase) or {}
        for phase in Phase
        if waiting.get(phase) or phase in ledger.latency
    }
    many = {phase: sum(found.values()) for phase, found in ages.items()}
    yield _gauges("waits_open", "Waits that are open now.", "phase", many)
    oldest = {phase: max(found, default=0) / 1e6 for phase, found in ages.items()}
    text = "How long the oldest of them has lasted."
    yield _gauges("wait_oldest_seconds", text, "phase", oldest)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge for each value of a label."""
    family = GaugeMetricFamily(f"loadkit_{name}", text, labels=[label])
    for value, figure in values.items():
        family.add_metric([value], figure)
    return family


def _counters(ledger: Ledger) -> Iterator[Metric]:
    counts, frames = ledger.counts, ledger.frames
    for name, text, key in (
        ("sessions_started", "Sessions begun.", Count.SESSIONS_STARTED),
        ("turns_sent", "Messages sent, repetitions aside.", Count.TURNS_SENT),
        ("turns_resent", "Messages sent again after a resume.", Count.TURNS_RESENT),
        ("turns_answered_twice", "Messages answered twice.", Count.TURNS_ANSWERED_TWICE),
        ("events_lost", "Events missing after a resume.", Count.EVENTS_LOST),
        ("events_duplicated", "Events that came again.", Count.EVENTS_DUPLICATED),
    ):
        yield CounterMetricFamily(f"loadkit_{name}", text, counts[key])
    for name, text, label, values in (
        (
            "sessions_ended",
            "Sessions by how they ended.",
            "how",
            {ending.value: counts[f"ended.{ending}"] for ending in Ending},
        ),
        (
            "turns",
            "Messages that are done with.",
            "outcome",
            {"answered": counts[Count.TURNS_ANSWERED], "lost": counts[Count.TURNS_LOST]},
        ),
        (
            "disconnects",
            "Sockets that went away before the end.",
            "kind",
            {
                "forced": counts[Count.DISCONNECTS_FORCED],
                "recycled": counts[Count.DISCONNECTS_RECYCLED],
                "unexpected": counts[Count.DISCONNECTS_UNEXPECTED],
            },
        ),
        (
            "reconnects",
            "Sessions that came back after a disconnect, or gave up.",
            "outcome",
            {
                "reconnected": counts[Count.DISCONNECTS_RECONNECTED],
                "gave_up": counts[Count.DISCONNECTS_GAVE_UP],
            },
        ),
        (
            "errors",
            "What was asked of the target and did not happen.",
            "kind",
            _closed(ledger.under("errors"), frozenset(Failure)),
        ),
        (
            "violations",
            "Breaches of the protocol by the server.",
            "kind",
            _closed(ledger.under("violations"), _VIOLATIONS),
        ),
        (
            "frames",
            "WebSocket frames.",
            "direction",
            {"sent": frames["sent"], "received": frames["received"]},
        ),
        (
            "frame_bytes",
            "Bytes of those frames, headers included, before TLS.",
            "direction",
            {"sent": frames["bytes_sent"], "received": frames["bytes_received"]},
        ),
    ):
        family = CounterMetricFamily(f"loadkit_{name}", text, labels=[label])
        for value, count in values.items():
            family.add_metric([value], count)
        yield family


def _generator(live: Scrape) -> Iterator[Metric]:
    for name, text in (
        ("loop_lag", "How late the event loop of a worker woke."),
        ("schedule_delay", "How late a worker sent what was due."),
        ("gc_pause", "How long the garbage collector stopped a worker."),
    ):
        family = HistogramMetricFamily(f"loadkit_generator_{name}_seconds", text, labels=[])
        found = live.ledger.generator.get(f"{name}_ms")
        if found is not None:
            family.add_metric([], *_histogram(found))
        yield family
    for name, text, figure, unit, over in (
        ("cpu_ratio", "Share of its core that the busiest worker used.", "cpu_percent", 0.01, max),
        (
            "machine_cpu_ratio",
            "Share of the cores of the busiest machine that was used, by anyone.",
            "machine_cpu_percent",
            0.01,
            max,
        ),
        (
            "open_files_ratio",
            "Open files of the worker that is nearest to its limit, as a share of it.",
            "files_percent",
            0.01,
            max,
        ),
        (
            "ports_ratio",
            "TCP sockets of a machine as a share of its ephemeral ports, of the nearest to it.",
            "ports_percent",
            0.01,
            max,
        ),
        ("resident_memory_bytes", "Memory of all workers together.", "rss_mb", 1e6, sum),
    ):
        gauge = GaugeMetricFamily(f"loadkit_generator_{name}", text)
        values = list(_means(live.generator, figure))
        if values:
            gauge.add_metric([], over(values) * unit)
        yield gauge
    text = "Memory of the process that leads."
    memory = psutil.Process().memory_info().rss
    yield GaugeMetricFamily("loadkit_master_resident_memory_bytes", text, memory)


def _means(latest: Mapping[str, Mapping[str, Histogram]], figure: str) -> Iterator[float]:
    """Yield the mean of a figure in each worker's latest interval, in the unit shown."""
    for figures in latest.values():
        if figure in figures and (mean := figures[figure].mean) is not None:
            yield mean


def _histogram(found: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative buckets and the sum in seconds of microseconds.

    A sample on the border counts below it, with all that three digits cannot tell from it.
    """
    within = Counter[int]()
    for lowest, count in found.counts.items():
        within[bisect_left(_MICROSECONDS, lowest)] += count
    buckets: list[tuple[str, float]] = []
    below = 0
    for index, bound in enumerate(BOUNDS):
        below += within[index]
        buckets.append((str(bound), below))
    return [*buckets, ("+Inf", below)], found.total / 1e6


def _closed(found: Mapping[str, int], kinds: frozenset[str]) -> dict[str, int]:
    """Count by known kind alone, at 0 too, so that the first one shows as a rise.

    A user class of one's own may count what it likes; that is `other`, lest labels grow.
    """
    counts = {str(kind): found.get(kind, 0) for kind in sorted(kinds)}
    counts["other"] = sum(found.values()) - sum(counts.values())
    return counts
