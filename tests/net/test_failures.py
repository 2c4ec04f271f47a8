"""Foreign exceptions and servers' answers in our own words."""

import errno
import os
import socket
import ssl

import pytest

from loadkit.errors import Failure
from loadkit.net.failures import answer_id, answer_text, translate
from loadkit.security.redaction import remember


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (os_error(errno.ECONNREFUSED), Failure.CONNECT_REFUSED),
        (os_error(errno.ENETUNREACH), Failure.CONNECT_REFUSED),
        (os_error(errno.EHOSTUNREACH), Failure.CONNECT_REFUSED),
        (os_error(errno.ETIMEDOUT), Failure.CONNECT_TIMEOUT),
        (TimeoutError("timed out"), Failure.CONNECT_TIMEOUT),
        (socket.timeout("timed out"), Failure.CONNECT_TIMEOUT),  # noqa: UP041
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), Failure.TLS_FAILED),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), Failure.TLS_FAILED),
        (ssl.SSLEOFError(8, "EOF occurred"), Failure.CONNECTION_LOST),
        (ssl.SSLZeroReturnError(6, "closed"), Failure.CONNECTION_LOST),
        (os_error(errno.ECONNRESET), Failure.CONNECTION_LOST),
        (os_error(errno.EPIPE), Failure.CONNECTION_LOST),
        (OSError("no number"), Failure.CONNECTION_LOST),
        # the limits of our own machine are no fault of the target
        (os_error(errno.EMFILE), Failure.LOCAL_LIMIT),
        (os_error(errno.EADDRNOTAVAIL), Failure.LOCAL_LIMIT),
        (os_error(errno.ENOBUFS), Failure.LOCAL_LIMIT),
    ],
)
def test_an_exception_has_its_kind(error, kind):
    assert translate(error).kind == kind


def test_the_systems_words_are_kept():
    assert translate(os_error(errno.ECONNRESET)).detail == os.strerror(errno.ECONNRESET)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "session not found", "error": "other"}', "session not found"),
        (b'{"message": "", "error": "session not found"}', "session not found"),
        (b'{"error": {"code": 7}, "message": null}', ""),
        (b'{"error": {"code": 7, "message": "session not found"}}', "session not found"),
        (b'{"error_code": 7, "error_message": "session not found"}', "session not found"),
        (b'["message"]', ""),
        (b"", ""),
        (b"session not found\n", "session not found"),
        (b"<!doctype html><title>502</title>", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": "two\\nlines\\u0000 of \\u0007 text"}', r"two lines\0 of \a text"),
        (b'{"message": "Bearer abc.def.secret"}', "Bearer [secret]"),
        (b'{"message": "' + b"x" * 500 + b'"}', "x" * 200),
        (b"y" * 100_000, "y" * 200),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(body, text):
    remember("abc.def.secret")
    assert answer_text(body) == text


def test_a_secret_is_wiped_out_before_the_text_is_cut():
    remember("secret-token")
    assert answer_text(b"x" * 195 + b"secret-token") == "x" * 195 + "[secr"


@pytest.mark.parametrize(
    ("header", "body", "called"),
    [
        ("call-1", b"", "call-1"),
        ("call-1", b'{"correlation_id": "call-2"}', "call-1"),
        (None, b'{"correlation_id": "call-2"}', "call-2"),
        (None, b'{"error": {"message": "no", "correlation_id": "call-3"}}', "call-3"),
        (None, b'{"correlation_id": 7}', ""),
        (None, b"not JSON", ""),
        (None, b'["correlation_id"]', ""),
        ("call\r\nX-Token: secret-token", b"", "call X-Token: [secret]"),
    ],
)
def test_a_server_says_what_it_calls_an_exchange(header, body, called):
    remember("secret-token")
    assert answer_id(header, body) == called
