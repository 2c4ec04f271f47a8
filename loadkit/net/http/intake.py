"""What one answer is read from: a socket that gives so many bytes and no more, and gives way."""

from typing import Final

import gevent
import gevent.socket

from loadkit.errors import Failure, RemoteError
from loadkit.net.failures import translate

LARGEST_ANSWER: Final = 1 << 17
"""Bytes that a request may be answered with: all of it, its headers, its trailers and the interim
answers before it included. Tokens take a few KB, and the error pages of balancers some ten."""

_BLOCK: Final = 4096  # bytes a recv: more than nearly every answer has
_READS_A_TURN: Final = 4


class UnansweredError(RemoteError):
    """The connection ended before the first byte of an answer, in whatever way."""


class Intake:
    """The answer to one request, of `most` bytes; `called` in the texts of what went wrong.

    A socket that always has something never waits, and who never waits keeps the loop: neither
    another greenlet nor a time limit gets its turn. So this one gives way by itself.
    """

    __slots__ = ("_called", "_most", "_reads", "_sock", "read")

    def __init__(
        self, sock: gevent.socket.socket, called: str = "an answer", most: int = LARGEST_ANSWER
    ) -> None:
        self._sock, self._called, self._most = sock, called, most
        self.read = self._reads = 0

    def recv(self) -> bytes:
        """What comes next; b"" at the end. Raises RemoteError as `translate`, or ANSWER_TOO_BIG."""
        self._reads += 1
        if self._reads % _READS_A_TURN == 0:
            gevent.sleep(0.0)
        try:
            data: bytes = self._sock.recv(_BLOCK)
        except OSError as error:
            failure = translate(error)
            if failure.kind is Failure.CONNECTION_LOST:
                failure = self.cut(f"{failure.detail},")
            elif not self.read:
                failure = UnansweredError(failure.kind, failure.detail)
            raise failure from error
        self.read += len(data)
        if self.read > self._most:
            raise self.too_big("goes on")
        return data

    def cut(self, how: str = "closed") -> RemoteError:
        if not self.read:
            return UnansweredError(Failure.CONNECTION_LOST, f"{how} before {self._called}")
        return RemoteError(Failure.CONNECTION_LOST, f"{how} in the middle of {self._called}")

    def too_big(self, how: str) -> RemoteError:
        text = f"{self._called} that {how}: no more than {self._most >> 10} KB are read"
        return RemoteError(Failure.ANSWER_TOO_BIG, text)
