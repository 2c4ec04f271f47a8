"""One person: what they type, and when, from what they have just read."""

import math
import random
from array import array
from hashlib import blake2b
from typing import Final

from loadkit.plan.dialogue import Repertoire
from loadkit.plan.settings import Conversation, Human

__all__ = ["Act", "Person", "person_rng"]

Act = tuple[float, str, str]
"""`(due, kind, text)`: when (monotonic seconds), what, and for `say` the message."""

_CHARACTERS_A_WORD: Final = 5.0
"""The definition of a word in words per minute of typing, spaces included."""

_WITHIN_SIGMA: Final = 0.1
"""How much one person's typing speed varies between messages, as sigma of a log-normal. Ours:
small against the differences between people, so that a fast typist stays one."""

_TYPING_EVERY_S: Final = 3.0
"""The vendor's SDKs repeat STARTED at most this often while keys are pressed."""


def person_rng(seed: int, *path: int | str) -> random.Random:
    """A random stream of its own for each path, the same in every process and on every machine.

    Streams hang on the path alone, so one person makes the same choices whatever the number of
    workers and whichever of them runs it. Python's own `hash` would not do: it is salted.

    Args:
        seed: the profile's.
        path: what tells the stream from all others, e.g. user number and session number; the
            number 1 and the text "1" are different.
    """
    plain = [int(part) if isinstance(part, int) else str(part) for part in (seed, *path)]
    digest = blake2b(repr(plain).encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


class Person:
    """The user of one session.

    All that chance decides is drawn at birth, in a fixed order: what a person does then depends
    on the stream and on what the agent says, never on who else draws; and the generator, 2.5 KB
    of state, need not live as long as the session does.
    """

    __slots__ = ("_key_s", "_lines", "_said", "_scale", "_thinking_s", "_turns", "_word_s")

    def __init__(
        self,
        human: Human,
        conversation: Conversation,
        dialogues: Repertoire,
        rng: random.Random,
    ) -> None:
        """Draw a person.

        Args:
            human: how fast people are.
            conversation: how often they speak, and the time scale.
            dialogues: what they may say; shared between persons.
            rng: the person's stream, see `person_rng`. Not kept.
        """
        typing_wpm = _lognormal(rng, human.typing_wpm.median, human.typing_wpm.sigma)
        reading_wpm = _lognormal(rng, human.reading_wpm.median, human.reading_wpm.sigma)
        key_s = 60.0 / (typing_wpm * _CHARACTERS_A_WORD)
        turns = rng.randint(conversation.turns.min, conversation.turns.max)
        self._turns = turns
        self._said = 0
        self._scale = conversation.time_scale
        self._word_s = 60.0 / reading_wpm
        self._lines = dialogues.lines(turns, rng)
        self._thinking_s = array("d")
        self._key_s = array("d")  # seconds a character, one value a turn
        for _ in range(turns):
            self._thinking_s.append(_lognormal(rng, human.thinking.median, human.thinking.sigma))
            self._key_s.append(_lognormal(rng, key_s, _WITHIN_SIGMA))

    @property
    def turns(self) -> int:
        """How often this person will speak in all."""
        return self._turns

    def react(self, at: float, heard: str) -> list[Act]:
        """Read what the agent said, think, type the next line and send it; or leave.

        Args:
            at: when the agent's message was complete, or when patience ended; monotonic seconds.
            heard: the agent's text, empty where it never came.

        Returns:
            Acts with rising `due`, none before `at`. Their kinds: `typing_started` at the first
            key and every 3 s (scaled) while typing; `typing_stopped` and `say`, due together,
            when the line is typed; or after the last turn a single `leave`, once all is read.
        """
        scale = self._scale
        now = len(heard.split()) * self._word_s
        turn = self._said
        if turn >= self._turns:
            return [(at + now * scale, "leave", "")]
        self._said = turn + 1
        line = self._lines[turn]
        now += self._thinking_s[turn]
        done = now + len(line) * self._key_s[turn]
        acts = []
        while now < done:
            acts.append((at + now * scale, "typing_started", ""))
            now += _TYPING_EVERY_S
        due = at + done * scale
        acts.append((due, "typing_stopped", ""))
        acts.append((due, "say", line))
        return acts


def _lognormal(rng: random.Random, median: float, sigma: float) -> float:
    return median * math.exp(rng.gauss(0.0, sigma))
