"""What a lost socket means, and when to try again."""

import pytest

from loadkit.chat.socket.reconnect import AfterLoss, backoff, on_close, on_refusal


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1000, AfterLoss.STOP),
        (1001, AfterLoss.RESUME),
        (1005, AfterLoss.RESUME),
        (1006, AfterLoss.RESUME),
        (1009, AfterLoss.RESUME),
        (1011, AfterLoss.RESUME),
        (1012, AfterLoss.RESUME),
        (3000, AfterLoss.RESUME),
        (4000, AfterLoss.STOP),
        (4001, AfterLoss.RENEW),
        (4002, AfterLoss.RESUME),
        (4003, AfterLoss.POLL),
        (4999, AfterLoss.RESUME),
        (0, AfterLoss.RESUME),
    ],
)
def test_a_close_code_means_what_the_protocol_says(code: int, verdict: AfterLoss) -> None:
    assert on_close(code) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (401, AfterLoss.RENEW),
        (404, AfterLoss.RENEW),
        (400, AfterLoss.RESUME),
        (429, AfterLoss.RESUME),
        (500, AfterLoss.RESUME),
        (200, AfterLoss.RESUME),
        (None, AfterLoss.RESUME),
    ],
)
def test_only_a_session_or_token_that_is_no_longer_valid_needs_a_new_session(
    status: int | None, verdict: AfterLoss
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
