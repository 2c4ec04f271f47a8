"""Access tokens and the registered connector."""

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.simulator.app.tokens import (
    DEFAULT_CONNECTOR_TOKEN,
    DEFAULT_HOST_IDENTIFIER,
    ConnectorCredentials,
    Tokens,
)


def test_a_token_is_a_jwt_whose_expiry_clients_can_read() -> None:
    issued = Tokens(60, wall=lambda: 1000.0).issue()
    assert issued.access_token.count(".") == 2
    claims = jwt.decode(issued.access_token, options={"verify_signature": False})
    assert (claims["iat"], claims["exp"], issued.expires_in) == (1000, 1060, 60)


def test_each_token_has_an_identity_of_its_own() -> None:
    tokens = Tokens(60)
    first, second = (tokens.identify(tokens.issue().access_token) for _ in range(2))
    assert first is not None
    assert first != second


def test_a_token_is_nobody_once_it_has_expired() -> None:
    now = 1000.0
    tokens = Tokens(60, wall=lambda: now)
    token = tokens.issue().access_token
    now = 1059.9
    assert tokens.identify(token) is not None
    now = 1060.0
    assert tokens.identify(token) is None


def test_another_servers_token_is_nobody() -> None:
    assert Tokens(60).identify(Tokens(60).issue().access_token) is None


@settings(max_examples=30)
@given(st.text())
def test_no_text_crashes_the_check(text: str) -> None:
    assert Tokens(60).identify(text) is None


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("shop.example", True),
        ("SHOP.example", True),
        ("www.shop.example", True),
        ("a.b.shop.example", True),
        ("https://shop.example", True),
        ("HTTP://www.shop.example", True),
        ("https://shop.example.org", False),
        ("https://", False),
        ("myshop.example", False),
        ("shop.example.org", False),
        ("", False),
    ],
)
def test_the_registered_host_and_those_below_it_are_admitted(host: str, admitted: bool) -> None:
    assert ConnectorCredentials("token", "shop.example").admits(host) is admitted


def test_credentials_come_from_the_environment_or_are_the_defaults() -> None:
    given_ = {"POLY_CONNECTOR_TOKEN": "secret", "POLY_HOST_IDENTIFIER": "shop.example"}
    assert tuple(ConnectorCredentials.from_environment(given_)) == ("secret", "shop.example")
    defaults = (DEFAULT_CONNECTOR_TOKEN, DEFAULT_HOST_IDENTIFIER)
    assert tuple(ConnectorCredentials.from_environment({})) == defaults
    assert tuple(ConnectorCredentials.from_environment({"POLY_CONNECTOR_TOKEN": ""})) == defaults


def test_only_the_connectors_own_token_is_known() -> None:
    credentials = ConnectorCredentials("secret", "shop.example")
    assert credentials.knows("secret")
    assert not credentials.knows("Secret")
    assert not credentials.knows("sécret")


def test_credentials_do_not_show_the_token() -> None:
    assert "secret" not in repr(ConnectorCredentials("secret", "shop.example"))


@pytest.mark.parametrize("text", ["\udcff\udcfe", "e30.e30.\udcff", "é", "W1tb" * 2000 + ".e.e"])
def test_what_is_no_text_or_no_json_that_ends_is_nobodys_token(text: str) -> None:
    """Headers hold any bytes."""
    assert Tokens(60).identify(text) is None
    assert not ConnectorCredentials().knows(text)


def test_a_connector_token_of_any_bytes_is_known_again() -> None:
    """The environment holds any bytes too, and gives them in the same way."""
    assert ConnectorCredentials(connector_token="\udcff").knows("\udcff")
