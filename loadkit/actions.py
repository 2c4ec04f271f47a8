"""What a person does and what they are told: the words between a person and a session's driver."""

from enum import StrEnum
from typing import Final, NamedTuple


class Cue(StrEnum):
    """Why it is the person's turn."""

    GREETED = "greeted"  # the agent has joined and greeted
    ANSWERED = "answered"  # the answer, by an agent or a human, is complete
    SILENCE = "silence"  # no answer came within the patience
    OVERLOADED = "overloaded"  # the server said: high load, try again in a moment
    HUMAN_JOINED = "human_joined"  # a human has taken over
    NO_HUMAN = "no_human"  # the hand-off failed or timed out
    AGENT_BACK = "agent_back"  # the human has left and the agent is there again


SOMEBODY_ELSE: Final = frozenset({Cue.HUMAN_JOINED, Cue.NO_HUMAN, Cue.AGENT_BACK})
"""Cues with which somebody else listens: what the person was about to say was not for them."""


class ActionKind(StrEnum):
    """What a person can do."""

    TYPING_STARTED = "typing_started"
    TYPING_STOPPED = "typing_stopped"
    SAY = "say"
    LEAVE = "leave"  # clicks "leave": USER_END_SESSION
    VANISH = "vanish"  # the browser is gone without a word; `text` says how: "fin" or "silent"


class UserAction(NamedTuple):
    """Something a person does."""

    due: float  # when, in seconds on the monotonic clock
    kind: ActionKind
    text: str = ""  # of a message; how, of a `VANISH`
