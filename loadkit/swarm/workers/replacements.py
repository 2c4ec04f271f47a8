"""What a master does when its workers are gone: start them again if it can, wait, give up."""

import atexit
import logging
import os
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from time import perf_counter
from typing import Final

import gevent
import psutil

from loadkit.machine import lifeline
from loadkit.stats.number_format import plural
from loadkit.verdict.run_facts import Absence

__all__ = ["Replacements"]

logger = logging.getLogger(__name__)

STOPS: Final = 5.0
"""Seconds that such a worker gets to end with its master."""


class Replacements:
    """Looks after a run that has no worker.

    Args:
        options: Locust's.
        stop: ends the run; takes why.
    """

    def __init__(self, options: Namespace, stop: Callable[[str], None]) -> None:
        self._options, self._stop = options, stop
        self._patience = options.worker_patience
        self._forked: list[psutil.Process] = psutil.Process().children()
        self._again: list[subprocess.Popen[bytes]] = []

    def restart_lost(self, absence: Absence, now: float) -> None:
        """See to it that somebody comes; to be called once a second.

        Args:
            absence: of all workers, as it goes on.
            now: second of the run.
        """
        if absence.started is None:
            absence.started = self.replace()
            hope = "waiting for another one"
            if absence.started:
                hope = f"starting {plural(absence.started, 'worker')} again"
            logger.warning(
                "no worker is left: %s, for %g s (--worker-patience)", hope, self._patience
            )
        if now - absence.from_s > self._patience:
            self._stop(
                f"the loss of every worker: none came within {self._patience:,g} s "
                "(--worker-patience)"
            )

    def replace(self) -> int:
        """Start as many as this process had started and are dead; one that is frozen is not."""
        there = sum(map(_is_alive, self._forked)) + len(self._living())
        lacking = max(0, (self._options.processes or 0) - there)
        if lacking and not self._again:
            atexit.register(self._reap)
        self._again += [self._popen() for _ in range(lacking)]
        return lacking

    def _popen(self) -> "subprocess.Popen[bytes]":
        # A fork of this process would take its sockets and greenlets along.
        options = self._options
        command = [sys.executable, "-m", "loadkit.start_locust", "-f", options.locustfile]
        command += ["--worker"]
        command += ["--master-host", options.master_host, "--loglevel", options.loglevel]
        command += ["--master-port", str(options.master_port)]
        # Told by this command line alone, as those were that a master forks.
        ours = {name: said for name, said in os.environ.items() if not name.startswith("LOCUST_")}
        return lifeline.start(command, ours)

    def _living(self) -> "list[subprocess.Popen[bytes]]":
        return [each for each in self._again if each.poll() is None]

    def _reap(self) -> None:
        """Nobody stays behind: they end by the master's word, or before they have heard it."""
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            for each in self._living():
                each.send_signal(number)
            until = perf_counter() + STOPS
            while self._living() and perf_counter() < until:
                gevent.sleep(0.05)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
