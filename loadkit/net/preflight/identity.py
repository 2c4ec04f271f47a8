"""What a target says of itself, by which it is known again: one short session, before any load."""

from time import perf_counter
from typing import Any, Final
from urllib.parse import urlencode

from loadkit.errors import Failure, RemoteError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.websocket.flood_allowance import FLOODED
from loadkit.net.websocket.link import Link, Traffic
from loadkit.protocol import Event, EventType
from loadkit.protocol.encode import END_SESSION
from loadkit.security.credentials import Credentials

__all__ = ["identify"]

LIMIT: Final = 10.0  # seconds from the upgrade to SESSION_START
LEAVES: Final = 2.0  # seconds for the goodbye


def identify(target: Target, credentials: Credentials) -> dict[str, Any]:
    """Open a session, read what `SESSION_START` announces, and leave.

    Returns:
        `announced`, its capabilities; and `simulator`, where the target is one of loadkit's, the
        dials that differ from its defaults.

    Raises:
        RemoteError: no session could be had, or it said nothing.
    """
    api = Api(target, credentials)
    try:
        token = api.access_token()
        session = api.create_session(token, streaming=True)
    finally:
        api.close()
    query = urlencode({"access_token": token, "session_id": session})
    link = Link.open(target, query, Traffic(), timeout=LIMIT)
    try:
        announced = _announced(link, perf_counter() + LIMIT)
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
    raise RemoteError(Failure.HISTORY_MISSING, f"no SESSION_START within {LIMIT:g} s")
