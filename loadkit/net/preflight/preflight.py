"""One token before any load: can the target be reached, and does it take our credentials?"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlencode

import gevent

from loadkit.errors import Failure, RemoteError, TargetError, UsageError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.preflight.diagnosis import IS_IT_RUNNING, clock_word, diagnose
from loadkit.net.preflight.permit import outside
from loadkit.net.websocket.flood_allowance import FLOODED
from loadkit.net.websocket.link import Link, Traffic
from loadkit.network import DIRECT, Network
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import END_SESSION
from loadkit.security.credentials import Credentials

LIMIT: Final = 5.0  # seconds for it all, the retries of a target that is just starting included
STARTS: Final = 10.0  # seconds from the upgrade to SESSION_START
LEAVES: Final = 2.0  # seconds for the goodbye


def preflight(
    url: str | None,
    credentials: Credentials,
    announce: Callable[[str], object],
    network: Network = DIRECT,
) -> Target:
    """Ask the target for an access token and throw it away; the target, which can be used.

    `announce` is told where that is, if outside this machine, before it hears of us.

    Raises:
        UsageError: there is no address, or it is none.
        TargetError: with the target's own words.
    """
    if not url:
        raise UsageError("no target: add -H URL (--host URL)")
    target = Target.resolve(url, network)
    if where := outside(target):
        announce(where)
    api = Api(target, credentials, connect_timeout=LIMIT / 2, answer_timeout=LIMIT)
    limit = gevent.Timeout.start_new(LIMIT)  # not a RemoteError, which would be retried
    try:
        api.access_token()
    except gevent.Timeout as expired:
        if expired is not limit:
            raise
        raise TargetError(f"{target.origin} {_said(target, None)}") from None
    except RemoteError as error:
        limit.close()  # to look at it again takes a while, too
        raise TargetError(f"{target.origin} {_said(target, error)}") from error
    finally:
        limit.close()
        api.close()
    if word := clock_word(target, api.clock_ahead_s):
        announce(f"warning: {'; '.join(word)}")
    return target


def _said(target: Target, error: RemoteError | None) -> str:
    return "; ".join(diagnose(target, error, LIMIT))


def introduced(target: Target, credentials: Credentials) -> dict[str, Any]:
    """What the target says of itself, see `identify`; raises TargetError for no session."""
    try:
        return identify(target, credentials)
    except RemoteError as error:
        raise TargetError(
            f"{target.origin} gives a token, but no session: {error}; {IS_IT_RUNNING}"
        ) from error


def identify(target: Target, credentials: Credentials) -> dict[str, Any]:
    """Open a session, read what `SESSION_START` announces, and leave.

    Returns `announced`, its capabilities; and `simulator`, where the target is one of loadkit's,
    the dials that differ from its defaults. Raises RemoteError where no session could be had.
    """
    api = Api(target, credentials)
    try:
        token = api.access_token()
        session = api.create_session(token, streaming=True)
    finally:
        api.close()
    query = urlencode({"access_token": token, "session_id": session})
    link = Link.open(target, query, Traffic(), timeout=STARTS)
    try:
        announced = _announced(link, perf_counter() + STARTS)
        link.send(END_SESSION)
        link.close(1000, timeout=LEAVES)
    finally:
        link.drop()
    found: dict[str, Any] = {"announced": announced}
    return found if api.simulator is None else found | {"simulator": api.simulator}


def _announced(link: Link, until: float) -> dict[str, Any]:
    while link.closed is None and perf_counter() < until:
        for frame in link.receive(until):
            for event in link.events(frame):
                if isinstance(event, Event) and event.type is EventType.SESSION_START:
                    told = event.payload.get("capabilities")
                    return dict(told) if isinstance(told, dict) else {}
    if link.flooded:
        raise RemoteError(Failure.FRAME_FLOOD, FLOODED)
    raise RemoteError(Failure.HISTORY_MISSING, f"no SESSION_START within {STARTS:g} s")


def raise_interrupts_quietly() -> None:
    """Let Ctrl-C be a KeyboardInterrupt in the main greenlet, without gevent's lines about it."""
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)
