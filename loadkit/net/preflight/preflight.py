"""One token before any load: can the target be reached, and does it take our credentials?"""

from collections.abc import Callable
from typing import Any, Final

import gevent

from loadkit.errors import RemoteError, TargetError, UsageError
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.preflight.diagnosis import IS_IT_RUNNING, clock_word, diagnose
from loadkit.net.preflight.identity import identify
from loadkit.net.preflight.permit import outside
from loadkit.network import DIRECT, Network
from loadkit.security.credentials import Credentials

__all__ = ["introduced", "preflight"]

LIMIT: Final = 5.0  # seconds for it all, the retries of a target that is just starting included


def preflight(
    url: str | None,
    credentials: Credentials,
    announce: Callable[[str], object],
    network: Network = DIRECT,
) -> Target:
    """Ask the target for an access token and throw it away.

    Args:
        url: the target's.
        credentials: what it knows us by.
        announce: is told where the target is, if outside this machine, before it hears of us.
        network: how it is reached.

    Returns:
        The target, which can be used.

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
    """Return what the target says of itself in a short session; see `identify`.

    Raises:
        TargetError: it has no session for us.
    """
    try:
        return identify(target, credentials)
    except RemoteError as error:
        raise TargetError(
            f"{target.origin} gives a token, but no session: {error}; {IS_IT_RUNNING}"
        ) from error
