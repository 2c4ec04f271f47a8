"""What a master does without workers, before a run or in it: start them again, wait, give up."""

import atexit
import logging
import os
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple

import gevent
import psutil
from locust.env import Environment
from locust.runners import MasterRunner

from loadkit.machine import lifeline
from loadkit.stats.number_format import plural
from loadkit.verdict.run_facts import Absence

logger = logging.getLogger(__name__)

STOPS: Final = 5.0  # seconds that a worker started again gets to end with its master
FIRST_WORD: Final = 5.0  # seconds; a worker that is on its way needs two or three
NEXT_WORD: Final = 30.0  # seconds between two later ones


class Replacements:
    """Looks after a run that has no worker; `stop` ends it, and takes why."""

    def __init__(self, options: Namespace, stop: Callable[[str], None]) -> None:
        self._options, self._stop = options, stop
        self._patience = options.worker_patience
        self._forked: list[psutil.Process] = psutil.Process().children()
        self._again: list[subprocess.Popen[bytes]] = []
        self._is_over = False  # others wait as this process ends, and whoever looks on goes on
        atexit.register(self._reap)

    def restart_lost(self, absence: Absence, now: float) -> None:
        """See to it that somebody comes; to be called once a second of the absence of all."""
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
        if self._is_over:
            return 0
        there = sum(map(is_alive, self._forked)) + len(self._living())
        lacking = max(0, (self._options.processes or 0) - there)
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
        self._is_over = True
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            for each in self._living():
                each.send_signal(number)
            until = perf_counter() + STOPS
            while self._living() and perf_counter() < until:
                gevent.sleep(0.05)


class Word(NamedTuple):
    """What there is to say, and whether it is the last one."""

    text: str
    last: bool


class FirstWorkers:
    """Whether there is anything to say of the wait for so many; a `patience` of 0 s has no end."""

    def __init__(self, expected: int, patience: float) -> None:
        self._expected, self._patience = expected, patience
        self._next = FIRST_WORD
        self._died = 0

    def word_after(self, waited_s: float, here: int, died: int = 0) -> Word | None:
        """To be called once a second, with how many have come, and how many have died since the
        last look and were started again.
        """
        self._died += died
        if here >= self._expected:
            return None
        if self._died > self._expected:
            text = f"{plural(self._died, 'worker')} died before the run began; look above for why"
            return Word(f"{text}: no load was generated", last=True)
        if died:
            return Word(f"{plural(died, 'worker')} died and is started again", last=False)
        count = f"{here} of {plural(self._expected, 'worker')}"
        if self._patience and waited_s >= self._patience:
            text = f"{count} came within {self._patience:g} s (--expect-workers-max-wait)"
            return Word(f"{text}: no load was generated", last=True)
        if waited_s < self._next:
            return None
        self._next += NEXT_WORD
        return Word(f"waiting for workers: {count} came so far", last=False)


def wait_for_workers(
    environment: Environment,
    replacements: Replacements,
    waits: Callable[[], bool],
    give_up: Callable[[str], None],
) -> None:
    """Look after the wait; Locust says nothing, and gives it up with the exit code 1.

    Args:
        waits: whether the run has not begun yet.
        give_up: ends the process; takes why.
    """
    runner, options = environment.runner, environment.parsed_options
    assert isinstance(runner, MasterRunner)
    assert options is not None
    first_workers = FirstWorkers(options.expect_workers, options.expect_workers_max_wait or 0)
    options.expect_workers_max_wait = 0
    since = perf_counter()
    while waits():
        word = first_workers.word_after(
            perf_counter() - since, len(runner.clients.ready), replacements.replace()
        )
        if word is not None and word.last:
            give_up(word.text)
        elif word is not None:
            logger.warning("%s", word.text)
        gevent.sleep(1.0)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process that this one has started goes on."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
