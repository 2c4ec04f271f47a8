"""The sessions that a worker lives now: how they stand, and how they are brought to an end."""

from collections import Counter
from itertools import islice
from time import perf_counter
from typing import Final

import gevent

from loadkit.figures import State
from loadkit.measure.recorder import Recorder
from loadkit.net.driver import Driver

ASK_AGAIN: Final = 0.1  # seconds between two looks at whether anybody still waits
ENDED_AT_ONCE: Final = 20  # sessions; some 5 ms of goodbyes
ENDED_EVERY: Final = 0.01  # seconds from one lot of them to the next
GOODBYES: Final = 2.5  # seconds until the last closing handshake is over: two each at most


class LiveSessions:
    """The sessions of one process."""

    def __init__(self) -> None:
        # theirs, each with its user class and its client
        self.drivers: dict[Driver, tuple[str, str]] = {}
        self.hurried = False  # whether a signal has come, so that nobody is waited for any more

    def await_answers(self, drain: float) -> None:
        """Have nobody say anything new; whoever waits may be answered for `drain` seconds."""
        for driver in self.drivers:
            driver.hush()
        until = perf_counter() + drain
        while (now := perf_counter()) < until and not self.hurried:
            if not any(driver.waits(now)[0] for driver in self.drivers):
                return
            gevent.sleep(ASK_AGAIN)

    def end(self) -> None:
        """Cut all off, a few at a time: thousands at once would hold up the loop for a third of a
        second.
        """
        every = iter(list(self.drivers))
        while not self.hurried and (some := list(islice(every, ENDED_AT_ONCE))):
            for driver in some:
                driver.cut()
            gevent.sleep(ENDED_EVERY)
        until = perf_counter() + GOODBYES
        while self.drivers and not self.hurried and perf_counter() < until:
            gevent.sleep(ENDED_EVERY)  # they say goodbye, and whoever is cut off twice does not

    def await_endings(self) -> None:
        """Have every session that was begun counted as ended too.

        Locust waits for no user whom it is killing already, as when a signal and the master's word
        come at once; and one may have come in the meantime whom nobody has killed yet.
        """
        for _ in range(2):  # to say goodbye, then without
            until = perf_counter() + GOODBYES
            while self.drivers and perf_counter() < until:
                gevent.sleep(ENDED_EVERY)
            for driver in self.drivers:
                driver.cut()

    def look(self, now: float, recorder: Recorder) -> None:
        """Record where each stands; one look at each, as nobody is served meanwhile."""
        ready, states = 0, Counter[str]()
        for driver, names in self.drivers.items():
            rest = driver.rest
            if rest is State.READY:
                ready += 1
                continue
            states[(rest or driver.state).value] += 1
            if rest is None:
                recorder.see_waiting(names, now, *driver.waits(now))
        recorder.states = states + Counter({State.READY.value: ready})
