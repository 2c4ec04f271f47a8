"""What Locust keeps for ever, kept short: a day's run has no more of it than an hour's.

Locust 2.47 never forgets a second of an entry's requests, a point of its charts, an error's text or
a worker's log. Its totals are sums apart from these, so nothing that its page shows hangs on them,
but for the far ends: the charts thin out towards the start of the run, and the rarest errors are
told as one.

Per worker that ever took part a few kilobytes stay, here and in the ledger; the tracebacks that
Locust keeps are as many as there are places in the code.
"""

import ctypes
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner
from locust.stats import RequestStats, StatsError

LOOKS_EVERY: Final = 10.0  # seconds
SECONDS: Final = 60  # of each entry; the current rates are those of the last twelve
POINTS: Final = 300  # of the charts at most, 1.3 KB each; Locust adds one in five seconds
IN_FULL: Final = 120  # of these: the newest ten minutes
SPARSE: Final = 60.0  # seconds between two of the others, or twice that, or four times …
ERRORS: Final = 500  # kinds by Locust's key; our own are fewer than a hundred
LOGS: Final = 10  # of workers that are gone; each is 500 lines at most
LARGE: Final = 128 * 1024  # bytes: what glibc begins with
_MMAP_THRESHOLD: Final = -3  # of mallopt
OTHERS: Final = "other errors"


def bound_heap() -> None:
    """Have the C library keep large blocks out of its heap, as it does at first.

    glibc raises the size from which on a block is the system's own to that of the largest one that
    was given back (`man mallopt`, M_MMAP_THRESHOLD). The histograms of a second, 165 KB each, then
    leave holes in the heap, 10 MB of them in the master within minutes. Other libraries keep theirs
    in order.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE)


def trim_heap() -> None:
    """Give back the pages that lie free between the blocks of the C library's heap.

    What a second's figures take for a moment lies now here, now there, and so in the end all over
    the place. It takes half a millisecond for a heap of 60 MB (`man malloc_trim`; glibc's).
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_bounded(environment: Environment) -> None:
    """Prune from time to time, in a greenlet of its own: for the process that leads."""
    options = environment.parsed_options
    while True:
        gevent.sleep(LOOKS_EVERY)
        bound_stats(environment.stats)
        if options is None or not options.stats_history_enabled:  # of Locust's own CSV files
            forget_copies(environment.stats)
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            here = {each.id for each in runner.clients.all if each.state != STATE_MISSING}
            bound_logs(environment.worker_logs, here)
        trim_heap()


def bound_stats(stats: RequestStats) -> None:
    """Forget what Locust's statistics keep of times gone by. Sums stay as they are."""
    for entry in (stats.total, *stats.entries.values()):
        for seconds in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            if len(seconds) > SECONDS:
                for second in sorted(seconds)[:-SECONDS]:
                    del seconds[second]
    if len(stats.history) > IN_FULL:
        _thin(stats.history)
    if len(stats.errors) > ERRORS:
        _merge_rarest(stats.errors)


def forget_copies(stats: RequestStats) -> None:
    """Keep the copies of twenty seconds' response times for the total alone, which is charted."""
    for entry in stats.entries.values():
        entry.use_response_times_cache = False
        entry.response_times_cache = None


def bound_logs(logs: dict[str, list[str]], here: Collection[str]) -> None:
    """Forget the logs of all but the last few workers that are gone, and not `here`."""
    gone = [worker for worker in logs if worker not in here]
    for worker in gone[:-LOGS]:
        del logs[worker]


def _thin(history: list[dict[str, Any]]) -> None:
    """Keep the newest points, and of the older ones one in so many seconds.

    These double when there would be too many, so that what is kept now was always kept, and no gap
    becomes longer than two of them.
    """
    older = history[:-IN_FULL]
    times = [datetime.fromisoformat(point["time"]).timestamp() for point in older]
    every = SPARSE
    while times[-1] - times[0] > every * (POINTS - IN_FULL - 1):
        every *= 2
    kept: dict[int, dict[str, Any]] = {}
    for time, point in zip(times, older, strict=True):
        kept.setdefault(int((time - times[0]) / every), point)
    history[:-IN_FULL] = kept.values()


def _merge_rarest(errors: dict[str, Any]) -> None:
    """Make one line of the rarest errors, as many as leave room for half as many new ones."""
    others = errors.pop(OTHERS, None) or StatsError("", OTHERS, "too many kinds to tell apart")
    by_number = sorted(errors, key=lambda key: errors[key].occurrences)
    for key in by_number[: len(errors) - ERRORS // 2]:
        error = errors.pop(key)
        others.occurrences += error.occurrences
        others.first_seen = _of(min, others.first_seen, error.first_seen)
        others.last_seen = _of(max, others.last_seen, error.last_seen)
    errors[OTHERS] = others


def _of(choose: Any, one: float | None, other: float | None) -> float | None:
    known = [moment for moment in (one, other) if moment is not None]
    return choose(known) if known else None
