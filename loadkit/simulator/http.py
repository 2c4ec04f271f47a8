"""The two REST calls, and the shape of every HTTP error."""

from random import Random
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from loadkit.simulator.dials import Dials
from loadkit.simulator.registry import Registry
from loadkit.simulator.tokens import Credentials, Tokens

__all__ = ["Rest", "error", "errors_as_json"]

_PLATFORMS: Final = frozenset({"web", "ios", "android", "ios-web", "android-web", "custom"})
_BEARER: Final = "Bearer "


def error(status: int, text: str, *, retry_after: int | None = None) -> web.Response:
    """An HTTP error with the service's own words.

    Args:
        retry_after: seconds for the `Retry-After` header that goes with a 429.
    """
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return _json({"error": text, "message": text}, status, headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give aiohttp's own refusals (no such path, wrong method) the shape of the service's."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        return error(refusal.status, refusal.reason)


class Rest:
    """`POST /api/v1/access-token` and `POST /api/v1/sessions`."""

    def __init__(
        self, dials: Dials, credentials: Credentials, tokens: Tokens, registry: Registry
    ) -> None:
        self._dials, self._credentials = dials, credentials
        self._tokens, self._registry = tokens, registry
        self._chance = Random(f"{dials.seed}/http")

    async def access_token(self, request: web.Request) -> web.Response:
        """Trade the connector token for a JWT. The body is not read."""
        connector, host = request.headers.get("X-Token"), request.headers.get("X-Host")
        if not connector or not host:
            return error(401, "Missing authentication headers")
        if not self._credentials.knows(connector):
            return error(401, "Connector token does not exist")
        if not self._dials.connector_has_host_domain:
            return error(401, "Connector missing host domain")
        if not self._credentials.admits(host):
            return error(401, "Failed to validate connector")
        if self._chance.random() < self._dials.faults.token_500:
            return error(500, "Failed to create access token")
        issued = self._tokens.issue()
        return _json({**issued._asdict(), "token_type": "Bearer"})

    async def sessions(self, request: web.Request) -> web.Response:
        """Create a session that belongs to the bearer's token."""
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return error(400, "Missing access token")
        if not authorization.startswith(_BEARER):
            return error(401, "Missing authentication headers")
        owner = self._tokens.identify(authorization.removeprefix(_BEARER).strip())
        if owner is None:
            return error(401, "Invalid access token")
        wishes = _wishes(await request.read())
        if wishes is None:
            return error(400, "Error parsing request")
        if self._chance.random() < self._dials.faults.session_500:
            return error(500, "Failed to create session")
        session = self._registry.create(owner, streaming=bool(wishes.get("streaming_enabled")))
        return _json({"session_id": session.id})


def _wishes(body: bytes) -> dict[str, Any] | None:
    """The body of create-session, {} when it is empty, None when it makes no sense."""
    if not body.strip():
        return {}
    try:
        wishes = orjson.loads(body)
    except ValueError:
        return None
    if type(wishes) is not dict:
        return None
    streaming, platform = wishes.get("streaming_enabled"), wishes.get("platform")
    if streaming is not None and type(streaming) is not bool:
        return None
    if platform is not None and (type(platform) is not str or platform not in _PLATFORMS):
        return None
    return wishes


def _json(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )
