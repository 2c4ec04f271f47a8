"""What the server cannot do, in its own words: it has no codes for them."""

from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple, get_args

from pydantic import Field

from loadkit.config.table import Ratio, Table
from loadkit.simulator.distributions import dial
from loadkit.simulator.session.habits import Habits

HIGH_LOAD: Final = "Our system is experiencing high load. Please try again in a moment."
UNABLE_TO_START: Final = (
    "Sorry, I'm unable to start a conversation right now. Please try again later."
)
BROKEN_OFF: Final = "Sorry, I encountered an error. Please try again."
NO_CONVERSATION: Final = "Error: Conversation not found"
"""The answer to a message that comes before anyone asked an agent to join."""
FULL: Final = "Error: Conversation too long"
"""The answer to a message once a session's journal is full. Ours."""


class About(StrEnum):
    """What an error is the answer to."""

    MESSAGE = "message"  # to the agent
    REQUEST = "request"  # a message to the agent that asks for a person
    LIVE_MESSAGE = "live message"  # to a live agent who is there
    HANDOFF = "hand-off"  # that has failed


class _Error(NamedTuple):
    about: About
    text: str


_Name = Literal[
    "trouble_responding",
    "encountered_error",
    "session_not_found",
    "session_not_retrieved",
    "connector_not_found",
    "conversation_id_not_found",
    "handoff_not_initiated",
    "not_connected",
    "not_forwarded",
]
TEXTS: Final[dict[_Name, _Error]] = {
    "trouble_responding": _Error(
        About.MESSAGE, "Sorry, I'm having trouble responding right now. Please try again."
    ),
    "encountered_error": _Error(About.MESSAGE, BROKEN_OFF),
    "session_not_found": _Error(About.MESSAGE, "Error: Session not found"),
    "session_not_retrieved": _Error(About.MESSAGE, "Error: Unable to retrieve session"),
    "connector_not_found": _Error(About.MESSAGE, "Error: Connector not found"),
    "conversation_id_not_found": _Error(
        About.MESSAGE, "Error: Conversation ID not found in session"
    ),
    "handoff_not_initiated": _Error(About.REQUEST, "Sorry, handoff could not be initiated."),
    "not_connected": _Error(
        About.HANDOFF, "Sorry, we could not connect you to an agent. Please try again."
    ),
    "not_forwarded": _Error(About.LIVE_MESSAGE, "Failed to forward message to live agent"),
}
"""Those that come by `errors.rate`; the others have causes of their own."""

JOIN_AGAIN: Final = frozenset({"conversation_id_not_found"})
"""After these the agent is gone until the client asks for it again."""
FINAL: Final = frozenset({"session_not_found", "session_not_retrieved", "connector_not_found"})
"""Those that SESSION_END may follow."""


class ErrorDials(Table):
    """What is answered by a SYSTEM_MESSAGE that tells of an error, and by nothing else."""

    rate: Ratio = dial(
        0.0,
        "share of user messages, and of hand-offs that fail, that are answered by one"
        " of `errors.texts`",
    )
    texts: Annotated[tuple[_Name, ...], Field(strict=False)] = dial(
        get_args(_Name), "names of the texts that may come, each where it belongs (table below)"
    )
    ends: Ratio = dial(
        0.0, "share of the errors about the session or the connector that SESSION_END follows"
    )


def draw(dials: ErrorDials, about: About, habits: Habits) -> _Name | None:
    """The name of the text that is the answer here, or None; at a rate of 0 nothing is drawn."""
    if dials.rate == 0:
        return None
    fitting = [name for name in dials.texts if TEXTS[name].about is about]
    if not fitting or not habits.has(dials.rate):
        return None
    return fitting[int(habits.share() * len(fitting))]
