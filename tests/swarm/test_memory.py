"""A day of Locust's statistics, pruned and not: what it shows is the same, its size is not."""

import ctypes
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import psutil
import pytest
from locust.env import Environment
from locust.event import Events
from locust.stats import (
    RequestStats,
    StatsEntry,
    StatsError,
    setup_distributed_stats_event_listeners,
)
from locust.util.date import format_utc_timestamp

from loadkit.swarm.locust_internals import memory
from loadkit.swarm.locust_internals.memory import (
    bound_heap,
    bound_logs,
    bound_stats,
    forget_copies,
    trim_heap,
)
from tests.sizes import size_of

HOUR = 3_600
WHILE = HOUR // 4
ROWS = ("response", "echo", "heartbeat")


class Master:
    """A master's statistics, fed as a worker's reports feed them: every three seconds."""

    def __init__(self) -> None:
        environment = Environment(events=Events())
        self.stats = environment.stats
        self._report = environment.events.worker_report
        setup_distributed_stats_event_listeners(environment.events, environment.stats)

    def hear(self, second: int) -> None:
        worker = RequestStats(use_response_times_cache=False)
        for name in ROWS:
            for entry in (worker.get(name, "chat"), worker.total):
                for ago in range(3):
                    entry.num_reqs_per_sec[second - ago] += 2
                    entry.num_fail_per_sec[second - ago] += 1
                entry.num_requests += 6
                entry.num_failures += 3
                entry.response_times[100 + second % 3] += 6
                entry.last_request_timestamp = float(second)
                entry.start_time = 1.0
        error = StatsError("chat", "session", "connect_refused", 1, second, second)
        self._report.fire(
            client_id="w",
            data={
                "stats": worker.serialize_stats(),
                "stats_total": worker.total.serialize(),
                "errors": {"key": error.serialize()},
            },
        )


class Mallinfo(ctypes.Structure):
    """`struct mallinfo2`: ten sizes."""

    _fields_ = (("sizes", ctypes.c_size_t * 10),)


def shown(stats: RequestStats) -> Iterator[object]:
    """What Locust's table and its failures tab tell."""
    entries: list[StatsEntry] = [stats.total, *stats.entries.values()]
    for entry in entries:
        told = entry.to_dict()
        # The run's length, which these hang on, is the wall clock's.
        yield {key: value for key, value in told.items() if not key.startswith("total_")}
    for error in stats.errors.values():
        yield error.to_dict()


def test_a_long_while_is_no_larger_than_a_short_one_and_shows_the_same() -> None:
    """Without the pruning each quarter of an hour adds more than a tenth of a megabyte."""
    pruned, kept = Master(), Master()
    sizes = []
    for second in range(3, 5 * WHILE + 1, 3):
        pruned.hear(second)
        if second % 30 == 0:
            bound_stats(pruned.stats)
        if second % WHILE == 0:
            sizes.append(size_of(pruned.stats))
        if second <= WHILE:
            kept.hear(second)
            if second % 30 == 0:
                assert [*shown(pruned.stats)] == [*shown(kept.stats)]
    assert max(sizes) < 1.05 * sizes[0]
    assert size_of(kept.stats) > sizes[0] + 100_000
    assert pruned.stats.total.num_requests == 5 * WHILE * 2 * len(ROWS)


def test_copies_of_response_times_are_the_charts_alone() -> None:
    """The last ten seconds' percentiles stay in the charts, and the table is as it was."""
    master = Master()
    for second in range(3, 600, 3):
        master.hear(second)
    before, size = [*shown(master.stats)], size_of(master.stats)
    forget_copies(master.stats)
    assert [*shown(master.stats)] == before
    assert size_of(master.stats) < size - 3 * 1_000
    assert master.stats.total.response_times_cache
    for second in range(600, 660, 3):
        master.hear(second)
    assert all(entry.response_times_cache is None for entry in master.stats.entries.values())


def test_the_charts_keep_the_whole_run() -> None:
    """From its first point to its last, in order, the older the sparser."""
    stats = Environment(events=Events()).stats
    for second in range(0, 24 * HOUR, 5):
        stats.history.append({"time": format_utc_timestamp(second)})
        if second % 30 == 0:
            bound_stats(stats)
    bound_stats(stats)
    times = [datetime.fromisoformat(point["time"]).timestamp() for point in stats.history]
    assert memory.POINTS / 2 < len(times) <= memory.POINTS
    assert (times[0], times[-1]) == (0, 24 * HOUR - 5)
    newest = memory.IN_FULL
    assert times[-newest:] == [*range(24 * HOUR - 5 * newest, 24 * HOUR, 5)]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert min(gaps) > 0
    assert max(gaps) < HOUR / 4


def test_errors_without_end_become_one_line() -> None:
    """The sum stays, and so does whatever is frequent."""
    stats = Environment(events=Events()).stats
    for number in range(4_000):
        for text in (f"no room for 0x{number:x} of them", "the usual"):
            error = StatsError("GET", "elsewhere", text)
            stats.errors.setdefault(StatsError.create_key("GET", "elsewhere", text), error)
            stats.errors[StatsError.create_key("GET", "elsewhere", text)].occurred()
        if number % 100 == 0:
            bound_stats(stats)
    listed = {error.error: error.occurrences for error in stats.errors.values()}
    assert len(listed) <= memory.ERRORS + 200
    assert sum(listed.values()) == 8_000
    assert listed["the usual"] == 4_000
    assert all(error.to_dict()["last_seen"] for error in stats.errors.values())


@pytest.mark.parametrize("kinds", [1, memory.ERRORS])
def test_a_closed_list_of_errors_is_left_alone(kinds: int) -> None:
    """Every kind of ours is told by its name, however long the run."""
    stats = Environment(events=Events()).stats
    for number in range(kinds):
        stats.log_error("chat", "session", f"kind {number}")
    before = dict(stats.errors)
    bound_stats(stats)
    assert stats.errors == before


def test_a_large_block_stays_the_systems_own() -> None:
    """However large the ones were that were given back before: else it would tear up the heap."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("not glibc, or an old one")
    library.mallinfo2.restype = Mallinfo

    def of_the_system() -> int:
        return int(library.mallinfo2().sizes[4])  # hblkhd

    given_back = bytearray(8_000_000)
    del given_back
    bound_heap()
    before = of_the_system()
    blocks = [bytearray(165_000) for _ in range(600)]  # the first may still fit into a hole
    assert of_the_system() > before + 100 * len(blocks[0])


def test_pages_that_lie_free_in_the_heap_are_given_back() -> None:
    """Also those in its midst, which have blocks on either side."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("not glibc")
    process = psutil.Process()
    blocks = [bytearray(8_000) for _ in range(5_000)]
    del blocks[1:-1]
    before = process.memory_info().rss
    trim_heap()
    assert process.memory_info().rss < before - 20_000_000
    assert len(blocks) == 2


def test_logs_of_workers_that_come_and_go_do_not_gather() -> None:
    """Those that are there keep theirs; of the others the last ones are still to be read."""
    logs = {f"w{number}": ["a line"] for number in range(1_000)}
    bound_logs(logs, here={"w0", "w7"})
    last = [f"w{number}" for number in range(1_000 - memory.LOGS, 1_000)]
    assert list(logs) == ["w0", "w7", *last]
