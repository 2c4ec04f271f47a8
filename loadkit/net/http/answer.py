"""An HTTP answer: what it says, where it points, and what time it is there."""

import zlib
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from geventhttpclient.header import Headers

from loadkit.errors import Failure, RemoteError
from loadkit.net.failures import CORRELATION_ID, answer_id, answer_text
from loadkit.net.http.intake import LARGEST_ANSWER
from loadkit.security.escaping import one_line

__all__ = ["Answer", "clock_ahead", "header", "readable", "redirect"]

_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS


class Answer(NamedTuple):
    """What a call was answered.

    Attributes:
        status: 200 and so on.
        body: as it came.
        headers: that came with it.
    """

    status: int
    body: bytes | bytearray
    headers: Headers | None

    @property
    def plain_body(self) -> bytes | bytearray:
        """The body without its encoding; raises as `readable` does."""
        return readable(self.body, header(self.headers, "content-encoding"))

    def refusal(self, url: str) -> RemoteError:
        """The error that an answer is which grants nothing.

        Args:
            url: that was asked.
        """
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
    """Say where an answer points. Nobody follows it: our secrets are for who was named alone.

    Args:
        url: that was asked.
        location: the header, whose query and login are left out: they may hold what we have sent.
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
    """Seconds by which this machine's clock is ahead of a server's.

    Args:
        date: the Date header of an answer, which has whole seconds.
        now: this machine's wall clock as it came, in seconds since the epoch.

    Returns:
        None where the header says nothing.
    """
    try:
        return now - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, IndexError, OverflowError):
        return None
