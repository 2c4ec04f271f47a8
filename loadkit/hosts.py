"""Hosts by name and by address, without asking anybody where a name leads."""

from ipaddress import ip_address

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and no other, by its name or address alone.

    Args:
        host: a name or an address, an IPv6 one with or without brackets. Any name but `localhost`
            (RFC 6761, section 6.3) may lead anywhere.
    """
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
