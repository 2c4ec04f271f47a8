"""The way into a session: a token, then the session, over one HTTP connection as a client's own."""

from collections.abc import Callable
from math import inf
from time import perf_counter, time
from typing import NamedTuple
from urllib.parse import urlencode

from loadkit.errors import RemoteError
from loadkit.figures import Count, Phase, RecorderLike, Wait
from loadkit.net.http.rest import Api, expired, expiry
from loadkit.net.interfaces import SessionContext, SessionPlan
from loadkit.security import redaction


class Entry(NamedTuple):
    """What opens a session's sockets; `correlation_id` went out with its REST calls."""

    token: str
    session_id: str
    correlation_id: str

    def query(self, cursor: int, style: str) -> str:
        """The query of an upgrade, encoded; `style` as `SessionContext.cursor` has it."""
        query = {"access_token": self.token, "session_id": self.session_id}
        if cursor:
            query["cursor"] = f"seq:{cursor}" if style == "seq" else str(cursor)
        return urlencode(query)

    def refresh_at(self, before: float | None) -> float:
        """When the token is so many seconds from its end; infinity where it is that already."""
        expires = None if before is None else expiry(self.token)
        wait = inf if before is None or expires is None else expires - before - time()
        return perf_counter() + wait if wait > 0 else inf


def refreshed(setting: SessionContext, entry: Entry, waits: Callable[[Wait], object]) -> Entry:
    """Take a new token for a session that goes on: that one is held as a secret from now on."""
    api = Api(setting.target, setting.credentials)
    try:
        began = perf_counter()
        waits(Wait(Phase.TOKEN, None, began))
        token = api.access_token()
        setting.recorder.sample(Phase.TOKEN, None, began, perf_counter())
    except RemoteError as error:
        count_status(setting.recorder, error)
        raise
    finally:
        api.close()
    redaction.hold(token)
    redaction.release(entry.token)
    return entry._replace(token=token)


def enter(
    setting: SessionContext, due: float, waits: Callable[[Wait], object], plan: SessionPlan
) -> Entry:
    """Ask for a token and for a session.

    Args:
        due: when the plan wanted it to begin (seconds, monotonic).
        waits: told of each call, before it is made.

    Raises:
        RemoteError: it was refused, or did not come about, however often it was tried.
    """
    recorder = setting.recorder

    def refused(error: RemoteError) -> None:
        """A call failed that is tried again; only the last try's failure is an error."""
        recorder.count(f"retried.{error.kind}")
        count_status(recorder, error)

    def session() -> str:
        return api.create_session(
            token, streaming=plan.streaming, platform=setting.platform, device=plan.device
        )

    api = Api(setting.target, setting.credentials, retrying=refused)
    try:
        began = perf_counter()
        waits(Wait(Phase.TOKEN, due, began))
        token = api.access_token()
        done = perf_counter()
        lost_s = api.lost_s
        if lost_s:
            recorder.count(Count.PASSED_OVER)
        recorder.count(Count.REACHED_TOKEN)
        recorder.sample(Phase.TOKEN, due + lost_s, began + lost_s, done)
        waits(Wait(Phase.CREATE_SESSION, None, done))
        try:
            session_id = session()
        except RemoteError as error:
            # A server that lets people wait may let their tokens grow too old meanwhile.
            if error.status != 401 or not expired(token, time()):
                raise
            token, done = api.access_token(), perf_counter()
            session_id = session()
        recorder.count(Count.REACHED_SESSION)
        recorder.sample(Phase.CREATE_SESSION, None, done, perf_counter())
    except RemoteError as error:
        count_status(recorder, error)
        error.correlation_id = error.correlation_id or api.correlation_id
        raise
    finally:
        api.close()
    return Entry(token, session_id, api.correlation_id)


def count_status(recorder: RecorderLike, error: RemoteError) -> None:
    if error.status is not None:
        recorder.count_named("refused", str(error.status))
