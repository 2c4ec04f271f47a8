"""What one session may be sent."""

from loadkit.net.websocket import flood_allowance
from loadkit.net.websocket.flood_allowance import A_MESSAGE, A_SECOND, AT_ONCE, FRAME, Allowance


class Clock:
    """A `perf_counter` that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_gives_back_what_was_taken_but_no_more(monkeypatch) -> None:
    """It is asked only when nothing is left."""
    clock = Clock()
    monkeypatch.setattr(flood_allowance, "perf_counter", clock)
    one = Allowance()
    one.left -= AT_ONCE + A_SECOND
    assert one.is_spent()
    clock.now += 0.5
    assert one.is_spent()
    clock.now += 0.75
    assert not one.is_spent()
    assert one.left == A_SECOND // 4
    one.left -= A_SECOND
    clock.now += 86_400.0
    assert not one.is_spent()
    assert one.left == AT_ONCE


def test_what_we_send_may_be_answered_and_cannot_be_saved_up() -> None:
    one = Allowance()
    for _ in range(10):
        one.add_sent()
    assert one.left == AT_ONCE
    one.left -= 3 * A_MESSAGE
    one.add_sent()
    assert one.left == AT_ONCE - 2 * A_MESSAGE


def test_a_day_of_talk_is_no_flood(monkeypatch) -> None:
    """A turn every 20 s, streamed in 50 chunks, and a heartbeat every 5 s."""
    clock = Clock()
    monkeypatch.setattr(flood_allowance, "perf_counter", clock)
    one = Allowance()
    for second in range(0, 86_400, 5):
        clock.now += 5.0
        one.left -= FRAME + 100
        if not second % 20:
            one.left -= 53 * (FRAME + 400)
        assert not one.is_spent()


def test_the_history_of_that_day_is_no_flood() -> None:
    """A new process reads it at once: 240,000 events of 250 bytes, 256 a batch."""
    one = Allowance()
    one.left -= 240_000 * 250 + 240_000 // 256 * FRAME
    assert not one.is_spent()
