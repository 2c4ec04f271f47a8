"""All that a worker and its master say to each other, and the edge at which it is checked.

Each message is a frozen dataclass. It goes out as plain types, for Locust's msgpack; what comes in
and is no such message is left out, and told once.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeVar, get_args

from pydantic import Field

from loadkit.codec import Codec, Count, Flag, Name, Seconds
from loadkit.measure.interval import Interval
from loadkit.profile.tables import Stage

logger = logging.getLogger(__name__)

_Words = Annotated[str, Field(strict=True)]  # as long as a message may be

VERSION: Final = 2
"""Of all messages together: one more whenever one of them changes. The two sides speak only if they
have the same; a `WorkerHello` says it, and is understood whatever it is."""


@dataclass(frozen=True, slots=True)
class WorkerHello:
    """Worker → master, as it connects: how it introduces itself."""

    KIND: ClassVar = "loadkit.hello"
    version: Name = "of long ago"  # of this tool
    classes: tuple[Name, ...] = ()  # its user classes
    # the outline of the profile that it was itself started with, as JSON; None where it was not,
    # and takes what it gets
    profile: _Words | None = None
    messages: Count = 0  # `VERSION`, as it knows it


@dataclass(frozen=True, slots=True)
class LeaveMessage:
    """Master → worker: you cannot take part, this is why."""

    KIND: ClassVar = "loadkit.leave"
    text: _Words


@dataclass(frozen=True, slots=True)
class Sorry:
    """Worker → master: I cannot take part, this is why."""

    KIND: ClassVar = "loadkit.sorry"
    text: _Words


@dataclass(frozen=True, slots=True)
class RunProfile:
    """Master → worker, once a run: the profile, as of `Profile.to_json`; it may be long."""

    KIND: ClassVar = "loadkit.profile"
    run: Name
    profile: _Words


@dataclass(frozen=True, slots=True)
class Assignment:
    """Master → worker: the time, and which share of the run is its own."""

    KIND: ClassVar = "loadkit.deal"
    run: Name  # the run's name
    # seconds of the run that had passed when it was sent: workers share no clock
    elapsed_s: Seconds = 0.0
    index: Count = 0  # which share, from 0
    workers: Count = 1  # of how many
    since_s: Seconds = 0.0  # from which second of the run on; until then the last deal holds
    late: Flag = False  # whether the worker came when the run was under way
    # all stages of the open model as they are from `since_s` on, where they grow in mid-run; None
    # where they are the profile's
    stages: tuple[Stage, ...] | None = None


@dataclass(frozen=True, slots=True)
class Storm:
    """Master → workers: sockets are to be cut on purpose, beside what the profile plans."""

    KIND: ClassVar = "loadkit.storm"
    run: Name
    number: Count  # of the run's storms of this kind, from 1 on: each hits others
    at_s: Seconds  # the second of the run at which that is to be, on all workers at once
    share: Annotated[float, Field(ge=0, le=1)]  # of the sessions that there are then


@dataclass(frozen=True, slots=True)
class Report:
    """Worker → master: an interval, and its number in the run, from 1 on."""

    KIND: ClassVar = "loadkit.interval"
    run: Name
    seq: Count
    interval: Interval


@dataclass(frozen=True, slots=True)
class Last:
    """Worker → master: there is no higher number."""

    KIND: ClassVar = "loadkit.last"
    run: Name
    seq: Count


@dataclass(frozen=True, slots=True)
class Ack:
    """Master → worker: this report is here."""

    KIND: ClassVar = "loadkit.ack"
    run: Name
    seq: Count


@dataclass(frozen=True, slots=True)
class FinishMessage:
    """Master → workers: stop the users, hand over the rest."""

    KIND: ClassVar = "loadkit.finish"
    run: Name
    at_once: Flag  # a signal has come, nobody is waited for
    drain: Seconds  # seconds for which an answer is still waited for


@dataclass(frozen=True, slots=True)
class Fault:
    """Worker → master: this tool is at fault, stop."""

    KIND: ClassVar = "loadkit.fault"
    run: Name
    text: _Words
    trace: _Words


@dataclass(frozen=True, slots=True)
class OwnCode:
    """Worker → master: the user's own code is at fault, in a way that is new."""

    KIND: ClassVar = "loadkit.own_code"
    run: Name
    text: _Words
    trace: _Words


Message = (
    WorkerHello
    | LeaveMessage
    | Sorry
    | RunProfile
    | Assignment
    | Storm
    | Report
    | Last
    | Ack
    | FinishMessage
    | Fault
    | OwnCode
)
M = TypeVar("M", bound=Message)

_CODECS: Final[Mapping[type, Codec[Any]]] = {kind: Codec[Any](kind) for kind in get_args(Message)}


class Runner(Protocol):
    """Locust's, of a master or of a worker."""

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Say something to the master, to one worker, or to all of them."""

    def register_message(
        self, msg_type: str, listener: Callable[..., None], concurrent: bool = False
    ) -> None:
        """Have somebody hear what comes of one kind."""


def encode(message: Message) -> Any:
    """Return it as plain types."""
    return _CODECS[type(message)].encode(message)


def decode(kind: type[M], plain: object) -> M:
    """Undo `encode`.

    Raises:
        ValueError: it is no such message; the text says where, and why.
    """
    codec: Codec[M] = _CODECS[kind]
    return codec.decode(plain)


def prepare(kind: type[Any]) -> None:
    """Have ready what a kind of message needs; see `Codec.prepare`."""
    _CODECS[kind].prepare()


def send(runner: Runner, message: Message, worker: str | None = None) -> None:
    """Say something: to the master, or to a worker, or to all of them where none is named.

    Raises:
        RPCError: the other end cannot be reached.
    """
    runner.send_message(message.KIND, encode(message), worker)


def listen(
    runner: Runner, kind: type[M], take: Callable[[str, M], None], *, concurrent: bool = False
) -> None:
    """Hear all messages of a kind from now on.

    Args:
        take: gets the name of who sent it, and the message.
        concurrent: whether others are heard while one is taken.
    """
    told = False
    prepare(kind)

    def on_message(environment: Any, msg: Any) -> None:
        nonlocal told
        try:
            message = decode(kind, msg.data)
        except ValueError as error:
            if not told:  # else whoever sends it by the thousand fills the log
                told = True
                text = "%s of %s cannot be read and is left out, as will be others: %s"
                logger.warning(text, kind.KIND, msg.node_id, error)
            return
        take(msg.node_id, message)

    runner.register_message(kind.KIND, on_message, concurrent=concurrent)
