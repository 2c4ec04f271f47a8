"""How a message comes about: reading, thinking, typing, thinking better of it, typing again."""

import math
from typing import Final, NamedTuple

from loadkit.actions import UserAction
from loadkit.people.keyboard import Keyboard
from loadkit.profile.user_model import UserModel
from loadkit.stats.random_streams import lognormal

_CHARACTERS_A_WORD: Final = 5.0
"""The definition of a word in words per minute of typing, spaces included."""

_WITHIN_SIGMA: Final = 0.1
"""How much one person's typing speed varies between messages, as sigma of a log-normal. Ours:
small against the differences between people, so that a fast typist stays one."""

# All ours:
_PAUSE_S, _PAUSE_SIGMA = 6.0, 0.5  # in mid-typing, log-normal; two in three are seen as a STOPPED
_DRAFT_SHARE: Final = (0.2, 0.9)  # of a line that is typed before it is given up: uniform
_BREATH_S, _BREATH_SIGMA = 0.8, 0.5  # between the halves of a line sent in two: log-normal
_LEAST_WORDS: Final = 4  # of a line that may be sent in two


class TypedTurn(NamedTuple):
    """What each slot of a turn's draws decides; all between 0 and 1."""

    thinking: float
    speed: float
    pause: float
    pause_where: float
    pause_long: float
    draft: float
    draft_share: float
    draft_thinking: float
    double: float
    double_where: float
    double_breath: float
    suggestion: float
    suggestion_which: float
    ask: float
    refusal_wait: float


class Writer:
    """The eyes and hands of one person."""

    __slots__ = ("_human", "_key_s", "_scale", "_started", "_word_s")

    def __init__(
        self, human: UserModel, scale: float, *, device: float, typing: float, reading: float
    ) -> None:
        """Draw one; `scale` is seconds of the clock in a second of the person's.

        `device`, `typing` and `reading`, from 0 to 1, say what the person types on, and the share
        of people who type and read more slowly.
        """
        typist, reader = human.typing(device), human.reading_wpm
        wpm = lognormal(typing, typist.median, typist.sigma)
        self._human, self._scale = human, scale
        self._key_s = 60.0 / (_CHARACTERS_A_WORD * wpm)
        self._word_s = 60.0 / lognormal(reading, reader.median, reader.sigma)
        self._started = -math.inf  # when STARTED was sent last

    def reading_s(self, heard: str) -> float:
        """Seconds, not scaled, that a text takes to read."""
        return len(heard.split()) * self._word_s

    def interrupt(self, at: float) -> None:
        """Whatever was to be typed after `at` is not."""
        self._started = min(self._started, at)

    def tap(self, at: float, heard: str, text: str, u: TypedTurn) -> list[UserAction]:
        """Read, think and tap what was offered; arguments as of `write`."""
        keyboard = Keyboard(at, self._scale, self._started)
        keyboard.say(self._thought(heard, u), text)
        return keyboard.acts

    def write(
        self, at: float, heard: str, line: str, u: TypedTurn, second: str = ""
    ) -> list[UserAction]:
        """Read what was `heard`, think, type and send a line.

        Args:
            at: the moment that the person reacts to, on the monotonic clock.
            u: the turn's draws.
            second: what they say on top of it without waiting; empty for nothing.
        """
        human, thinking = self._human, self._human.thinking
        keyboard = Keyboard(at, self._scale, self._started)
        now = self._thought(heard, u)
        whole = len(line) * lognormal(u.speed, self._key_s, _WITHIN_SIGMA)
        if u.draft < human.drafts:
            least, most = _DRAFT_SHARE
            keyboard.press(now, now + whole * (least + (most - least) * u.draft_share))
            now = keyboard.rest() + lognormal(u.draft_thinking, thinking.median, thinking.sigma)
        end = now + whole
        if u.pause < human.typing_pause:
            paused = now + whole * u.pause_where
            pause = lognormal(u.pause_long, _PAUSE_S, _PAUSE_SIGMA)
            keyboard.press(now, paused)
            now, end = paused + pause, end + pause
        keyboard.press(now, end)
        keyboard.say(end, line)
        if second:
            now = end + lognormal(u.double_breath, _BREATH_S, _BREATH_SIGMA)
            end = now + len(second) * self._key_s
            keyboard.press(now, end)
            keyboard.say(end, second)
        self._started = keyboard.started_at
        return keyboard.acts

    def _thought(self, heard: str, u: TypedTurn) -> float:
        thinking = self._human.thinking
        return self.reading_s(heard) + lognormal(u.thinking, thinking.median, thinking.sigma)


def halves(line: str, where: float) -> tuple[str, str]:
    """Cut a line in two between words, at `where` (0 to 1) of all places between two of them.

    The second is empty where the line is too short to be cut.
    """
    words = line.split()
    if len(words) < _LEAST_WORDS:
        return line, ""
    cut = 1 + int(where * (len(words) - 1))
    return " ".join(words[:cut]), " ".join(words[cut:])
