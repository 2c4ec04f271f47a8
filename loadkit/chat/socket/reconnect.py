"""What a lost socket means, and when to try again."""

import sys
from enum import Enum, auto
from random import Random
from typing import Any, Final

from loadkit.chat.personas import Policy

POLL: Final = 10.0
"""Seconds between attempts while the network is gone (close code 4003): a fixed poll."""

UNKNOWN: Final = (401, 404)
"""Status of an upgrade that is refused as the session, or its token, is not known (any more)."""

_LIMIT: Final = 10  # attempts in a row where the server names no limit
_FIRST, _CEILING, _JITTER = 1.0, 30.0, 0.2


class AfterLoss(Enum):
    """What a client does about a socket that is gone."""

    STOP = auto()  # the conversation is over for this client
    RESUME = auto()  # same session, same token, with the cursor
    POLL = auto()  # as RESUME, at a fixed pace
    RENEW = auto()  # the server does not know the session: a new one


_BY_CODE: Final = {
    1000: AfterLoss.STOP,
    4000: AfterLoss.STOP,  # replaced by a newer socket
    4001: AfterLoss.RENEW,
    4003: AfterLoss.POLL,
}


def on_close(code: int) -> AfterLoss:
    """The verdict on a close code; every code without a row means "lost"."""
    return _BY_CODE.get(code, AfterLoss.RESUME)


def on_refusal(status: int | None, reconnect: str = "reference") -> AfterLoss:
    """The verdict on an upgrade that was not answered with 101; no status for no answer at all.

    To the vendor's mobile SDKs (see `Policy.reconnect`) any status means an unknown session.
    """
    lost = status in UNKNOWN if reconnect == "reference" else status is not None
    return AfterLoss.RENEW if lost else AfterLoss.RESUME


def backoff(attempt: int, chance: float, *, sdk: bool = False) -> float:
    """Seconds to wait before a reconnect: 1 s doubling to 30 s, each ±20 %.

    With `sdk`, as the vendor's mobile SDKs do, 1 s ±20 %, then 10 s flat. `attempt` is 1 for the
    first, `chance` uniform in [0, 1).
    """
    if sdk and attempt > 1:
        return POLL
    base = min(_FIRST * 2.0 ** min(attempt - 1, 10), _CEILING)
    return base * (1 - _JITTER + 2 * _JITTER * chance)


class Attempts:
    """Connects in a row that did not lead to a complete history: how many, and the most."""

    __slots__ = ("_policy", "_rng", "limit", "made")

    def __init__(self, policy: Policy, rng: Random) -> None:
        self._policy, self._rng = policy, rng
        limit = policy.max_reconnect_attempts
        self.made, self.limit = 0, _LIMIT if limit is None else limit

    def announced(self, limit: Any) -> None:
        """The server names a limit, which the client may have one of its own in place of."""
        if self._policy.max_reconnect_attempts is None and type(limit) is int and limit >= 0:
            no_limit = limit == 0 and self._policy.zero_is_no_limit
            self.limit = sys.maxsize if no_limit else limit

    def wait(self, verdict: AfterLoss) -> float | None:
        """Seconds until the next one, which counts from now on; None for no more of them."""
        if self.made >= self.limit:
            return None
        self.made += 1
        if verdict is AfterLoss.POLL:
            return POLL
        return backoff(self.made, self._rng.random(), sdk=self._policy.reconnect == "sdk")
