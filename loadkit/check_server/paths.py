"""The sessions of a check, each with what is done in it, in order."""

from loadkit.check_server.conversation import (
    agent_comes,
    begin,
    end,
    handoff,
    judge_streamed,
    judge_whole,
    turn,
)
from loadkit.check_server.sockets import (
    bad_event,
    cold,
    ended,
    heartbeat,
    resume,
    second_socket,
    stranger,
)
from loadkit.check_server.table import CheckVerdict, Findings
from loadkit.check_server.visit import OverError, Visit
from loadkit.check_server.waits import alive
from loadkit.protocol import Event

__all__ = ["handed_over", "streamed", "whole"]


def whole(visit: Visit, found: Findings) -> None:
    """A session without streaming, with all that is not of streaming or of a human.

    Raises:
        OverError: it could not be gone through.
    """
    stranger(visit, found)
    told = begin(visit, found, streaming=False)
    if agent_comes(visit, found):
        turn(visit, found, judge_whole)
    alive(visit)
    heartbeat(visit, found, told)
    alive(visit)
    bad_event(visit, found)
    alive(visit)
    second_socket(visit, found)
    resume(visit, found, "resume", "seq")
    resume(visit, found, "resume_bare", "integer")
    alive(visit)
    end(visit, found)
    ended(visit, found)


def streamed(visit: Visit, found: Findings) -> None:
    """A streaming session, whose app is shut down and comes back; raises as `whole`."""
    told = begin(visit, found, streaming=True)

    def judge(answer: Event, since: int) -> tuple[CheckVerdict, str]:
        return judge_streamed(visit, answer, since, told.get("streaming") is True)

    if agent_comes(visit, found):
        turn(visit, found, judge, "streamed_answer")
    alive(visit)
    cold(visit, found)
    end(visit, found)


def handed_over(visit: Visit, found: Findings, text: str) -> None:
    """A session that asks for a human in these words; raises as `whole`."""
    begin(visit, found, streaming=False)
    if not agent_comes(visit, found):
        raise OverError("no agent came")
    handoff(visit, found, text)
    alive(visit)
    end(visit, found)
