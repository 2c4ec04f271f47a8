"""The options about the network, and what the environment says of proxies."""

from argparse import ArgumentParser
from typing import Any

import pytest

from loadkit.errors import UsageError
from loadkit.network import DIRECT, Network, Proxy, add_options, asked, words
from loadkit.security.redaction import MARK, redact

LINE = ["--ca=ca.pem", "--cert=me.pem", "--key=me.key", "--insecure", "--header=X-A=A=1"]
LINE += ["--header=X-B=B"]


def given(*line: str) -> dict[str, Any]:
    parser = ArgumentParser()
    add_options(parser)
    return asked(parser.parse_args(line))


def of(*line: str, **environment: str) -> Network:
    return Network.of(given(*line), environment)


def test_without_options_nothing_is_asked_for() -> None:
    network = of()
    assert (network.headers, network.ca, network.insecure) == ((), None, False)
    assert network.told() == DIRECT.told() == {}


def test_the_options_go_on_in_the_words_they_came_in() -> None:
    parser = ArgumentParser()
    add_options(parser)
    assert words(parser.parse_args(LINE)) == LINE


def test_values_of_headers_come_from_the_environment_and_show_nowhere() -> None:
    network = of("--header", "X-Gate=GATE", "--header", "Cookie=JAR", GATE="s3 cr3t", JAR="a=b")
    assert network.headers == (("X-Gate", "s3 cr3t"), ("Cookie", "a=b"))
    assert redact("s3 cr3t") == MARK
    assert network.told() == {"headers": {"X-Gate": "GATE", "Cookie": "JAR"}}
    assert "s3 cr3t" not in repr(network)


@pytest.mark.parametrize(
    ("header", "words_of_it"),
    [
        ("X-Gate", "takes NAME=VARIABLE"),
        ("=GATE", "takes NAME=VARIABLE"),
        ("X-Gate=", "takes NAME=VARIABLE"),
        ("X Gate=GATE", "takes NAME=VARIABLE"),
        ("X-Gate: s3cr3t", "takes NAME=VARIABLE"),
        ("X-Gate=s3cr3t", "is not set"),
        ("X-Gate=EMPTY", "value of EMPTY"),
        ("X-Gate=LINES", "value of LINES"),
        ("X-Gate=FOREIGN", "value of FOREIGN"),
        ("host=GATE", "loadkit's own"),
        ("X-Token=GATE", "loadkit's own"),
        ("Sec-WebSocket-Protocol=GATE", "loadkit's own"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(
    header: str, words_of_it: str
) -> None:
    environment = {"GATE": "good", "EMPTY": "", "LINES": "s3cr3t\r\nX: y", "FOREIGN": "s3cr3tß"}
    with pytest.raises(UsageError, match=words_of_it) as refused:
        of("--header", header, **environment)
    assert "s3cr3t" not in str(refused.value)


def test_a_header_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        of("--header", "X-Gate=GATE", "--header", "x-gate=GATE", GATE="a")


def test_a_key_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="add --cert FILE"):
        of("--key", "me.key")


class TestProxies:
    @pytest.mark.parametrize(
        ("secure", "environment", "found"),
        [
            (True, {"HTTPS_PROXY": "http://p:3128"}, Proxy("p", 3128, "HTTPS_PROXY")),
            (False, {"HTTPS_PROXY": "http://p:3128"}, None),
            (False, {"HTTP_PROXY": "p:8080/"}, Proxy("p", 8080, "HTTP_PROXY")),
            (True, {"HTTP_PROXY": "http://p"}, None),
            (True, {"ALL_PROXY": "http://p"}, Proxy("p", 80, "ALL_PROXY")),
            (True, {"https_proxy": "http://low", "HTTPS_PROXY": "http://up"}, "low"),
            (True, {"https_proxy": "", "HTTPS_PROXY": "http://up"}, "up"),
            (True, {"HTTPS_PROXY": ""}, None),
            (True, {"HTTPS_PROXY": "http://[::1]:9"}, Proxy("::1", 9, "HTTPS_PROXY")),
        ],
    )
    def test_the_environment_names_them(self, secure, environment, found) -> None:
        proxy = of(**environment).proxy(secure, "shop.example", 443)
        assert found == (proxy.host if proxy and isinstance(found, str) else proxy)

    def test_a_login_is_a_secret(self) -> None:
        proxy = of(HTTPS_PROXY="http://me:p%40ss@p:1").proxy(True, "shop.example", 443)
        assert proxy is not None
        assert proxy.authorization == "Basic bWU6cEBzcw=="
        assert str(proxy) == "the proxy http://p:1 (HTTPS_PROXY)"
        assert "Basic" not in repr(proxy)

    @pytest.mark.parametrize(
        "url",
        [
            "socks5://me:s3cr3t@p:1",
            "https://me:s3cr3t@p",
            "http://me:s3cr3t@:80",
            "p:port",
            "http://[::1",
        ],
    )
    def test_one_that_is_not_followed_is_refused_before_it_is_passed_by(self, url: str) -> None:
        network = of(HTTPS_PROXY=url)
        with pytest.raises(UsageError, match=r"HTTPS_PROXY names .* NO_PROXY") as refused:
            network.proxy(True, "shop.example", 443)
        assert "s3cr3t" not in str(refused.value)
        assert network.proxy(True, "127.0.0.1", 443) is None

    @pytest.mark.parametrize(
        ("no_proxy", "host", "direct"),
        [
            ("*", "shop.example", True),
            ("shop.example", "shop.example", True),
            ("SHOP.example", "shop.example", True),
            ("other.example, shop.example", "shop.example", True),
            ("example", "shop.example", True),
            (".example", "shop.example", True),
            ("*.example", "shop.example", True),
            ("op.example", "shop.example", False),
            ("shop.example:443", "shop.example", True),
            ("shop.example:80", "shop.example", False),
            ("192.0.2.0/24", "192.0.2.9", True),
            ("192.0.2.0/24", "192.0.3.9", False),
            ("192.0.2.9", "192.0.2.9", True),
            ("[2001:db8::1]:443", "2001:db8::1", True),
            ("2001:db8::1", "2001:db8::1", True),
            ("2001:db8::/32", "2001:db8::1", True),
            ("", "shop.example", False),
            (",", "shop.example", False),
            ("", "127.0.0.9", True),
            ("", "::1", True),
            ("", "localhost", True),
            ("", "shop.localhost", True),
        ],
    )
    def test_what_is_reached_without_one(self, no_proxy: str, host: str, direct: bool) -> None:
        network = of(HTTPS_PROXY="http://p", NO_PROXY=no_proxy)
        assert (network.proxy(True, host, 443) is None) == direct
