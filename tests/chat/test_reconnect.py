"""What a lost socket means, and when to try again."""

import pytest

from loadkit.chat.reconnect import Verdict, backoff, on_close, on_refusal


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1000, Verdict.STOP),
        (1001, Verdict.RESUME),
        (1005, Verdict.RESUME),
        (1006, Verdict.RESUME),
        (1009, Verdict.RESUME),
        (1011, Verdict.RESUME),
        (1012, Verdict.RESUME),
        (3000, Verdict.RESUME),
        (4000, Verdict.STOP),
        (4001, Verdict.RENEW),
        (4002, Verdict.RESUME),
        (4003, Verdict.POLL),
        (4999, Verdict.RESUME),
        (0, Verdict.RESUME),
    ],
)
def test_a_close_code_means_what_the_protocol_says(code: int, verdict: Verdict) -> None:
    assert on_close(code) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (401, Verdict.RENEW),
        (404, Verdict.RENEW),
        (400, Verdict.RESUME),
        (429, Verdict.RESUME),
        (500, Verdict.RESUME),
        (200, Verdict.RESUME),
        (None, Verdict.RESUME),
    ],
)
def test_only_a_session_or_token_that_is_no_longer_valid_needs_a_new_session(
    status: int | None, verdict: Verdict
) -> None:
    assert on_refusal(status) is verdict


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 16.0), (6, 30.0), (7, 30.0), (10_000, 30.0)],
)
def test_the_wait_doubles_from_one_second_to_thirty_give_or_take_a_fifth(
    attempt: int, seconds: float
) -> None:
    waits = [backoff(attempt, chance) for chance in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([0.8 * seconds, seconds, 1.2 * seconds])
