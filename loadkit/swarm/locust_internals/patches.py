"""What is mended in Locust itself: what stalls a worker, trusts the wall clock, counts amiss."""

import functools
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import gevent
import locust.main
import locust.runners
from locust import argument_parser
from locust.rpc import Message
from locust.runners import STATE_STOPPED, STATE_STOPPING, MasterRunner
from locust.stats import RequestStats, StatsEntry

REPORTS_WITHIN: Final = "0.1"  # seconds
WORKERS_HEAR: Final = 0.5  # seconds that the word to quit gets to reach them, as in Locust


class SteadyTime:
    """Stands in for the module `time`, except that `time.time()` only ever goes on.

    It starts with the wall clock and follows the monotonic one.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._offset = wall() - monotonic()
        self._monotonic = monotonic

    def time(self) -> float:
        """Seconds since the epoch, as far as was known at the start."""
        return self._offset + self._monotonic()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


_STEADY: Final = SteadyTime()
_ENDERS: Final = {MasterRunner.heartbeat_worker.__code__, MasterRunner.handle_message.__code__}
_LOCUSTS_START: Final = MasterRunner.start


def measure_from(stats: RequestStats, at: float) -> None:
    """Say when the warm-up ends, in seconds since the epoch: no request before it is counted."""
    stats.measured_from = at  # type: ignore[attr-defined]


def _total_rps(entry: StatsEntry) -> float:
    """Requests a second of the time in which they were counted; Locust's own holds the warm-up.

    What fails is counted from the first moment, and all else behind the warm-up.
    """
    stats: Any = entry.stats
    until = stats.last_request_timestamp or 0.0
    since = max(stats.start_time, getattr(stats, "measured_from", 0.0))
    good = entry.num_requests - entry.num_failures
    rate = good / (until - since) if until > since else 0.0
    return float(rate + entry.total_fail_per_sec)


def _check_stopped(runner: MasterRunner) -> None:
    """Take a master that is stopping for stopped once no worker has users any more."""
    clients = runner.clients
    if runner.state == STATE_STOPPING and not clients.spawning and not clients.running:
        runner.update_state(STATE_STOPPED)


def _worker_count(runner: MasterRunner) -> int:
    """Locust's, but never 0 for those two of its methods that end a run then."""
    clients = runner.clients
    count = len(clients.ready) + len(clients.spawning) + len(clients.running)
    return max(count, sys._getframe(1).f_code in _ENDERS)


def _start(runner: MasterRunner, user_count: int, *args: Any, **named: Any) -> None:
    """Locust's, which without a worker forgets to hand out users to the next that comes."""
    if runner._users_dispatcher is not None and not runner.worker_count:
        runner.target_user_count = user_count
    else:
        _LOCUSTS_START(runner, user_count, *args, **named)


def _quit(runner: MasterRunner) -> None:
    """Locust's, which waits for the workers anew each of the four times that a run's end calls it.

    Its own greenlet may be among those that end here.
    """
    runner.stop(send_stop_to_client=False)
    if not getattr(runner, "has_told_workers", False):
        for client in runner.clients.all:
            runner.server.send_to_client(Message("quit", None, client.id))
        runner.has_told_workers = True  # type: ignore[attr-defined]
        gevent.sleep(WORKERS_HEAR)
    runner.greenlet.kill(block=True)


def mend_locust() -> None:
    """Mend this process' Locust; nothing changes the second time."""
    runners: Any = locust.runners
    # Heartbeats and spawn messages are dated by the wall clock: set forward by a minute, every
    # worker gives its master up and quits; set back, every message to spawn or stop users is
    # thrown away as older than the last one.
    runners.time = _STEADY
    # To say in its log who stops a run, Locust reads the source of every frame on the stack: some
    # 30 to 150 ms in which nothing else runs. Without the means to it says that it does not know.
    runners.inspect = SimpleNamespace()
    StatsEntry.total_rps = property(_total_rps)  # type: ignore[method-assign, assignment]
    # A master without a worker is called stopped, also while it waits for the first one, or in the
    # midst of a run, which then ends without a result.
    runners.MasterRunner.check_stopped = _check_stopped
    # A master ends the run with its last worker; here it waits for another one (`Reserve`).
    runners.MasterRunner.worker_count = property(_worker_count)
    runners.MasterRunner.start = _start
    # Locust waits half a second each time, two in all.
    runners.MasterRunner.quit = _quit
    # On a terminal the keys w, W, s and S would add and take away users beside the profile's.
    main: Any = locust.main
    main.input_listener = lambda keys: lambda: None
    # Each spawn message rebuilds the whole parser once per option, about 100 ms of a stalled worker
    # each second of a ramp; the result never changes.
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        cached = functools.cache(argument_parser.default_args_dict)
        argument_parser.default_args_dict = cached
    argument_parser.default_args_dict()
    # After each dispatch Locust waits for every worker's word, and while it does so for one that
    # has just come, the master hears nobody.
    os.environ.setdefault("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP", REPORTS_WITHIN)
