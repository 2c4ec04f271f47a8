"""What stands between a connection and aiohttp, and sees when bytes came and why it ended."""

import asyncio

import pytest

from loadkit.simulator.app.socket import ConnectionObserver

from .doubles import HandClock


class Inner(asyncio.Protocol):
    """A protocol that remembers what it was told, and when."""

    def __init__(self, clock: HandClock) -> None:
        self.clock, self.told = clock, list[tuple[str, object, float]]()

    def data_received(self, data: bytes) -> None:
        self.told.append(("data", data, self.clock.time))
        self.clock.time += 1.0  # it takes its time

    def eof_received(self) -> None:
        self.told.append(("eof", None, self.clock.time))

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(("lost", exc, self.clock.time))


class Line(asyncio.Transport):
    """A connection with one protocol on it."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


def test_everything_is_passed_on_and_stamped_before_anybody_works_on_it() -> None:
    """The stamp is of the arrival; what the protocol does with the bytes comes after it."""
    clock = HandClock()
    inner = Inner(clock)
    line = Line(inner)
    observer = ConnectionObserver(line, clock)
    assert line.protocol is observer
    assert observer.read_at == 100.0
    clock.advance(5)
    observer.data_received(b"one")
    assert observer.read_at == 105.0
    observer.eof_received()
    assert inner.told == [("data", b"one", 105.0), ("eof", None, 106.0)]


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset by peer")])
def test_the_reason_of_a_loss_is_kept(error: Exception | None) -> None:
    """None is an orderly end."""
    clock = HandClock()
    inner = Inner(clock)
    observer = ConnectionObserver(Line(inner), clock)
    observer.connection_lost(error)
    assert observer.error is error
    assert inner.told == [("lost", error, 100.0)]
