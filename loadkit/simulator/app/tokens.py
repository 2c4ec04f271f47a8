"""Access tokens: JWTs signed with a key that lives and dies with the process."""

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import jwt

DEFAULT_CONNECTOR_TOKEN: Final = "simulated-connector-token"
"""What the server accepts as `X-Token` while POLY_CONNECTOR_TOKEN is unset."""
DEFAULT_HOST_IDENTIFIER: Final = "simulated.localhost"
"""What the server accepts as `X-Host` while POLY_HOST_IDENTIFIER is unset."""

_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://")
_ALGORITHM: Final = "HS256"


class ConnectorCredentials(NamedTuple):
    """The one connector that is registered with this server."""

    connector_token: str = DEFAULT_CONNECTOR_TOKEN
    host: str = DEFAULT_HOST_IDENTIFIER

    def __repr__(self) -> str:
        return f"Credentials(host={self.host!r})"  # the token must not reach a log

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "ConnectorCredentials":
        """Take POLY_CONNECTOR_TOKEN and POLY_HOST_IDENTIFIER; unset or empty is the default."""
        return cls(
            environ.get("POLY_CONNECTOR_TOKEN") or DEFAULT_CONNECTOR_TOKEN,
            environ.get("POLY_HOST_IDENTIFIER") or DEFAULT_HOST_IDENTIFIER,
        )

    def knows(self, connector_token: str) -> bool:
        """Whether this is the connector's token."""
        return secrets.compare_digest(_bytes(connector_token), _bytes(self.connector_token))

    def admits(self, host: str) -> bool:
        """Whether `host` is the registered host or one below it; case does not matter.

        It may be a URL, of which the scheme does not count.
        """
        given, registered = (_SCHEME.sub("", each.strip().lower()) for each in (host, self.host))
        return given == registered or given.endswith(f".{registered}")


class Issued(NamedTuple):
    """A token as it is handed out: the JWT and its lifetime in whole seconds."""

    access_token: str
    expires_in: int


class Tokens:
    """Hands out access tokens and recognises them again.

    Args:
        lifetime: how long a token is good for, in seconds.
        wall: the wall clock, in seconds since 1970: a JWT's `exp` is told in it.
    """

    def __init__(self, lifetime: float, wall: Callable[[], float] = time.time) -> None:
        self._lifetime, self._wall = lifetime, wall
        self._key = secrets.token_bytes(32)
        self._jwt = jwt.PyJWT(options={"require": ["exp", "jti"], "verify_exp": False})

    def issue(self) -> Issued:
        """A new token, different from every other."""
        now = self._wall()
        claims = {
            "sub": "connector",
            "iat": int(now),
            "exp": int(now + self._lifetime),
            "jti": secrets.token_hex(16),
        }
        return Issued(jwt.encode(claims, self._key, _ALGORITHM), int(self._lifetime))

    def identify(self, token: str) -> str | None:
        """The identity (`jti`) of a token of ours, or None when it is not ours or has expired."""
        try:
            claims = self._jwt.decode(token, self._key, [_ALGORITHM])
        # The last two are of a header that is no UTF-8, or JSON nested a thousand deep.
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return None
        expires, identity = claims["exp"], claims["jti"]
        return str(identity) if expires > self._wall() else None


def _bytes(text: str) -> bytes:
    """As it came: headers and the environment hold bytes that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")
