"""An HTTP answer: how it is read, what it says, where it points, and what time it is there."""

import zlib
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import gevent.socket
from geventhttpclient import HTTPParseError
from geventhttpclient.header import Headers
from geventhttpclient.response import HTTPResponse

from loadkit.errors import Failure, RemoteError
from loadkit.net.failures import CORRELATION_ID, answer_id, answer_text
from loadkit.net.http.intake import LARGEST_ANSWER, Intake
from loadkit.security.escaping import one_line

_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS
_SIZES: Final = 1 << 64  # the parser counts in so many, and shows the upper half as negative


class Answer(NamedTuple):
    status: int
    body: bytes | bytearray
    headers: Headers | None

    @property
    def plain_body(self) -> bytes | bytearray:
        return readable(self.body, header(self.headers, "content-encoding"))

    def refusal(self, url: str) -> RemoteError:
        """The error that an answer is which grants nothing."""
        status, body = self.status, b""
        with suppress(RemoteError):  # what cannot be read says nothing
            body = bytes(self.plain_body)
        text, location = answer_text(body), header(self.headers, "location")
        kind = Failure.HTTP_BAD_ANSWER
        if status == 429:
            kind = Failure.RATE_LIMITED
        elif status >= 500:
            kind = Failure.HTTP_SERVER_ERROR
        elif status >= 400:
            kind = Failure.HTTP_CLIENT_ERROR
        elif location is not None:
            text = redirect(url, location)
        called = answer_id(header(self.headers, CORRELATION_ID), body)
        return RemoteError(kind, text, status=status, correlation_id=called)


def header(headers: Headers | None, name: str) -> str | None:
    """A header that stands there once."""
    value = None if headers is None else headers.get(name)
    return value if isinstance(value, str) else None


def redirect(url: str, location: str) -> str:
    """Say where an answer points, but for query and login: they may hold what we have sent.

    Nobody follows it: our secrets are for who was named alone.
    """
    try:
        parts = urlsplit(urljoin(url, location))
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "redirects to an address that cannot be read; it is not followed"
    place = one_line(f"{parts.scheme}://{host}{parts.path}")
    return f"redirects to {place}, which is not followed"


def readable(body: bytes | bytearray, encoding: str | None) -> bytes | bytearray:
    """Undo the encoding of a body: gzip or deflate, whatever we had asked for.

    Raises:
        RemoteError: HTTP_BAD_ANSWER; it has another one, or is none of its kind. ANSWER_TOO_BIG; it
            is small as it came alone.
    """
    name = (encoding or "").strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        shown = one_line(name)
        text = f"it is encoded as {shown}, though no encoding was asked for"
        raise RemoteError(Failure.HTTP_BAD_ANSWER, text)
    try:
        plain = zlib.decompressobj(_ZLIB_OR_GZIP).decompress(body, LARGEST_ANSWER + 1)
    except zlib.error as error:
        text = f"it is said to be encoded as {name}, and is not"
        raise RemoteError(Failure.HTTP_BAD_ANSWER, text) from error
    if len(plain) > LARGEST_ANSWER:
        text = f"{len(body):,} bytes of {name} that unpack to over {LARGEST_ANSWER >> 10} KB"
        raise RemoteError(Failure.ANSWER_TOO_BIG, text)
    return plain


def clock_ahead(date: str | None, now: float) -> float | None:
    """Seconds by which our wall clock `now` is ahead of the Date of an answer, if it has one."""
    try:
        return now - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, IndexError, OverflowError):
        return None


# --- from the bytes of a connection


class Read(NamedTuple):
    """The first answer that is final, and whether the connection may be asked again."""

    answer: Answer
    reusable: bool


class _Parser(HTTPResponse):
    """Makes one answer of bytes: `whole` once it is complete, and final."""

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
        return self.get_code() >= 200 or self.get_code() == 101

    @property
    def announced(self) -> int:
        """Bytes that its length, or that of its chunk, says are still to come."""
        return self.get_remaining_content_length() % _SIZES

    @property
    def answer(self) -> Answer:
        return Answer(self.get_code(), self._body_buffer, self.info())


def read_answer(sock: gevent.socket.socket) -> Read:
    """Read the answer to the POST that was sent. The caller bounds the wait and closes the socket.

    Not by the library's own client: that one looks its host up for each connection, takes every
    kept connection for dead once the process has more than 1,024 descriptors, reads without end and
    without giving way, and tells a reset from nonsense nowhere.

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
