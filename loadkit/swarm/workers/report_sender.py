"""How a worker's intervals reach the master with nothing lost at the end.

Locust's own end of a run drops what workers send after "quit". So each interval carries a number,
is acknowledged, and is sent again while it is not; at the end the worker says how many there were
and waits for the acknowledgements, and the master waits for every worker (`RunController.drain`).
"""

import logging
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.exception import RPCError
from locust.runners import WorkerRunner

from loadkit.swarm.workers.handshake import WorkerHello

__all__ = [
    "ACK",
    "DEAL",
    "FAULT",
    "FINISH",
    "HELLO",
    "INTERVAL",
    "LAST",
    "LEAVE",
    "OWN_CODE",
    "PROFILE",
    "SORRY",
    "ReportSender",
]

logger = logging.getLogger(__name__)

HELLO: Final = "loadkit.hello"  # worker → master: a `WorkerHello`, as it connects
LEAVE: Final = "loadkit.leave"  # master → worker: {"text"}: you cannot take part, this is why
SORRY: Final = "loadkit.sorry"  # worker → master: {"text"}: I cannot take part, this is why
PROFILE: Final = "loadkit.profile"  # master → worker: {"run", "profile"}, once, as it may be long
DEAL: Final = "loadkit.deal"  # master → worker: a `Deal`
INTERVAL: Final = "loadkit.interval"  # worker → master: {"run", "seq", "interval"}
LAST: Final = "loadkit.last"  # worker → master: {"run", "seq"}: there is no higher number
ACK: Final = "loadkit.ack"  # master → worker: {"run", "seq"}
FINISH: Final = "loadkit.finish"  # master → workers: stop the users, hand over the rest
FAULT: Final = "loadkit.fault"  # worker → master: {"run", "text", "trace"}: we are at fault, stop
OWN_CODE: Final = "loadkit.own_code"  # worker → master: the same: the user's own code is at fault

AGAIN_AFTER: Final = 3  # newer intervals before one without an acknowledgement is sent again
PATIENCE: Final = 10.0  # seconds for the last acknowledgements


class ReportSender:
    """A worker's side."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._run = ""
        self._seq = 0
        self._open: dict[int, dict[str, Any]] = {}
        self._settled = Event()
        self._abandoned = False
        self._receiver: object = None  # the greenlet that takes the master's messages
        runner.register_message(ACK, self._acknowledged)

    def hello(self, hello: WorkerHello) -> None:
        """Say who this is."""
        self._runner.send_message(HELLO, hello.to_wire())

    def sorry(self, text: str) -> None:
        """Say why this worker cannot take part."""
        self._runner.send_message(SORRY, {"text": text})

    def begin(self, run: str) -> None:
        """A new run: numbers start again."""
        self._run, self._seq = run, 0
        self._open.clear()

    def deliver(self, interval: dict[str, Any]) -> None:
        """Send an interval, and again what was not acknowledged for a while."""
        self._seq += 1
        self._open[self._seq] = interval
        for seq, waiting in self._open.items():
            if seq == self._seq or self._seq - seq > AGAIN_AFTER:
                self._send(INTERVAL, seq=seq, interval=waiting)

    def abandon(self) -> None:
        """The master is gone: there is nobody to wait for."""
        self._abandoned = True
        self._settled.set()

    def settle(self) -> None:
        """Say which interval was the last; wait until the master has them all."""
        self._send(LAST, seq=self._seq)
        if gevent.getcurrent() is self._receiver:
            return  # the master has said "quit", and what it says next would never be read
        until = perf_counter() + PATIENCE
        while self._open and not self._abandoned and perf_counter() < until:
            self._settled.clear()
            if not self._settled.wait(1.0):
                for seq, waiting in self._open.items():
                    self._send(INTERVAL, seq=seq, interval=waiting)

    def fault(self, text: str, trace: str) -> None:
        """Tell the master that this tool itself failed."""
        self._send(FAULT, text=text, trace=trace)

    def own_code(self, text: str, trace: str) -> None:
        """Tell the master that the user's own code failed, in a way that is new."""
        self._send(OWN_CODE, text=text, trace=trace)

    def _send(self, kind: str, **data: Any) -> None:
        try:
            self._runner.send_message(kind, {"run": self._run, **data})
        except RPCError as error:
            # Whoever sends must live on: what got no acknowledgement is sent again.
            logger.warning("the master cannot be reached: %s", error)

    def _acknowledged(self, environment: Any, msg: Any) -> None:
        self._receiver = gevent.getcurrent()
        if msg.data["run"] == self._run:
            self._open.pop(msg.data["seq"], None)
            self._settled.set()
