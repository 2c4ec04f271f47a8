"""Typing shows as the vendor's SDKs show it: STARTED every 3 s at most, STOPPED after 5 s."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loadkit.actions import ActionKind
from loadkit.people.keyboard import REPEAT_S, STOP_AFTER_S, Keyboard

STARTED, STOPPED, SAY = ActionKind.TYPING_STARTED, ActionKind.TYPING_STOPPED, ActionKind.SAY


def shown(keyboard: Keyboard) -> list[tuple[float, ActionKind]]:
    return [(act.due, act.kind) for act in keyboard.acts]


def a_keyboard(at: float = 0.0, scale: float = 1.0, started: float = -math.inf) -> Keyboard:
    return Keyboard(at, scale, started)


class TestKeyboard:
    def test_a_short_message_is_started_stopped_and_said(self):
        keyboard = a_keyboard()
        keyboard.press(1, 2)
        keyboard.say(2, "hi")
        assert keyboard.acts == [(1, STARTED, ""), (2, STOPPED, ""), (2, SAY, "hi")]

    def test_started_is_repeated_every_three_seconds_while_keys_are_pressed(self):
        keyboard = a_keyboard()
        keyboard.press(1, 8)
        keyboard.say(8, "hi")
        assert [due for due, kind in shown(keyboard) if kind is STARTED] == [1, 4, 7]

    def test_a_pause_up_to_five_seconds_does_not_show(self):
        keyboard = a_keyboard()
        keyboard.press(0, 1)
        keyboard.press(6, 7)
        keyboard.say(7, "hi")
        assert shown(keyboard) == [(0, STARTED), (6, STARTED), (7, STOPPED), (7, SAY)]

    def test_a_longer_pause_shows_as_stopped_and_started_again(self):
        keyboard = a_keyboard()
        keyboard.press(0, 1)
        keyboard.press(7, 8)
        keyboard.say(8, "hi")
        expected = [(0, STARTED), (6, STOPPED), (7, STARTED), (8, STOPPED), (8, SAY)]
        assert shown(keyboard) == expected

    def test_who_gives_up_is_stopped_five_seconds_after_the_last_key(self):
        keyboard = a_keyboard()
        keyboard.press(0, 1)
        assert keyboard.rest() == 6
        assert shown(keyboard) == [(0, STARTED), (6, STOPPED)]

    def test_what_is_tapped_shows_no_typing(self):
        keyboard = a_keyboard()
        keyboard.say(1, "Yes, please")
        assert keyboard.acts == [(1, SAY, "Yes, please")]

    def test_started_waits_for_the_three_seconds_since_the_one_before(self):
        keyboard = a_keyboard(started=-2.0)
        keyboard.press(0, 3)
        assert shown(keyboard) == [(1, STARTED)]
        assert keyboard.started_at == 1

    def test_keys_that_are_done_before_then_are_not_seen(self):
        keyboard = a_keyboard(started=-2.0)
        keyboard.press(0, 0.5)
        keyboard.say(0.5, "ok")
        assert shown(keyboard) == [(0.5, SAY)]
        assert keyboard.started_at == -2.0

    def test_all_of_it_is_scaled_and_put_on_the_clock(self):
        keyboard = a_keyboard(at=100.0, scale=0.5, started=99.5)
        keyboard.press(1, 4)
        keyboard.say(9, "hi")
        assert shown(keyboard) == [(101, STARTED), (104.5, STOPPED), (104.5, SAY)]


@given(
    keys=st.lists(st.tuples(st.floats(0, 20), st.floats(0.01, 20)), min_size=1, max_size=8),
    ago=st.floats(0, 20),
)
def test_however_keys_are_pressed_the_limits_hold(keys: list[tuple[float, float]], ago: float):
    keyboard, now, last_key = a_keyboard(started=-ago), 0.0, 0.0
    for rest, press in keys:
        now += rest
        keyboard.press(now, now + press)
        now = last_key = now + press
    keyboard.say(now, "hi")
    acts = shown(keyboard)
    assert all(a[0] <= b[0] for a, b in pairwise(acts))
    started = [-ago, *(due for due, kind in acts if kind is STARTED)]
    assert all(b - a >= REPEAT_S - 1e-9 for a, b in pairwise(started))
    kinds = [kind for _, kind in acts if kind is not STARTED]
    assert acts[-1] == (last_key, SAY)
    assert len(kinds) == sum(kind is STOPPED for kind in kinds) + 1
    stopped = {due for due, kind in acts if kind is STOPPED}
    ends, at = set(), 0.0
    for rest, press in keys:
        at += rest + press
        ends |= {at, at + STOP_AFTER_S}
    assert all(any(abs(due - end) < 1e-9 for end in ends) for due in stopped)
