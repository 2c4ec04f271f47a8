"""What went wrong outside, in our own words: foreign exceptions and answers to `RemoteError`."""

import errno
import re
import ssl
from collections.abc import Iterable
from typing import Any, Final

import orjson

from loadkit.errors import Failure, RemoteError

__all__ = ["CORRELATION_ID", "answer_id", "answer_text", "clean_text", "translate"]

CORRELATION_ID: Final = "X-Polyai-Correlation-Id"
"""The header by which an exchange is found again in the target's logs."""

_LONGEST_TEXT: Final = 200  # characters; an example text is kept per failure kind
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")

# Our own machine's limits. The target did nothing wrong, so these must not count against it.
_OUR_LIMITS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
)
_NO_WAY_THERE: Final = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH})


def translate(error: OSError, secrets: Iterable[str] = ()) -> RemoteError:
    """Name what a socket or TLS raised.

    Args:
        error: what the socket raised; a time-out is a `TimeoutError`.
        secrets: what the text must not hold.

    Returns:
        An error to raise `from` the first. `Failure.LOCAL_LIMIT` stands for a limit of this
        machine: no file descriptor, no local port, no memory.
    """
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # a FIN in the midst of TLS
        return RemoteError(Failure.CONNECTION_LOST, "closed where TLS goes on")
    if isinstance(error, ssl.SSLError):
        # OpenSSL's own errors have these two; those that Python makes itself have neither.
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        text = reason or error.strerror or type(error).__name__
        return RemoteError(Failure.TLS_FAILED, clean_text(text, secrets))
    text = clean_text(error.strerror or type(error).__name__, secrets)
    if isinstance(error, TimeoutError):
        return RemoteError(Failure.CONNECT_TIMEOUT, text)
    if error.errno in _NO_WAY_THERE:
        return RemoteError(Failure.CONNECT_REFUSED, text)
    if error.errno in _OUR_LIMITS:
        return RemoteError(Failure.LOCAL_LIMIT, text)
    return RemoteError(Failure.CONNECTION_LOST, text)


def answer_text(body: bytes | bytearray, secrets: Iterable[str] = ()) -> str:
    """The server's own words about a refusal.

    Args:
        body: of the answer: a JSON object's `message`, `error_message` or `error`, which may be
            an object with these in turn; else plain text.
        secrets: what the text must not hold, whatever the server sends back.

    Returns:
        At most 200 printable characters; "" when the body says nothing a person would read.
    """
    try:
        answer = orjson.loads(body)
    except ValueError:
        text = bytes(body[: 8 * _LONGEST_TEXT]).decode(errors="replace").strip()
        return "" if text.startswith("<") else clean_text(text, secrets)  # no error pages
    for fields in _layers(answer):
        for key in ("message", "error_message", "error"):
            words = fields.get(key)
            if type(words) is str and words.strip():
                return clean_text(words, secrets)
    return ""


def answer_id(header: object, body: bytes | bytearray, secrets: Iterable[str] = ()) -> str:
    """What the server calls an exchange that it refused; empty where it does not say.

    Args:
        header: the value of `CORRELATION_ID`, if there is one.
        body: of the answer, whose `correlation_id` says the same.
        secrets: as in `answer_text`.
    """
    try:
        said = [header, *(fields.get("correlation_id") for fields in _layers(orjson.loads(body)))]
    except ValueError:
        said = [header]
    return next((clean_text(each, secrets) for each in said if type(each) is str and each), "")


def _layers(answer: Any) -> list[dict[str, Any]]:
    """An object, and the `error` in it where that is one too."""
    outer = answer if type(answer) is dict else {}
    inner = outer.get("error")
    return [outer, inner] if type(inner) is dict else [outer]


def clean_text(text: str, secrets: Iterable[str] = ()) -> str:
    """One printable line of at most 200 characters, without the secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    return _UNPRINTABLE.sub(" ", text).strip()[:_LONGEST_TEXT]
