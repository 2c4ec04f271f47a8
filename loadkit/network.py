"""How to reach a target: whom to trust, who we are, what else to send, and through which proxy.

The options name files and environment variables, so that no secret stands in a process list; each
process reads them for itself, on its own machine.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from loadkit.errors import UsageError
from loadkit.security.redaction import remember

LOOPBACK: Final = "127.0.0.1"
"""Where what this machine alone is to reach listens."""

_PREFIX: Final = "network_"  # of the options in their namespace
_FLAGS: Final[dict[str, dict[str, Any]]] = {
    "ca": {
        "metavar": "FILE",
        "help": "trust the authorities in this PEM file, in place of the system's",
    },
    "cert": {
        "metavar": "FILE",
        "help": "show the target this client certificate (PEM), with its key or beside --key",
    },
    "key": {"metavar": "FILE", "help": "the key of --cert (PEM, without a pass phrase)"},
    "insecure": {
        "action": "store_true",
        "help": "do not verify the target's certificate; the verdict says so",
    },
    "header": {
        "action": "append",
        "default": [],
        "metavar": "NAME=VARIABLE",
        "help": "send this header too, with what the environment variable holds as its value",
    },
}

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_OURS: Final = frozenset(
    (
        *("accept", "accept-encoding", "authorization", "connection", "content-encoding"),
        *("content-length", "content-type", "expect", "host", "keep-alive", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-host"),
        *("x-polyai-correlation-id", "x-token"),
    )
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT).

    Attributes:
        variable: that named it.
        authorization: the value of its header, a secret; None where the URL holds no login.
    """

    host: str
    port: int
    variable: str
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy http://{host}:{self.port} ({self.variable})"


@dataclass(frozen=True, slots=True)
class Network:
    """The way to a target.

    Attributes:
        ca: file of the authorities to trust; None for the system's.
        cert, key: files of a client certificate and of its key; None for none.
        insecure: whether certificates go unverified.
        headers: further ones, name and value; the values are secrets.
        variables: by header, where its value came from.
        proxies: by the variable that named it, its URL, a secret.
        direct: the entries of NO_PROXY.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    direct: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: Mapping[str, Any], environment: Mapping[str, str]) -> Self:
        """Read it from options, as of `asked`, and the environment of this process.

        Raises:
            UsageError: a header cannot be sent, or its variable is not set; a key stands alone.
        """
        files = {name: options[name] or None for name in ("ca", "cert", "key")}
        if files["key"] and not files["cert"]:
            raise UsageError("--key is the key of a client certificate: add --cert FILE")
        variables = dict(map(_header, options["header"]))
        if len({name.lower() for name in variables}) < len(options["header"]):
            raise UsageError("--header: a name was given twice")
        headers = tuple((name, _value(name, var, environment)) for name, var in variables.items())
        for _, value in headers:
            remember(value)
        proxies = _known(environment)
        direct = tuple(re.split(r"[,\s]+", proxies.pop("NO_PROXY", "")))
        return cls(
            **files,
            insecure=options["insecure"],
            headers=headers,
            variables=variables,
            proxies=proxies,
            direct=direct,
        )

    def proxy(self, secure: bool, host: str, port: int) -> Proxy | None:
        """The proxy to a host; None where there is none on the way.

        It is what HTTPS_PROXY (HTTP_PROXY for a target without TLS) or else ALL_PROXY names, in
        lower case or upper; for WebSockets as for REST calls. This machine itself, and what
        NO_PROXY lists, is reached without one.

        Raises:
            UsageError: it is of a kind that is not followed.
        """
        variable = "HTTPS_PROXY" if secure else "HTTP_PROXY"
        if variable not in self.proxies:
            variable = "ALL_PROXY"
        url = self.proxies.get(variable)
        if url is None or _is_here(host) or any(_covers(each, host, port) for each in self.direct):
            return None
        return _proxy(variable, url)

    def told(self) -> dict[str, Any]:
        """What `run.json` says of it, without secrets: only what was asked for."""
        found: dict[str, Any] = {
            name: value for name in ("ca", "cert", "key") if (value := getattr(self, name))
        }
        if self.insecure:
            found["insecure"] = True
        if self.variables:
            found["headers"] = dict(self.variables)
        return found


DIRECT: Final = Network()
"""Nothing was asked for."""


def add_options(parser: Any) -> None:
    """Add the options to an argparse parser, or to a group of one."""
    for name, settings in _FLAGS.items():
        parser.add_argument(f"--{name}", dest=f"{_PREFIX}{name}", **settings)


def asked(options: Any) -> dict[str, Any]:
    """What a namespace with our options asks for, by plain types, without secrets."""
    return {name: getattr(options, f"{_PREFIX}{name}") for name in _FLAGS}


def words(options: Any) -> list[str]:
    """The same as the words of a command line."""
    return list(_words(asked(options)))


def _words(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if value is True:
            yield f"--{name}"
        elif isinstance(value, list):
            yield from (f"--{name}={each}" for each in value)
        elif value:
            yield f"--{name}={value}"


def _header(text: str) -> tuple[str, str]:
    name, equals, variable = text.partition("=")
    if not equals or not variable or not _NAME.fullmatch(name):
        # Not quoted: whoever wrote a secret there does not want it in a log.
        raise UsageError(
            "--header takes NAME=VARIABLE, a header's name and the environment variable that holds "
            "its value, e.g. --header X-Gateway-Key=GATEWAY_KEY"
        )
    if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
        raise UsageError(f"--header {name}: that header is loadkit's own; leave it out")
    return name, variable


def _value(name: str, variable: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable)
    if value is None:
        raise UsageError(
            f"--header {name}: the environment variable that it names is not set; export it here "
            "(it takes the name of a variable, not the value)"
        )
    if not _VALUE.fullmatch(value):
        raise UsageError(
            f"--header {name}: the value of {variable} is empty, or holds a line break, a "
            "character outside ASCII, or a blank at an end"
        )
    return value


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables about proxies that are not empty; in lower case they take precedence."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    values = {name: environment.get(name.lower()) or environment.get(name) for name in names}
    return {name: value for name, value in values.items() if value}


def _proxy(variable: str, url: str) -> Proxy:
    # The URL may hold a password: of a bad one only the scheme is shown.
    fix = "write it as http://[USER:PASSWORD@]HOST:PORT, or name the target's host in NO_PROXY"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host = ""
    else:
        if parts.scheme != "http":
            raise UsageError(
                f"{variable} names a proxy by {parts.scheme}://: only http:// is followed; {fix}"
            )
    if not host or not host.isascii():
        raise UsageError(f"{variable} names no host and port of a proxy; {fix}")
    login = None
    if parts.username is not None:
        password = unquote(parts.password or "")
        text = f"{unquote(parts.username)}:{password}"
        login = f"Basic {b64encode(text.encode()).decode()}"
        for secret in (password, login.removeprefix("Basic ")):
            remember(secret)
    return Proxy(host, port, variable, login)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY holds a host: its name, a domain, an address or a network."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.startswith("[")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").lower()
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix("*").removeprefix(".")
        return bool(domain) and (host.lower() == domain or host.lower().endswith(f".{domain}"))
