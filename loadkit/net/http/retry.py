"""When to ask again: after a failure, and as long as the server wishes."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MOST_RETRIES: Final = 3
_NETWORK_DELAY: Final = 1.0  # seconds, after a network error or a 5xx
_LIMITED_DELAY: Final = 5.0  # seconds, after a 429 that names no time
_LONGEST_DELAY: Final = 30.0  # seconds, whatever Retry-After asks for


def retry_delay(
    attempt: int, status: int | None, retry_after: str | None, *, now: float | None = None
) -> float | None:
    """How many seconds to wait before a REST call is asked again; None when the failure is final.

    By the rules seen in the vendor's SDKs: a network error (no `status`), a 5xx and a 429 are
    retried up to three times. The Retry-After of a 429 is in seconds, or a date that the wall clock
    `now` is compared with.
    """
    if attempt > MOST_RETRIES:
        return None
    if status == 429:
        return asked_delay(retry_after, now=now)
    return _NETWORK_DELAY if status is None or status >= 500 else None


def asked_delay(retry_after: str | None, *, now: float | None = None) -> float:
    """How many seconds a 429 asks to wait: at most 30, and 5 where it does not say."""
    asked = _seconds(retry_after, time.time() if now is None else now)
    return _LIMITED_DELAY if asked is None else min(max(asked, 0.0), _LONGEST_DELAY)


def _seconds(retry_after: str | None, now: float) -> float | None:
    """By RFC 9110, 10.2.3; None when it says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # more digits are more than the longest delay anyway
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": UTC without a claim about a place
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
