"""Hosts by their names: what a pattern covers, whose they are, and which is this machine."""

import pytest

from loadkit.security.hosts import checked_pattern, is_loopback, is_production, matches


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("agents.example", "agents.example", 443),
        ("Agents.Example", "agents.example", 80),
        ("agents.example", "AGENTS.example.", 443),
        ("agents.example:8443", "agents.example", 8443),
        ("*.test.example", "a.test.example", 443),
        ("*.test.example", "a.b.test.example", 443),
        ("*.test.example:81", "a.test.example", 81),
        ("127.0.0.1:8100", "127.0.0.1", 8100),
        ("[::1]:8100", "::1", 8100),
        ("[2001:db8:0::1]", "2001:db8::1", 80),
        ("localhost", "localhost", 8100),
        ("my_host", "my_host", 80),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", 443),
    ],
)
def test_a_pattern_covers(text: str, host: str, port: int) -> None:
    assert matches(checked_pattern(text), host, port)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("agents.example", "agents.example.evil.example", 443),
        ("agents.example", "evil-agents.example", 443),
        ("agents.example", "a.agents.example", 443),
        ("agents.example:8443", "agents.example", 443),
        ("*.test.example", "test.example", 443),
        ("*.test.example", "eviltest.example", 443),
        ("127.0.0.1", "127.0.0.10", 80),
        ("a.b", "axb", 80),
    ],
)
def test_a_pattern_does_not_cover(text: str, host: str, port: int) -> None:
    assert not matches(checked_pattern(text), host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.example",  # half of the Internet
        "a.*.example",
        "https://agents.example",
        "agents.example/path",
        "user@agents.example",
        "agents example",
        "agents.example:",
        "agents.example:0",
        "agents.example:65536",
        "agents..example",
        ".agents.example",
        "-agents.example",
        "::1",
    ],
)
def test_what_names_no_host_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="should be hosts such as"):
        checked_pattern(text)


@pytest.mark.parametrize("host", ["poly.ai", "messaging.us-1.poly.ai", "A.POLY.AI.", "x.poly.ai"])
def test_the_vendors_own(host: str) -> None:
    assert is_production(host)


@pytest.mark.parametrize("host", ["poly.ai.example", "notpoly.ai", "poly.aix", "", "ai"])
def test_not_the_vendors_own(host: str) -> None:
    assert not is_production(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "a.LocalHost."],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "*", "0.0.0.0", "::", "192.0.2.1", "127.0.0.1.example", "localhost.example", "lo"]
)
def test_perhaps_another_machine(host: str) -> None:
    assert not is_loopback(host)
