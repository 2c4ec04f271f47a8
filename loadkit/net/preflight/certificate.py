"""A server's certificate, as it shows it to anybody: read for a message, never trusted."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import gevent.ssl

from loadkit.net.http.answer import clock_ahead
from loadkit.net.http.target import Target
from loadkit.security.escaping import one_line


@dataclass(frozen=True, slots=True)
class Certificate:
    """What stands in one; valid from when until when, in seconds since the epoch."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: float
    ends: float

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        names = [one_line(str(name)) for _, name in info.get("subjectAltName", ())]
        return cls(
            _called(info.get("subject", ())),
            _called(info.get("issuer", ())),
            tuple(names),
            ssl.cert_time_to_seconds(info["notBefore"]),
            ssl.cert_time_to_seconds(info["notAfter"]),
        )


def shown_by(target: Target, now: float) -> tuple[Certificate | None, float | None]:
    """Ask a target for its certificate, and by how much the wall clock `now` is ahead of its own.

    In seconds; None for what it does not tell. Nothing secret is sent. The caller bounds the wait.

    Raises:
        RemoteError: it cannot be spoken to by TLS.
        OSError: the connection broke.
    """
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = gevent.ssl.CERT_NONE
    sock: Any = replace(target, secure=True, context=context).connect().sock
    try:
        # Public from Python 3.13 on, and there without what the certificate says.
        chain = sock._sslobj.get_unverified_chain()
        certificate = Certificate.of(chain[0].get_info()) if chain else None
        sock.sendall(f"HEAD / HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
        head = sock.recv(1 << 14).decode("latin-1")
    except (ssl.SSLError, ConnectionError):  # it may want to know who we are
        head = ""
    finally:
        sock.close()
    fields = (line.partition(":") for line in head.split("\r\n"))
    date = next((value.strip() for name, _, value in fields if name.lower() == "date"), None)
    return certificate, clock_ahead(date, now)


def _called(name: Any) -> str:
    parts = [pair for group in name for pair in group]
    common = [value for key, value in parts if key == "commonName"]
    return one_line(str(next(iter(common or [value for _, value in parts]), "nobody")))
