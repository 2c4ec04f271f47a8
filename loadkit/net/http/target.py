"""The deployment under load: its addresses, and TCP (with TLS) connections to it."""

import itertools
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

import gevent.socket
import gevent.ssl

from loadkit.errors import RemoteError, TargetError, UsageError
from loadkit.net.failures import translate
from loadkit.net.http.happy_eyeballs import Address, Reached, reach
from loadkit.net.http.proxy import open_tunnel
from loadkit.network import DIRECT, Network, Proxy
from loadkit.security.redaction import spare
from loadkit.security.textfile import clipped

__all__ = ["Address", "OpenConnection", "Place", "Target", "Way"]

logger = logging.getLogger(__name__)

PASSED_OVER: Final = 60.0
"""Seconds for which an address that stayed silent is only the last resort."""

_MEND: Final = "write it as http://host[:port][/prefix] or https://…"
_LONGEST_NAME: Final = 253  # RFC 1035, 2.3.4, without its closing dot
_PORTS: Final = {"http": 80, "https": 443}


class OpenConnection(NamedTuple):
    """A connection to a target, cooperative, without a time-out; whoever asked for it closes it.

    `lost_s` are seconds that went by on addresses which have never answered: no time of the
    target's, which was reached at another one.
    """

    sock: gevent.socket.socket
    lost_s: float


class Place(NamedTuple):
    """Where a URL leads, as far as the URL itself says; whether by TLS.

    The host is in ASCII and lower case, an IPv6 address without brackets.
    """

    secure: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Place":
        """Read a base URL. Raises UsageError with the way to mend it."""
        parts = _split(url)
        host = _ascii_host(parts.hostname or "")
        return cls(parts.scheme == "https", host, parts.port or _PORTS[parts.scheme])


class Way(NamedTuple):
    """What the results say of the way to a target: what was asked for, and notes, a phrase each."""

    told: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(slots=True)
class Target:
    """Where the virtual users go. Made by `resolve`, shared by all users of a worker.

    Attributes:
        host: the name in the Host header, in SNI and on the certificate.
        prefix: path in front of everything, without a closing slash; often "".
        addresses: what the name resolved to last, handed out in turn; the proxy's, if there is one.
        context: verifies the target's certificate; None without TLS.
    """

    secure: bool
    host: str
    port: int
    prefix: str
    addresses: tuple[Address, ...]
    context: gevent.ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    network: Network = DIRECT
    proxy: Proxy | None = None
    _turns: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    _known: set[Address] = field(default_factory=set, repr=False, compare=False)
    _silent: dict[Address, float] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def resolve(cls, url: str, network: Network = DIRECT) -> "Target":
        """Read `http(s)://host[:port][/prefix]` and look its host up: once for all users.

        Where the way there leads through a proxy, that is looked up in place of the host, which
        only the proxy may know.

        Raises:
            UsageError: the URL, or what the network has, cannot be used; the text says how to mend
                it.
            TargetError: nobody knows the host.
        """
        secure, host, port = Place.of(url)
        spare(host)  # what the command line says is no secret
        if not secure and (network.ca or network.cert or network.insecure):
            raise UsageError(
                f"{url} has no TLS, for which --ca, --cert, --key and --insecure are: "
                "write https://, or leave them out"
            )
        context = _client_context(network) if secure else None
        proxy = network.proxy(secure, host, port)
        try:
            addresses = _look_up(*(proxy.host, proxy.port) if proxy else (host, port))
        except (OSError, UnicodeError) as error:  # the latter of a proxy's name that is none
            what = str(proxy) if proxy else f"the host {host!r}"
            why = getattr(error, "strerror", "no host can be called so")
            raise TargetError(f"cannot resolve {what}: {why}") from error
        prefix = _split(url).path.rstrip("/")
        return cls(secure, host, port, prefix, addresses, context, network, proxy)

    def look_again(self) -> None:
        """Follow the host to where its name leads now, as a fail-over or a balancer moves it.

        A name that cannot be looked up at this moment leads where it did.
        """
        host, port = (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)
        with suppress(OSError):
            self.addresses = _look_up(host, port)

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port: the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = _PORTS["https" if self.secure else "http"]
        return host if self.port == standard else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def http_prefix(self) -> str:
        return f"{self.prefix}/api/v1"

    @property
    def ws_path(self) -> str:
        return f"{self.prefix}/ws"

    @property
    def way(self) -> Way:
        told, notes = self.network.told(), []
        if self.network.insecure:
            notes.append("TLS certificates were not verified (--insecure)")
        if self.proxy is not None:
            told["proxy"] = str(self.proxy)
            notes.append(f"through {self.proxy}, whose time is in every latency")
        return Way(told, tuple(notes))

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"

    def connect(self) -> OpenConnection:
        """Open a connection, with TLS where the target has it. The caller bounds the whole opening.

        The addresses are taken in turn. One that refuses is followed by the next: a name such as
        localhost often has an IPv6 address that nobody listens on. So is one that stays silent, as
        where a firewall swallows what is sent to it; see `reach`.

        Raises:
            RemoteError: CONNECT_REFUSED, CONNECT_TIMEOUT, TLS_FAILED, CONNECTION_LOST,
                PROXY_REFUSED, or LOCAL_LIMIT when this machine has no file descriptor or port left.
        """
        addresses = self.addresses
        if len(addresses) > 1:
            addresses = self._in_turn(addresses)
        try:
            reached = reach(addresses)
        except OSError as error:
            failure = translate(error)
            if self.proxy is not None:
                failure = RemoteError(failure.kind, f"{self.proxy}: {failure.detail}")
            raise failure from error
        lost_s = self._learn(reached) if len(addresses) > 1 else 0.0
        return OpenConnection(self._secured(reached.sock), lost_s)

    def _in_turn(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        first = next(self._turns) % len(addresses)
        turned = addresses[first:] + addresses[:first]
        if not self._silent:
            return turned
        now = perf_counter()
        self._silent = {address: until for address, until in self._silent.items() if until > now}
        return tuple(sorted(turned, key=self._silent.__contains__))  # stable: else as they were

    def _learn(self, reached: Reached) -> float:
        """Remember who answers; returns the seconds that were lost on who never has."""
        self._known.add(reached.address)
        self._silent.pop(reached.address, None)
        for address in reached.silent:
            if address not in self._silent:
                logger.warning(
                    "%s, an address of %s, did not answer within %d ms: "
                    "for %g s the others are taken in its place",
                    *(
                        address[1][0],
                        (self.proxy or self).host,
                        1000 * reached.waits[address],
                        PASSED_OVER,
                    ),
                )
            self._silent[address] = perf_counter() + PASSED_OVER
        # One that has answered before is slow now, which a user would feel, too.
        return sum(wait for address, wait in reached.waits.items() if address not in self._known)

    def _secured(self, plain: gevent.socket.socket) -> gevent.socket.socket:
        if self.context is None and self.proxy is None:
            return plain
        sock = plain
        try:
            if self.proxy is not None:
                open_tunnel(sock, self.proxy, self.host, self.port)
            if self.context is not None:
                # A reset by now would leave gevent's half-made socket to the garbage collector.
                code = plain.getsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                # Not with the handshake in it: who is interrupted then leaves a socket behind.
                sock = self.context.wrap_socket(
                    plain, server_hostname=self.host, do_handshake_on_connect=False
                )
                sock.do_handshake()
        except OSError as error:
            sock.close()
            raise translate(error) from error
        except BaseException:
            sock.close()
            raise
        return sock


def _look_up(host: str, port: int) -> tuple[Address, ...]:
    """The addresses in the system's order, the families in turn (RFC 8305, 4)."""
    found = gevent.socket.getaddrinfo(host, port, type=gevent.socket.SOCK_STREAM)
    addresses = dict.fromkeys((int(family), address) for family, *_, address in found)
    families: dict[int, list[Address]] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    rounds = itertools.zip_longest(*families.values())
    return tuple(each for a_round in rounds for each in a_round if each is not None)


def _split(url: str) -> SplitResult:
    # The URL is quoted in no message before it is known to hold no password.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the target's URL cannot be read; {_MEND}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the target's URL holds a user name or password; leave them out: the credentials "
            "come from POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER"
        )
    if parts.query or parts.fragment:
        raise UsageError(f"the target's URL has a query or a fragment; {_MEND}")
    if parts.scheme not in _PORTS:
        raise UsageError(f"{clipped(url)!r} does not start with http:// or https://; {_MEND}")
    if not parts.hostname or port == 0:
        raise UsageError(f"{clipped(url)!r} names no host, or port 0; {_MEND}")
    if not (parts.path.isascii() and parts.path.isprintable()) or " " in parts.path:
        raise UsageError(f"the path of {clipped(url)!r} is not percent-encoded; {_MEND}")
    return parts


def _ascii_host(host: str) -> str:
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
        if ":" not in name:  # which is in IPv6 addresses alone
            name.encode("idna")  # as whoever looks it up does: labels of 1 to 63 characters
        if len(name) > _LONGEST_NAME or not name.isprintable() or " " in name:
            raise UnicodeError
    except UnicodeError as error:
        raise UsageError(f"{clipped(host)!r} is not a host name; {_MEND}") from error
    return name


# --- TLS: whom to trust, and who we are


def _client_context(network: Network) -> gevent.ssl.SSLContext:
    """What connections are secured by; raises UsageError for a file that is no good."""
    # gevent's own class: `create_default_context` makes a blocking one unless something has patched
    # the standard library first. This protocol verifies the certificate and its name by itself.
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])  # a WebSocket upgrade cannot start on HTTP/2
    if network.insecure:
        context.check_hostname = False
        context.verify_mode = gevent.ssl.CERT_NONE
    if network.ca is None:
        context.load_default_certs()  # the system's authorities, or those of SSL_CERT_FILE
    else:
        try:
            context.load_verify_locations(Path(network.ca).expanduser())
        except OSError as error:
            _refuse("--ca", network.ca, error, "a PEM file with one certificate or more")
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # one that is no root, too
    if network.cert is not None:
        key = None if network.key is None else Path(network.key).expanduser()
        try:
            context.load_cert_chain(Path(network.cert).expanduser(), key, _no_pass_phrase)
        except OSError as error:
            flag = f"{network.cert}{'' if network.key is None else f' with --key {network.key}'}"
            _refuse("--cert", flag, error, "a PEM certificate and the key that belongs to it")
    return context


def _no_pass_phrase() -> str:
    # Else OpenSSL would ask on the terminal, once in each worker.
    raise UsageError(
        "the key of --cert has a pass phrase: give one without (openssl pkey -in KEY -out PLAIN)"
    )


def _refuse(flag: str, file: str, error: OSError, wanted: str) -> NoReturn:
    is_format = isinstance(error, ssl.SSLError)
    reason = f"it is not {wanted}" if is_format else error.strerror or type(error).__name__
    if is_format and getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        reason = "the key is not that of the certificate"
    raise UsageError(f"{flag} {file}: {reason}") from error
