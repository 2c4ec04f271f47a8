"""Base URLs, good and bad, and what is derived from them."""

import pytest

from loadkit.errors import TargetError, UsageError
from loadkit.net.http import target as target_module
from loadkit.net.http.happy_eyeballs import Reached
from loadkit.net.http.target import Target


@pytest.mark.parametrize(
    ("url", "origin", "http_prefix", "ws_path"),
    [
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100", "/api/v1", "/ws"),
        ("http://127.0.0.1:8100/", "http://127.0.0.1:8100", "/api/v1", "/ws"),
        ("http://127.0.0.1", "http://127.0.0.1", "/api/v1", "/ws"),
        ("HTTP://127.0.0.1:80/a/b/", "http://127.0.0.1", "/a/b/api/v1", "/a/b/ws"),
        ("https://127.0.0.1/x%20y", "https://127.0.0.1", "/x%20y/api/v1", "/x%20y/ws"),
        ("https://127.0.0.1:80", "https://127.0.0.1:80", "/api/v1", "/ws"),
        ("http://[::1]:8100", "http://[::1]:8100", "/api/v1", "/ws"),
    ],
)
def test_a_base_url_gives_origin_and_paths(url, origin, http_prefix, ws_path):
    target = Target.resolve(url)
    assert target.origin == origin
    assert target.authority == origin.partition("//")[2]
    assert (target.http_prefix, target.ws_path) == (http_prefix, ws_path)
    assert target.secure == origin.startswith("https")
    assert (target.context is not None) == target.secure
    assert str(target) == origin + http_prefix.removesuffix("/api/v1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8100",
        "localhost",
        "ws://127.0.0.1:8100",
        "http://",
        "http:///path",
        "http://:8100",
        "http://127.0.0.1:port",
        "http://127.0.0.1:70000",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://127.0.0.1/a path",
        "http://127.0.0.1/ä",
        "http://127.0.0.1/?query=1",
        "http://127.0.0.1/#fragment",
        "http://a..ü/",
        "http://" + "ü" * 80,
    ],
)
def test_a_bad_base_url_is_refused_with_the_mend(url):
    with pytest.raises(UsageError, match=r"write it as http://host\[:port\]"):
        Target.resolve(url)


@pytest.mark.parametrize("login", ["someone:hunter2@", "hunter2@", ":hunter2@"])
def test_a_password_in_the_url_is_refused_and_not_shown(login):
    with pytest.raises(UsageError, match="POLY_CONNECTOR_TOKEN") as caught:
        Target.resolve(f"http://{login}127.0.0.1")
    assert "hunter2" not in str(caught.value)


def test_an_unknown_host_is_no_usable_target():
    with pytest.raises(TargetError, match=r"nowhere\.invalid"):
        Target.resolve("http://nowhere.invalid")


def test_a_name_is_looked_up_once_and_each_address_kept_once(monkeypatch):
    asked = []

    def lookup(host, port, **options):
        asked.append((host, port))
        v4 = (2, 1, 6, "", ("192.0.2.1", port))
        other = (2, 1, 6, "", ("192.0.2.2", port))
        return [v4, v4, other, (10, 1, 6, "", ("2001:db8::1", port, 0, 0))]

    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", lookup)
    target = Target.resolve("http://Bücher.example:81")
    assert asked == [("xn--bcher-kva.example", 81)]
    assert target.addresses == (
        (2, ("192.0.2.1", 81)),
        (10, ("2001:db8::1", 81, 0, 0)),  # the families in turn
        (2, ("192.0.2.2", 81)),
    )


def test_a_name_is_followed_to_where_it_leads_now(monkeypatch):
    leads_to = [[(2, 1, 6, "", ("192.0.2.1", 80))]]
    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", lambda *_, **__: leads_to[0])
    target = Target.resolve("http://shop.example")
    leads_to[0] = [(2, 1, 6, "", ("192.0.2.7", 80))]
    target.look_again()
    assert target.addresses == ((2, ("192.0.2.7", 80)),)


def test_a_name_that_cannot_be_looked_up_for_a_moment_leads_where_it_did(monkeypatch):
    target = Target.resolve("http://127.0.0.1:8100")

    def lookup(*_, **__):
        raise OSError("no answer from the name server")

    monkeypatch.setattr(target_module.gevent.socket, "getaddrinfo", lookup)
    target.look_again()
    assert target.addresses == ((2, ("127.0.0.1", 8100)),)


def test_addresses_are_taken_in_turn(monkeypatch):
    asked = []

    def reach(addresses):
        asked.append(addresses[0][1][0])
        return Reached(None, addresses[0], {}, ())

    monkeypatch.setattr(target_module, "reach", reach)
    addresses = tuple((2, (f"192.0.2.{i}", 80)) for i in range(3))
    target = Target(False, "example", 80, "", addresses)
    for _ in range(4):
        target.connect()
    assert asked == ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.0"]
