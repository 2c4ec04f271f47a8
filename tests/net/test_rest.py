"""What a client reads off an access token."""

import base64
import json
from typing import Any

import pytest

from loadkit.net.http.rest import expired, flaw

NOON = 1_785_585_600.0


def token(claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("opaque", "not three base64url parts"),
        ("a..c", "not three base64url parts"),
        (
            token({"exp": NOON - 6}),
            "expired on arrival: 6 s ago by this machine's clock",
        ),
        (token({"exp": NOON - 4}), None),  # the clocks may differ
        (token({"exp": "soon"}), None),
        (token([]), None),
        ("e30.bm9wZQ.c2ln", None),  # opaque to us
    ],
)
def test_a_token_is_looked_at_when_it_comes(text: str, wrong: str | None) -> None:
    """Its shape and its expiry can be wrong, nothing else."""
    assert flaw(text, NOON) == wrong


@pytest.mark.parametrize(
    ("claims", "old"),
    [
        ({"exp": NOON - 1}, True),
        ({"exp": NOON}, True),
        ({"exp": NOON + 4}, True),  # on a clock that is ahead of ours
        ({"exp": NOON + 6}, False),
        ({}, False),
        ({"exp": None}, False),
    ],
)
def test_a_refused_token_may_be_too_old(claims: Any, old: bool) -> None:
    """It may be where the server's clock could have passed its expiry."""
    assert expired(token(claims), NOON) is old
