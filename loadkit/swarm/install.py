"""The one place where loadkit is put into a Locust process."""

import functools
import logging
import signal
import sys
from time import perf_counter
from typing import Any, Final

import gevent
import psutil
from locust import argument_parser
from locust.env import Environment
from locust.runners import STATE_INIT, LocalRunner, MasterRunner, WorkerRunner

from loadkit.errors import LoadkitError, TargetError
from loadkit.plan.profile import Profile
from loadkit.swarm.conductor import Conductor
from loadkit.swarm.courier import FINISH, Courier
from loadkit.swarm.options import default_profile
from loadkit.swarm.web import install_web
from loadkit.swarm.worker import Worker

__all__ = ["install"]

logger = logging.getLogger(__name__)

USAGE, UNREACHABLE = 2, 4  # exit codes
MASTER_STOPS_US: Final = 30.0  # seconds a worker that was interrupted waits for its master's word


def install(environment: Environment, **_: Any) -> None:
    """Wire a process for its part: lead, load, or both (a listener of `init`).

    In a headless process that leads, everything that can be wrong before any load is found here,
    and ends the process: 2 for what the user can mend, 4 for a target that refuses.
    """
    runner = environment.runner
    options = environment.parsed_options
    assert runner is not None
    assert options is not None
    if isinstance(runner, WorkerRunner):
        _install_worker(environment, runner)
        return
    conductor = Conductor(environment, headless=options.headless)
    environment.loadkit_conductor = conductor  # type: ignore[attr-defined]
    if isinstance(runner, MasterRunner):
        _install_leader(environment, conductor)
    elif isinstance(runner, LocalRunner):
        _install_alone(environment, conductor)
    if options.headless:
        if not options.print_stats:  # our own progress and table take the place of Locust's
            logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
        try:
            conductor.check(environment.host)
            conductor.make_folder()
        except LoadkitError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            _dismiss_workers()
            sys.exit(UNREACHABLE if isinstance(error, TargetError) else USAGE)
        _install_exit(environment, conductor)
    elif environment.web_ui is not None:
        environment.profile = options.profile = options.profile or default_profile()
        install_web(environment.web_ui, conductor)
        _install_exit(environment, conductor)


def _dismiss_workers() -> None:
    """End the workers that `--processes` forked: nothing else tells them of a run that is not."""
    for child in psutil.Process().children():
        child.kill()  # they have nothing to lose yet; Locust waits for them as it exits


def _install_leader(environment: Environment, conductor: Conductor) -> None:
    events, options = environment.events, environment.parsed_options

    def on_test_start(**_: Any) -> None:
        # Locust's spawn message carries the options to the workers, late ones included.
        options.loadkit_run = conductor.start()  # type: ignore[union-attr]
        runner = environment.runner
        options.loadkit_workers = max(1, len(runner.clients.ready))  # type: ignore[union-attr]
        options.loadkit_profile = conductor.profile().to_json()  # type: ignore[union-attr]

    events.test_start.add_listener(on_test_start)
    events.test_stopping.add_listener(lambda **_: conductor.drain())
    events.test_stop.add_listener(lambda **_: conductor.finish())


def _install_worker(environment: Environment, runner: WorkerRunner) -> None:
    # Each spawn message rebuilds Locust's whole parser once per option, about 100 ms of a stalled
    # worker each second of a ramp; the result never changes.
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    argument_parser.default_args_dict()
    courier = Courier(runner)
    worker = Worker(environment, courier.deliver, courier.fault)
    environment.loadkit = worker  # type: ignore[attr-defined]
    asked_to_finish = False

    def on_test_start(**_: Any) -> None:
        nonlocal asked_to_finish
        asked_to_finish = False
        options = environment.parsed_options
        assert options is not None
        courier.begin(options.loadkit_run)
        try:
            profile = Profile.from_json(options.loadkit_profile)
            index, workers = max(0, runner.worker_index), options.loadkit_workers
            worker.start(profile, environment.host or "", index, workers)
        except LoadkitError as error:
            logger.critical("this worker cannot take part: %s", error)
            gevent.spawn(runner.quit)

    def on_test_stop(**_: Any) -> None:
        worker.stop()
        if asked_to_finish:
            # Locust's next report may be three seconds away, and then count for the next run.
            runner._send_stats()
            courier.settle()

    def on_finish(environment: Environment, msg: Any) -> None:
        nonlocal asked_to_finish
        asked_to_finish = True
        runner.stop()

    runner.register_message(FINISH, on_finish, concurrent=True)  # acks come in meanwhile
    environment.events.test_start.add_listener(on_test_start)
    environment.events.test_stop.add_listener(on_test_stop)
    if runner.worker_state != STATE_INIT:
        on_test_start()  # Locust had connected us before: the run may have begun meanwhile

    def interrupted() -> None:
        # Ctrl-C reaches every process of the terminal; the master ends the run in order.
        until = perf_counter() + MASTER_STOPS_US
        while worker.profile is not None and perf_counter() < until:
            gevent.sleep(0.1)
        runner.greenlet.kill(block=False)

    gevent.signal_handler(signal.SIGINT, interrupted)


def _install_alone(environment: Environment, conductor: Conductor) -> None:
    events = environment.events
    worker = Worker(
        environment,
        lambda interval: conductor.add("local", next(numbers), interval),
        conductor.fault,
    )
    environment.loadkit = worker  # type: ignore[attr-defined]
    numbers = iter(range(1, sys.maxsize))

    def on_test_start(**_: Any) -> None:
        nonlocal numbers
        numbers = iter(range(1, sys.maxsize))
        conductor.start()
        worker.start(conductor.profile(), environment.host or "", 0, 1)

    def on_test_stop(**_: Any) -> None:
        conductor.drain()
        worker.stop()
        conductor.finish()

    events.test_start.add_listener(on_test_start)
    events.test_stop.add_listener(on_test_stop)


def _install_exit(environment: Environment, conductor: Conductor) -> None:
    """The exit code of a process that leads, and its end by a signal."""
    by_signal: list[int] = []
    web_ui = environment.web_ui

    def on_signal(number: int) -> None:
        by_signal.append(number)
        if web_ui is None:
            conductor.stop()
        elif web_ui.greenlet is not None:
            web_ui.greenlet.kill(block=False)  # Locust waits for it, then stops the run

    # A Ctrl-C without a handler is an exception in whatever code runs at that moment, and some
    # of it goes on all the same. With a UI, SIGTERM is Locust's own.
    for number in (signal.SIGINT, signal.SIGTERM) if web_ui is None else (signal.SIGINT,):
        gevent.signal_handler(number, on_signal, number)

    def on_quitting(environment: Environment, **_: Any) -> None:
        if by_signal:
            environment.process_exit_code = 128 + by_signal[0]
        elif web_ui is None and conductor.summary is not None:
            environment.process_exit_code = conductor.summary.verdict.exit_code

    environment.events.quitting.add_listener(on_quitting)
