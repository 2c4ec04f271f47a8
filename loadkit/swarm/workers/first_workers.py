"""The wait for a run's first workers: what is told of it meanwhile, and when it is given up."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from loadkit.stats.number_format import plural
from loadkit.swarm.workers.replacements import Replacements

__all__ = ["FirstWorkers", "Word", "wait_for_workers"]

logger = logging.getLogger(__name__)

FIRST_WORD: Final = 5.0  # seconds; a worker that is on its way needs two or three
NEXT_WORD: Final = 30.0  # seconds between two later ones


class Word(NamedTuple):
    """What there is to say, and whether it is the last one."""

    text: str
    last: bool


class FirstWorkers:
    """Whether there is anything to say of the wait.

    Args:
        expected: workers that the run is to begin with.
        patience: seconds until it is given up; 0 waits for ever.
    """

    def __init__(self, expected: int, patience: float) -> None:
        self._expected, self._patience = expected, patience
        self._next = FIRST_WORD
        self._died = 0

    def word_after(self, waited_s: float, here: int, died: int = 0) -> Word | None:
        """To be called once a second.

        Args:
            waited_s: seconds since it began.
            here: workers that have come.
            died: those that have died since the last look, and were started again.
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
        replacements: starts those again that the master had started.
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
