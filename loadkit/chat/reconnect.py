"""What a lost socket means, and when to try again."""

from enum import Enum, auto
from typing import Final

__all__ = ["POLL", "UNKNOWN", "AfterLoss", "backoff", "on_close", "on_refusal"]

POLL: Final = 10.0
"""Seconds between attempts while the network is gone (close code 4003): a fixed poll."""

UNKNOWN: Final = (401, 404)
"""Status of an upgrade that is refused as the session, or its token, is not known (any more)."""

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
    """The verdict on an upgrade that was not answered with 101.

    Args:
        status: of the answer; None for none at all.
        reconnect: how the client comes back, as in `Policy`: to the vendor's mobile SDKs any answer
            but 101 means that the session is not known.
    """
    lost = status in UNKNOWN if reconnect == "reference" else status is not None
    return AfterLoss.RENEW if lost else AfterLoss.RESUME


def backoff(attempt: int, chance: float, *, sdk: bool = False) -> float:
    """Seconds to wait before a reconnect: 1 s doubling to 30 s, each ±20 %.

    Args:
        attempt: 1 for the first.
        chance: uniform in [0, 1).
        sdk: the vendor's mobile SDKs: 1 s ±20 %, then every 10 s flat.
    """
    if sdk and attempt > 1:
        return POLL
    base = min(_FIRST * 2.0 ** min(attempt - 1, 10), _CEILING)
    return base * (1 - _JITTER + 2 * _JITTER * chance)
