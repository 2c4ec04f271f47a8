"""Why a target cannot be used, in words that name what to do: asked for before any load."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import time
from typing import Final, NamedTuple

import gevent

from loadkit.errors import Failure, RemoteError
from loadkit.net.http.target import Target
from loadkit.net.preflight.certificate import Certificate, shown_by

PROBE: Final = 2.0  # seconds for a further look at a target
CLOCK_OFF: Final = 30.0
"""Seconds by which two clocks may differ without a word: Date has whole seconds, the answer takes
some, and the vendor's clients allow 5 s where they compare a token's expiry."""

IS_IT_RUNNING: Final = "check the address and that the server is running"
_ODD: Final = (Failure.CONNECT_TIMEOUT, Failure.CONNECTION_LOST, Failure.HTTP_BAD_ANSWER)
"""What two come to that speak different protocols."""

_FIXES: Final = {
    Failure.PROXY_REFUSED: "ask who runs the proxy, or name the target's host in NO_PROXY",
    Failure.ANSWER_TOO_BIG: "check the address: what answers there is no Messaging API",
}
_CREDENTIALS: Final = "check POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER"
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER", "PACKET_LENGTH", "EOF")
_OLD_TLS: Final = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_PROTOCOLS")
_WHO_ARE_WE: Final = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE", "UNKNOWN_CA")
_WHO_ARE_WE_MORE: Final = ("ALERT_CERTIFICATE", "ALERT_ACCESS_DENIED", "UNSUPPORTED_CERTIFICATE")
_NOT_YET_VALID, _EXPIRED, _OTHER_NAMES = 9, 10, (62, 64)  # X509_V_ERR_…, of OpenSSL
_SELF_SIGNED: Final = 18


class Cause(NamedTuple):
    """Why a target cannot be used: what happened, told behind its address; and the fix."""

    what: str
    fix: str


def diagnose(target: Target, error: RemoteError | None, seconds: float) -> Cause:
    """Say why the first call failed; without an error it came to nothing within the seconds.

    It may look at the target again, without a secret.
    """
    told = f"cannot be used: {error or f'no token within {seconds:g} s'}"
    kind = Failure.CONNECT_TIMEOUT if error is None else error.kind
    if error is not None and error.status is not None and kind is not Failure.ANSWER_TOO_BIG:
        return _refused(target, error, error.status)
    if error is not None and kind is Failure.TLS_FAILED and target.secure:
        return _tls(target, error)
    if kind in _ODD:
        if target.secure and (alert := _alert(target)) is not None:
            return _tls(target, alert)
        if target.secure and _speaks_plainly(target):
            return _plain(target)
        if not target.secure and _speaks_tls(target):
            return _encrypted(target)
    if kind is Failure.TOKEN_MALFORMED and error is not None and "set it" in error.detail:
        return Cause(told, "timedatectl shows the clock, and whether it is kept by NTP")
    return Cause(told, _FIXES.get(kind, IS_IT_RUNNING))


def clock_word(target: Target, ahead_s: float | None) -> Cause | None:
    """Say that two clocks differ by more than a token bears; None where they do not."""
    if ahead_s is None or abs(ahead_s) <= CLOCK_OFF:
        return None
    which = "ahead of" if ahead_s > 0 else "behind"
    return Cause(
        f"this machine's clock is {abs(ahead_s):,.0f} s {which} that of {target.host} (Date): "
        "tokens and certificates may seem expired, or not valid yet",
        "set the one that is wrong",
    )


def _refused(target: Target, error: RemoteError, status: int) -> Cause:
    if status in (401, 403):
        return Cause(f"refuses the credentials: {error}", _CREDENTIALS)
    if status == 407:
        return Cause(
            f"cannot be used: a proxy wants a login: {error}",
            "put it into HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    if 300 <= status < 400:
        return Cause(
            f"is not where the API is: {error}", "start with --host and the address it points to"
        )
    if status in (404, 405, 410, 501):
        path = f"{target.http_prefix}/access-token"
        return Cause(
            f"has no Messaging API at {path}: {error}",
            "check the address, and the path in front of /api/v1",
        )
    if status == 400 and not target.secure and _speaks_tls(target):
        return _encrypted(target)
    if status == 429:
        return Cause(f"lets nobody in just now: {error}", "wait, or have its limit raised")
    if 400 <= status < 500:
        return Cause(f"does not take the request: {error}", f"check the address; {_CREDENTIALS}")
    return Cause(f"cannot be used: {error}", IS_IT_RUNNING)


def _tls(target: Target, error: RemoteError) -> Cause:
    cause = error.__cause__
    code = getattr(cause, "verify_code", None) if isinstance(cause, ssl.SSLError) else None
    if code:
        return _untrusted(target, error, code)
    reason = str(getattr(cause, "reason", None) or error.detail).upper()
    if any(word in reason for word in _OLD_TLS):
        return Cause(
            f"speaks no version of TLS that is safe: {error}",
            f"enable TLS 1.2 or 1.3 at {target.authority}",
        )
    if any(word in reason for word in (*_WHO_ARE_WE, *_WHO_ARE_WE_MORE)):
        if target.network.cert is None:
            return Cause(
                f"wants a client certificate: {error}",
                "add --cert FILE and --key FILE (mutual TLS)",
            )
        return Cause(
            f"does not take the client certificate of --cert {target.network.cert}: {error}",
            "show one that its authority has signed, and that has not expired",
        )
    if any(word in reason for word in _NO_TLS) and _speaks_plainly(target):
        return _plain(target)
    return Cause(f"cannot be used: {error}", "look at the TLS settings of both sides")


def _untrusted(target: Target, error: RemoteError, code: int) -> Cause:
    shown, ahead_s, now = None, None, time()
    with _patience(), suppress(RemoteError, OSError):
        shown, ahead_s = shown_by(target, now)
    name = f"the certificate of {target.authority}"
    if shown is None:
        return Cause(f"cannot be trusted: {name}: {error.detail}", "--ca FILE names who is")
    name += f" (for {shown.subject}, by {shown.issuer})"
    if code in (_EXPIRED, _NOT_YET_VALID):
        return _dated(target, shown, ahead_s, now, f"cannot be trusted: {name}")
    if code in _OTHER_NAMES:
        names = ", ".join(shown.names[:10]) or shown.subject
        return Cause(
            f"cannot be trusted: {name} is for {names}, and not for {target.host}",
            "give --host one of those names, or have the server's certificate name this one",
        )
    who = "is signed by itself" if code == _SELF_SIGNED else f"is signed by {shown.issuer}"
    trusted = "--ca " + target.network.ca if target.network.ca else "this machine"
    return Cause(
        f"cannot be trusted: {name} {who}, whom {trusted} does not know ({error.detail})",
        "add --ca FILE with the certificate of that authority (--insecure verifies nothing)",
    )


def _dated(
    target: Target, shown: Certificate, ahead_s: float | None, now: float, name: str
) -> Cause:
    over = now > shown.ends
    moment = f"expired at {_utc(shown.ends)}" if over else f"is valid from {_utc(shown.begins)} on"
    what = f"{name} {moment}, and it is {_utc(now)} by this machine's clock"
    there = None if ahead_s is None else now - ahead_s
    if there is not None and shown.begins <= there <= shown.ends:
        return Cause(
            f"{what}, which is wrong: there it is {_utc(there)}",
            "set this machine's clock (timedatectl shows it)",
        )
    return Cause(what, f"renew the certificate of {target.host}, if this machine's clock is right")


@contextmanager
def _patience() -> Iterator[None]:
    """Give up a look that takes too long."""
    with gevent.Timeout(PROBE) as limit:
        try:
            yield
        except gevent.Timeout as expired:
            if expired is not limit:
                raise


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(target: Target) -> Cause:
    return Cause(
        f"does not speak TLS at port {target.port}, but plain HTTP",
        f"write http://{target.host}:{target.port}, or the port at which it speaks TLS",
    )


def _encrypted(target: Target) -> Cause:
    return Cause(
        f"speaks TLS at port {target.port}, and no plain HTTP",
        f"write https://{target.host}:{target.port}",
    )


def _speaks_plainly(target: Target) -> bool:
    with _patience(), suppress(RemoteError, OSError):
        sock = replace(target, context=None).connect().sock
        try:
            sock.sendall(f"HEAD / HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
            return bool(sock.recv(5) == b"HTTP/")
        finally:
            sock.close()
    return False


def _speaks_tls(target: Target) -> bool:
    with _patience(), suppress(RemoteError, OSError):
        shown_by(target, 0.0)
        return True
    return False


def _alert(target: Target) -> RemoteError | None:
    """What a server says that ended the connection behind the handshake, if it speaks TLS.

    In TLS 1.3 a client is done before the server has looked at its certificate; what a request runs
    into then is a connection that is gone. Here nothing is sent, so that the alert is read.
    """
    try:
        with _patience():
            sock = target.connect().sock
            try:
                sock.recv(1)
            finally:
                sock.close()
    except ssl.SSLError as error:
        alert = RemoteError(Failure.TLS_FAILED, str(error.reason or error.strerror))
        alert.__cause__ = error
        return alert
    except (RemoteError, OSError) as error:
        failed = isinstance(error, RemoteError) and error.kind is Failure.TLS_FAILED
        return error if isinstance(error, RemoteError) and failed else None
    return None
