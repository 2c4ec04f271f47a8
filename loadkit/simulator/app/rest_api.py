"""The two REST calls, and the shape of every HTTP error."""

import asyncio
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from loadkit.protocol import SIMULATOR
from loadkit.simulator.app.registry import Registry
from loadkit.simulator.app.tokens import ConnectorCredentials, Tokens
from loadkit.simulator.dials import Dials
from loadkit.simulator.limits import TokenBucket
from loadkit.simulator.session.events import Announced
from loadkit.simulator.shared import LONGEST_ID, SharedState

_PLATFORMS: Final = frozenset({"web", "ios", "android", "ios-web", "android-web", "custom"})
CORRELATION: Final = "X-PolyAI-Correlation-Id"
_BEARER: Final = "Bearer "
_TOO_MANY: Final = "Too many requests"
UNAVAILABLE: Final = "service unavailable"
LONGEST: Final = 4_000  # characters of a header
PATIENCE: Final = 60.0
"""Seconds that a client has for a request, and that a connection is kept without one."""
_TOKEN, _SESSION = "access-token", "sessions"

_FAULTS: Final[dict[str, dict[str, tuple[int, str]]]] = {
    _TOKEN: {
        "rate_limited": (429, _TOO_MANY),
        "server_error": (500, "Failed to create access token"),
        "token_500": (500, "Failed to create access token"),
    },
    _SESSION: {
        "rate_limited": (429, _TOO_MANY),
        "server_error": (500, "Failed to create session"),
        "session_500": (500, "Failed to create session"),
    },
}
"""What can befall each call, and the answer it then gets."""


def error(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An HTTP error with the service's own words."""
    return _json({"error": text, "message": text}, status, headers)


def _later(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give aiohttp's own refusals (no such path, wrong method) the shape of the service's."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        allowed = refusal.headers.get("Allow")
        return error(refusal.status, refusal.reason, {"Allow": allowed} if allowed else None)


def under_incidents(setting: SharedState) -> Middleware:
    """What an incident does to every call of either kind, and to the upgrade."""
    incidents = setting.incidents

    @web.middleware
    async def befallen(request: web.Request, handler: Handler) -> web.StreamResponse:
        kind = None if incidents.now is None else incidents.now.kind
        call = request.path.rpartition("/")[2]
        if kind == "half_open":  # heard, and not answered
            await asyncio.sleep(incidents.left)
            if request.transport is None:
                return error(503, UNAVAILABLE)  # to nobody
        elif kind == "rate_limit" or (kind == "refuse_upgrades" and call == "ws"):
            limited = kind == "rate_limit"
            status, text = (429, _TOO_MANY) if limited else (503, UNAVAILABLE)
            setting.refused(call, status, request.query.get("session_id"))
            after = _later(max(1, math.ceil(incidents.left))) if limited else None
            return error(status, text, after)
        return await handler(request)

    return befallen


class Rest:
    """`POST /api/v1/access-token` and `POST /api/v1/sessions`."""

    def __init__(
        self,
        setting: SharedState,
        credentials: ConnectorCredentials,
        tokens: Tokens,
        registry: Registry,
    ) -> None:
        self._setting, self._credentials = setting, credentials
        self._tokens, self._registry = tokens, registry
        self._faults = setting.faults("http")
        limits, clock = setting.dials.rate_limit, setting.clock
        self._told = _turned(setting.dials)
        self._buckets = {
            _TOKEN: TokenBucket(limits.tokens_per_second, clock),
            _SESSION: TokenBucket(limits.sessions_per_second, clock),
        }

    async def access_token(self, request: web.Request) -> web.Response:
        """Trade the connector token for a JWT. The body is not read."""
        if (refused := self._limit(_TOKEN)) is not None:
            return refused
        connector, host = request.headers.get("X-Token"), request.headers.get("X-Host")
        if not connector or not host:
            return error(401, "Missing authentication headers")
        if not self._credentials.knows(connector):
            return error(401, "Connector token does not exist")
        if not self._setting.dials.connector_has_host_domain:
            return error(401, "Connector missing host domain")
        if not self._credentials.admits(host):
            return error(401, "Failed to validate connector")
        if (refused := self._fault(_TOKEN)) is not None:
            return refused
        issued = self._tokens.issue()
        answer = {**issued._asdict(), "token_type": "Bearer"}
        return _json(answer, headers={SIMULATOR: self._told})

    async def sessions(self, request: web.Request) -> web.Response:
        """Create a session that belongs to the bearer's token."""
        if (refused := self._limit(_SESSION)) is not None:
            return refused
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return error(400, "Missing access token")
        if not authorization.startswith(_BEARER):
            return error(401, "Missing authentication headers")
        owner = self._tokens.identify(authorization.removeprefix(_BEARER).strip())
        if owner is None:
            return error(401, "Invalid access token")
        try:
            async with asyncio.timeout(PATIENCE):
                wishes = _wishes(await request.read())
        except TimeoutError:
            return error(408, "Request timed out")
        except (web.RequestPayloadError, ValueError):  # not chunked, or not packed, as it says
            wishes = None
        if wishes is None:
            return error(400, "Error parsing request")
        if (refused := self._fault(_SESSION)) is not None:
            return refused
        if self._setting.drift.spent:
            self._setting.refused(_SESSION, 500)
            return error(500, "Failed to create session")
        if not self._registry.make_room():
            self._setting.refused(_SESSION, 503)
            return error(503, UNAVAILABLE)
        session = self._registry.create(
            owner,
            streaming=bool(wishes.get("streaming_enabled")),
            client=Announced(wishes.get("platform"), _short(wishes.get("device_type"))),
        )
        return _json({"session_id": session.id})

    def _limit(self, call: str) -> web.Response | None:
        """The answer to one call too many, None while there are not."""
        seconds = self._buckets[call].take()
        if not seconds:
            return None
        now = self._setting.clock.now()
        self._setting.truth.record("rate_limited", call=call, session_id=None, at=now)
        return error(429, _TOO_MANY, _later(seconds))

    def _fault(self, call: str) -> web.Response | None:
        """The answer to a call that a fault befalls, None where there is none."""
        fault = self._faults.draw(_FAULTS[call])
        if fault is None:
            return None
        status, text = _FAULTS[call][fault]
        self._faults.note(fault, call=call)
        return error(status, text, _later(1) if status == 429 else None)


def _turned(dials: Dials) -> str:
    """The dials that differ from their defaults, as a header can hold them."""
    told = json.dumps(dials.model_dump(mode="json", exclude_defaults=True))
    if len(told) <= LONGEST:
        return told
    return json.dumps({"sha256": hashlib.sha256(told.encode()).hexdigest()})


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


def _short(device: Any) -> str | None:
    """A `device_type` as it is written down: any text is taken, whatever a stranger says."""
    if type(device) is not str:
        return None
    return device[:LONGEST_ID].encode("utf-8", "replace").decode()


async def correlate(request: web.Request, response: web.StreamResponse) -> None:
    """Give the client's own correlation id back, or make one."""
    given = request.headers.get(CORRELATION, "")
    known = len(given) <= LONGEST_ID and given.isascii() and given.isprintable()
    response.headers[CORRELATION] = given if given and known else str(uuid4())


def _json(
    content: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    body, kind = orjson.dumps(content), "application/json"
    return web.Response(
        body=body, status=status, headers=headers, content_type=kind, charset="utf-8"
    )
