"""Slots for agents at work and the line for them, and rate limits."""

from loadkit.simulator.limits import Pool, TokenBucket

from .doubles import HandClock


class Work:
    """Asks for slots and notes the order in which they came."""

    def __init__(self, slots: int, queue_limit: int) -> None:
        self.clock, self.started = HandClock(), list[str]()
        self.pool = Pool(slots, queue_limit, self.clock)

    def ask(self, name: str):  # type: ignore[no-untyped-def]
        grant = self.pool.request(lambda: self.started.append(name))
        self.clock.advance(0)
        return grant

    def release(self, grant) -> None:  # type: ignore[no-untyped-def]
        grant.release()
        self.clock.advance(0)


def test_without_a_limit_everyone_starts() -> None:
    work = Work(0, 0)
    for name in "abc":
        assert work.ask(name) is not None
    assert work.started == ["a", "b", "c"]


def test_who_comes_first_is_served_first() -> None:
    work = Work(1, 10)
    first = work.ask("a")
    second = work.ask("b")
    work.ask("c")
    assert work.started == ["a"]
    work.release(first)
    assert work.started == ["a", "b"]
    work.release(second)
    assert work.started == ["a", "b", "c"]


def test_one_too_many_in_line_is_turned_away() -> None:
    work = Work(1, 1)
    work.ask("a")
    assert work.ask("b") is not None
    assert work.ask("c") is None


def test_who_leaves_the_line_is_skipped_and_makes_room() -> None:
    work = Work(1, 1)
    first, second = work.ask("a"), work.ask("b")
    work.release(second)
    assert work.ask("c") is not None
    work.release(first)
    assert work.started == ["a", "c"]


def test_a_slot_given_back_twice_is_one_slot() -> None:
    work = Work(1, 10)
    first = work.ask("a")
    work.ask("b")
    work.ask("c")
    work.release(first)
    work.release(first)
    assert work.started == ["a", "b"]


def test_a_slot_given_up_before_it_was_used_goes_to_the_next() -> None:
    work = Work(1, 10)
    grant = work.pool.request(lambda: work.started.append("a"))
    assert grant is not None
    work.pool.request(lambda: work.started.append("b"))
    work.release(grant)
    assert work.started == ["b"]


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
