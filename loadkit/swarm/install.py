"""The one place where loadkit is put into a Locust process."""

import json
import logging
import os
import signal
import sys
from functools import partial
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from locust.env import Environment
from locust.runners import STATE_CLEANUP, LocalRunner, MasterRunner, WorkerRunner
from locust.web import WebUI

from loadkit import __version__
from loadkit.errors import LoadkitError, LocalError, UsageError
from loadkit.exit_codes import ExitCode
from loadkit.machine import lifeline
from loadkit.machine.resources import cannot_listen
from loadkit.network import Network, asked, words
from loadkit.output import Log, complain, never_wait, share_terminal
from loadkit.profile.profile import Profile
from loadkit.report.screen import Screen
from loadkit.stats import order_statistics
from loadkit.swarm.locust_internals.dispatcher import SteadyDispatcher
from loadkit.swarm.locust_internals.memory import bound_heap, keep_bounded
from loadkit.swarm.locust_internals.patches import mend_locust
from loadkit.swarm.messages import (
    VERSION,
    Assignment,
    FinishMessage,
    LeaveMessage,
    RunProfile,
    Storm,
    WorkerHello,
    listen,
    send,
)
from loadkit.swarm.options import check_options, default_profile, read_profile
from loadkit.swarm.process import (
    crash,
    cut_off,
    is_on_its_own,
    refuse_to_start,
    take_interrupts,
    tie_to_parent,
)
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.signals import install_exit
from loadkit.swarm.web.prometheus import serve_metrics
from loadkit.swarm.web.scrape import Scrape
from loadkit.swarm.worker.blame import Blame
from loadkit.swarm.worker.report_sender import PATIENCE, ReportSender
from loadkit.swarm.worker.worker import Worker

logger = logging.getLogger(__name__)

MASTER_STOPS_US: Final = 30.0  # seconds a worker that was interrupted waits for its master's word


def install(environment: Environment, **_: Any) -> None:
    """Wire a process for its part: lead, load, or both (a listener of `init`).

    In a headless process that leads, everything that can be wrong before any load is found here,
    and ends the process: 2 for what the user can mend, 4 for a target that refuses; 70 for a fault
    of this tool, which Locust would take for one of the test.
    """
    try:
        _install(environment)
    except LoadkitError as error:
        refuse_to_start(error)
    except Exception as error:
        crash(error)


def _install(environment: Environment) -> None:
    runner = environment.runner
    options = environment.parsed_options
    assert runner is not None
    assert options is not None
    never_wait(get_original("_thread", "start_new_thread"))
    if Screen().is_live:
        share_terminal()
    for handler in (*logging.getLogger().handlers, *logging.getLogger("locust").handlers):
        handler.setFormatter(Log(handler.formatter or logging.Formatter()))
    mend_locust()
    bound_heap()
    if isinstance(runner, WorkerRunner):
        _install_worker(environment, runner)
        return
    check_options(options)
    network = Network.of(asked(options), os.environ)
    controller = RunController(environment, network, headless=options.headless)
    environment.loadkit_controller = controller  # type: ignore[attr-defined]
    gevent.spawn(keep_bounded, environment)
    if isinstance(runner, MasterRunner):
        _install_leader(environment, runner, controller)
    elif isinstance(runner, LocalRunner):
        _install_alone(environment, controller, network)
    if options.metrics_port is not None:
        source = partial(Scrape.of, controller, runner)
        serve_metrics(options.metrics_port, source, options.metrics_host)
    if (options.headless or options.autostart) and not options.print_stats:
        # Our own progress and table take the place of Locust's.
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
    if options.headless:
        install_exit(environment, controller)  # the check may take a while, too
        try:
            controller.next.check(environment.host)
            controller.next.make_folder()
        except LoadkitError:
            controller.next.withdraw()
            raise
    elif environment.web_ui is not None:
        from loadkit.swarm.web.ui import install_web  # numpy, which no worker is to pay for

        environment.profile = options.profile = options.profile or default_profile()
        _check_port(environment.web_ui)
        look = controller.next.check if options.autostart else controller.next.permit
        look(environment.host)
        install_web(environment.web_ui, controller)
        install_exit(environment, controller)
    # Behind all that ends a process here: whoever mistyped a key need not wait for it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # others would only cost time as they start
    order_statistics.load()


def _check_port(web_ui: WebUI) -> None:
    """Locust would go on without its UI, with a traceback.

    Raises:
        UsageError: it cannot be served there.
    """
    if reason := cannot_listen(web_ui.host, web_ui.port):
        raise UsageError(
            f"the web UI cannot be served on {web_ui.host}:{web_ui.port}: {reason}; choose another "
            "port with --web-port, or an address of this machine with --web-host"
        )


def _install_leader(
    environment: Environment, runner: MasterRunner, controller: RunController
) -> None:
    Blame(controller.own_code, controller.fault, controller.ran_out).watch_locust()
    events, options = environment.events, environment.parsed_options

    environment.dispatcher_class = SteadyDispatcher
    assert options is not None
    network = asked(options)  # a form may write into the options themselves
    options.enable_rebalancing = True  # else the users of a lost worker are gone with it

    handed: RunProfile | None = None

    def on_test_start(**_: Any) -> None:
        nonlocal handed
        # Locust's spawn messages carry the options to the workers, late ones included.
        options.loadkit_run = run = controller.start()
        handed = RunProfile(run, controller.as_run().to_json())
        options.loadkit_network = network
        send(runner, handed)

    def on_connect(client_id: str, **_: Any) -> None:
        if handed is not None:  # before Locust has this one spawn users
            send(runner, handed, client_id)
        gevent.spawn(controller.look_after_workers)  # Locust knows it a moment later

    events.test_start.add_listener(on_test_start)
    events.test_stopping.add_listener(lambda **_: controller.drain())
    events.test_stop.add_listener(lambda **_: controller.finish())
    events.worker_connect.add_listener(on_connect)


def _install_worker(environment: Environment, runner: WorkerRunner) -> None:
    options = environment.parsed_options
    assert options is not None
    tie_to_parent(lifeline.WORKER_ENDS)
    sender = ReportSender(runner)
    worker = Worker(environment, sender.deliver, sender.own_code, sender.fault)
    environment.loadkit = worker  # type: ignore[attr-defined]
    worker.blame.watch_locust()
    worker.blame.watch_users(environment, worker.ready.wait)
    dealt = Assignment("")
    handed = RunProfile("", "")
    begun = ""  # the last run of which users came here, or that was over before
    handed_over = Event()
    handed_over.set()
    handing_over = False

    def give_up(text: str) -> None:
        logger.critical("this worker cannot take part: %s", text)
        complain(text)
        environment.process_exit_code = ExitCode.USAGE
        gevent.spawn_later(1.0, runner.quit)  # what was said to the master goes out first

    def on_test_start(**_: Any) -> None:
        nonlocal begun
        if options.loadkit_run == begun:
            return  # it is over
        begun = options.loadkit_run
        handed_over.clear()
        sender.begin(begun)
        try:
            if handed.run != options.loadkit_run:
                raise LocalError("the master has sent no profile for this run")
            profile = Profile.from_json(handed.profile)
            network = Network.of(options.loadkit_network, os.environ)
            worker.prepare(profile, environment.host or "", network)
        except LoadkitError as error:
            sender.sorry(f"{runner.client_id} cannot take part: {error}")
            give_up(str(error))
            return
        if dealt.run == options.loadkit_run:
            worker.take(dealt, runner.worker_index)

    def on_profile(_: str, profile: RunProfile) -> None:
        nonlocal handed
        handed = profile

    def on_deal(_: str, deal: Assignment) -> None:
        nonlocal dealt
        dealt = deal
        if worker.profile is not None and dealt.run == options.loadkit_run:
            worker.take(dealt, runner.worker_index)

    def on_storm(_: str, storm: Storm) -> None:
        if storm.run == options.loadkit_run:
            worker.storm(storm)

    def on_test_stop(**_: Any) -> None:
        nonlocal handing_over
        if handing_over:
            return  # Locust may stop from two greenlets at a time; the first sees to it
        handing_over = True
        try:
            if worker.stop():
                # Locust's next report may be three seconds away, and then count for the next run.
                runner._send_stats()
                sender.settle()
        finally:
            handing_over = False
            handed_over.set()

    def waive() -> None:
        """Say of a run that ends before its users came here that there is nothing to hand over."""
        nonlocal begun
        if dealt.run != begun:
            begun = dealt.run
            sender.begin(begun)
            sender.settle()

    def on_report(client_id: str, data: dict[str, Any]) -> None:
        # In the open model sessions are no users of Locust's; its page shows them all the same.
        users = worker.users()
        if users:
            data |= {"user_classes_count": dict(users), "user_count": sum(users.values())}

    def on_finish(_: str, finish: FinishMessage) -> None:
        waive()
        if finish.at_once:
            worker.hurry()
            cut_off(runner)
        # With a time-out for stopping, users come to the end of what they do by themselves.
        alone = bool(environment.stop_timeout) or worker.wind_down(finish.drain)
        if alone and runner.state != STATE_CLEANUP:
            runner.stop()

    def on_quitting(**_: Any) -> None:
        if lifeline.is_cut() and not is_on_its_own():
            logger.critical("the master is gone: this worker ends")
            sender.abandon()
        # Before Locust says that this worker has gone: what comes later would not be waited for.
        waive()
        worker.hurry()
        cut_off(runner)
        if runner.state != STATE_CLEANUP:
            runner.stop()
        handed_over.wait(PATIENCE)

    listen(runner, FinishMessage, on_finish, concurrent=True)  # acks come in meanwhile
    listen(runner, RunProfile, on_profile)
    listen(runner, Assignment, on_deal)
    listen(runner, Storm, on_storm)
    listen(runner, LeaveMessage, lambda _, leave: give_up(leave.text))
    environment.events.report_to_master.add_listener(on_report)
    environment.events.test_start.add_listener(on_test_start)
    environment.events.test_stop.add_listener(on_test_stop)
    environment.events.quitting.add_listener(on_quitting)
    sender.hello(_introduction(environment))

    def interrupted() -> None:
        # It reaches every process of the terminal; the master ends the run in order.
        until = perf_counter() + MASTER_STOPS_US
        while worker.profile is not None and perf_counter() < until:
            gevent.sleep(0.1)
        runner.greenlet.kill(block=False)

    gevent.signal_handler(signal.SIGINT, interrupted)
    take_interrupts()
    if signal.SIGHUP in lifeline.stop_signals():
        if is_on_its_own():
            gevent.signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
        else:
            gevent.signal_handler(signal.SIGHUP, interrupted)


def _introduction(environment: Environment) -> WorkerHello:
    """What this process says to the master as it connects."""
    options = environment.parsed_options
    assert options is not None
    classes = tuple(cls.__name__ for cls in environment.user_classes)
    alone = options.profile and is_on_its_own()
    own = json.dumps(read_profile(options, classes).outline) if alone else None
    if is_on_its_own() and words(options):
        raise UsageError(
            f"{words(options)[0]}: the master tells its workers the way to the target; give it "
            "there (each worker reads the files and variables that it names on its own machine)"
        )
    return WorkerHello(__version__, classes, own, VERSION)


def _install_alone(environment: Environment, controller: RunController, network: Network) -> None:
    events = environment.events
    worker = Worker(
        environment,
        lambda interval: controller.add("local", next(numbers), interval),
        controller.own_code,
        controller.fault,
    )
    environment.loadkit = worker  # type: ignore[attr-defined]
    worker.blame.watch_locust()
    worker.blame.watch_users(environment, worker.ready.wait)
    controller.lone = worker
    numbers = iter(range(1, sys.maxsize))

    def on_test_start(**_: Any) -> None:
        nonlocal numbers
        numbers = iter(range(1, sys.maxsize))
        run = controller.start()
        worker.prepare(controller.as_run(), environment.host or "", network)
        worker.take(Assignment(run))
        if environment.shape_class is not None:
            environment.shape_class.reset_time()  # as a master does; else it is over a bit early

    def on_test_stop(**_: Any) -> None:
        worker.stop()
        controller.finish()

    events.test_start.add_listener(on_test_start)
    events.test_stopping.add_listener(lambda **_: controller.drain())
    events.test_stop.add_listener(on_test_stop)
