"""The secrets, read from the environment."""

import pytest

from loadkit.errors import UsageError
from loadkit.security.credentials import Credentials

GIVEN = {"POLY_CONNECTOR_TOKEN": "a-token", "POLY_HOST_IDENTIFIER": "shop.example"}


def test_they_are_read_by_name() -> None:
    assert Credentials.of(GIVEN) == Credentials("a-token", "shop.example")


@pytest.mark.parametrize("empty", [False, True], ids=["absent", "empty"])
@pytest.mark.parametrize("missing", [[name] for name in GIVEN] + [list(GIVEN)], ids=" ".join)
def test_each_that_is_missing_is_named(missing: list[str], empty: bool) -> None:
    """And no other: who reads it knows what to set."""
    given = {name: value for name, value in GIVEN.items() if name not in missing}
    if empty:
        given |= dict.fromkeys(missing, "")
    with pytest.raises(UsageError) as raised:
        Credentials.of(given)
    assert str(raised.value).startswith(f"{' and '.join(missing)} must be set in the environment")


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("value", ["two words", "line\nbreak", "schlüssel"])
def test_what_no_header_can_hold_is_told_without_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name) as raised:
        Credentials.of({**GIVEN, name: value})
    assert value not in str(raised.value)


def test_the_token_is_not_in_their_repr() -> None:
    assert "a-token" not in repr(Credentials.of(GIVEN))
