"""What a worker and its master say to each other, as it goes over the wire."""

import logging
from typing import Any, get_args

import msgpack
import pytest
from locust.rpc import Message as LocustMessage

from loadkit.figures import Phase
from loadkit.measure.recorder import Recorder
from loadkit.profile.tables import Stage
from loadkit.swarm import messages
from loadkit.swarm.messages import (
    VERSION,
    Ack,
    Assignment,
    Fault,
    FinishMessage,
    Last,
    LeaveMessage,
    Message,
    OwnCode,
    Report,
    RunProfile,
    Sorry,
    Storm,
    WorkerHello,
    decode,
    encode,
    listen,
    send,
)
from tests.answers import answered


def a_report(seq: int = 1) -> Report:
    recorder = Recorder()
    recorder.sample(Phase.RESPONSE, 1.0, 1.0, 2.0, turn=answered(0.5))
    return Report("2026", seq, recorder.take(3.0))


STAGES = (Stage(duration=3.0, arrivals_per_second=2.5), Stage(duration=1e7, users=None))
ALL: list[Message] = [
    WorkerHello("1.0", ("CompleteChat",), "{}", VERSION),
    LeaveMessage("why"),
    Sorry("why"),
    RunProfile("2026", "{}"),
    Assignment("2026", 12.5, 1, 3, 13.0, late=True),
    Assignment("2026", 12.5, 1, 3, 13.0, late=True, stages=STAGES),
    Storm("2026", 1, 13.0, 0.5),
    a_report(),
    Last("2026", 7),
    Ack("2026", 7),
    FinishMessage("2026", at_once=False, drain=2.5),
    Fault("2026", "ValueError: oh", "Traceback …"),
    OwnCode("2026", "ValueError: oh", "Traceback …"),
]


class Wire:
    """Locust's runner of one side, as far as it is asked; what is said is heard at once."""

    def __init__(self) -> None:
        self._listeners: dict[str, Any] = {}
        self.said: list[tuple[str, str | None]] = []

    def register_message(self, msg_type: str, listener: Any, concurrent: bool = False) -> None:
        self._listeners[msg_type] = listener

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        self.said.append((msg_type, client_id))
        packed = LocustMessage(msg_type, data, "w1").serialize()
        msg = LocustMessage.unserialize(packed)
        self._listeners[msg_type](environment=None, msg=msg)


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_each_arrives_as_it_was_sent(message: Message) -> None:
    """Packed and unpacked by Locust itself."""
    wire, heard = Wire(), list[Any]()
    listen(wire, type(message), lambda sender, found: heard.append((sender, found)))
    send(wire, message, "w9")
    assert heard == [("w1", message)]
    assert wire.said == [(message.KIND, "w9")]


def test_there_is_no_other_message() -> None:
    """Each has a kind of its own, which is this tool's and none of Locust's."""
    assert {type(message) for message in ALL} == {*get_args(Message)}
    kinds = [kind.KIND for kind in get_args(Message)]
    assert len({*kinds}) == len(kinds)
    assert all(kind.startswith("loadkit.") for kind in kinds)


def test_their_form_is_that_of_their_version() -> None:
    """Whoever changes one of them counts `VERSION` up, and writes the new form down here."""
    told = {message.KIND: [*msgpack.unpackb(msgpack.packb(encode(message)))] for message in ALL}
    assert VERSION == 2
    assert told == {
        "loadkit.hello": ["version", "classes", "profile", "messages"],
        "loadkit.leave": ["text"],
        "loadkit.sorry": ["text"],
        "loadkit.profile": ["run", "profile"],
        "loadkit.deal": ["run", "elapsed_s", "index", "workers", "since_s", "late", "stages"],
        "loadkit.storm": ["run", "number", "at_s", "share"],
        "loadkit.interval": ["run", "seq", "interval"],
        "loadkit.last": ["run", "seq"],
        "loadkit.ack": ["run", "seq"],
        "loadkit.finish": ["run", "at_once", "drain"],
        "loadkit.fault": ["run", "text", "trace"],
        "loadkit.own_code": ["run", "text", "trace"],
    }


def test_the_hello_of_any_version_is_understood_as_far_as_it_goes() -> None:
    """Else its worker could not be told what is wrong with it."""
    assert decode(WorkerHello, {"version": "7.0", "and": "more"}) == WorkerHello("7.0")
    assert decode(WorkerHello, {}).messages == 0


@pytest.mark.parametrize("data", [None, [], 7, "x", {}, {"run": None, "seq": 1}, {"run": "r"}])
def test_what_is_no_such_message_is_left_out_and_told_once(
    data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """By the thousand it would fill the log; what is one is heard all the same."""
    wire, heard = Wire(), list[Any]()
    listen(wire, Last, lambda _, last: heard.append(last))
    with caplog.at_level(logging.WARNING, messages.__name__):
        for _ in range(50):
            wire.send_message(Last.KIND, data)
    send(wire, Last("r", 3))
    assert heard == [Last("r", 3)]
    (told,) = caplog.records
    assert "loadkit.last of w1 cannot be read and is left out" in told.getMessage()


def test_a_report_that_lies_is_left_out_whole() -> None:
    """Nothing of it reaches the ledger."""
    wire, heard = Wire(), list[Any]()
    listen(wire, Report, lambda _, report: heard.append(report))
    plain = encode(a_report())
    plain["interval"]["latency"]["response"]["counts"] = [2049, 1]
    wire.send_message(Report.KIND, plain)
    assert heard == []
