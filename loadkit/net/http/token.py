"""An access token as a client sees it: its shape and its expiry, never its signature."""

import base64
import re
from typing import Any, Final

import orjson

__all__ = ["expired", "expiry", "flaw"]

CLOCK_SKEW: Final = 5.0
"""Seconds that the server's clock and ours may differ by, as the vendor's clients allow."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


def flaw(token: str, now: float, clock_ahead_s: float | None = None) -> str | None:
    """What is wrong with a token that has just come; None when it can be used.

    Args:
        now: the wall clock, in seconds since the epoch.
        clock_ahead_s: by how much that is ahead of the server's, where it says.
    """
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_BASE64URL.fullmatch, parts)):
        return "not three base64url parts"
    expires = expiry(token)
    if expires is not None and expires + CLOCK_SKEW < now:
        ago = now - expires
        text = f"expired on arrival: {ago:,.0f} s ago by this machine's clock"
        if clock_ahead_s is not None and clock_ahead_s + CLOCK_SKEW >= ago:
            return f"{text}, which is {clock_ahead_s:,.0f} s ahead of the server's (Date): set it"
        return text
    return None


def expired(token: str, now: float) -> bool:
    """Whether a server that refuses this token may do so because of its age.

    Args:
        now: the wall clock, in seconds since the epoch.
    """
    expires = expiry(token)
    return expires is not None and expires - CLOCK_SKEW < now


def expiry(token: str) -> float | None:
    """The `exp` of a JWT, in seconds since the epoch; None where it says nothing of the kind."""
    claims_part = token.split(".")[1]
    try:
        claims: Any = orjson.loads(
            base64.urlsafe_b64decode(claims_part + "=" * (-len(claims_part) % 4))
        )
    except ValueError:
        return None  # opaque to us, and that is the server's right
    expiry = claims.get("exp") if type(claims) is dict else None
    return float(expiry) if isinstance(expiry, int | float) else None
