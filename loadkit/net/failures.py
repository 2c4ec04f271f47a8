"""What went wrong outside, in our own words: foreign exceptions and answers to `RemoteError`."""

import errno
import ssl
from typing import Any, Final

import orjson

from loadkit.errors import Failure, RemoteError
from loadkit.machine.resources import ran_out
from loadkit.security.escaping import one_line

CORRELATION_ID: Final = "X-Polyai-Correlation-Id"
"""The header by which an exchange is found again in the target's logs."""

_LONGEST_BODY: Final = 1600  # bytes of one that is no JSON: more than is told

_NO_WAY_THERE: Final = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH})


def translate(error: OSError) -> RemoteError:
    """Name what a socket or TLS raised, to be raised `from` it; a time-out is a `TimeoutError`.

    `Failure.LOCAL_LIMIT` stands for a limit of this machine: no file descriptor, local port or
    memory.
    """
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # a FIN in the midst of TLS
        return RemoteError(Failure.CONNECTION_LOST, "closed where TLS goes on")
    if isinstance(error, ssl.SSLError):
        # OpenSSL's own errors have these two; those that Python makes itself have neither.
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        text = reason or error.strerror or type(error).__name__
        return RemoteError(Failure.TLS_FAILED, one_line(text))
    text = one_line(error.strerror or type(error).__name__)
    if isinstance(error, TimeoutError):
        return RemoteError(Failure.CONNECT_TIMEOUT, text)
    if error.errno in _NO_WAY_THERE:
        return RemoteError(Failure.CONNECT_REFUSED, text)
    if ran_out(error):  # the target did nothing wrong, so it must not count against it
        return RemoteError(Failure.LOCAL_LIMIT, text)
    return RemoteError(Failure.CONNECTION_LOST, text)


def answer_text(body: bytes | bytearray) -> str:
    """The server's own words about a refusal, 200 characters at most; "" where there are none.

    They are a JSON object's `message`, `error_message` or `error`, which may be an object with
    these in turn; else plain text.
    """
    try:
        answer = orjson.loads(body)
    except ValueError:
        text = bytes(body[:_LONGEST_BODY]).decode(errors="replace").strip()
        return "" if text.startswith("<") else one_line(text)  # no error pages
    for fields in _layers(answer):
        for key in ("message", "error_message", "error"):
            words = fields.get(key)
            if type(words) is str and words.strip():
                return one_line(words)
    return ""


def answer_id(header: object, body: bytes | bytearray) -> str:
    """What the server calls an exchange that it refused; empty where it does not say.

    By the header `CORRELATION_ID`, else by the `correlation_id` of the body.
    """
    try:
        said = [header, *(fields.get("correlation_id") for fields in _layers(orjson.loads(body)))]
    except ValueError:
        said = [header]
    return next((one_line(each) for each in said if type(each) is str and each), "")


def _layers(answer: Any) -> list[dict[str, Any]]:
    outer = answer if type(answer) is dict else {}
    inner = outer.get("error")
    return [outer, inner] if type(inner) is dict else [outer]
