"""How a process that leads ends: by a signal, and with which exit code."""

import atexit
import logging
import os
import signal
from time import perf_counter
from typing import Any, Final, Literal

import gevent
import psutil
from locust.env import Environment
from locust.runners import MasterRunner

from loadkit.exit_codes import ExitCode, of_signal
from loadkit.machine import lifeline
from loadkit.output import complain
from loadkit.swarm.process import Stage, take_interrupts, tie_to_parent
from loadkit.swarm.run_controller import RunController
from loadkit.swarm.workers.replacements import is_alive, wait_for_workers

logger = logging.getLogger(__name__)

NO_QUIT: Final = -1  # what Locust has for a UI that stays when its run is over
OVER_WITHIN: Final = 10.0  # seconds from a signal to the end of it all
WORKERS_END: Final = 1.0  # seconds that workers get once all is over and they have been told
WRITTEN_WITHIN: Final = 30.0  # more of them, where only the results are still to be written


def way_out(stage: Stage, *, with_ui: bool) -> Literal["close the UI", "leave", "stop", "wait"]:
    """What a signal has to bring about.

    Locust's own state does not tell: without a worker it reads "stopped" while the master waits
    for the first one.
    """
    if with_ui:
        return "close the UI"  # Locust waits for it, then stops the run
    if stage == "before":
        return "leave"  # Locust waits for its workers, and would for ever
    return "stop" if stage == "under way" else "wait"


def install_exit(environment: Environment, controller: RunController) -> None:
    """The exit code of a process that leads, and its end by a signal."""
    by_signal: list[int] = []
    web_ui, options = environment.web_ui, environment.parsed_options
    assert options is not None
    autostart = options.autostart and web_ui is not None
    once = autostart and options.autoquit != NO_QUIT
    main = gevent.getcurrent()

    def take_note(number: int) -> None:
        by_signal.append(signal.SIGTERM if number == signal.SIGHUP else number)
        controller.stopped_by(_named(number))
        if len(by_signal) == 1:
            gevent.spawn(end_at_last)

    def on_signal(number: int) -> None:
        take_note(number)
        controller.hurry()
        way = way_out(controller.stage, with_ui=web_ui is not None)
        if way == "close the UI" and web_ui is not None and web_ui.greenlet is not None:
            web_ui.greenlet.kill(block=False)
            if autostart:  # Locust waits for the run alone
                leave(
                    of_signal(by_signal[0])
                ) if controller.stage == "before" else controller.stop()
        elif way == "leave":
            leave(of_signal(by_signal[0]))
        elif way == "stop":
            controller.stop()

    def leave(code: int) -> None:
        controller.next.withdraw()
        if isinstance(environment.runner, MasterRunner):
            environment.runner.quit()  # tells those workers that have come
        for child in psutil.Process().children():
            child.kill()
        gevent.kill(main, SystemExit(code))

    def give_up(why: str) -> None:
        complain(why)
        leave(ExitCode.INVALID)

    def waits() -> bool:
        return controller.stage == "before" and not controller.next.withdrawn

    def end_at_last() -> None:
        gevent.sleep(OVER_WITHIN)
        if controller.stage == "writing":
            gevent.sleep(WRITTEN_WITHIN)
        logger.critical("it does not end in order: `loadkit report` makes the results")
        os._exit(of_signal(by_signal[0]))

    # A Ctrl-C without a handler is an exception in whatever code runs at that moment, and some
    # of it goes on all the same.
    for number in lifeline.stop_signals():
        # With a UI, SIGTERM is Locust's own: all there is to do is to know of it.
        ours = web_ui is None or number != signal.SIGTERM
        gevent.signal_handler(number, on_signal if ours else take_note, number)
    take_interrupts()
    if web_ui is None and controller.replacements is not None:
        gevent.spawn(wait_for_workers, environment, controller.replacements, waits, give_up)
    tie_to_parent(lifeline.LEADER_ENDS)
    atexit.register(_leave_nobody)

    def on_quitting(environment: Environment, **_: Any) -> None:
        if once:  # stopped from the page it may be about to write its results
            controller.wait_until_idle(WRITTEN_WITHIN)
        controller.hurry()  # a run that goes on is ended by Locust in a moment
        if by_signal:
            environment.process_exit_code = of_signal(by_signal[0])
        elif (web_ui is None or once) and controller.exit_code is not None:
            environment.process_exit_code = controller.exit_code

    environment.events.quitting.add_listener(on_quitting)


def _leave_nobody() -> None:
    """Kill the workers that this process forked and that do not end, a frozen one for example."""
    until = perf_counter() + WORKERS_END
    while (left := [*filter(is_alive, psutil.Process().children())]) and perf_counter() < until:
        gevent.sleep(0.05)
    for child in left:
        child.kill()  # Locust asks all of them for their exit code, and must find it there


def _named(number: int) -> str:
    if lifeline.is_cut():
        return "the end of the process that had started it"
    name = signal.Signals(number).name
    return f"Ctrl-C ({name})" if number == signal.SIGINT else name
