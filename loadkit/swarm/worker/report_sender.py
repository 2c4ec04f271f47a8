"""How a worker's intervals reach the master with nothing lost at the end.

Locust's own end of a run drops what workers send after "quit". So each interval carries a number,
is acknowledged, and is sent again while it is not; at the end the worker says how many there were
and waits for the acknowledgements, and the master waits for every worker (`RunController.drain`).
That word has none: who goes sees to it that it has left (`worker_port`).
"""

import logging
from time import perf_counter
from typing import Final

import gevent
from gevent.event import Event
from locust.exception import RPCError
from locust.runners import WorkerRunner

from loadkit.measure.interval import Interval
from loadkit.swarm.messages import (
    Ack,
    Fault,
    Last,
    Message,
    OwnCode,
    Report,
    Sorry,
    WorkerHello,
    listen,
    prepare,
    send,
)

logger = logging.getLogger(__name__)

AGAIN_AFTER: Final = 3  # newer intervals before one without an acknowledgement is sent again
PATIENCE: Final = 10.0  # seconds for the last acknowledgements


class ReportSender:
    """A worker's side."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._run = ""
        self._seq = 0
        self._open: dict[int, Report] = {}
        self._settled = Event()
        self._abandoned = False
        self._receiver: object = None  # the greenlet that takes the master's messages
        prepare(Report)
        listen(runner, Ack, self._acknowledged)

    def hello(self, hello: WorkerHello) -> None:
        """Say who this is."""
        send(self._runner, hello)

    def sorry(self, text: str) -> None:
        """Say why this worker cannot take part."""
        send(self._runner, Sorry(text))

    def begin(self, run: str) -> None:
        """A new run: numbers start again."""
        self._run, self._seq = run, 0
        self._open.clear()

    def deliver(self, interval: Interval) -> None:
        """Send an interval, and again what was not acknowledged for a while."""
        self._seq += 1
        self._open[self._seq] = Report(self._run, self._seq, interval)
        for seq, waiting in self._open.items():
            if seq == self._seq or self._seq - seq > AGAIN_AFTER:
                self._send(waiting)

    def abandon(self) -> None:
        """The master is gone: there is nobody to wait for."""
        self._abandoned = True
        self._settled.set()

    def settle(self) -> None:
        """Say which interval was the last; wait until the master has them all."""
        self._send(Last(self._run, self._seq))
        if gevent.getcurrent() is self._receiver:
            return  # the master has said "quit", and what it says next would never be read
        until = perf_counter() + PATIENCE
        while self._open and not self._abandoned and perf_counter() < until:
            self._settled.clear()
            if not self._settled.wait(1.0):
                for waiting in self._open.values():
                    self._send(waiting)

    def fault(self, text: str, trace: str) -> None:
        """Tell the master that this tool itself failed."""
        self._send(Fault(self._run, text, trace))

    def own_code(self, text: str, trace: str) -> None:
        """Tell the master that the user's own code failed, in a way that is new."""
        self._send(OwnCode(self._run, text, trace))

    def _send(self, message: Message) -> None:
        try:
            send(self._runner, message)
        except RPCError as error:
            # Whoever sends must live on: what got no acknowledgement is sent again.
            logger.warning("the master cannot be reached: %s", error)

    def _acknowledged(self, _: str, ack: Ack) -> None:
        self._receiver = gevent.getcurrent()
        if ack.run == self._run:
            self._open.pop(ack.seq, None)
            self._settled.set()
