"""The check of one server: who is asked, in which sessions, and for how long."""

import uuid
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from loadkit.check_server import sockets
from loadkit.check_server.conversation import (
    agent_comes,
    begin,
    end,
    handoff,
    judge_streamed,
    judge_whole,
    turn,
)
from loadkit.check_server.table import CheckRow, CheckVerdict, Findings
from loadkit.check_server.visit import OverError, Visit, refusal
from loadkit.check_server.waits import alive, frames
from loadkit.errors import Failure, RemoteError, TargetError
from loadkit.net.http.entry import Entry
from loadkit.net.http.rest import Api
from loadkit.net.http.target import Target
from loadkit.net.preflight.permit import permit
from loadkit.net.preflight.preflight import preflight
from loadkit.network import DIRECT, Network
from loadkit.protocol import Event
from loadkit.security.credentials import Credentials

LIMIT: Final = 48.0
"""Seconds in which the last session begins and ends, but for its REST calls: less than a minute."""

_ANSWERS: Final = 5.0  # seconds for a REST call
_WRONG_TOKEN: Final = {Failure.TOKEN_MALFORMED, Failure.HTTP_BAD_ANSWER, Failure.ANSWER_TOO_BIG}


def check_server(
    url: str,
    credentials: Credentials,
    announce: Callable[[str], object],
    network: Network = DIRECT,
    *,
    production: bool = False,
    handoff: str | None = None,
    limit: float = LIMIT,
) -> list[CheckRow]:
    """Go through one session of each kind, and say what came.

    Args:
        announce: is told where the server is, if outside this machine, before it hears of us.
        production: whether it may be one of the vendor's own deployments.
        handoff: what to say to be handed over to a human; None asks for none.
        limit: seconds in which all but the REST calls of the last session must be over.

    Raises:
        UsageError: there is no such address, or nobody has permitted it.
        TargetError: it cannot be reached, or refuses the credentials.
    """
    permit(url, url, production=production)
    found, deadline = Findings(), perf_counter() + limit
    try:
        target = preflight(url, credentials, announce, network)
    except TargetError as error:
        cause = error.__cause__
        if not isinstance(cause, RemoteError) or cause.kind not in _WRONG_TOKEN:
            raise
        found.wrong("token", refusal(cause))
        found.stopped("there was no token")
        return found.rows()
    found.ok("token")
    _strangers(target, credentials, found)
    _session(target, credentials, found, "create", deadline, _whole)
    _session(target, credentials, found, "create_streaming", deadline, _streamed)
    if handoff is None:
        for key in ("handoff", "handed_over"):
            found.not_seen(key, "not asked for: add --handoff TEXT")
    else:
        _session(target, credentials, found, "create", deadline, _handed_over, handoff)
    return found.rows()


def _session(
    target: Target,
    credentials: Credentials,
    found: Findings,
    key: str,
    deadline: float,
    path: Callable[..., None],
    *words: str,
) -> None:
    if perf_counter() >= deadline:
        return
    api = _api(target, credentials)
    try:
        token = api.access_token()
        session_id = api.create_session(token, streaming=key == "create_streaming")
    except RemoteError as error:
        limited = error.kind is Failure.RATE_LIMITED
        found.add(key, CheckVerdict.NOT_SEEN if limited else CheckVerdict.WRONG, refusal(error))
        found.stopped("there was no session")
        return
    finally:
        api.close()
    found.ok(key)
    visit = Visit(target, Entry(token, session_id, api.correlation_id), deadline, found)
    try:
        path(visit, *words)
    except OverError as why:
        found.stopped(str(why))
        visit.end()
    except KeyboardInterrupt:
        visit.end()
        raise
    finally:
        visit.leave()
        frames(visit)


def _whole(visit: Visit) -> None:
    """Without streaming, with all that is not of streaming or of a human."""
    sockets.stranger(visit)
    told = begin(visit, streaming=False)
    if agent_comes(visit):
        turn(visit, judge_whole)
    alive(visit)
    sockets.heartbeat(visit, told)
    alive(visit)
    sockets.bad_event(visit)
    alive(visit)
    sockets.second_socket(visit)
    sockets.resume(visit, "resume", "seq")
    sockets.resume(visit, "resume_bare", "integer")
    alive(visit)
    end(visit)
    sockets.ended(visit)


def _streamed(visit: Visit) -> None:
    """With streaming; the app is shut down and comes back."""
    told = begin(visit, streaming=True)

    def judge(answer: Event, since: int) -> tuple[CheckVerdict, str]:
        return judge_streamed(visit, answer, since, told.get("streaming") is True)

    if agent_comes(visit):
        turn(visit, judge, "streamed_answer")
    alive(visit)
    sockets.cold(visit)
    end(visit)


def _handed_over(visit: Visit, text: str) -> None:
    """A human is asked for."""
    begin(visit, streaming=False)
    if not agent_comes(visit):
        raise OverError("no agent came")
    handoff(visit, text)
    alive(visit)
    end(visit)


def _strangers(target: Target, credentials: Credentials, found: Findings) -> None:
    """Ask as somebody whom the server cannot know."""
    other = Credentials(f"loadkit-check-{uuid.uuid4()}", credentials.host_identifier)
    _refused(found, "wrong_connector", _api(target, other), lambda api: api.access_token())
    _refused(
        found,
        "wrong_token",
        _api(target, credentials),
        lambda api: api.create_session(sockets.MADE_UP_TOKEN, streaming=False),
    )


def _refused(found: Findings, key: str, api: Api, call: Callable[[Api], Any]) -> None:
    try:
        call(api)
    except RemoteError as error:
        # What a client does at any other 4xx is the same: it gives up.
        status = error.status or 0
        verdict = CheckVerdict.DIFFERS if 400 <= status < 500 else CheckVerdict.WRONG
        found.add(key, CheckVerdict.OK if status == 401 else verdict, refusal(error))
    else:
        found.wrong(key, "200")
    finally:
        api.close()


def _api(target: Target, credentials: Credentials) -> Api:
    """One that asks once: what a retry hides is what a check is to show."""
    return Api(
        target, credentials, connect_timeout=_ANSWERS, answer_timeout=_ANSWERS, retrying=_give_up
    )


def _give_up(failure: RemoteError) -> None:
    raise failure
