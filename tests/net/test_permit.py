"""Who may have the secret; nothing here looks a name up or opens a connection."""

from typing import NoReturn

import pytest

from loadkit.errors import UsageError
from loadkit.net.http import target as target_module
from loadkit.net.http.target import Target
from loadkit.net.preflight.permit import outside, permit
from loadkit.network import Network, Proxy
from loadkit.security.hosts import checked_pattern


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("url", "named", "allowed"),
    [
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100", ()),
        ("http://127.0.0.1:8100/prefix", "http://127.0.0.1:8100/", ()),
        ("HTTPS://Agents.Example", "https://agents.example:443/x", ()),
        ("https://agents.example", None, ("agents.example",)),
        ("https://agents.example", "http://127.0.0.1:8100", ("agents.example",)),
        ("https://agents.poly.ai", None, ("agents.poly.ai",)),
        ("https://a.poly.ai", "https://a.poly.ai", ("*.poly.ai",)),
    ],
)
def test_what_was_named_is_permitted(url: str, named: str | None, allowed: tuple[str, ...]) -> None:
    permit(url, named, allowed)


@pytest.mark.parametrize(
    ("url", "named", "allowed"),
    [
        ("http://stranger.example", "http://127.0.0.1:8100", ()),
        ("http://127.0.0.1:8100", None, ()),
        ("http://127.0.0.1:8101", "http://127.0.0.1:8100", ()),  # whoever listens there
        ("http://127.0.0.2:8100", "http://127.0.0.1:8100", ()),
        ("http://agents.example:443", "https://agents.example", ()),  # no longer encrypted
        ("http://agents.example.evil.example", "http://agents.example", ("agents.example",)),
        ("https://agents.example:8443", None, ("agents.example:443",)),
        ("https://agents.example", "", ("*.test.example",)),
    ],
)
def test_what_nobody_named_is_not(url: str, named: str | None, allowed: tuple[str, ...]) -> None:
    """The word of it names both ways to permit it."""
    with pytest.raises(UsageError, match="may not have the connector token") as refused:
        permit(url, named, allowed, production=True)
    assert f"start with --host {url}, or add allow_hosts = [" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://agents.example", "http://127.0.0.1:8100", "http://[::1]:81", "http://[2001:db8::1]"],
)
def test_what_a_refusal_says_to_add_is_what_permits_it(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        permit(url, None)
    added = str(refused.value).partition('allow_hosts = ["')[2].partition('"]')[0]
    permit(url, None, [checked_pattern(added)])


@pytest.mark.parametrize(
    "url",
    [
        "https://messaging.us-1.poly.ai",
        "http://POLY.ai:8080/x",
        "https://messaging.poly.ai.",
        "https://messaging.poly。ai",  # as IDNA reads it
        "https://messaging.poly\N{FULLWIDTH FULL STOP}ai",
    ],
)
def test_the_vendors_own_deployments_need_a_word_more(url: str) -> None:
    with pytest.raises(UsageError, match=r"add --allow-production, or allow_hosts = \["):
        permit(url, url)
    permit(url, url, production=True)


def at(url: str, *addresses: str) -> Target:
    secure = url.startswith("https")
    families = [(10 if ":" in address else 2, (address, 443)) for address in addresses]
    return Target(secure, "agents.example", 443 if secure else 80, "", tuple(families))


def test_a_target_on_this_machine_needs_no_word() -> None:
    assert outside(at("http://agents.example", "127.0.0.1", "::1")) is None


def test_a_target_elsewhere_is_told_with_its_addresses() -> None:
    assert outside(at("https://agents.example", "192.0.2.7", "2001:db8::7", "192.0.2.7")) == (
        "target outside this machine: https://agents.example at 192.0.2.7, 2001:db8::7"
    )


def test_a_name_that_leads_elsewhere_as_well_is_told() -> None:
    """And that nobody on the way is kept from reading the secret."""
    assert outside(at("http://agents.example", "127.0.0.1", "192.0.2.7")) == (
        "target outside this machine: http://agents.example at 127.0.0.1, 192.0.2.7 "
        "(not encrypted: the connector token can be read on the way)"
    )


def test_a_target_behind_a_proxy_is_elsewhere_wherever_the_proxy_is() -> None:
    target = at("https://agents.example", "127.0.0.1")
    target.proxy = Proxy("localhost", 3128, "HTTPS_PROXY")
    assert outside(target) == (
        "target outside this machine: https://agents.example "
        "by the proxy http://localhost:3128 (HTTPS_PROXY)"
    )


def test_who_reads_along_where_nothing_is_verified_is_told() -> None:
    target = at("https://agents.example", "192.0.2.7")
    target.network = Network(insecure=True)
    told = outside(target)
    assert told is not None
    assert told.endswith("by --insecure: whoever stands in between reads the connector token)")
