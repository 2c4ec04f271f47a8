"""The moments of the protocol at which a forced disconnect may be planned."""

from typing import TYPE_CHECKING, Final

from loadkit.chat.connection import Link
from loadkit.chat.policy import Talk

if TYPE_CHECKING:
    from loadkit.chat.session import Session

__all__ = ["moment_of"]

_OF_TALK: Final = {
    Talk.JOINING: "join",
    Talk.GREETING: "join",
    Talk.READY: "between_turns",
    Talk.QUEUED: "queue",
    Talk.WITH_HUMAN: "human",
    Talk.WAITING_HUMAN: "human",
}
_OF_LINK: Final = {Link.CONNECTING: "connect", Link.REPLAYING: "replay"}


def moment_of(session: "Session") -> str | None:
    """The moment at which a session is; None for none that bears a name."""
    link, talk = session.connection.link, session.talk
    if link is not Link.LIVE:
        return _OF_LINK.get(link)
    if talk is Talk.WAITING and session.turn is not None:
        if not session.turn.echoed:
            return "before_echo"
        return None if session.answers.stream is None else "mid_stream"
    return _OF_TALK.get(talk)
