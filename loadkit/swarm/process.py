"""A process of the swarm: what it is tied to, its interrupts, where it stands, its users' end."""

import os
import signal
import sys
from typing import Final, Literal

from gevent.monkey import get_original
from locust.runners import STATE_CLEANUP, Runner

from loadkit.machine import lifeline

__all__ = [
    "Stage",
    "cut_off",
    "is_on_its_own",
    "take_interrupts",
    "tie_to_parent",
    "tie_workers",
]

NATIVE_THREAD: Final = get_original("_thread", "start_new_thread")  # a greenlet else

Stage = Literal["before", "under way", "ending", "writing"]
"""Where a process that leads stands: no run has begun, one goes on, its users leave, or it is all
handed over."""


def tie_workers() -> None:
    """Have the workers that this process forks end with it. May be called many times."""
    lifeline.tie_forks(
        # On its own there is a master elsewhere, to hand over to.
        lambda: lifeline.LEADER_ENDS if is_on_its_own() else lifeline.WORKER_ENDS,
        NATIVE_THREAD,
    )


def tie_to_parent(within: float) -> None:
    """Have this process end, within so many seconds, with the one that started it, if ours did."""
    lifeline.watch(within, thread=NATIVE_THREAD)


def is_on_its_own() -> bool:
    """Whether this worker was started as such; one that a master forked has the master's words."""
    if lifeline.is_tied():
        return False  # started again in the place of one that was forked
    return "--worker" in sys.argv or "LOCUST_MODE_WORKER" in os.environ


def take_interrupts() -> None:
    """Take a Ctrl-C from here on, and now the one that was kept since `loadkit.launch`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def cut_off(runner: Runner) -> None:
    """Wait for no user of this process any more, were it in the midst of that."""
    runner.environment.stop_timeout = 0.0
    if runner.state == STATE_CLEANUP:
        runner.user_greenlets.kill(block=False)
