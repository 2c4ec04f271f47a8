"""Who may have the secret: what the command line or the profile named, and nobody else."""

from collections.abc import Sequence

from loadkit.errors import UsageError
from loadkit.net.http.target import Place, Target
from loadkit.security.hosts import is_loopback, is_production, matches


def permit(
    url: str, named: str | None, allow_hosts: Sequence[str] = (), *, production: bool = False
) -> None:
    """Refuse a target that nobody meant; nothing is looked up and nothing is sent.

    Args:
        url: the target, whoever asks for it.
        named: the one of the command line. It permits its own scheme, host and port.
        allow_hosts: the profile's patterns; see `loadkit.security.hosts`. They permit any of these.
        production: whether the command line permits the vendor's own deployments.

    Raises:
        UsageError: it is none, or not permitted; the text names the option to add.
    """
    place = Place.of(url)
    if any(matches(pattern, place.host, place.port) for pattern in allow_hosts):
        return
    if not named or place != Place.of(named):
        raise UsageError(
            f"{url} may not have the connector token: start with --host {url}, or add "
            f"allow_hosts = {_listed(place)} to the profile"
        )
    if is_production(place.host) and not production:
        raise UsageError(
            f"{place.host!r} is one of PolyAI's own deployments, where real customers talk: with "
            f"its owner's consent add --allow-production, or allow_hosts = {_listed(place)} to "
            "the profile"
        )


def outside(target: Target) -> str | None:
    """Say where a target's name leads, unless that is this machine alone."""
    addresses = dict.fromkeys(str(address[0]) for _, address in target.addresses)
    if target.proxy is None and all(map(is_loopback, addresses)):
        return None
    # Behind a proxy only that one knows the target's addresses.
    where = f"by {target.proxy}" if target.proxy else f"at {', '.join(addresses)}"
    risk = "" if target.secure else " (not encrypted: the connector token can be read on the way)"
    if target.network.insecure:
        risk = " (not verified, by --insecure: whoever stands in between reads the connector token)"
    return f"target outside this machine: {target} {where}{risk}"


def _listed(place: Place) -> str:
    """What the profile would have to say; a port of one's own is no word for the others."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f'["{host}"]' if place.port in (80, 443) else f'["{host}:{place.port}"]'
