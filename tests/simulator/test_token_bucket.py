"""Rate limits."""

from loadkit.simulator.token_bucket import TokenBucket

from .doubles import HandClock


def test_a_seconds_worth_comes_through_at_once_and_then_the_rate() -> None:
    clock = HandClock()
    bucket = TokenBucket(4, clock)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0, 1]
    clock.advance(0.25)
    assert [bucket.take(), bucket.take()] == [0, 1]
    clock.advance(100)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0, 1]


def test_a_slow_rate_tells_how_long_to_wait() -> None:
    clock = HandClock()
    bucket = TokenBucket(0.1, clock)
    assert bucket.take() == 0
    assert bucket.take() == 10
    clock.advance(7.5)
    assert bucket.take() == 3
    clock.advance(3)
    assert bucket.take() == 0


def test_without_a_rate_there_is_no_limit() -> None:
    bucket = TokenBucket(0, HandClock())
    assert not any(bucket.take() for _ in range(1000))
