"""No interval is lost between a worker and its master, whatever the network does to a message."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent

from loadkit.codec import Codec
from loadkit.measure.interval import Interval
from loadkit.measure.recorder import Recorder
from loadkit.swarm.messages import Ack, Fault, Last, OwnCode, Report
from loadkit.swarm.worker import report_sender as module
from loadkit.swarm.worker.report_sender import ReportSender

INTERVAL = Codec[Interval](Interval)


class Runner:
    """A worker's runner: keeps what is sent, hands in what the master says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.on_send: Callable[[str, dict[str, Any]], None] = lambda kind, data: None
        self._handlers: dict[str, Any] = {}

    def register_message(self, kind: str, handler: Any, concurrent: bool = False) -> None:
        self._handlers[kind] = handler

    def send_message(self, kind: str, data: dict[str, Any], client_id: str | None = None) -> None:
        self.sent.append((kind, data))
        self.on_send(kind, data)

    def acknowledge(self, seq: int, run: str = "run") -> None:
        msg = SimpleNamespace(node_id="master", data={"run": run, "seq": seq})
        self._handlers[Ack.KIND](None, msg)

    def numbers(self) -> list[int]:
        return [data["seq"] for kind, data in self.sent if kind == Report.KIND]


def an_interval(now: float = 1.0) -> Interval:
    return Recorder().take(now)


def worker() -> tuple[Runner, ReportSender]:
    runner = Runner()
    sender = ReportSender(runner)  # type: ignore[arg-type]
    sender.begin("run")
    return runner, sender


def test_intervals_are_numbered_from_one_and_carry_their_run() -> None:
    runner, sender = worker()
    first, second = an_interval(1.0), an_interval(2.0)
    sender.deliver(first)
    sender.deliver(second)
    assert runner.sent == [
        (Report.KIND, {"run": "run", "seq": 1, "interval": INTERVAL.encode(first)}),
        (Report.KIND, {"run": "run", "seq": 2, "interval": INTERVAL.encode(second)}),
    ]


def test_what_is_acknowledged_is_not_sent_again() -> None:
    runner, sender = worker()
    for seq in range(1, 9):
        sender.deliver(an_interval())
        runner.acknowledge(seq)
    assert runner.numbers() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_not_acknowledged_is_sent_again_once_newer_ones_went_out() -> None:
    runner, sender = worker()
    for seq in range(1, 6):
        sender.deliver(an_interval())
        if seq != 2:
            runner.acknowledge(seq)
    assert runner.numbers() == [1, 2, 3, 4, 5]
    sender.deliver(an_interval())
    assert sorted(runner.numbers()[5:]) == [2, 6]


def test_an_acknowledgement_of_an_earlier_run_is_passed_over() -> None:
    runner, sender = worker()
    sender.deliver(an_interval())
    sender.begin("next")
    for _ in range(5):
        sender.deliver(an_interval())
    runner.acknowledge(1, run="run")
    assert runner.numbers()[-2:] == [1, 5]  # the next run's first is still open


def test_a_new_run_numbers_from_one_and_forgets_what_was_open() -> None:
    runner, sender = worker()
    sender.deliver(an_interval())
    sender.begin("next")
    runner.sent.clear()
    for _ in range(3):
        sender.deliver(an_interval())
    assert runner.numbers() == [1, 2, 3]
    assert {data["run"] for _, data in runner.sent} == {"next"}


def test_the_end_says_which_was_the_last_and_returns_when_all_are_acknowledged() -> None:
    runner, sender = worker()
    sender.deliver(an_interval())
    sender.deliver(an_interval())
    runner.acknowledge(1)
    waiting = gevent.spawn(sender.settle)
    gevent.sleep(0)
    assert runner.sent[-1] == (Last.KIND, {"run": "run", "seq": 2})
    assert not waiting.dead
    runner.acknowledge(2)
    waiting.join(5)
    assert waiting.dead


def test_at_the_end_what_was_lost_on_the_way_is_sent_until_it_arrives(monkeypatch: Any) -> None:
    runner, sender = worker()
    sender.deliver(an_interval())
    times = 0

    def arrive_the_second_time(kind: str, data: dict[str, Any]) -> None:
        nonlocal times
        if kind == Report.KIND:
            times += 1
            if times == 2:
                gevent.spawn(runner.acknowledge, 1)

    runner.on_send = arrive_the_second_time
    monkeypatch.setattr(sender, "_settled", Impatient())
    with gevent.Timeout(5):
        sender.settle()
    assert runner.numbers() == [1, 1, 1]


def test_a_master_that_is_gone_is_not_waited_for_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    runner, sender = worker()
    sender.deliver(an_interval())
    monkeypatch.setattr(sender, "_settled", Impatient())
    with gevent.Timeout(5):
        sender.settle()
    assert runner.numbers()[0] == 1


def test_a_master_that_is_known_to_be_gone_is_not_waited_for() -> None:
    _, sender = worker()
    sender.deliver(an_interval())
    waiting = gevent.spawn(sender.settle)
    gevent.sleep(0)
    assert not waiting.dead
    sender.abandon()
    waiting.join(5)
    assert waiting.dead


def test_a_fault_names_its_run() -> None:
    runner, sender = worker()
    said = {"text": "ValueError: oh", "trace": "Traceback …"}
    sender.fault(**said)
    sender.own_code(**said)
    assert runner.sent == [(kind, {"run": "run", **said}) for kind in (Fault.KIND, OwnCode.KIND)]


class Impatient:
    """An event that waits for a blink instead of a second."""

    def clear(self) -> None: ...

    def set(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        gevent.sleep(0.001)
        return False
