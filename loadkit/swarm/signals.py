"""How a process that leads ends: by a signal, and with which exit code."""

import signal
from typing import TYPE_CHECKING, Any, Final

import gevent
import psutil
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_INIT, Runner

if TYPE_CHECKING:
    from loadkit.swarm.conductor import Conductor

__all__ = ["USAGE", "cut_off", "install_exit"]

USAGE: Final = 2  # exit code


def install_exit(environment: Environment, conductor: "Conductor") -> None:
    """The exit code of a process that leads, and its end by a signal."""
    by_signal: list[int] = []
    web_ui = environment.web_ui
    main = gevent.getcurrent()

    def on_signal(number: int) -> None:
        by_signal.append(number)
        conductor.stopped_by(_named(number))
        conductor.hurry()
        runner = environment.runner
        if web_ui is not None and web_ui.greenlet is not None:
            web_ui.greenlet.kill(block=False)  # Locust waits for it, then stops the run
        elif runner and runner.state == STATE_INIT and runner.shape_greenlet is None:
            conductor.withdraw()  # Locust waits for its workers, and would for ever
            for child in psutil.Process().children():
                child.kill()
            gevent.kill(main, SystemExit(128 + number))
        else:
            conductor.stop()

    # A Ctrl-C without a handler is an exception in whatever code runs at that moment, and some
    # of it goes on all the same. With a UI, SIGTERM is Locust's own.
    for number in (signal.SIGINT, signal.SIGTERM) if web_ui is None else (signal.SIGINT,):
        gevent.signal_handler(number, on_signal, number)
    if web_ui is not None:
        gevent.signal_handler(signal.SIGTERM, conductor.stopped_by, _named(signal.SIGTERM))

    def on_quitting(environment: Environment, **_: Any) -> None:
        conductor.hurry()  # a run that goes on is ended by Locust in a moment
        if by_signal:
            environment.process_exit_code = 128 + by_signal[0]
        elif web_ui is None and conductor.exit_code is not None:
            environment.process_exit_code = conductor.exit_code

    environment.events.quitting.add_listener(on_quitting)


def _named(number: int) -> str:
    name = signal.Signals(number).name
    return f"Ctrl-C ({name})" if number == signal.SIGINT else name


def cut_off(runner: Runner) -> None:
    """Wait for no user of this process any more, were it in the midst of that."""
    runner.environment.stop_timeout = 0.0
    if runner.state == STATE_CLEANUP:
        runner.user_greenlets.kill(block=False)
