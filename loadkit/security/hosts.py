"""Hosts by name and by address, without asking anybody where a name leads."""

import re
from ipaddress import ip_address
from typing import Final

PRODUCTION: Final = "poly.ai"
"""The domain of the vendor's own deployments, which other people's customers talk to."""

_NAME: Final = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
_PATTERN: Final = re.compile(
    rf"(?P<host>\*\.{_NAME}\.{_NAME}|{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
)


def checked_pattern(text: str) -> str:
    """Return a pattern as `matches` takes it: `host`, `*.domain`, `[IPv6 address]`, each with or
    without `:port`.

    Raises:
        ValueError: it is none of these.
    """
    written = text.lower()
    found = _PATTERN.fullmatch(written)
    if found is None or not 0 < int(found["port"] or 1) < 1 << 16:
        raise ValueError(
            f'should be hosts such as "agents.example", "*.test.example" or '
            f'"127.0.0.1:8100", not {text!r}'
        )
    return written


def matches(pattern: str, host: str, port: int) -> bool:
    """Whether a checked pattern names a host; without a port in it, whatever the host's is.

    The host is in ASCII, an IPv6 address without brackets.
    """
    found = _PATTERN.fullmatch(pattern)
    if found is None or int(found["port"] or port) != port:
        return False
    named, name = found["host"].strip("[]"), _plain(host)
    return name.endswith(named[1:]) if named.startswith("*.") else name == _plain(named)


def is_production(host: str) -> bool:
    """Whether a host is one of the vendor's own."""
    name = _plain(host)
    return name == PRODUCTION or name.endswith(f".{PRODUCTION}")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and no other, by its name or address alone.

    Any name but `localhost` (RFC 6761, section 6.3) may lead anywhere. An IPv6 address may have
    brackets.
    """
    name = _plain(host.strip("[]"))
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _plain(host: str) -> str:
    """A host as it is compared: DNS knows no case, and a closing dot adds nothing."""
    name = host.lower().rstrip(".")
    try:
        return ip_address(name).compressed
    except ValueError:
        return name
