"""A tunnel through an HTTP proxy: CONNECT (RFC 9110, 9.3.6)."""

import re
from typing import Final

import gevent.socket

from loadkit.errors import Failure, RemoteError
from loadkit.net.failures import translate
from loadkit.net.http.intake import Intake
from loadkit.network import Proxy
from loadkit.security.escaping import one_line

_LONGEST_HEAD: Final = 1 << 14  # bytes
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")
_NO_WAY: Final = {
    502: Failure.CONNECT_REFUSED,
    503: Failure.CONNECT_REFUSED,
    504: Failure.CONNECT_TIMEOUT,
}
"""What a proxy says of the host behind it; any other refusal is its own."""


def open_tunnel(sock: gevent.socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy behind `sock` for a way to a host. The caller bounds the wait, and closes it.

    Raises:
        RemoteError: PROXY_REFUSED; CONNECT_REFUSED or CONNECT_TIMEOUT where the proxy could not
            reach the host; ANSWER_TOO_BIG; CONNECTION_LOST.
    """
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n"
    head, intake = b"", Intake(sock, f"an answer of {proxy}", _LONGEST_HEAD)
    try:
        sock.sendall(request.encode())
    except OSError as error:
        failure = translate(error)
        raise RemoteError(failure.kind, f"{proxy}: {failure.detail}") from error
    while b"\r\n\r\n" not in head:
        data = intake.recv()
        if not data:
            raise intake.cut()
        head += data
    answer, (_, _, more) = _STATUS.match(head), head.partition(b"\r\n\r\n")
    # Whoever is behind it waits for us to speak first, so that nothing may follow the head.
    if answer is None or (answer[1].startswith(b"2") and more):
        raise RemoteError(Failure.PROXY_REFUSED, f"{proxy} does not answer like an HTTP proxy")
    status = int(answer[1])
    if not 200 <= status < 300:
        words = one_line((answer[2] or b"").decode("latin-1"))
        text = f"{proxy} opens no way to {authority}: HTTP {status} {words}".rstrip()
        if status == 407:
            text += (
                "; it does not take the login in its URL"
                if proxy.authorization
                else f"; it wants a login: {proxy.variable}=http://USER:PASSWORD@HOST:PORT"
            )
        raise RemoteError(_NO_WAY.get(status, Failure.PROXY_REFUSED), text)
