"""From the bytes of a connection to the answer of one POST."""

from typing import Final, NamedTuple

import gevent.socket
from geventhttpclient import HTTPParseError
from geventhttpclient.response import HTTPResponse

from loadkit.errors import Failure, RemoteError
from loadkit.net.http.answer import Answer
from loadkit.net.http.intake import LARGEST_ANSWER, Intake

__all__ = ["Read", "read_answer"]

_SIZES: Final = 1 << 64  # the parser counts in so many, and shows the upper half as negative


class Read(NamedTuple):
    """What was read.

    Attributes:
        answer: the first that is final; what came behind it is no answer to anything.
        reusable: whether the connection may be asked again.
    """

    answer: Answer
    reusable: bool


class _Parser(HTTPResponse):
    """Makes one answer of bytes.

    Attributes:
        whole: it is complete, and final.
    """

    def __init__(self) -> None:
        super().__init__("POST")
        self.whole = False

    def _on_message_begin(self) -> None:
        if self.whole:
            raise HTTPParseError("more than one answer")
        super()._on_message_begin()

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self.whole = self.final

    @property
    def final(self) -> bool:
        """Whether its status is one that no other follows."""
        return self.get_code() >= 200 or self.get_code() == 101

    @property
    def announced(self) -> int:
        """Bytes that its length, or that of its chunk, says are still to come."""
        return self.get_remaining_content_length() % _SIZES

    @property
    def answer(self) -> Answer:
        """What it has come to."""
        return Answer(self.get_code(), self._body_buffer, self.info())


def read_answer(sock: gevent.socket.socket) -> Read:
    """Read the answer to a POST. The caller bounds the wait and closes the socket.

    Not by the library's own client: that one looks its host up for each connection, takes every
    kept connection for dead once the process has more than 1,024 descriptors, reads without end
    and without giving way, and tells a reset from nonsense nowhere.

    Args:
        sock: the request has been sent on it.

    Raises:
        UnansweredError: the connection ended before an answer.
        RemoteError: CONNECTION_LOST; ANSWER_TOO_BIG, with its status if it had come to that;
            HTTP_BAD_ANSWER; TLS_FAILED.
    """
    intake, parser, data = Intake(sock), _Parser(), b"-"
    try:
        while data and not parser.whole:
            data = intake.recv()
            parser.feed(data)  # the end, too: it may be that of a body without a length
            if not parser.whole and parser.announced > LARGEST_ANSWER:
                raise intake.too_big(f"has {parser.announced:,} bytes to come")
    except HTTPParseError as error:
        if parser.whole:  # more came than was asked for
            return Read(parser.answer, False)
        if data:
            raise RemoteError(Failure.HTTP_BAD_ANSWER, "not an HTTP answer") from error
    except RemoteError as error:
        if error.kind is Failure.ANSWER_TOO_BIG and parser.headers_complete and parser.final:
            error.status = parser.get_code()
        raise
    if not parser.whole:
        raise intake.cut()
    return Read(parser.answer, parser.should_keep_alive())
